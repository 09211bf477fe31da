"""Arithmetic as OPA answers it (answers/numbers.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.numbers import FUNCTIONS, integer_operand
from authz_rego.errors import BuiltinError, EvaluationError
from authz_rego.values.number import Number

ANSWERS = recorded(__file__, "numbers")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


def test_a_range_is_made_up_to_a_million_numbers() -> None:
    """OPA would go on until it is stopped; were ours undefined, a `not` around it would hold."""
    assert len(FUNCTIONS["numbers.range"](1, 1_000_000)) == 1_000_000
    with pytest.raises(EvaluationError):
        FUNCTIONS["numbers.range"](1, 1_000_001)


@pytest.mark.parametrize("name", ["mul", "plus", "minus"])
def test_integers_that_nobody_can_write_end_the_query(name: str) -> None:
    """300,000 bits are computed, and no more."""
    assert FUNCTIONS[name](2**299_998, 1) > 0
    with pytest.raises(EvaluationError):
        FUNCTIONS[name](2**300_000, 2**299_999 if name == "mul" else -(2**300_000) if name == "minus" else 2**300_000)


def test_an_integer_may_be_written_with_an_exponent_but_not_with_a_fraction() -> None:
    """As OPA's operands of `bits.*` and `numbers.range`."""
    assert integer_operand(Number("1.5e1"), 1) == 15
    with pytest.raises(BuiltinError, match="operand 2 must be integer number but got floating-point number"):
        integer_operand(Number("1.5"), 2)
    with pytest.raises(BuiltinError, match="operand 1 must be integer but got boolean"):
        integer_operand(True, 1)
