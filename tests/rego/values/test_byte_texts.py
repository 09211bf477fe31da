"""Texts that are no UTF-8."""

import json

import pytest
from hypothesis import given
from hypothesis.strategies import binary

from authz_rego import UNDEFINED, EvaluationError, Policy
from authz_rego.values.byte_texts import alike, is_torn, lone_bytes_in, mended, raw_of, readable, text_of_bytes
from authz_rego.values.json_text import to_json
from authz_rego.values.python_documents import readable_value
from authz_rego.values.value import Key, compare, sorted_keys, sorted_values


@given(binary(max_size=20), binary(max_size=20))
def test_texts_are_their_bytes(one: bytes, other: bytes) -> None:
    """Equal, ordered and put together as those; characters count as in Go, where each other byte is one."""
    mine, theirs = text_of_bytes(one), text_of_bytes(other)

    assert raw_of(mine) == one
    assert (mine == theirs) == (one == other)
    assert compare(mine, theirs) == (one > other) - (one < other)
    assert mended(mine + theirs) == text_of_bytes(one + other)
    assert is_torn(mine) == (one.decode(errors="replace").encode() != one)
    assert len(readable(mine)) == len(mine)
    assert bool(lone_bytes_in(mine)) == is_torn(mine)


@given(binary(max_size=9), binary(max_size=9), binary(max_size=9))
def test_many_are_sorted_by_their_bytes(one: bytes, other: bytes, third: bytes) -> None:
    """In arrays, objects and sets."""
    raws = [one, other, third]
    texts = [*map(text_of_bytes, raws)]

    assert [*map(raw_of, sorted_values(texts))] == sorted(raws)
    assert [raw_of(str(key)) for key in sorted_keys(texts)] == sorted(raws)


def test_half_a_character_is_below_the_whole_one() -> None:
    """By code points, U+DCC3 would be above."""
    assert compare("\udcc3", "\u00e9") == -1
    assert compare("\u00e8", "\u00e9") == -1


def test_go_takes_such_a_byte_for_the_replacement_in_a_list() -> None:
    """And the other way round; what is neither stays alone."""
    assert "\udcff" in alike("a\ufffd")
    assert "\ufffd" in alike("\udc80")
    assert alike("a\u00e9") == "a\u00e9"


def test_json_has_the_replacement() -> None:
    """As an escape, which Go writes; the keys are in the order of their bytes."""
    assert to_json({"\u00e9": 1, "\udcc3": "\udcff\ufffd"}) == '{"\\ufffd":"\\ufffd\ufffd","\u00e9":1}'
    assert json.loads(to_json(["\udcff"])) == ["\ufffd"]


def test_a_value_leaves_readable() -> None:
    """Of keys that become one the last is kept; what is whole stays as it is."""
    assert readable_value({"\udcff": 2, chr(0xDCFE): 1, "a": frozenset(["\udc80", Key(["\udc80"])])}) == {
        "\ufffd": 2,
        "a": frozenset(["\ufffd", Key(["\ufffd"])]),
    }
    assert readable_value([None, True, 1, "\u00e9"]) == [None, True, 1, "\u00e9"]


_POLICY = """package p

given := hex.decode(input)

reasons contains concat("", ["no: ", hex.decode(input)]) if true

bad if given == hex.decode("ff")

allow if not bad

whole := concat("", [hex.decode("c3"), hex.decode("a9")]) == "\u00e9"
"""


@pytest.mark.parametrize(
    ("asked", "given_", "allowed"), [("ff", "\ufffd", UNDEFINED), ("fe", "\ufffd", True), ("c3a9", "\u00e9", True)]
)
def test_a_policy_decides_by_bytes_and_tells_text(asked: str, given_: str, allowed: object) -> None:
    """An error, as it once was, would refuse; undefined, around which a `not` holds, would let pass."""
    policy = Policy.compile([("p.rego", _POLICY)])

    assert policy.query("data.p.allow").evaluate(asked) is allowed
    assert policy.query("data.p.given").evaluate(asked) == given_
    assert policy.query("data.p.reasons").evaluate(asked) == frozenset([f"no: {given_}"])
    assert policy.query("data.p.whole").evaluate(asked) is True


def test_an_explanation_can_be_printed() -> None:
    """Also what was compared."""
    explained = (
        Policy.compile([("p.rego", 'package p\n\nx if input.a == hex.decode("ff")\n')])
        .query("data.p.x")
        .explain({"a": 1})
    )

    assert explained.tried[0].values
    assert "\udcff" not in str(explained.tried[0].values)


def test_a_bound_still_ends_the_question() -> None:
    """Bytes count there."""
    policy = Policy.compile([("p.rego", 'package p\n\nx := replace(input, "", concat("", [input, input]))\n')])

    assert policy.query("data.p.x").evaluate("\u00e9") == "\u00e9\u00e9\ufffd\u00e9\u00e9\ufffd\u00e9\u00e9"
    with pytest.raises(EvaluationError):
        policy.query("data.p.x").evaluate("\u00e9" * 4000)
