"""Builtins on texts that are no UTF-8, as OPA answers (answers/byte_texts.jsonl); U+DC80 to U+DCFF are such bytes."""

from typing import Any

import pytest
from tests.support.opa_answers import as_json, expected, given, recorded

from authz_rego.builtins.table import TEARING, functions
from authz_rego.values.byte_texts import is_torn
from authz_rego.values.value import Key

ANSWERS = recorded(__file__, "byte_texts")


@pytest.mark.parametrize("name", sorted({answer.name for answer in ANSWERS}))
def test_a_call_gives_what_opa_gives(name: str) -> None:
    """Where Go looks at bytes, we do; where it looks at runes, such a byte is U+FFFD."""
    asked = [answer for answer in ANSWERS if answer.name == name]

    assert [given(functions()[name], each.operands) for each in asked] == [*map(expected, asked)]


@pytest.mark.parametrize("text", ["a", "\u00e9", "\udcff"])
def test_a_set_that_is_not_of_texts_alone_is_not_joined(text: str) -> None:
    """Whatever the texts beside."""
    assert given(functions()["concat"], ["-", frozenset([text, "z"])]) == given(
        functions()["concat"], ["-", sorted([text, "z"])]
    )
    assert given(functions()["concat"], ["-", frozenset([text, Key(None)])]) == "undefined"


@pytest.mark.parametrize("name", sorted(TEARING))
def test_those_that_tear_are_listed(name: str) -> None:
    """Each does, of whole texts; that no other does is asked by chance (`python -m tests.differential`)."""
    operands: dict[str, list[Any]] = {
        "base64.decode": ["/w=="], "base64url.decode": ["_w"], "hex.decode": ["ff"],
        "replace": ["\u00e9", "", "-"],
        "strings.replace_n": [{"": "-"}, "\u00e9"], "uri.parse": ["/%ff"],
        "urlquery.decode": ["%ff"], "urlquery.decode_object": ["%ff"],
    }  # fmt: skip

    assert _has_torn(as_json(functions()[name](*operands[name])))


def _has_torn(tree: object) -> bool:
    if isinstance(tree, dict):
        return any(map(_has_torn, tree.values()))
    return any(map(_has_torn, tree)) if isinstance(tree, list) else isinstance(tree, str) and is_torn(tree)
