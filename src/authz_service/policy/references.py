"""What the rules use: documents, functions, builtins, each other. Not what they define (`definitions`)."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from authz_service.errors import Problem
from authz_service.policy.builtins import ADDED, ARITY, PRINT, instead_of
from authz_service.policy.definitions import Definitions, meant
from authz_service.policy.syntax import Path, Rule, Term, terms_of

# What else than these the policy asks of `input` is undefined for every request (docs/policies.md).
INPUT_FIELDS: dict[str, frozenset[str] | None] = {
    "mtls": frozenset({"verified", "subject", "san", "fingerprint_sha256"}),
    "token": None,
    "request": frozenset({"method", "path", "segments", "query", "host"}),
    "headers": None,
    "route": None,
    "decision_id": None,
}


class Finding(NamedTuple):
    """A problem without its place."""

    found: str
    fix: str


# The engine answers these two without an error, and not as OPA does.
_KEY_MEMBERSHIP = Finding(
    "`key, value in …` is never true of a set here", "write `value in …` for a set, `xs[key] == value` for others"
)
_WALK = Finding("`walk` gives nothing when its result is assigned", "write `walk(x, [path, value])`")


def arity_of(term: Term, definitions: Definitions) -> int | None:
    """How many arguments the called function takes; None when there is no such function."""
    if term.path:
        function = definitions.function(term.path)
        return len(function.arguments) if function else None
    return ARITY.get(str(term.value))


def reference_problems(definitions: Definitions) -> Iterator[Problem]:
    """Calls and references that cannot work, on any request."""
    for rules in definitions.rules.values():
        for rule in rules:
            yield from _of_rule(rule, definitions)
    for module in definitions.modules:
        for each in module.imports:
            finding = _unknown(each.path, definitions)
            if finding:
                yield Problem(f"import {'.'.join(each.path)}", *finding, module.file, each.line)
    yield from _recursion(definitions)


def _of_rule(rule: Rule, definitions: Definitions) -> Iterator[Problem]:
    for term, is_replacement in terms_of(rule):
        if term.kind == "call":
            finding = _call(term, definitions)
        elif term.kind == "reference" and term.path:
            finding = _unknown(term.path, definitions)
            if not is_replacement and not finding and definitions.function(term.path):
                finding = Finding(f"`{term.path[-1]}` is a function and is used without arguments", "call it")
        elif term.kind == "key_membership":
            finding = _KEY_MEMBERSHIP
        else:
            continue
        if finding:
            yield Problem(rule.name, *finding, rule.file, term.line)


def _call(term: Term, definitions: Definitions) -> Finding | None:
    name = ".".join(term.path) or str(term.value)
    if name == PRINT:
        return None
    if name == "walk" and len(term.parts) == 1:
        return _WALK
    arity = arity_of(term, definitions)
    if arity is None:
        return _unknown_function(name, definitions)
    # One more is OPA's old form with the result as last argument; the engine has it for its own builtins only.
    if len(term.parts) != arity and (len(term.parts) != arity + 1 or name in ADDED):
        return Finding(f"`{name}` takes {arity} arguments, not {len(term.parts)}", "give it as many as it takes")
    return None


def _unknown_function(name: str, definitions: Definitions) -> Finding:
    instead = instead_of(name)
    if instead:
        return Finding(f"the builtin `{name}` is not available here", instead)
    functions = {rules[0].path[-1] for rules in definitions.rules.values() if rules[0].is_function}
    functions |= {rules[0].name for rules in definitions.rules.values() if rules[0].is_function}
    close = meant(name, [*ARITY, *functions])
    fix = close if close.endswith("?") else "define it; docs/policies.md lists the builtins"
    return Finding(f"there is no function `{name}`", fix)


def _unknown(path: Path, definitions: Definitions) -> Finding | None:
    """A reference that is undefined for every request: a misspelling, which under `not` would allow."""
    if path[0] == "input":
        return _unknown_input(path)
    if path[0] != "data":  # an import of a keyword, which the engine would read as something else
        return Finding(
            f"`{'.'.join(path)}` is not understood here", "write it without; docs/policies.md says which Rego is"
        )
    data = definitions.data
    for depth, part in enumerate(path[1:], 1):
        here = path[:depth]
        if here in definitions.rules or here not in definitions.packages:
            return None  # inside a rule's value or inside the data: depends on the request, or on the data of the day
        known = definitions.children(here) | (data.keys() if isinstance(data, dict) else set())
        if part not in known:
            fix = f"define it in a rule or in data.json; {meant(part, known, '.'.join(here) + '.')}"
            return Finding(f"nothing defines `{'.'.join(path[: depth + 1])}`", fix)
        data = data.get(part) if isinstance(data, dict) else None
    return None


def _unknown_input(path: Path) -> Finding | None:
    fields: Iterable[str] = INPUT_FIELDS
    for depth, part in enumerate(path[1:3], 1):
        if part not in fields:
            fix = f"{meant(part, fields, '.'.join(path[:depth]) + '.')} (docs/policies.md shows the document)"
            return Finding(f"the input has no field `{'.'.join(path[: depth + 1])}`", fix)
        below = INPUT_FIELDS[part] if depth == 1 else None
        if below is None:
            return None
        fields = below
    return None


def _recursion(definitions: Definitions) -> Iterator[Problem]:
    """Functions that call each other without end kill the process (SIGSEGV), rules fail on the request (T10)."""
    uses = {path: sorted(_used(rules, definitions)) for path, rules in definitions.rules.items()}
    reported: set[Path] = set()
    for start in sorted(uses):
        cycle = [] if start in reported else _way_back(start, uses)
        if cycle:
            reported.update(cycle)
            rule = definitions.rules[start][0]
            way = " → ".join(".".join(path) for path in [*cycle, start])
            fix = "break the circle; for nested data use walk, or graph.reachable"
            yield Problem(rule.name, f"defined by itself: {way}", fix, rule.file, rule.line)


def _used(rules: Iterable[Rule], definitions: Definitions) -> set[Path]:
    paths = {term.path for rule in rules for term, _ in terms_of(rule) if term.path and term.path[0] == "data"}
    return {rule for path in paths for rule in definitions.rules if _overlap(path, rule)}


def _overlap(one: Path, other: Path) -> bool:
    """`data.order` uses `data.order.allow`, and `data.order.allow.reasons` does too."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _way_back(start: Path, uses: dict[Path, list[Path]]) -> list[Path]:
    """The shortest way from a rule to itself; empty if there is none."""
    ways = [[start]]
    seen: set[Path] = set()
    for way in ways:  # grows while it is walked: breadth first
        for used in uses[way[-1]]:
            if used == start:
                return way
            if used not in seen:
                seen.add(used)
                ways.append([*way, used])
    return []
