"""Our answers beside OPA's: what differs, and of which kind it is. Not how a difference is made small (`shrinking`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.differential.cases import Case, Failed, Ours, Path, Problem
from tests.differential.codec import identical, value_told
from tests.differential.judge import Answer, Task, policy_task

from authz_rego.builtins.yaml.key_order import NO_ORDER
from authz_rego.compile.program import SAME_KEYS, WALKED
from authz_rego.errors import UNSUPPORTED
from authz_rego.values.python_documents import readable_value
from authz_rego.values.text import term_text
from authz_rego.values.value import UNDEFINED, Value

_NAMES: Final = re.compile(r"`[^`]*`|\"[^\"]*\"|\b(?:data|input)[.\[][\w.\[\]\"]*|(?<=var )\w+|\d+|(?<=rule )\S+|/\S+")
_MADE_UP: Final = re.compile(r"__local\d+__")
_LONGEST: Final = 600
_LONGEST_INTEGER: Final = 10_000  # bits; it takes minutes to write those that OPA computes


class Difference(NamedTuple):
    """One answer that is not OPA's."""

    kind: str  # differences of one kind mostly have one cause
    case: Case  # with one input, unless the policy does not compile
    path: Path  # what was asked below `data`; () when it is about compiling
    opa: str
    ours: str


class Tally:
    """What was compared."""

    def __init__(self) -> None:
        self.policies = self.refused = self.pairs = self.answers = self.values = self.unjudged = self.calls = 0
        self.unsteady = 0  # differences that an OPA does not show that has just started
        self.unsupported = 0  # policies that ours refuses as such, whatever OPA says
        self.ambiguous = 0  # questions that ours ends, and OPA answers by chance, or otherwise to who asks otherwise

    def add(self, other: Tally) -> None:
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


def task_of(case: Case) -> Task:
    return policy_task(case.modules, case.data, case.inputs)


def differences(case: Case, answer: Answer, tally: Tally) -> Iterator[Difference]:
    """Each once for a query, whatever the number of inputs."""
    if "queries" not in answer and "problems" not in answer:
        tally.unjudged += 1  # OPA itself crashes, or takes too long
        return
    ours = Ours(case)
    compiling = case._replace(inputs=())
    if ours.crash:
        yield Difference(f"crash {_general(ours.crash)}", compiling, (), _problems_text(answer), ours.crash)
    elif "problems" in answer or ours.problems:
        tally.refused += 1
        yield from _compared_problems(compiling, answer, ours, tally)
    else:
        tally.policies += 1
        tally.pairs += len(case.inputs)
        yield from _compared_answers(case, answer, ours, tally)


def _compared_problems(case: Case, answer: Answer, ours: Ours, tally: Tally) -> Iterator[Difference]:
    # Where there are several, OPA may go on to later stages: it is enough that all that we tell is told by it, too.
    theirs = [Problem(*each) for each in answer.get("problems", ())]
    # Names that OPA gives to variables of its own are read as such, and no problem then: nobody writes them.
    mine = [each for each in ours.problems if "var __local" not in each.message]
    if ours.problems and not mine:
        return
    if any(each.code == UNSUPPORTED for each in mine):
        tally.unsupported += 1
        return
    texts = _problems_text(answer), "\n".join(map(_problem_text, mine)) or "compiles"
    if not theirs and _cannot_answer(answer):
        return
    if not theirs:
        yield Difference(f"refused only by us: {mine[0].code} {_general(mine[0].message)}", case, (), *texts)
    elif not mine:
        yield Difference(f"refused only by OPA: {theirs[0].code} {_general(theirs[0].message)}", case, (), *texts)
    else:
        missing = [each for each in mine if not any(_alike(each, its) for its in theirs)]
        if missing:
            yield Difference(f"refused otherwise: {missing[0].code} {_general(missing[0].message)}", case, (), *texts)


def _cannot_answer(answer: Answer) -> bool:
    """OPA compiles some calls whose operands have no value, and has an internal error then, or ends its process."""
    return any("requires evaluation" in told.get("m", "") for row in answer["answers"] for told in row)


def _alike(one: Problem, other: Problem) -> bool:
    """The same code at the same row. OPA's type errors may have another place, or none; then their words tell."""
    if one.code != other.code:
        return False
    if 0 in (one.row, other.row) or _words(one) == _words(other):
        return True
    return (one.file, one.row) == (other.file, other.row)


def _words(problem: Problem) -> str:
    """Without the numbers of the variables that a compiler makes up."""
    return _MADE_UP.sub("__local__", problem.message.split("\n")[0])


def _compared_answers(case: Case, answer: Answer, ours: Ours, tally: Tally) -> Iterator[Difference]:
    for query, row in zip(answer["queries"], answer["answers"], strict=True):
        path = tuple(value_told(query))
        if any("requires evaluation" in told.get("m", "") for told in row):
            tally.unjudged += len(row)  # as in _cannot_answer: ours finds the value first
            continue
        differed = False
        for asked, told in zip(case.inputs, row, strict=True):
            theirs = as_it_leaves(answer_told(told))
            mine = ours.answer(path, asked)
            tally.answers += 1
            tally.values += theirs is not UNDEFINED and type(theirs) is not Failed
            indexed = as_it_leaves(answer_told(told.get("indexed", told)))
            if same(theirs, mine) or same(indexed, mine):
                continue
            if type(mine) is Failed and any(why in mine.message for why in (SAME_KEYS, WALKED, NO_ORDER)):
                tally.ambiguous += 1
            elif not differed:
                differed = True
                one = case._replace(inputs=(asked,))
                yield Difference(_kind(theirs, mine), one, path, shown(theirs), shown(mine))
        yield from _explained_otherwise(case, path, ours)


def _explained_otherwise(case: Case, path: Path, ours: Ours) -> Iterator[Difference]:
    """`explain` evaluates other code; it must come to the same."""
    for asked in case.inputs[:1]:
        mine, told = ours.answer(path, asked), ours.explained(path, asked)
        alike = mine.code in told.message if type(mine) is Failed and type(told) is Failed else same(mine, told)
        if not alike:
            one = case._replace(inputs=(asked,))
            yield Difference(
                f"explained: {_sort(mine)} | {_sort(told)}", one, path, f"(ours) {shown(mine)}", shown(told)
            )


def answer_told(told: Answer) -> Value | Failed:
    if "v" in told:
        return value_told(told["v"])
    return UNDEFINED if "u" in told else Failed(str(told.get("e", "query")), str(told.get("m", told.get("q", ""))))


def as_it_leaves(theirs: Value | Failed) -> Value | Failed:
    """OPA's value as its JSON has it, which is how ours leaves: no bytes that are no UTF-8."""
    return theirs if theirs is UNDEFINED or type(theirs) is Failed else readable_value(theirs)


def same(theirs: Value | Failed, mine: Value | Failed) -> bool:
    """The same value to the letter, or the same code of error."""
    if type(theirs) is Failed or type(mine) is Failed:
        return type(theirs) is type(mine) and theirs.code == mine.code
    if theirs is UNDEFINED or mine is UNDEFINED:
        return theirs is mine
    return identical(theirs, mine)


def _kind(theirs: Value | Failed, mine: Value | Failed) -> str:
    if type(mine) is Failed and mine.code == "crash":
        return f"crash {_general(mine.message)}"
    told = f" {_general(mine.message)}" if type(mine) is Failed and mine.code == "eval_builtin_error" else ""
    return f"answer: {_sort(theirs)} | {_sort(mine)}{told}"


def _sort(answer: Value | Failed) -> str:
    if type(answer) is Failed:
        return answer.code
    return "undefined" if answer is UNDEFINED else "value"


def _general(message: str) -> str:
    """The message without the names and numbers of the one policy."""
    return _NAMES.sub("…", message.split("\n", maxsplit=1)[0])[:90]


def _problem_text(problem: Problem) -> str:
    return f"{problem.file}:{problem.row}:{problem.column}: {problem.code}: {problem.message}"


def _problems_text(answer: Answer) -> str:
    return "\n".join(_problem_text(Problem(*each)) for each in answer.get("problems", ())) or "compiles"


def shown(answer: Value | Failed) -> str:
    if type(answer) is Failed:
        return f"{answer.code}: {answer.message}"
    if type(answer) is int and answer.bit_length() > _LONGEST_INTEGER:
        return f"an integer of {answer.bit_length():,} bits"
    return "undefined" if answer is UNDEFINED else term_text(answer)[:_LONGEST]
