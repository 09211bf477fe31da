"""When the clock alone can change a policy's answer."""

from itertools import pairwise, product

import pytest

from authz_rego import Policy
from authz_rego.builtins.declarations import declarations
from authz_rego.builtins.table import REFUSED
from authz_rego.check.clock import Clock, Turn

EXP = ("token", "exp")
NS = 1_000_000_000


def policy(body: str) -> Policy:
    text = f"package a\ndefault allow := false\nf(x) if x > 5\nallow if {{\n{body}\n}}"
    return Policy.compile([("a.rego", text)])


@pytest.mark.parametrize(
    ("body", "turn"),
    [
        ("input.token.exp > time.now_ns() / 1000000000", Turn(EXP, 1.0, 0.0)),
        ("input.token.exp + 30 > time.now_ns() / 1000000000", Turn(EXP, 1.0, 30.0)),
        ("30 + input.token.exp >= time.now_ns() / 1000000000", Turn(EXP, 1.0, 30.0)),
        ("time.now_ns() / 1e9 <= input.token.exp - 5", Turn(EXP, 1.0, -5.0)),
        ("now := time.now_ns() / 1000000000\nnow < input.token.exp", Turn(EXP, 1.0, 0.0)),
        ("time.now_ns() < input.token.exp * 1000000000", Turn(EXP, 1.0, 0.0)),
        ("time.now_ns() / 1000000 < input.token.exp * 1000", Turn(EXP, 1.0, 0.0)),
        ("not time.now_ns() / 1000000000 > input.token.a.b", Turn(("token", "a", "b"), 1.0, 0.0)),
        ("every x in [1] { x < 2; input.token.exp > time.now_ns() }", Turn(EXP, 1e-9, 0.0)),
    ],
)
def test_a_comparison_with_the_input_turns_once(body: str, turn: Turn) -> None:
    assert policy(body).clock == Clock(frozenset({turn}))


@pytest.mark.parametrize(
    "body",
    [
        "input.token.exp == time.now_ns()",
        "input.token.exp != time.now_ns() / 1000000000",
        "time.now_ns() > 5",
        "time.now_ns()",
        "time.clock(time.now_ns())[0] > 5",
        "time.now_ns() % 2 == 0",
        "f(time.now_ns())",
        'sprintf("%d", [time.now_ns()]) != ""',
        "x := time.now_ns()\nx in input.token.l",
        "d := input.token.exp * 1000000000 - time.now_ns()\nd > 0",
        'now := time.now_ns()\nnow < input.token.exp\nnow > input.token.iat\ntime.weekday(now) == "Monday"',
        "time.now_ns() / -1 < input.token.exp",
        "time.now_ns() / input.token.n < input.token.exp",
        "time.now_ns() < input.token.exp * -1",
        "time.now_ns() < input.token.exp * input.token.n",
        "time.now_ns() < input.token.exp % 7",
        "some i\ntime.now_ns() < input.token.exp[i]",
        "input.token[input.token.which] > time.now_ns()",
        "x := input.token.exp\nx > time.now_ns()\nx < 7",
        "input.token.exp > time.now_ns() with time.now_ns as 3",
        "input.token.exp > time.now_ns() with input.token.exp as 3",
        "input.token.exp > time.now_ns()\ndata.a.f(3) with input as {}",
        "time.now_ns() < time.now_ns() + 1",
        "{x | x := time.now_ns()} != set()",
        "[time.now_ns()][0] > input.token.exp",
        "x = input.token.exp\ninput.token.iat = x\nx > time.now_ns()",
        'time.now_ns() < time.parse_rfc3339_ns("2030-01-01T00:00:00Z")',
        "time.now_ns() < data.until",
    ],
)
def test_whatever_else_becomes_of_the_clock_is_not_bounded(body: str) -> None:
    """And the place of the clock is told."""
    place = policy(body).clock.unbounded

    assert place is not None
    assert (place.file, place.row > 3) == ("a.rego", True)


@pytest.mark.parametrize("body", ["input.token.exp > 5", "f(input.token.exp)", "time.clock(5)[0] > 5", "true"])
def test_a_policy_that_does_not_read_the_clock_has_no_moment(body: str) -> None:
    assert policy(body).clock == Clock()


def test_one_rule_that_is_not_bounded_is_enough() -> None:
    text = "package a\nallow if input.token.exp > time.now_ns()\ndeny if time.now_ns() > 5"

    assert Policy.compile([("a.rego", text)]).clock.unbounded is not None
    kept = text.replace("deny if time.now_ns() > 5", "deny if time.now_ns() > input.x")
    assert Policy.compile([("a.rego", kept)]).clock == Clock(frozenset({Turn(EXP, 1e-9, 0.0), Turn(("x",), 1e-9, 0.0)}))


def test_a_rule_that_hands_the_clock_on_is_not_bounded() -> None:
    """Nor a function that is given it, nor one that gives it."""
    for rule in (
        "now := time.now_ns() / 1000000000",
        "now contains time.now_ns()",
        "now[x] := time.now_ns() if x := 1",
    ):
        text = f"package a\n{rule}\nallow if input.token.exp > 5"
        assert Policy.compile([("a.rego", text)]).clock.unbounded is not None, rule


def test_between_the_turns_the_answer_is_the_same() -> None:
    """And at each of them it is another one: what is compared is what the policy compares."""
    bodies = (
        "input.token.exp + 30 > time.now_ns() / 1000000000",
        "not input.token.iat > time.now_ns() / 1000000000\ninput.token.exp >= time.now_ns() / 1000000000",
        "time.now_ns() / 1000000 < input.token.exp * 1000",
    )
    for body, (exp, iat) in product(bodies, ((1000, 900), (2001, 1000), (1500, 1499))):
        asked, token = policy(body).query("data.a.allow"), {"exp": exp, "iat": iat}
        moments = sorted(token[turn.path[1]] * turn.factor + turn.offset for turn in policy(body).clock.turns)
        edges = [0.0, *moments, 10_000.0]
        answers: list[object] = []
        for start, end in pairwise(edges):
            times = (start + (end - start) * part for part in (0.001, 0.3, 0.7, 0.999))
            found = {asked.evaluate({"token": token}, now_ns=int(moment * NS)) for moment in times}
            assert len(found) == 1 or start == end
            answers += found if start != end else ()
        assert len(set(answers)) == 2


def test_nothing_but_the_clock_changes_from_one_question_to_the_next() -> None:
    """What OPA calls nondeterministic, and may be called here: a builtin that joins these must be looked at."""
    changing = {name for name, each in declarations().items() if each.nondeterministic} - set(REFUSED)

    assert changing == {"time.now_ns"}
