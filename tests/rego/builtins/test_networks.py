"""Networks as OPA answers (answers/networks.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.networks import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "networks")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


def test_more_addresses_than_bounds_allow_end_the_query() -> None:
    """A quarter of a million are listed."""
    assert len(FUNCTIONS["net.cidr_expand"]("10.0.0.0/14")) == 2**18
    for network in ("10.0.0.0/13", "::/0"):
        with pytest.raises(EvaluationError):
            FUNCTIONS["net.cidr_expand"](network)


def test_more_pairs_than_bounds_allow_end_the_query() -> None:
    """Two thousand networks cannot be compared with as many addresses; a hundred can."""
    networks, addresses = ["10.0.0.0/8"] * 2000, ["10.0.0.1"] * 2000
    assert len(FUNCTIONS["net.cidr_contains_matches"](networks[:100], addresses[:100])) == 10_000
    with pytest.raises(EvaluationError):
        FUNCTIONS["net.cidr_contains_matches"](networks, addresses)


def test_where_opa_crashes_the_query_ends() -> None:
    """It cannot merge IPv6 networks whose first byte is 0; others it can."""
    assert FUNCTIONS["net.cidr_merge"](["2001:db8::/33", "2001:db8:8000::/33"]) == {"2001:db8::/32"}
    with pytest.raises(EvaluationError):
        FUNCTIONS["net.cidr_merge"](["64:ff9b::/97", "64:ff9b::8000:0/97"])
