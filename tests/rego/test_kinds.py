"""Kinds of policies that decide otherwise when a reading of Rego is nearly OPA's. Each yes stands beside its no."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.rego_kinds import KINDS, Claims, Kind

from authz_rego import UNDEFINED, Policy
from authz_rego.values.json_text import from_json, to_json


def asked(text: str, input_: object, rule: str = "allow") -> Any:
    value = (
        Policy.compile([("p.rego", f"package p\n{text}")])
        .query(f"data.p.{rule}")
        .evaluate(from_json(json.dumps(input_)))
    )
    return None if value is UNDEFINED else json.loads(to_json(value))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_who_is_to_be_refused_is_refused(kind: Kind) -> None:
    """And who is to be let in is let in, by the same policy."""

    def allows(claims: Claims) -> bool:
        return asked(kind.text, {"token": claims}) is True

    assert allows(kind.yes)
    assert [claims for claims in kind.noes if allows(claims)] == []


def test_an_import_of_rego_v1_gives_no_name() -> None:
    """`v1` is a variable like any other after it."""
    text = 'import rego.v1\nallow if { some v1 in input; v1 == "a" }'

    assert asked(text, ["a"]) is True
    assert asked(text, ["b"]) is None


def a_call(expression: str) -> Any:
    return asked(f"x := {expression}", {}, "x")


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        # Regular expressions are RE2's, globs OPA's.
        (r'regex.match(`^\d+$`, "12")', r'regex.match(`^\d+$`, "١٢")'),
        (r'regex.match(`^\w+$`, "ab")', r'regex.match(`^\w+$`, "äb")'),
        (r'regex.match(`^\s$`, " ")', 'regex.match(`^\\s$`, "\\u00a0")'),
        ('glob.match("/admin**", ["/"], "/admin/users")', 'glob.match("/admin*", ["/"], "/admin/users")'),
        ('glob.match("**.pdf", ["/"], "a/b.pdf")', 'glob.match("*.pdf", ["/"], "a/b.pdf")'),
        ('glob.match("{a,}", [], "")', 'glob.match("{a,b}", [], "")'),
        ('glob.match(glob.quote_meta("????"), [], "????")', 'glob.match(glob.quote_meta("????"), [], "john")'),
        # Numbers are decimals, and integers of any size.
        ("0.1 + 0.2 == 0.3", "0.1 + 0.2 == 0.30000000000000004"),
        ("9007199254740993 == 9007199254740993", "9007199254740993 == 9007199254740992"),
        ("1 == 1.0", "1 == true"),
        # Builtins at their edges.
        ('net.cidr_contains("10.0.0.0/8", "10.0.0.1")', 'net.cidr_contains("10.0.0.0/8", "11.0.0.1")'),
        ('upper("ß") == "ß"', 'upper("ß") == "SS"'),
        ('upper("ﬀ") == "ﬀ"', 'upper("ﬀ") == "FF"'),
        ('indexof("abc", "c") == 2', 'indexof("abc", "d") == 2'),
        ('strings.count("aaa", "aa") == 1', 'strings.count("aaa", "aa") == 2'),
        (
            'strings.replace_n({"a": "b", "b": "a"}, "ab") == "ba"',
            'strings.replace_n({"a": "b", "b": "a"}, "ab") == "aa"',
        ),
    ],
)
def test_a_builtin_or_operator_is_opas(yes: str, no: str) -> None:
    """Of two that differ in one thing, one is true and the other is not."""
    assert a_call(yes) is True
    assert a_call(no) is False


@pytest.mark.parametrize(
    ("call", "twin", "value"),
    [
        ('to_number(" 3")', 'to_number("3")', 3),
        ('indexof("abc", "")', 'indexof("abc", "a")', 0),
        ('units.parse("100d")', 'units.parse("100m")', 0.1),
        ('json.unmarshal("[1,]")', 'json.unmarshal("[1]")', [1]),
    ],
)
def test_what_a_builtin_cannot_answer_is_undefined(call: str, twin: str, value: object) -> None:
    """Not false, and no error of the whole question: neither it nor its negation holds the way of a value."""
    assert asked(f"x := {call} if input == 1", 1, "x") is None
    assert asked(f"x := {twin} if input == 1", 1, "x") == value


def test_there_is_no_json_schema_that_says_only_a_part() -> None:
    """An engine that answers one message of several, or none, decides otherwise: it is refused by name instead."""
    with pytest.raises(Exception, match=r"json\.match_schema"):
        asked('allow if json.match_schema(input, {"type": "object"})[0]', {})
    assert asked("allow if is_object(input)", {}) is True
