"""Regular expressions as OPA answers (answers/regex.jsonl), and what is too large to answer."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.regex import FUNCTIONS
from authz_rego.builtins.regex_syntax import translate
from authz_rego.errors import BuiltinError, EvaluationError

ANSWERS = recorded(__file__, "regex")
A_MEGABYTE = "a" * 1024 * 1024


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    r"""Also for `\d` and Arabic digits, `\B` inside of a character, and `$1` with a letter behind it."""
    assert given(FUNCTIONS[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS if answer.kind == "value"} == set(FUNCTIONS)
    assert {answer.name for answer in ANSWERS if answer.kind == "error"} == set(FUNCTIONS) - {"regex.is_valid"}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a" * 50_001, "a"),
        ("(" * 1000 + ")" * 1000, ""),
        (r"\x{D800}", "a"),  # Go confuses it with U+FFFD, sometimes
        (r"[\x{D800}]", "a"),
        (r"\pL{1000}\pL{1000}", "a"),
        ("x{1000}" * 100, "x" * 100_000),
    ],
    ids=["long", "deep", "surrogate", "surrogates", "memory", "work"],
)
def test_what_is_too_large_ends_the_query(pattern: str, text: str) -> None:
    """Undefined would turn a `not` around it true."""
    with pytest.raises(EvaluationError):
        FUNCTIONS["regex.match"](pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a{1000}" * 2, "a" * 2000),
        ("(" * 900 + ")" * 900, ""),
        (r"[\x{D700}-\x{E000}]", "\ue000"),
        (r"\pL{20}", "a" * 20),
        ("x{1000}" * 4, "x" * 100_000),
    ],
    ids=["long", "deep", "surrogates", "memory", "work"],
)
def test_what_is_just_not_too_large_is_answered(pattern: str, text: str) -> None:
    """The neighbours of the patterns above."""
    assert FUNCTIONS["regex.match"](pattern, text)


@pytest.mark.parametrize(
    ("name", "operands"),
    [
        ("regex.replace", ["a" * 17, "a", A_MEGABYTE]),
        ("regex.find_all_string_submatch_n", ["(" * 20 + "a*" + ")" * 20, A_MEGABYTE, -1]),
    ],
    ids=["replace", "find"],
)
def test_a_result_that_is_too_large_ends_the_query(name: str, operands: list[object]) -> None:
    """With few groups, or a short replacement, there is one."""
    with pytest.raises(EvaluationError):
        FUNCTIONS[name](*operands)

    assert FUNCTIONS["regex.replace"]("a" * 16, "a", A_MEGABYTE) == A_MEGABYTE * 16
    assert len(FUNCTIONS["regex.find_all_string_submatch_n"]("((a*))", A_MEGABYTE, -1)[0]) == 3


def test_a_search_that_backtracking_would_never_end_ends() -> None:
    """RE2 does not backtrack."""
    assert not FUNCTIONS["regex.match"]("(a*)*b", "a" * 100_000)


def test_re2_is_told_code_points_and_no_names() -> None:
    """So that its Unicode and its idea of case do not matter."""
    found = translate(r"(?i)k(?P<name>\d)^.$")

    assert found.text == r"[\x{4B}-\x{4B}\x{6B}-\x{6B}\x{212A}-\x{212A}]([\x{30}-\x{39}])\A[^\x{A}]\z"
    assert found.names == ("", "name")


def test_a_wrong_pattern_is_wrong_each_time() -> None:
    """Only patterns are kept, no errors."""
    for _ in range(2):
        with pytest.raises(BuiltinError, match="missing closing"):
            FUNCTIONS["regex.match"]("(", "a")


def test_globs_that_would_be_searched_for_ever_are_not() -> None:
    """The original's search takes exponential time."""
    assert not FUNCTIONS["regex.globs_match"]("a*" * 30 + "b", "[ac]*" * 30 + "d")
    with pytest.raises(EvaluationError):
        FUNCTIONS["regex.globs_match"]("a*b*" * 300, "a*b*" * 1000)
