"""All that can be said about policies without evaluating them. Safe to run on a policy that would crash regorus."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from authz_service.domain.rules import PolicySource
from authz_service.errors import Problem
from authz_service.policy.definitions import Definitions, definition_problems, meant, query_problems
from authz_service.policy.engine import syntax_tree
from authz_service.policy.engine_messages import REWRITE, engine_problem
from authz_service.policy.references import arity_of, reference_problems
from authz_service.policy.safety import Unsafe, unsafe_variables
from authz_service.policy.shapes import shape_problems
from authz_service.policy.syntax import WILDCARD, Module, Rule, Statement, terms_in
from authz_service.policy.syntax_reader import read_modules

# Told what is tried next and how many seconds of CPU time it may take, in case it does not return.
Announce = Callable[[str, float], None]
PARSING_SECONDS = 1.0  # regorus takes twice as long for each level of brackets
CHECKING_SECONDS = 4.0


def unevaluated_problems(source: PolicySource, announce: Announce) -> tuple[list[Problem], Sequence[Module]]:
    """Syntax first, and the rest only when there is a tree to look at."""
    problems = list(_syntax_problems(source.modules, announce))
    if problems:
        return problems, ()
    announce("reading the policies", CHECKING_SECONDS)
    modules = read_modules(syntax_tree(source.modules))
    return _static_problems(source.query, Definitions(modules, msgspec.json.decode(source.data))), modules


def _syntax_problems(modules: Iterable[tuple[str, str]], announce: Announce) -> Iterator[Problem]:
    """One of each file: regorus stops at the first."""
    for file, text in modules:
        announce(f"parsing {file}", PARSING_SECONDS)
        try:
            syntax_tree([(file, text)])
        except RuntimeError as error:
            yield engine_problem("syntax", str(error), REWRITE)


def _static_problems(query: str, definitions: Definitions) -> list[Problem]:
    """Every problem once, in the order of files and lines."""
    problems = {
        *query_problems(query, definitions),
        *definition_problems(definitions),
        *reference_problems(definitions),
        *_unsafe_problems(definitions),
        *_unused_problems(definitions),
        *shape_problems(definitions),
    }
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.found))


def _unsafe_problems(definitions: Definitions) -> Iterator[Problem]:
    for rules in definitions.rules.values():
        for rule in rules:
            for unsafe in unsafe_variables(rule, lambda term: arity_of(term, definitions)):
                yield _unsafe_problem(unsafe, rule, definitions)


def _unused_problems(definitions: Definitions) -> Iterator[Problem]:
    """`some x` of which nothing more is said: mostly another name was meant."""
    for rules in definitions.rules.values():
        for rule in rules:
            for body in rule.bodies:
                used = {term.value for term, _ in terms_in(body.statements, body.heads) if term.kind == "variable"}
                for each in body.statements:
                    for name in each.declares - used if each.kind == "some" else ():
                        fix = "use it, or remove it"
                        yield Problem(rule.name, f"`some {name}` is not used", fix, rule.file, each.line)


def _unsafe_problem(unsafe: Unsafe, rule: Rule, definitions: Definitions) -> Problem:
    name = unsafe.variable
    if WILDCARD in name:
        found = "`_` has no value here: it only enumerates, and not under `not`"
        fix = "name the value first (`some x in …`), or move what is negated into a rule of its own"
        return Problem(rule.name, found, fix, rule.file, unsafe.line)
    found = f"variable `{name}` is never given a value (unsafe)"
    owner = next((each for each in _others(rule, definitions) if name in _declared(each)), None)
    if owner:
        place = f"`{owner.path[-1]}` ({owner.file}:{owner.line})"
        fix = f"it is local to {place}: make `{name}` a rule of its own, or assign it in this body too"
    else:
        siblings = [*definitions.children(rule.path[:-1]), "input", "data"]
        close = meant(name, siblings)
        hint = f"{close} Else " if close.endswith("?") else ""
        fix = f"{hint}assign it in this body (`{name} := …`, `some {name} in …`), or define a rule `{name}`"
    return Problem(rule.name, found, fix, rule.file, unsafe.line)


def _others(rule: Rule, definitions: Definitions) -> Iterator[Rule]:
    package = rule.path[:-1]
    rules = (each for path, rules in definitions.rules.items() for each in rules if path[: len(package)] == package)
    return (each for each in rules if each is not rule)


def _declared(rule: Rule) -> frozenset[str]:
    def names(statement: Statement) -> frozenset[str]:
        return statement.declares.union(*map(names, statement.body))

    return frozenset().union(*(names(statement) for body in rule.bodies for statement in body.statements))
