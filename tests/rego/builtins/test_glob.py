"""Globs as OPA answers (answers/glob.jsonl), and what would take too long."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.glob import FUNCTIONS
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "glob")
match = FUNCTIONS["glob.match"]


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """Also where that is a mistake of OPA's library."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS if answer.kind == "value"} == set(FUNCTIONS)
    assert {answer.name for answer in ANSWERS if answer.kind == "error"} == set(FUNCTIONS)


@pytest.mark.parametrize(
    ("pattern", "delimiters", "text"),
    [
        ("*a*a*a*a*a*a*b*c", ["/"], "a" * 300 + "c"),
        ("**a**a**a**b**c", None, "a" * 3000 + "c"),
        ("{a,aa}" * 12 + "b?", None, "a" * 40 + "b"),
        ("{a*,b*}" * 10 + "?z?", ["/"], "ab" * 50),
    ],
    ids=str,
)
def test_a_walk_that_would_never_end_ends(pattern: str, delimiters: list[str] | None, text: str) -> None:
    """Nothing matches here, after trying all."""
    assert match(pattern, delimiters, text) is False


def test_a_match_that_the_original_might_miss_ends_the_query() -> None:
    """It takes very long here too, and what it would find nobody knows; with less to try it is known."""
    with pytest.raises(EvaluationError):
        match("{a,aa}" * 24 + "{b?,bb,x}?", None, "a" * 48 + "bb?")

    assert match("{a,aa}" * 4 + "{b?,bb,x}?", None, "a" * 8 + "bb?")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("*a" * 20 + "?bc", "a" * 30_000 + "cbbc"), ("{a*,b*}" * 12 + "?z?", "ab" * 100_000)],
    ids=["stars", "alternatives"],
)
def test_a_walk_over_too_many_places_ends_the_query(pattern: str, text: str) -> None:
    """The work is bounded, whatever the pattern and the text."""
    with pytest.raises(EvaluationError):
        match(pattern, ["/"], text)


def test_a_glob_has_bounds() -> None:
    """OPA has none."""
    assert match("a" * 100_000, [], "a" * 100_000)
    with pytest.raises(EvaluationError):
        match("a" * 100_001, [], "a" * 100_001)


def test_a_glob_that_nests_too_deeply_ends_the_query() -> None:
    """Before Python's own stack ends."""
    assert match("{" * 64 + "}" * 64, [], "")
    with pytest.raises(EvaluationError):
        match("{" * 65 + "}" * 65, [], "")


def test_without_delimiters_a_dot_is_one() -> None:
    """An empty list is not the same as none."""
    assert not match("*", [], "a.b")
    assert match("*", None, "a.b")
