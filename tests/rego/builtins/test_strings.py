"""Strings as OPA answers (answers/strings.jsonl), and what is too large to answer."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins import trimming
from authz_rego.builtins.bounds import LONGEST_TEXT
from authz_rego.builtins.strings import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "strings")
A_MEGABYTE = "a" * 1024 * 1024


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """Also for ß, İ and the final sigma, where Python's own methods do not."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS if answer.kind == "value"} == set(FUNCTIONS)
    assert {answer.name for answer in ANSWERS if answer.kind == "error"} == set(FUNCTIONS)


@pytest.mark.parametrize(
    ("name", "operands"),
    [
        ("concat", [A_MEGABYTE, ["b"] * 18]),
        ("concat", ["", [A_MEGABYTE] * 17]),
        ("replace", [A_MEGABYTE, "a", "b" * 17]),
        ("replace", [A_MEGABYTE, "", "b" * 17]),
        ("strings.replace_n", [{"a": A_MEGABYTE}, "a" * 17]),
        ("internal.template_string", [[A_MEGABYTE] * 17]),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_is_too_large_ends_the_query(name: str, operands: list[object]) -> None:
    """Undefined would turn a `not` around it true."""
    with pytest.raises(EvaluationError):
        FUNCTIONS[name](*operands)


def test_what_is_just_not_too_large_is_answered() -> None:
    """The neighbours of the calls above."""
    assert len(FUNCTIONS["concat"](A_MEGABYTE, ["b"] * 16)) < LONGEST_TEXT
    assert len(FUNCTIONS["replace"](A_MEGABYTE, "a", "b" * 16)) == LONGEST_TEXT
    assert len(FUNCTIONS["internal.template_string"]([A_MEGABYTE] * 16)) == LONGEST_TEXT


@pytest.mark.parametrize(
    ("name", "trimmed"), [("trim", "bab"), ("trim_left", "babca"), ("trim_right", "acbab")], ids=str
)
def test_many_characters_are_trimmed_as_few_are(name: str, trimmed: str) -> None:
    """More than Python looks through quickly."""
    few, many = "ac", "ac" * 1000

    assert trimming.FUNCTIONS[name]("acbabca", few) == trimmed
    assert trimming.FUNCTIONS[name]("acbabca", many) == trimmed


def test_a_million_characters_to_trim_from_a_million_take_no_time() -> None:
    """Python's strip would look a million times through a million."""
    letters = "".join(map(chr, range(0x20000, 0x2A000)))

    assert FUNCTIONS["trim"](A_MEGABYTE + "!" + A_MEGABYTE, letters + "a") == "!"
