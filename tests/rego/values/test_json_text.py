"""JSON text, read and written as OPA does (answers/json_text.jsonl)."""

import json

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as some
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.errors import BuiltinError
from authz_rego.values.big_integers import BeyondBoundsError
from authz_rego.values.json_text import from_json, to_json
from authz_rego.values.number import Number
from authz_rego.values.value import Key, Value, equal


@pytest.mark.parametrize("answer", recorded(__file__, "json_text"), ids=str)
def test_a_document_is_read_as_opa_reads_it(answer: Answer) -> None:
    """Or refused as OPA refuses it."""

    def read(text: str) -> Value:
        try:
            return from_json(text)
        except ValueError as problem:
            raise BuiltinError(str(problem)) from problem

    assert given(read, answer.operands) == expected(answer)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b'"\xc3\xa9"', "é"),
        (b'"\xe2\x82"', "\ufffd\ufffd"),  # Python's "replace" makes one of these
        (b'"\xe2\x82a"', "\ufffd\ufffda"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"\xf4\x90\x80\x80"', "\ufffd\ufffd\ufffd\ufffd"),
    ],
)
def test_each_byte_that_is_no_utf_8_becomes_one_replacement(document: bytes, text: str) -> None:
    """As Go reads text."""
    assert from_json(document) == text


@pytest.mark.parametrize("document", [b"\xff", b"[1,\xe9]", b"\xef\xbb\xbf1", '"\ud800"', ""])
def test_what_is_no_text_is_no_document(document: bytes | str) -> None:
    """Outside of strings nothing is replaced."""
    with pytest.raises(ValueError, match=r"JSON|character"):
        from_json(document)


def test_a_document_is_at_most_128_levels_deep() -> None:
    """Our bound: Python's stack has an end."""
    assert from_json('{"a":' * 128 + "1" + "}" * 128)
    for depth in (129, 5_000, 500_000):
        with pytest.raises(BeyondBoundsError):
            from_json("[" * depth + "]" * depth)


def test_numbers_keep_their_digits() -> None:
    """A float would lose them."""
    assert to_json(from_json('{"a":[1.50,12345678901234567890,-0,1E5]}')) == '{"a":[1.50,12345678901234567890,-0,1E5]}'


def test_what_has_no_json_of_its_own_is_written_as_opa_does() -> None:
    """A set is a sorted array, a key its own JSON text; the later of two equal ones is kept."""
    assert to_json(frozenset({"b", Key(1), "a"})) == '[1,"a","b"]'
    assert to_json({Key(["<"]): 1}) == r'{"[\"\\u003c\"]":1}'
    assert to_json({"1": "text", Key(1): "number"}) == '{"1":"text"}'


@pytest.mark.parametrize("text", [".5", "007", "+5", "1.", "0x1p4", "1_000"])
def test_a_number_that_json_does_not_know_is_not_written(text: str) -> None:
    """OPA fails there, too."""
    assert to_json(Number("0.5")) == "0.5"
    with pytest.raises(ValueError, match="JSON has no number"):
        to_json([Number(text)])


def test_a_value_that_is_too_deep_is_not_written() -> None:
    """And nothing crashes."""
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]

    with pytest.raises(BeyondBoundsError):
        to_json(deep)


SCALARS = some.none() | some.booleans() | some.integers() | some.text(some.characters(exclude_categories=["Cs"]))
DOCUMENTS = some.recursive(SCALARS, lambda inner: some.lists(inner) | some.dictionaries(some.text("aé<"), inner))


@for_all(DOCUMENTS)
def test_what_is_written_is_read_again(document: Value) -> None:
    """Whatever Python's own JSON writes, too."""
    assert equal(from_json(to_json(document)), document)
    assert equal(from_json(json.dumps(document)), document)


@for_all(some.binary() | some.text())
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes | str) -> None:
    """A property of everything that reads bytes from outside."""
    try:
        found = from_json(garbage)
    except ValueError:
        return
    assert equal(from_json(to_json(found)), found)
