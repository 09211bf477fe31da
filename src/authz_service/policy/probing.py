"""Asks the policies what they will be asked, and looks whether they answer. Not what they answer."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import msgspec

from authz_service.domain.rules import EVALUATION_BUDGET, PolicySource
from authz_service.errors import PolicyProblems, Problem
from authz_service.policy.answers import read_answer
from authz_service.policy.engine import PolicyEngine
from authz_service.policy.engine_messages import REWRITE, engine_problem
from authz_service.policy.samples import Sample, samples
from authz_service.policy.static_checks import Announce
from authz_service.policy.syntax import Module, Term, terms_of

LOADING_SECONDS = 4.0  # of CPU time, for reading the data
PROBING_SECONDS = 2.0  # of CPU time, for all samples together; what is left then is not tried
_MAX_PROBLEMS = 8
_MAX_TEXT = 100
_GUARD = "guard the line: check the type before (`is_string(x)`), or use object.get with a default"
_ANSWER = (
    "answer true, false, or {allow, reasons, audit, step_up}: a boolean, a list or set of strings, anything, and with "
    "allow: false {acr_values, max_age}"
)


def probe_problems(
    source: PolicySource,
    modules: Sequence[Module],
    recorded: Iterable[Sample],
    announce: Announce,
    budget: float = EVALUATION_BUDGET,
) -> list[Problem]:
    """Each kind of failure once, with the request that shows it. Only for policies without static problems.

    `budget` is for one request, in seconds of CPU time (SECURITY A9).
    """
    announce("loading the policies", LOADING_SECONDS)
    try:
        engine = PolicyEngine(source)
    except PolicyProblems as problems:
        return [engine_problem(source.query, str(problems.__cause__), REWRITE)]
    found: dict[tuple[str, int, str], Problem] = {}
    until = time.process_time() + PROBING_SECONDS
    for probe in chain(recorded, samples(_words(modules), _headers(modules))):
        announce(probe.name, budget)
        problem = _probed(engine, source.query, probe)
        if problem:
            found.setdefault((problem.file, problem.line, problem.fix), problem)
        if len(found) == _MAX_PROBLEMS or time.process_time() > until:
            break
    return list(found.values())


def _words(modules: Iterable[Module]) -> Iterator[str]:
    return (term.value for term in _terms(modules) if term.kind == "constant" and isinstance(term.value, str))


def _headers(modules: Iterable[Module]) -> set[str]:
    """Those that the policies ask for by name: `input.headers["X-Tenant"]`."""
    return {term.path[2] for term in _terms(modules) if term.path[:2] == ("input", "headers") and len(term.path) > 2}


def _terms(modules: Iterable[Module]) -> Iterator[Term]:
    return (term for module in modules for rule in module.rules for term, _ in terms_of(rule))


def _probed(engine: PolicyEngine, query: str, probe: Sample) -> Problem | None:
    try:
        answer = engine.ask(probe.document)
    except RuntimeError as error:
        return engine_problem(query, str(error), _GUARD, probe.name)
    try:
        read_answer(answer)
    except msgspec.ValidationError as error:
        text = " ".join(answer.split())[:_MAX_TEXT]
        return Problem(query, f"the policy answers {text} ({error}), for {probe.name}", _ANSWER)
    return None
