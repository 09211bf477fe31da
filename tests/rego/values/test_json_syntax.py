"""Whether a text is JSON; what OPA says is in tests/rego/builtins/answers/json_documents.jsonl."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from authz_rego.values.json_syntax import is_json


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("[1,2]", "[1,2,]"),
        ('{"a":1}', '{"a" 1}'),
        ('{"a":1}', '{"a":1,}'),
        ('{"a":1}', "{a:1}"),
        ('{"a":[]}', '{"a":[}'),
        ("{}", "{,}"),
        ("1e999999", "1e"),
        ("-0", "-"),
        ("0.10", "00.10"),
        ('"\\ud800"', '"\\ud80"'),
        ('"\\n"', '"\n"'),
        (" 1\n", "\v1"),
        ("null", "null null"),
        ("true", "True"),
        ("[" * 10_000 + "]" * 10_000, "[" * 10_001 + "]" * 10_001),
    ],
)
def test_one_wrong_sign_is_enough(good: str, bad: str) -> None:
    """The good text is JSON; the bad one differs in one thing."""
    assert is_json(good)
    assert not is_json(bad)


@given(some.text('[]{},:"\\ \n0123.eE-+truefalsn') | some.text())
def test_it_says_what_python_says(text: str) -> None:
    """Python also reads NaN and Infinity, of which none is in there."""
    try:
        json.loads(text)
    except ValueError:
        assert not is_json(text)
    else:
        assert is_json(text) or "NaN" in text or "Infinity" in text
