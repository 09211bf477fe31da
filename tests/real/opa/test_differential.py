"""A fixed sample of what `make test-rego` asks: our Rego and the real OPA answer alike, to the letter."""

from __future__ import annotations

import subprocess
import sys

from tests.differential.cases import Case
from tests.differential.codec import value_told
from tests.differential.comparing import Tally, differences, task_of
from tests.differential.judge import Judge, policy_task
from tests.support.opa import ROOT


def test_the_sample_has_no_difference() -> None:
    """Policies made by chance, changed ones of OPA's, calls of every builtin. What differs is printed."""
    command = [sys.executable, "-m", "tests.differential", "--sample", "--seconds", "100"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stdout[-8000:] + told.stderr[-2000:]
    assert " 0 differences of 0 kinds" in f" {told.stdout.splitlines()[-1]}"


def test_the_end_of_opa_costs_no_other_answer() -> None:
    """Its process ends with a stack overflow at some policies: that one has no answer, and a new OPA has the others."""
    tasks = [policy_task([("x.rego", f"package x\n\nx := {number}\n")], {}, [{}], ["data.x.x"]) for number in range(50)]
    with Judge() as judge:
        answers = judge.answers(tasks)
        first = next(answers)
        judge._process.kill()
        told = [first, *answers]

    assert [answer["answers"] for answer in told] == [[[{"v": number}]] for number in range(50)]


def test_a_refusal_differs_unless_it_is_told_as_unsupported() -> None:
    """One that has no such code is no answer to a policy that OPA compiles: here OPA is asked about its twin."""
    twice = Case((("p.rego", "package p\n\nlimit[1] := 2\n\nlimit[1.0] := 3\n"),), {}, ({},))
    unsafe = Case((("p.rego", "package p\n\nx if y == 1\n"),), {}, ({},))
    safe = Case((("p.rego", "package p\n\nx if input.y == 1\n"),), {}, ({},))
    tally = Tally()
    with Judge() as judge:
        assert [*differences(twice, judge.answer(task_of(twice)), tally)] == []
        told = [*differences(unsafe, judge.answer(task_of(safe)), tally)]

    assert (tally.unsupported, tally.refused) == (1, 2)
    assert [each.kind for each in told] == ["refused only by us: rego_unsafe_var_error var … is unsafe"]


def test_two_values_out_of_walk_are_an_error_whoever_asks() -> None:
    """OPA has none where one is enough for who asks, and one for who asks for the value; of a list, always."""
    text = "package p\n\nitem := v if {walk}\n\nallow if item\n"
    refused = {}
    with Judge() as judge:
        for way in ("walk([1, 2], [_, v])", "some v in [1, 2]"):
            case, tally = Case((("p.rego", text.replace("{walk}", way)),), {}, ({},)), Tally()
            answer = judge.answer(task_of(case))
            assert [*differences(case, answer, tally)] == []
            opas = {
                tuple(value_told(query)): row[0]
                for query, row in zip(answer["queries"], answer["answers"], strict=True)
            }
            assert "e" in opas["p", "item"]
            refused[way] = tally.ambiguous, "v" in opas["p", "allow"]
    assert refused == {"walk([1, 2], [_, v])": (2, True), "some v in [1, 2]": (0, False)}
