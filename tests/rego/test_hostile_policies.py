"""A policy cannot reach Python: whatever is in it comes out as a constant, as a problem, or not at all."""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz_rego import EvaluationError, Policy, RegoProblems

_EXAMPLES = sorted(Path("examples/three_zones").rglob("*.rego"))
# Names that the compiler makes, those of builtins, and what compiled policies call.
_MADE = re.compile(r"(?:[acdktv]|all|body|c|every|found|fs|holds|rest|t|v)\d*|d\d+_(?:at|gives|value)|b_\w+")
_WORDS = """
    BuiltinError COLLECTIONS MISSING Number PartialObject U add append at base_lookup bool
    builtin_mock call call_builtin compare conflict dict each equal f find finish frozenset get
    gives input int is is_rule_mocking items key key_of len list lookup members memory mine mocks name now_ns
    object_conflict out put raise replacing rule_mock set start step str type value value_mock walk_pairs whole
"""
_KNOWN = frozenset(_WORDS.split())

HOSTILE = [
    '"\\"; import os; os.system(\\"x\\") #"',
    "\"'''\\n__import__('os')\"",
    '"{}{0.__class__}%s%n"',
    "`raw \\x00 ' \" \\\\`",
    '"\\u2028\\u2029\\u0000"',
]


def names_in(source: str) -> set[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {each.string for each in tokens if each.type == tokenize.NAME and not keyword.iskeyword(each.string)}


@pytest.mark.parametrize("text", HOSTILE)
def test_strings_come_out_as_they_went_in(text: str) -> None:
    """And nowhere but in constants of the source."""
    policy = Policy.compile([("p.rego", f"package p\n\na := {text}\n\nb if input == {text}\n\nc[{text}] := 1\n")])
    value = policy.query("data.p.a").evaluate()

    assert policy.query("data.p.b").evaluate(value) is True
    assert policy.query("data.p.c").evaluate() == {value: 1}
    assert {name for name in names_in(policy.source) if not _MADE.fullmatch(name)} <= _KNOWN


@pytest.mark.parametrize("name", ["__import__", "os", "exec", "c", "U", "lookup", "class", "def", "lambda", "memory"])
def test_names_of_python_are_only_names(name: str) -> None:
    """Rules, variables, arguments and members called like something of Python's, or of ours."""
    text = f"""package {name}

{name} := x if {{
	{name}_x := input.{name}
	x := {name}_x
}}

f({name}) := {name}

g := f(1)
"""
    policy = Policy.compile([("p.rego", text)])

    assert policy.query(f"data.{name}.{name}").evaluate({name: 5}) == 5
    assert policy.query(f"data.{name}.g").evaluate() == 1
    assert {name for name in names_in(policy.source) if not _MADE.fullmatch(name)} <= _KNOWN


def test_a_file_name_is_not_written_into_the_source() -> None:
    """Nor a comment."""
    policy = Policy.compile([("evil\n'''.rego", "# comment evil_word\npackage p\n\na := 1\n")])

    assert "evil" not in policy.source


def outcome(text: str) -> str:
    """What becomes of a text; nothing but what the docstrings say may be raised."""
    try:
        policy = Policy.compile([("p.rego", text)])
    except RegoProblems:
        return "refused"
    try:
        policy.query("data").evaluate({"a": 1})
    except (EvaluationError, RegoProblems):
        return "error"
    return "value"


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_policy_or_has_problems(text: str) -> None:
    """Never another exception."""
    outcome(text)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_a_broken_example_is_a_policy_or_has_problems(data: st.DataObject) -> None:
    """A real policy with some of its words cut, doubled or exchanged."""
    text = data.draw(st.sampled_from(_EXAMPLES)).read_text()
    words = re.split(r"(\s+|\b)", text)
    for _ in range(data.draw(st.integers(1, 4))):
        at, other = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
        change = data.draw(st.sampled_from(["cut", "double", "swap"]))
        if change == "cut":
            words[at] = ""
        elif change == "double":
            words[at] *= 2
        else:
            words[at], words[other] = words[other], words[at]
    outcome("".join(words))


@pytest.mark.parametrize(
    "text",
    [
        "package p\n\na := " + "[" * 5000 + "]" * 5000,
        "package p\n\na := " + "{1: " * 2000 + "1" + "}" * 2000,
        "package p\n\na := x if x := " + "-(" * 3000 + "1" + ")" * 3000,
        "package p\n\na if " + "not " * 3000 + "true",
        "package p\n\na := " + "f(" * 3000 + "1" + ")" * 3000,
        "package p\n\na := [x | x := " * 300 + "1" + "]" * 300,
        "package p\n\na if input" + ".a" * 20_000,
        "package p\n\na if { " + "; ".join(f"x{i} = input.a[_]" for i in range(60)) + " }",
        "package p\n\n" + "\n".join(f"r{i} := r{i + 1}" for i in range(3000)) + "\nr3000 := 1\n",
    ],
)
def test_what_is_deep_or_long_is_no_crash(text: str) -> None:
    """It is compiled, or refused."""
    assert outcome(text) in {"refused", "value", "error"}
