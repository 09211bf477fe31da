"""Times as OPA answers (answers/times.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.times import FUNCTIONS
from authz_rego.errors import BuiltinError, EvaluationError

ANSWERS = recorded(__file__, "times")


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(FUNCTIONS)


def test_the_machine_has_no_zone_of_its_own() -> None:
    """ "Local" is UTC everywhere: a decision is the same on all machines; other zones are not."""
    layout = "15:04 MST"
    assert FUNCTIONS["time.format"]([0, "Local", layout]) == "00:00 UTC"
    assert FUNCTIONS["time.format"]([0, "Asia/Tokyo", layout]) == "09:00 JST"


@pytest.mark.parametrize(
    "name", ["Nowhere/Land", "../UTC", "/etc/localtime", "Europe", "Europe/Paris/", "a\0b", "x" * 5000]
)
def test_what_is_no_zone_gives_nothing(name: str) -> None:
    """Nor does it open a file anywhere else; Europe/Paris is one."""
    assert FUNCTIONS["time.date"]([0, "Europe/Paris"]) == [1970, 1, 1]
    with pytest.raises(BuiltinError):
        FUNCTIONS["time.date"]([0, name])


def test_a_layout_beyond_bounds_ends_the_query() -> None:
    """The longest is taken."""
    longest = "2006" * 25_000
    assert FUNCTIONS["time.format"]([0, "UTC", longest]) == "1970" * 25_000
    with pytest.raises(EvaluationError):
        FUNCTIONS["time.format"]([0, "UTC", longest + "1"])
    with pytest.raises(EvaluationError):
        FUNCTIONS["time.parse_ns"](longest + "1", "")
