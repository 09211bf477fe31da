"""OPA's own cases (its module's v1/test/cases/testdata/v1), and what ours makes of them. Not policies of our own.

A case is a query, modules, data and input, and what OPA answers. A query that is no plain reference becomes a rule in a
module of its own, whose value is the list of the query's results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path as File
from typing import Any, Final, NamedTuple

import yaml
from tests.differential.cases import Case, Failed, Ours, Path
from tests.differential.codec import value_told
from tests.differential.comparing import answer_told, as_it_leaves, same, shown
from tests.differential.judge import Judge, policy_task

from authz_rego.builtins.table import REFUSED
from authz_rego.values.python_documents import from_python
from authz_rego.values.value import UNDEFINED, Value, key_of

RIGHT: Final = "right"
REFUSED_AT_LOAD: Final = "refused"
WRONG: Final = "wrong"
_PLAIN: Final = re.compile(r"\s*(data(?:\.[a-z_]\w*)*) = (?!input\b)([a-z_]\w*)\s*")
_WRAPPED: Final[Path] = ("authz_case", "results")


class OpaCase(NamedTuple):
    """One of OPA's."""

    note: str
    query: str
    modules: tuple[str, ...]
    data: dict[str, Value]
    input: Value
    want: frozenset[Any] | None  # the bindings, each an object; None: an error
    want_code: str = ""
    sort: bool = False
    strict: bool = False  # what OPA answers when errors of builtins are errors of the query, which they never are here


class Outcome(NamedTuple):
    kind: str
    detail: str  # of a refused case the builtin


class _Loader(yaml.CSafeLoader):
    """YAML as OPA reads it: `on` and `2024-01-01` are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))


def load_cases(folder: File, judge: Judge) -> list[OpaCase]:
    """Every case below the folder; of equal notes the second and later get a number. Inputs in Rego are read by OPA."""
    found: dict[str, OpaCase] = {}
    raws = [
        raw
        for file in sorted(folder.rglob("*.yaml"))
        for raw in yaml.load(file.read_text(encoding="utf-8"), _Loader)["cases"]
    ]
    terms = [raw["input_term"] for raw in raws if "input_term" in raw]
    tasks = [policy_task([("t.rego", f"package t\n\nvalue := {term}")], {}, [{}], ["data.t.value"]) for term in terms]
    values = iter([value_told(answer["answers"][0][0]["v"]) for answer in judge.answers(tasks)])
    for raw in raws:
        note, number = str(raw["note"]), 2
        while note in found:
            note, number = f"{raw['note']} #{number}", number + 1
        asked = next(values) if "input_term" in raw else _document(raw["input"]) if "input" in raw else UNDEFINED
        found[note] = _case(note, raw, asked)
    return list(found.values())


def outcomes(cases: Iterable[OpaCase], judge: Judge) -> Iterator[tuple[OpaCase, Outcome]]:
    """Each case through our compiler and our evaluation."""
    for case in cases:
        yield case, _outcome(case, judge)


def as_case(case: OpaCase) -> tuple[Case, Path, str]:
    """As it is asked here: what is asked, and the variable of a plain query."""
    modules = tuple((f"test-{number}.rego", text) for number, text in enumerate(case.modules))
    plain = _PLAIN.fullmatch(case.query)
    if plain:
        return Case(modules, case.data, (case.input,)), tuple(plain[1].split(".")[1:]), plain[2]
    names = sorted({str(name) for binding in case.want or () for name in binding.value})
    bindings = ", ".join(f"{json.dumps(name)}: {name}" for name in names)
    wrapped = f"package authz_case\n\nresults := [{{{bindings}}} | {case.query.strip()}]\n"
    return Case((*modules, ("wrapped.rego", wrapped)), case.data, (case.input,)), _WRAPPED, ""


def _outcome(case: OpaCase, judge: Judge) -> Outcome:
    asked, path, variable = as_case(case)
    ours = Ours(asked, allow_overlap=True)  # OPA's own harness does not look at the data's paths
    if ours.crash:
        return Outcome(WRONG, ours.crash)
    if ours.problems:
        words = {word.strip("`,:;") for problem in ours.problems for word in problem.message.split()}
        named = sorted(words & (REFUSED.keys() | {"test.sleep"}))
        return (
            Outcome(REFUSED_AT_LOAD, named[0])
            if named
            else Outcome(WRONG, "\n".join(each.message for each in ours.problems))
        )
    answer = ours.answer(path, case.input)
    if case.strict:
        told = judge.answer(policy_task(asked.modules, asked.data, asked.inputs, [f"data.{'.'.join(map(str, path))}"]))
        expected = as_it_leaves(answer_told(told["answers"][0][0]))
        return _judged(same(expected, answer), answer, shown(expected))
    if case.want is None:
        return _judged(
            type(answer) is Failed and answer.code == (case.want_code or answer.code), answer, case.want_code
        )
    if type(answer) is Failed:
        return Outcome(WRONG, shown(answer))
    found = _bindings(answer, variable, sort=case.sort)
    return _judged(found == case.want, answer, shown(case.want))


def _judged(right: bool, answer: Value | Failed, want: str) -> Outcome:
    return Outcome(RIGHT, "") if right else Outcome(WRONG, f"{shown(answer)} instead of {want}")


def _bindings(answer: Value, variable: str, *, sort: bool) -> frozenset[Any]:
    if answer is UNDEFINED:
        return frozenset()
    results = [{variable: answer}] if variable else answer
    return frozenset(key_of({name: _plain(value, sort=sort) for name, value in each.items()}) for each in results)


def _case(note: str, raw: dict[str, Any], asked: Value) -> OpaCase:
    fails = "want_error" in raw or "want_error_code" in raw
    sort = bool(raw.get("sort_bindings"))
    want = (
        None
        if fails
        else frozenset(
            key_of({name: _plain(_document(value), sort=sort) for name, value in each.items()})
            for each in raw.get("want_result") or ()
        )
    )
    data = _document(raw.get("data") or {})
    return OpaCase(
        note,
        raw["query"],
        tuple(raw.get("modules") or ()),
        data,
        asked,
        want,
        raw.get("want_error_code", ""),
        sort,
        bool(raw.get("strict_error")),
    )


def _document(given: Any) -> Value:
    return from_python(_with_text_keys(given))


def _with_text_keys(given: Any) -> Any:
    if isinstance(given, dict):
        return {_key(key): _with_text_keys(member) for key, member in given.items()}
    return [*map(_with_text_keys, given)] if isinstance(given, list) else given


def _key(key: Any) -> str:
    return key if isinstance(key, str) else json.dumps(key)


def _plain(value: Value, *, sort: bool) -> Value:
    """As JSON, in which the cases are written: sets are arrays; the outermost array of a binding in order, if asked."""
    from authz_rego.values.json_text import json_tree
    from authz_rego.values.value import sorted_values

    tree = json_tree(value)
    return sorted_values(tree) if sort and type(tree) is list else tree
