"""JSON laid out in lines; what OPA writes is in tests/rego/builtins/answers/json_documents.jsonl."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from authz_rego.values.big_integers import BeyondBoundsError
from authz_rego.values.json_layout import indented

SCALARS = some.none() | some.booleans() | some.integers() | some.text('[]{},:"\\ a')
DOCUMENTS = some.recursive(SCALARS, lambda inner: some.lists(inner) | some.dictionaries(some.text('[]{},:"\\'), inner))


@given(DOCUMENTS)
def test_it_lays_out_as_python_does(document: object) -> None:
    """Without a prefix, which Python does not have."""
    text = json.dumps(document, separators=(",", ":"))

    assert indented(text, "", "  ", 1_000_000) == json.dumps(document, indent=2)


def test_a_prefix_stands_before_each_line_but_the_first() -> None:
    """Empty ones stay on their line."""
    assert indented('{"a":[1,{}]}', ">", " ", 100) == '{\n> "a": [\n>  1,\n>  {}\n> ]\n>}'


def test_it_stops_before_the_text_is_too_long() -> None:
    """Also when the prefix is what is long."""
    assert len(indented("[1]", "x" * 48, "", 102)) == 101
    with pytest.raises(BeyondBoundsError):
        indented("[1]", "x" * 48, "", 100)
