"""A run: made policies, changed ones and calls of builtins, until the time is over. READ FIRST.

The same seed makes the same questions, in the same order; how many depends on the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.differential.builtin_calls import Call, calls
from tests.differential.cases import Case, Failed
from tests.differential.codec import identical
from tests.differential.comparing import Difference, Tally, answer_told, differences, same, shown, task_of
from tests.differential.judge import Judge, calls_task
from tests.differential.mutating import mutated
from tests.differential.policies import generated
from tests.differential.repairing import repaired, texts

from authz_rego import EvaluationError
from authz_rego.builtins.table import TEARING, functions
from authz_rego.errors import BuiltinError
from authz_rego.values.python_documents import readable_value
from authz_rego.values.text import term_text
from authz_rego.values.value import UNDEFINED, Value

_POLICIES: Final = 20  # in one round
_MUTATED: Final = 30
_CALLS: Final = 2  # of each builtin


@dataclass
class Run:
    """What one process has found."""

    seed: str
    tally: Tally = field(default_factory=Tally)
    found: dict[str, list[Difference]] = field(default_factory=dict)
    rounds: int = 0

    def until(self, deadline: float, judge: Judge, rounds: int = 1_000_000) -> None:
        """Whole rounds; the last one begins before the deadline."""
        while time.monotonic() < deadline and self.rounds < rounds:
            for difference in [*self._round(judge)]:
                if difference.kind not in self.found and is_gone_when_asked_anew(difference):
                    self.tally.unsteady += 1
                    judge.start_anew()
                else:
                    self.found.setdefault(difference.kind, []).append(difference)
            self.rounds += 1

    def _round(self, judge: Judge) -> Iterator[Difference]:
        seed = f"{self.seed}.{self.rounds}"
        made = [generated(f"{seed}.{number}") for number in range(_POLICIES)]
        mended = [sample for sample in repaired(made, judge) if sample not in made]
        cases = [Case(tuple(texts(sample)), sample.data, sample.inputs) for sample in (*made, *mended)]
        cases += [mutated(f"{seed}.{number}") for number in range(_MUTATED)]
        for case, answer in zip(cases, judge.answers([*map(task_of, cases)]), strict=True):
            yield from differences(case, answer, self.tally)
        yield from called_differences([*calls(Random(seed), _CALLS)], judge, self.tally)


def is_gone_when_asked_anew(difference: Difference) -> bool:
    """Whether an OPA that was asked nothing before says what ours does. One that has compiled thousands of policies may
    have forgotten the type of a builtin: it takes `uri.parse(x)[1]` then, which it refuses when it starts.
    """
    if difference.kind.startswith("call"):
        return False
    with Judge() as fresh:
        answer = fresh.answer(task_of(difference.case))
    return all(again.kind != difference.kind for again in differences(difference.case, answer, Tally()))


def called_differences(asked: list[Call], judge: Judge, tally: Tally) -> Iterator[Difference]:
    """Calls of builtins: a value, or none; also one that tears texts apart and does not say so (`TEARING`)."""
    table = functions()
    for call, told in zip(asked, judge.answer(calls_task(asked))["calls"], strict=True):
        theirs = answer_told(told)
        if "panic" in told or (type(theirs) is Failed and theirs.code == "eval_cancel_error"):
            tally.unjudged += 1
            continue
        tally.calls += 1
        mine = _called(table[call[0]], call)
        tears = call[0] not in TEARING and _is_torn(mine) and not any(map(_is_torn, call[1:]))
        if same(_or_nothing(theirs), mine) and not tears:
            continue
        text = f"{call[0]}({', '.join(map(term_text, call[1:]))})"
        yield Difference(
            f"call{' that tears' if tears else ''}: {call[0]}",
            Case((("call.rego", f"package p\n\nx := {text}\n"),), {}, ({},)),
            ("p", "x"),
            shown(theirs),
            shown(mine),
        )


def _is_torn(value: Value | Failed) -> bool:
    return value is not UNDEFINED and type(value) is not Failed and not identical(readable_value(value), value)


def _called(function: Callable[..., Value], call: Call) -> Value | Failed:
    try:
        return function(*call[1:])
    except BuiltinError:
        return UNDEFINED
    except EvaluationError as error:
        return Failed(error.code, error.message)
    except Exception as error:  # noqa: BLE001
        return Failed("crash", repr(error))


def _or_nothing(theirs: Value | Failed) -> Value | Failed:
    """An error of a builtin makes the expression undefined."""
    return UNDEFINED if type(theirs) is Failed and theirs.code in ("eval_builtin_error", "eval_type_error") else theirs
