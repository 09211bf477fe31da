"""Asks the policies what they will be asked, and looks whether they answer. Not what they answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from authz_rego import EvaluationError
from authz_rego.check.walk import Node, children
from authz_rego.syntax.tree import Module, Ref, Scalar, Var
from authz_rego.values.json_text import from_json
from authz_rego.values.text import term_text
from authz_service.domain.time_budget import EVALUATION
from authz_service.errors import Problem
from authz_service.policy.decide.bad_answer import BadAnswer
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.vetting.samples import Sample, samples

PROBING_SECONDS = 2.0  # of CPU time, for all samples together; what is left then is not tried
_MAX_PROBLEMS = 8
_MAX_TEXT = 100
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXCLUDE = "make the definitions exclude each other: for one request they give two values"
_GUARD = "guard the line, so that it has a value or none for each request"
_ANSWER = (
    "answer true, false, or {allow, reasons, audit, step_up, headers}: a boolean, a list or set of strings, anything, "
    "with allow: false {acr_values, max_age}, with allow: true an object of texts"
)


def probe_problems(
    engine: PolicyEngine,
    query: str,
    modules: Sequence[Module],
    recorded: Iterable[Sample],
    announce: Callable[[str, float], None],
    budget: float = EVALUATION,
) -> list[Problem]:
    """Each kind of failure once, with the request that shows it. Only for policies without other problems.

    `budget` is for one request, in seconds of CPU time (SECURITY A9).
    """
    found: dict[tuple[str, int, str], Problem] = {}
    until = time.process_time() + PROBING_SECONDS
    for probe in chain(recorded, samples(_words(modules), _headers(modules))):
        announce(probe.name, budget)
        problem = _probed(engine, query, probe)
        if problem:
            found.setdefault((problem.file, problem.line, problem.fix), problem)
        if len(found) == _MAX_PROBLEMS or time.process_time() > until:
            break
    return list(found.values())


def _probed(engine: PolicyEngine, query: str, probe: Sample) -> Problem | None:
    try:
        value = engine.ask(from_json(probe.document))
    except EvaluationError as error:
        fix = _EXCLUDE if error.code == "eval_conflict_error" else _GUARD
        place = error.place
        return Problem(error.code, f"{error.message}, for {probe.name}", fix, place.file, place.row, place.column)
    try:
        engine.read(value)
    except BadAnswer as bad:
        text = term_text(value)
        shown = text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
        return Problem(query, f"the policy answers {shown} ({bad}), for {probe.name}", _ANSWER)
    return None


def _words(modules: Iterable[Module]) -> Iterator[str]:
    """The texts in the policies, but for the names of members: these say nothing of what a request has to be."""
    for module in modules:
        for rule in module.rules:
            yield from _texts(rule)


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        yield node.value
    steps = node.path if isinstance(node, Ref) else ()
    for child in children(node):
        if child in steps and isinstance(child, Scalar) and _NAME.fullmatch(str(child.value)):
            continue
        yield from _texts(child)


def _headers(modules: Iterable[Module]) -> set[str]:
    """Those that the policies ask for by name: `input.headers["X-Tenant"]`."""
    return {name for module in modules for rule in module.rules for name in _asked_headers(rule)}


def _asked_headers(node: Node) -> Iterator[str]:
    if isinstance(node, Ref) and node.head == Var("input") and node.path[:1] == (Scalar("headers"),):
        yield from (str(step.value) for step in node.path[1:2] if isinstance(step, Scalar))
    for child in children(node):
        yield from _asked_headers(child)
