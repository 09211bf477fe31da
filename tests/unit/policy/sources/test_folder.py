"""Reading a policy folder: what is taken, where data goes, and what is refused with file and line."""

import json
import os
from pathlib import Path

import pytest

from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems, Problem
from authz_service.policy.sources import folder as source
from authz_service.policy.sources.folder import read_policy_folder

QUERY = "data.p.allow"
POLICY = "package p\nallow := true\n"


def a_folder(tmp_path: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in {"p.rego": POLICY, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def data_of(tmp_path: Path, files: dict[str, str | bytes]) -> object:
    return json.loads(read_policy_folder(a_folder(tmp_path, files), QUERY).data)


def problem_of(tmp_path: Path, files: dict[str, str | bytes]) -> Problem:
    with pytest.raises(PolicyProblems) as caught:
        read_policy_folder(a_folder(tmp_path, files), QUERY)
    (problem,) = caught.value.problems
    assert problem.fix
    return problem


def test_rego_files_are_taken_sorted_and_tests_are_not(tmp_path: Path) -> None:
    """Names are below the folder; only *.rego, without *_test.rego and names with a dot."""
    folder = a_folder(
        tmp_path, {"z.rego": POLICY, "a/b.rego": POLICY, "p_test.rego": "x", ".p.rego": "x", "note.md": "x"}
    )

    assert read_policy_folder(folder, QUERY) == PolicySource(
        QUERY, (("a/b.rego", POLICY), ("p.rego", POLICY), ("z.rego", POLICY)), "{}"
    )


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    """A large one is not its neighbour, and a price has its zeros."""
    files: dict[str, str | bytes] = {
        "data.json": '{"big": 18446744073709551617, "price": 1.10, "far": 1e999}',
        "y/data.yaml": "big: 18446744073709551617\nhalf: 0.5\n",
    }
    text = read_policy_folder(a_folder(tmp_path, files), QUERY).data

    assert text == '{"big":18446744073709551617,"far":1e999,"price":1.10,"y":{"big":18446744073709551617,"half":0.5}}'


def test_the_same_files_give_the_same_source(tmp_path: Path) -> None:
    """Whatever the order in which they were written, and in which their keys are."""
    one = a_folder(tmp_path / "one", {"a/x.rego": POLICY, "data.json": '{"a": 1, "b": 2}'})
    two = a_folder(tmp_path / "two", {"data.json": '{"b": 2, "a": 1}', "a/x.rego": POLICY})

    assert read_policy_folder(one, QUERY) == read_policy_folder(two, QUERY)


def test_data_is_rooted_at_its_folder(tmp_path: Path) -> None:
    """As in OPA bundles: a/b/data.json is data.a.b; other JSON files are not data."""
    files: dict[str, str | bytes] = {
        "data.json": '{"top": 1}',
        "a/b/data.json": '{"list": [1, null, true, "é"]}',
        "a/data.yaml": "c: text\nd: 1.5\n",
        "x/data.yml": "",
        "a/other.json": '{"no": 1}',
    }

    assert data_of(tmp_path, files) == {
        "top": 1,
        "a": {"b": {"list": [1, None, True, "é"]}, "c": "text", "d": 1.5},
        "x": {},
    }


@pytest.mark.parametrize(
    ("files", "found", "line"),
    [
        ({"data.json": "[1]"}, "not an object at the top", 0),
        ({"data.json": '{\n"a": }'}, "not JSON", 2),
        ({"data.json": '{"a": 1, "a": 2}'}, "the key 'a' is there twice", 0),
        ({"data.json": '{"a": NaN}'}, "NaN is not JSON", 0),
        ({"data.json": '{"a": 1e400000}'}, "a number that JSON cannot carry", 0),
        ({"data.json": '{"\\udc00": 1}'}, "half of a surrogate pair", 0),
        ({"data.json": '{"a": "\\ud800"}'}, "half of a surrogate pair", 0),
        ({"data.json": '{"a": ' + "[" * 70 + "]" * 70 + "}"}, "nested too deeply", 0),
        ({"data.json": '{"a": ' + "[" * 99999 + "]" * 99999 + "}"}, "nested too deeply", 0),
        ({"data.json": b"\xff{}"}, "not UTF-8", 1),
        ({"data.yaml": "a: [1\nb: 2\n"}, "not YAML", 2),
        ({"data.yaml": "a: 1\na: 2\n"}, "the key 'a' is there twice", 2),
        ({"data.yaml": "a:\n  2024-01-01\n"}, "'2024-01-01' is read as a date", 2),
        ({"data.yaml": "1: a\n"}, "the key 1 is not text", 1),
        ({"data.yaml": "a: .inf\n"}, "a number that JSON cannot carry", 1),
        ({"data.yaml": "a: 1\nb: .nan\n"}, "a number that JSON cannot carry", 2),
        ({"data.yaml": "a: &x [1]\nb: *x\n"}, "an alias", 1),
        ({"data.yaml": "a: !!python/object:os.system x\n"}, "not YAML", 1),
        ({"data.yaml": "a: 1\n---\nb: 2\n"}, "not YAML", 2),
        ({"data.yaml": "a: \x00\n"}, "not YAML", 0),
        ({"data.yaml": "- 1\n"}, "not an object at the top", 0),
        ({"data.json": '{"a": 1}', "data.yaml": "a: 1\n"}, "data.a is defined by another data file too", 0),
        ({"data.json": '{"a": {"b": 1}}', "a/data.json": '{"b": 1}'}, "data.a.b is defined by another data file", 0),
        ({"data.json": '{"a": 1}', "a/data.json": '{"b": 1}'}, "data.a is defined by another data file", 0),
        ({"q.rego": b"package q\n# \xe9\n"}, "not UTF-8", 2),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, files: dict[str, str | bytes], found: str, line: int) -> None:
    """With what was found, what to do, and the line where there is one."""
    problem = problem_of(tmp_path, files)

    assert found in problem.found
    assert problem.file in files
    assert problem.line == line


def test_objects_of_several_files_are_merged(tmp_path: Path) -> None:
    """The good twin of a conflict."""
    files: dict[str, str | bytes] = {"data.json": '{"a": {"b": 1}}', "a/data.json": '{"c": 1}', "data.yaml": "d: 1\n"}

    assert data_of(tmp_path, files) == {"a": {"b": 1, "c": 1}, "d": 1}


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """Two bad files are two problems."""
    with pytest.raises(PolicyProblems) as caught:
        read_policy_folder(a_folder(tmp_path, {"data.json": "[", "a/data.yaml": "[", "q.rego": b"\xff"}), QUERY)

    assert [problem.file for problem in caught.value.problems] == ["a/data.yaml", "data.json", "q.rego"]


def test_an_empty_or_missing_folder_is_a_problem(tmp_path: Path) -> None:
    """No policy is not a policy that allows."""
    for folder, found in ((tmp_path, "no Rego file below"), (tmp_path / "none", "is not a directory")):
        with pytest.raises(PolicyProblems, match=found):
            read_policy_folder(folder, QUERY)


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    """To a parser it would be an invalid character."""
    folder = a_folder(tmp_path, {"p.rego": b"\xef\xbb\xbf" + POLICY.encode()})

    assert read_policy_folder(folder, QUERY).modules == (("p.rego", POLICY),)


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """Kubernetes: p.rego → ..data/p.rego, ..data → ..2024_01; links are followed, dotted folders are not walked."""
    real = tmp_path / "..2024_01"
    real.mkdir()
    (real / "p.rego").write_text(POLICY)
    (tmp_path / "..data").symlink_to(real)
    (tmp_path / "p.rego").symlink_to("..data/p.rego")

    assert read_policy_folder(tmp_path, QUERY).modules == (("p.rego", POLICY),)


def test_a_link_to_a_folder_is_followed_but_not_in_circles(tmp_path: Path) -> None:
    """A shared library by link; a link to the folder itself ends there."""
    library = tmp_path / "library"
    a_folder(library, {})
    folder = a_folder(tmp_path / "policies", {})
    (folder / "lib").symlink_to(library)
    (folder / "self").symlink_to(folder)
    (library / "up").symlink_to(folder)

    assert [name for name, _ in read_policy_folder(folder, QUERY).modules] == ["lib/p.rego", "p.rego"]


def test_what_is_not_a_plain_file_is_refused(tmp_path: Path) -> None:
    """A pipe would block the control plane, a broken link is a mistake."""
    os.mkfifo(tmp_path / "q.rego")
    assert "not a regular file" in problem_of(tmp_path, {}).found
    (tmp_path / "q.rego").unlink()
    (tmp_path / "q.rego").symlink_to("nowhere")
    assert "cannot be read" in problem_of(tmp_path, {}).found
    (tmp_path / "q.rego").unlink()
    read_policy_folder(tmp_path, QUERY)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one file, and of how many there are."""
    large = POLICY + "#" * (source.MAX_REGO_BYTES - len(POLICY))
    read_policy_folder(a_folder(tmp_path, {"q.rego": large}), QUERY)
    assert "larger than 256 KiB" in problem_of(tmp_path, {"q.rego": large + "#"}).found
    monkeypatch.setattr(source, "MAX_FILES", 1)
    assert "more than 1 policy files" in problem_of(tmp_path, {"q.rego": POLICY}).found
