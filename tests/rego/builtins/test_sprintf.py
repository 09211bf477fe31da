"""`sprintf` as OPA answers (answers/sprintf.jsonl), and what is too large to answer."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.sprintf import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "sprintf")
sprintf = FUNCTIONS["sprintf"]


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """Flags, widths, indexes, and what Go says of a wrong verb."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("%1000000d" * 17, [1] * 17),
        ("%s" * 17, ["a" * 1024 * 1024] * 17),
        ("%[1]s" * 17, ["a" * 1024 * 1024]),
        ("%T", [*["a" * 1024 * 1024] * 18]),
    ],
    ids=["widths", "many", "one", "extra"],
)
def test_what_is_too_large_ends_the_query(text: str, values: list[object]) -> None:
    """A short format can ask for gigabytes."""
    with pytest.raises(EvaluationError):
        sprintf(text, values)


def test_an_address_in_memory_is_not_made_up() -> None:
    """Go prints where a large integer lies; of a small one it says that %p is wrong."""
    with pytest.raises(EvaluationError):
        sprintf("%p", [2**64])

    assert sprintf("%p", [1]) == "%!p(int64=1)"


def test_a_number_of_more_digits_than_python_prints_is_printed() -> None:
    """Python's str refuses more than 4,300."""
    assert sprintf("%d", [10**5000]) == "1" + "0" * 5000
    assert sprintf("%v%q", [10**5000, "a"]) == "1" + "0" * 5000 + '"a"'
