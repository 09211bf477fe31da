"""OPA's own conformance cases (its module's v1/test/cases/testdata), judged by our load gate and our engine.

A case is a query, modules, data, input, and what OPA answers. The query becomes a rule of its own, whose value is the
list of the query's results, so that the case goes through the same gate and the same `PolicyEngine` as a policy does.
Two things of the gate are left aside, as they are about our decisions and not about Rego: the fields that our `input`
has, and the trial requests.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems
from authz_service.policy.engine import PolicyEngine
from authz_service.policy.static_checks import unevaluated_problems

RIGHT = "right"  # the same value, the same undefined, or both refuse
REFUSED = "refused"  # the load gate says no, with its reason: nothing is promised
STRICTER = "stricter"  # the engine fails where OPA has a value or undefined: the request is refused
WRONG = "wrong"  # another value, or a value where OPA has none
CRASH = "crash"  # the process dies, or does not come back

_SECONDS = 20.0  # of CPU time for one case; the slowest takes about one, on a busy machine more
_OUR_INPUT = "the input has no field"


class Case(msgspec.Struct, frozen=True):
    """One of OPA's, in the form in which it is asked here."""

    note: str
    source: PolicySource
    input: str
    want: list[dict[str, Any]] | None  # bindings; None: an error
    any_result: bool = False  # only that there is one
    sort: bool = False
    strict: bool = False  # OPA's error in its strict mode; without that mode it would be undefined


class _Loader(yaml.CSafeLoader):
    """YAML as OPA reads it: `on` and `2024-01-01` are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))


class Outcome(NamedTuple):
    kind: str
    detail: str


LISTS = Path(__file__).parents[1] / "vectors" / "opa"


def claimed() -> list[str]:
    """The notes of the cases that our engine answers as OPA does."""
    return (LISTS / "claimed.txt").read_text(encoding="utf-8").splitlines()


def differences() -> dict[str, dict[str, str]]:
    """By kind of outcome: the cases that pass the gate and are not answered as OPA does, each with its reason."""
    found: dict[str, dict[str, str]] = yaml.safe_load((LISTS / "differences.yaml").read_text(encoding="utf-8"))
    return found


DOCUMENTED = (RIGHT, REFUSED, STRICTER, WRONG)  # the rows of the table in docs/policies.md, after the sum


def documented() -> list[int]:
    """The figures there."""
    page = (LISTS.parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
    table = page.partition("| OPA's own cases ")[2].partition("\n\n")[0]
    return [int(figure.replace(",", "")) for figure in re.findall(r"\| ([\d,]+) \|$", table, re.MULTILINE)]


def load_cases(folder: Path) -> list[Case]:
    """Every case below the folder, by note; of equal notes the second and later get a number."""
    cases: dict[str, Case] = {}
    for file in sorted(folder.rglob("*.yaml")):
        for raw in yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)["cases"]:
            case = _case(raw)
            number = 2
            while case.note in cases:
                case = msgspec.structs.replace(case, note=f"{raw['note']} #{number}")
                number += 1
            cases[case.note] = case
    return list(cases.values())


def _case(raw: dict[str, Any]) -> Case:
    fails = "want_error" in raw or "want_error_code" in raw
    want: list[dict[str, Any]] | None = None if fails else raw.get("want_result")
    any_result = not fails and want is None and bool(raw.get("want_defined"))
    if not fails and want is None:
        want = []
    names = sorted({name for binding in want or [] for name in binding})
    bindings = ", ".join(f"{json.dumps(name)}: {name}" for name in names)
    given = f" with input as {raw['input_term']}" if "input_term" in raw else ""
    results = f"package authz_case\n\nresults := [{{{bindings}}} | {raw['query']}{given}]\n"
    modules = [(f"m{number}.rego", text) for number, text in enumerate(raw.get("modules") or ())]
    return Case(
        note=str(raw["note"]),
        source=PolicySource(
            "data.authz_case.results", (("case.rego", results), *modules), json.dumps(raw.get("data") or {})
        ),
        input=json.dumps(raw.get("input")) if "input" in raw else "",
        want=want,
        any_result=any_result,
        sort=bool(raw.get("sort_bindings")),
        strict=bool(raw.get("strict_error")),
    )


def judge(case: Case) -> Outcome:
    """Through the gate's checks, then through the engine."""
    try:
        problems = [each for each in unevaluated_problems(case.source, _announce)[0] if _OUR_INPUT not in each.found]
    except RecursionError:
        return Outcome(REFUSED, "nested too deeply")
    if problems:
        return Outcome(RIGHT if case.want is None and not case.strict else REFUSED, problems[0].found)
    try:
        answer = PolicyEngine(case.source).ask(case.input or "{}")
    except (RuntimeError, PolicyProblems) as error:
        text = str(getattr(error, "__cause__", None) or error).strip().rpartition("error: ")[2]
        return Outcome(RIGHT if case.want is None else STRICTER, text)
    if answer == '"<undefined>"':
        return Outcome(WRONG, "the list of results is undefined")
    got = json.loads(answer)
    if case.want is None:
        # Without its strict mode OPA has undefined there, and so have we.
        return Outcome(RIGHT if case.strict and not got else WRONG, f"{_short(got)} instead of an error")
    same = bool(got) if case.any_result else _same(_ordered(got), _ordered(case.want), sort=case.sort)
    return Outcome(RIGHT, "") if same else Outcome(WRONG, f"{_short(got)} instead of {_short(case.want)}")


def judge_all(cases: Iterable[Case]) -> Iterator[tuple[Case, Outcome]]:
    """In a process of its own, which some cases end; the next one goes on after them."""
    left = list(cases)
    while left:
        told = b"".join(msgspec.json.encode(case) + b"\n" for case in left)
        child = subprocess.run(
            [sys.executable, "-m", "tests.support.opa_cases"], input=told, capture_output=True, check=False
        )
        outcomes = [Outcome(*msgspec.json.decode(line, type=tuple[str, str])) for line in child.stdout.splitlines()]
        if len(outcomes) < len(left):
            if child.returncode >= 0:
                raise RuntimeError(child.stderr.decode(errors="replace")[-2000:])
            outcomes.append(Outcome(CRASH, signal.Signals(-child.returncode).name))
        yield from zip(left, outcomes, strict=False)
        left = left[len(outcomes) :]


def _announce(_: str, __: float) -> None:
    """The clock of the whole case runs already."""


def _ordered(results: list[Any]) -> list[Any]:
    """The results of a query come in any order."""
    return sorted(results, key=lambda each: json.dumps(each, sort_keys=True))


def _same(got: object, want: object, *, sort: bool = False) -> bool:
    """`1` and `1.0` are one number, but `1` is not `true`."""
    if isinstance(got, list) and isinstance(want, list):
        if sort:
            got, want = (_ordered(each) for each in (got, want))
        return len(got) == len(want) and all(_same(a, b, sort=sort) for a, b in zip(got, want, strict=True))
    if isinstance(got, dict) and isinstance(want, dict):
        return got.keys() == {str(key) for key in want} and all(
            _same(got[str(key)], value, sort=sort) for key, value in want.items()
        )
    return isinstance(got, bool) == isinstance(want, bool) and got == want


def _short(value: object) -> str:
    return json.dumps(value)[:160]


def _main() -> None:
    for line in sys.stdin.buffer.read().splitlines():
        case = msgspec.json.decode(line, type=Case)
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        outcome = judge(case)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
