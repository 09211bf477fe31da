"""YAML as the loader reads it: text with places, variables, duplicates, aliases and their limits."""

from pathlib import Path

import pytest
from tests.support.config_files import SECRET, problems_in

from authz_service.config.read.document import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES, read_document
from authz_service.config.read.yaml_path import shown

ENV = {"A": "a", "EMPTY": "", "NUMBER": "7", "YAML": "{evil: [1, 2]}\nmore: x"}


@pytest.mark.parametrize("written", ["0123", "no", "1.10", "2020-01-01", "12:30:00", "true", "0x10", "1e3", "'null'"])
def test_a_scalar_is_the_text_that_it_looks_like(written: str) -> None:
    """YAML's guesses (octal, sexagesimal, Norway) do not happen: the model knows each key's type."""
    assert read_document(f"key: {written}", {}).tree == {"key": written.strip("'")}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${A}", "a"),
        ("x-${A}-${NUMBER}", "x-a-7"),
        ("${UNSET:-b}", "b"),
        ("${EMPTY:-b}", "b"),
        ("${A:-b}", "a"),
        ("${UNSET:-}", ""),
        ("${EMPTY}", ""),
        ("${UNSET:-http://host:80/{x}", "http://host:80/{x"),
        ("$${A}", "${A}"),
        ("$A $5 $", "$A $5 $"),
        ("${YAML}", ENV["YAML"]),
    ],
)
def test_a_variable_becomes_one_value(written: str, value: str) -> None:
    """Whatever it holds: substitution comes after parsing."""
    document = read_document(f"key: '{written}'", ENV)

    assert document.tree == {"key": value}
    assert document.findings == []


def test_a_variable_is_not_substituted_in_keys_and_does_not_expand_twice() -> None:
    assert read_document("${A}: x", ENV).tree == {"${A}": "x"}
    assert read_document("key: ${B}", {"B": "${A}", "A": "a"}).tree == {"key": "${A}"}


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("${UNSET}", "environment variable UNSET is not set"),
        ("${}", "a '${' that is not"),
        ("${A", "a '${' that is not"),
        ("${1A}", "a '${' that is not"),
        ("${A:b}", "a '${' that is not"),
    ],
)
def test_a_variable_that_cannot_be_substituted_is_a_problem(written: str, found: str) -> None:
    """The good neighbour is kept."""
    document = read_document(f"key: '{written}'\nother: ${{A}}", ENV)

    assert document.tree == {"other": "a"}
    (finding,) = document.findings
    assert finding.place == ("key",)
    assert found in finding.found


def test_every_place_has_its_line() -> None:
    document = read_document("a:\n  b: 1\n  c:\n    - x\n    - d: 2\n", {})

    assert document.tree == {"a": {"b": "1", "c": ["x", {"d": "2"}]}}
    lines = {shown_place(place): line for place, line in document.lines.items() if place}
    assert lines == {"a": 1, "a.b": 2, "a.c": 3, "a.c.0": 4, "a.c.1": 5, "a.c.1.d": 5}


def shown_place(place: tuple[str | int, ...]) -> str:
    return ".".join(map(str, place))


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the same key as in line 1"),
        ("a:\nb: 2\n", 1, "has no value"),
        ("a: ~\n", 1, "has no value"),
        ("b: [1, null]\n", 1, "has no value"),
        ("a: 1\nb: !secret x\n", 2, "a YAML tag"),
        ("a: !!binary aGk=\n", 1, "a YAML tag"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "a YAML tag"),
        ("a: 1\n? [x, y]\n: 2\n", 2, "a key that is not plain text"),
        ("a: {<<: 5}\n", 1, "'<<' without a mapping"),
    ],
)
def test_what_is_not_a_plain_tree_of_text_is_a_problem_with_its_line(
    tmp_path: Path, text: str, line: int, found: str
) -> None:
    """The same text without that is a tree."""
    (finding,) = read_document(text, {}).findings
    assert found in finding.found
    assert line in {problem.line for problem in problems_in(tmp_path, text) if found in problem.found}

    assert read_document("a: 1\nb: [x]\n", {}).findings == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1, 2\nb: 3\n", 2),
        ("a: b: c\n", 1),
        ("a: 1\n\tb: 2\n", 2),
        ("a: 'open\n", 2),
        ("a: 1\n--- \nb: 2\n", 2),
        ("a: 1\nb: *nowhere\n", 2),
        ("a: 1\nb: \x07\n", 2),
        ("%YAML 9.9\n---\na: 1\n", 1),
    ],
)
def test_broken_yaml_is_one_problem_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    (problem,) = problems_in(tmp_path, text)

    assert problem.at == "(the whole file)"
    assert problem.found.startswith("not valid YAML")
    assert problem.line == line


@pytest.mark.parametrize(
    "text",
    [
        f"client_secret: *{SECRET}",
        f"client_secret: !{SECRET}",
        f"client_secret: !{SECRET} x: y",
        f'client_secret: "{SECRET}\\q"',
        f"client_secret: '{SECRET}",
        f"client_secret: {SECRET}: x",
        f"client_secret: @{SECRET}",
        f"client_secret: &{SECRET}! x",
        f"client_secret: %{SECRET}\x00",
        f"client_secret: [{SECRET}",
        f"client_secret: |{SECRET}",
    ],
)
def test_a_syntax_error_does_not_quote_what_stands_there(tmp_path: Path, text: str) -> None:
    """A password that starts with '*' or '!' is a likely mistake."""
    problems = problems_in(tmp_path, text)

    assert problems
    assert not any(SECRET in str(problem) for problem in problems)


def test_aliases_and_merges_work_and_what_is_written_wins() -> None:
    text = "base: &b {x: 1, y: 2}\nsame: *b\nmore: {<<: *b, y: 3}\nboth: {<<: [{x: 5}, *b]}\n"

    tree = read_document(text, {}).tree

    assert tree == {
        "base": {"x": "1", "y": "2"},
        "same": {"x": "1", "y": "2"},
        "more": {"x": "1", "y": "3"},
        "both": {"x": "5", "y": "2"},
    }


def laughs(levels: int) -> str:
    nines = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels)]
    return "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]", *nines])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (laughs(12), f"more than {MAX_NODES} values"),
        ("a: &a {<<: *a}\n", "nested too deeply"),
        ("a: &a [*a]\n", "nested too deeply"),
        ("- " * 3000, "nested too deeply"),
        ("a: " + "{a: " * (MAX_DEPTH + 1) + "x" + "}" * (MAX_DEPTH + 1), "nested too deeply"),
        ("a: [" + "x," * MAX_NODES + "]", f"more than {MAX_NODES} values"),
        ("a: " + "x" * MAX_CHARACTERS, f"longer than {MAX_CHARACTERS}"),
    ],
    ids=["laughs", "merges itself", "holds itself", "3000 dashes", "one level too many", "too many", "too long"],
)
def test_a_document_is_bounded_also_after_its_aliases(text: str, found: str) -> None:
    document = read_document(text, {})

    assert not document.tree
    assert found in document.findings[0].found


def test_a_document_within_the_bounds_is_read() -> None:
    assert read_document(laughs(3), {}).findings == []
    assert read_document("a: " + "{a: " * (MAX_DEPTH - 1) + "x" + "}" * (MAX_DEPTH - 1), {}).findings == []
    assert read_document("", {}).tree == {}


def test_a_place_is_shown_only_as_far_as_it_is_no_secret() -> None:
    """A secret may slip into a key: what is below a secret or an unknown key is not shown."""
    auth = ("egress", "targets", "data-service", "auth")
    assert shown((*auth, "client_id")) == "egress.targets.data-service.auth.client_id"
    assert shown((*auth, "client_secret", SECRET)) == "egress.targets.data-service.auth.client_secret"
    assert shown((*auth, "unknown", SECRET)) == "egress.targets.data-service.auth.unknown"
    assert shown((*auth, f"client_secret:{SECRET}")) == "egress.targets.data-service.auth.(a key)"
    assert (
        shown(("proxy", "headers", "inject_claims", "https://a/roles"))
        == "proxy.headers.inject_claims['https://a/roles']"
    )
    assert shown(("proxy", "routes", 3, "path")) == "proxy.routes[3].path"
