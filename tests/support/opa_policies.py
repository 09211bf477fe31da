"""Policies in seldom forms, and what OPA 1.22.3 answered to them: tests/rego/answers/policies.yaml.

`python -m tests.support.opa_policies` asks OPA again, and writes the file anew. Add a policy there without `answers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from authz_rego import UNDEFINED, EvaluationError, Policy, RegoProblems
from authz_rego.values.json_text import from_json
from authz_rego.values.text import term_text

if TYPE_CHECKING:
    from tests.differential.judge import Judge

FILE = Path(__file__).parents[1] / "rego" / "answers" / "policies.yaml"
RULES = ("x", "y", "z")  # of package p, which are asked

_CODE = re.compile("eval_[a-z_]+")
Problem = tuple[str, int, str, str]  # file, row, code, the message's first line


class Recorded(NamedTuple):
    """`answers` are Rego texts by rule, one for each input; `problems` are OPA's, where it does not compile."""

    name: str
    modules: dict[str, str]
    inputs: tuple[str, ...]  # as JSON
    data: str
    answers: dict[str, list[str]]
    problems: list[Problem]

    def __str__(self) -> str:
        return self.name


def recorded() -> list[Recorded]:
    return [_recorded(each) for each in yaml.safe_load(FILE.read_text(encoding="utf-8"))]


def ours(case: Recorded) -> tuple[dict[str, list[str]], list[Problem]]:
    """The answers of our compiled policy and the problems of our compiler, in the form of the record."""
    try:
        policy = Policy.compile(list(case.modules.items()), from_json(case.data))
    except RegoProblems as refused:
        return {}, [
            _problem(each.code, each.place.file, each.place.row, each.place.column, each.found)
            for each in refused.problems
        ]
    return {rule: list(_asked(policy, rule, case.inputs, traced=False)) for rule in RULES}, []


def explained(case: Recorded) -> dict[str, list[str]]:
    """The same by the code that explains, which is other code."""
    policy = Policy.compile(list(case.modules.items()), from_json(case.data))
    return {rule: list(_asked(policy, rule, case.inputs, traced=True)) for rule in RULES}


def opas(case: Recorded, judge: Judge) -> tuple[dict[str, list[str]], list[Problem]]:
    """What OPA says."""
    from tests.differential.comparing import answer_told, as_it_leaves
    from tests.differential.judge import policy_task

    inputs = [from_json(each) for each in case.inputs]
    queries = [f"data.p.{rule}" for rule in RULES]
    told = judge.answer(policy_task(list(case.modules.items()), from_json(case.data), inputs, queries))
    if "problems" in told:
        return {}, [_problem(*each) for each in told["problems"]]
    rows = ([_shown(as_it_leaves(answer_told(each))) for each in row] for row in told["answers"])
    return dict(zip(RULES, rows, strict=True)), []


def is_among(problem: Problem, others: Iterable[Problem]) -> bool:
    """The same code at the same row. OPA's type errors may have another place, or none; then their words tell."""
    return any(problem[:3] == each[:3] or problem[2:] == each[2:] for each in others)


def _asked(policy: Policy, rule: str, inputs: Iterable[str], *, traced: bool) -> Iterator[str]:
    try:
        query = policy.query(f"data.p.{rule}")
    except RegoProblems:  # there is none
        yield from ("undefined" for _ in inputs)
        return
    for each in inputs:
        if traced:
            told = query.explain(from_json(each))
            yield _CODE.findall(told.error)[0] if told.error else _shown(told.value)
            continue
        try:
            yield _shown(query.evaluate(from_json(each)))
        except EvaluationError as error:
            yield error.code


def _shown(answer: Any) -> str:
    from tests.differential.cases import Failed

    if answer is UNDEFINED:
        return "undefined"
    return answer.code if type(answer) is Failed else term_text(answer)


def _problem(code: str, file: str, row: int, column: int, text: str) -> Problem:
    del column
    return file, row, code, text.partition("\n")[0]


def _recorded(given: Mapping[str, Any]) -> Recorded:
    return Recorded(
        given["name"],
        given["modules"],
        tuple(given.get("inputs", ["{}"])),
        given.get("data", "{}"),
        given.get("answers", {}),
        [tuple(each) for each in given.get("problems", [])],
    )


def _main() -> None:
    from tests.differential.judge import Judge

    written = []
    with Judge() as judge:
        for case in recorded():
            answers, problems = opas(case, judge)
            told = {rule: row for rule, row in answers.items() if set(row) != {"undefined"}}
            entry: dict[str, Any] = {"name": case.name, "modules": case.modules}
            entry |= {"data": case.data, "inputs": list(case.inputs)}
            entry |= {"problems": [list(each) for each in problems]} if problems else {"answers": told}
            for name, usual in (("data", "{}"), ("inputs", ["{}"])):
                if entry[name] == usual:
                    del entry[name]
            written.append(entry)
    FILE.write_text(yaml.dump(written, Dumper=_Dumper, sort_keys=False, width=10_000), encoding="utf-8")


class _Dumper(yaml.SafeDumper):
    """Policies in their lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


if __name__ == "__main__":
    _main()
