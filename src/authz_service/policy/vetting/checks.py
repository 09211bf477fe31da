"""All that is looked at before policies decide: are they Rego, do they ask for what there is, do they answer.

Reads, compiles and evaluates: in a process that may die of it (`vetting_child`). READ FIRST of these checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from authz_rego import Policy, RegoProblems
from authz_rego.errors import RegoProblem
from authz_rego.policy import parsed
from authz_rego.syntax.tree import Module
from authz_service.domain.rules import PolicySource
from authz_service.domain.time_budget import EVALUATION
from authz_service.errors import PolicyProblems, Problem
from authz_service.policy.decide.engine import PolicyEngine, data_of
from authz_service.policy.vetting.contract import contract_problems
from authz_service.policy.vetting.probing import probe_problems
from authz_service.policy.vetting.samples import Sample

# Told what is tried next and how many seconds of CPU time it may take, in case it does not return.
Announce = Callable[[str, float], None]
COMPILING_SECONDS = 6.0
_REWRITE = "correct the line; it has to be Rego v1, as OPA 1.22 understands it"


def problems_of(
    source: PolicySource, recorded: Iterable[Sample], announce: Announce, budget: float = EVALUATION
) -> Sequence[Problem]:
    """Each step only when nothing was found before it."""
    announce("compiling the policies", COMPILING_SECONDS)
    try:
        policy, modules = compiled(source)
    except PolicyProblems as found:
        return found.problems
    engine = PolicyEngine(source, policy=policy)
    return probe_problems(engine, source.query, modules, recorded, announce, budget)


class Compiled(NamedTuple):
    """A policy that is Rego and asks for what there is, with its syntax trees."""

    policy: Policy
    modules: list[Module]


def compiled(source: PolicySource) -> Compiled:
    """Nothing is asked of it yet. Raises PolicyProblems."""
    data = data_of(source)
    try:
        modules = parsed(source.modules)
        policy = Policy.of(modules, data, dict(source.modules))
    except RegoProblems as refused:
        raise PolicyProblems([problem_of(each) for each in refused.problems]) from refused
    if problems := contract_problems(source.query, modules, data, evaluated=source.evaluated):
        raise PolicyProblems(problems)
    return Compiled(policy, modules)


def problem_of(problem: RegoProblem) -> Problem:
    """With OPA's code, so that it can be looked up, and the place."""
    place = problem.place
    found = " ".join(problem.found.split())  # OPA's type errors are several lines
    return Problem(problem.code, found, problem.fix or _REWRITE, place.file, place.row, place.column)
