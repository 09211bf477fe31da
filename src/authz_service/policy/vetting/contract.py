"""What policies and their query ask of this sidecar, held against what it has: the input, the data, one decision.

OPA takes a reference to what is not there for undefined, and so true under `not`: it cannot know which documents it
will be given. We do. Not whether the policies are right Rego (`authz_rego`), not what they answer (`probing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from authz_rego.check.names import package_path, resolve_modules
from authz_rego.check.walk import walk
from authz_rego.errors import Place
from authz_rego.syntax.tree import Module, Ref, Rule, Scalar, Var
from authz_rego.values.value import Value
from authz_service.errors import Problem

Path = tuple[str, ...]  # ("data", "order", "allow")

# What else than these a policy asks of `input` is undefined for every request (docs/policies.md).
INPUT_FIELDS: dict[str, frozenset[str] | None] = {
    "mtls": frozenset({"verified", "subject", "san", "fingerprint_sha256"}),
    "token": None,
    "request": frozenset({"method", "path", "segments", "query", "host"}),
    "headers": None,
    "route": None,
    "decision_id": None,
}
# Beside or in place of these, in the answer to an AuthZEN question (docs/decision-only.md).
EVALUATION_FIELDS: dict[str, frozenset[str] | None] = {
    "subject": None,
    "action": None,
    "resource": None,
    "context": None,
    "asked_by": None,
}
# What opa-envoy-plugin calls what we have, or have not.
PLUGIN = {
    "attributes": "the request is in input.request, the caller's certificate in input.mtls",
    "parsed_path": "use input.request.segments",
    "parsed_query": "use input.request.query",
    "parsed_body": "a policy does not see the request's body",
    "truncated_body": "a policy does not see the request's body",
    "source_principal": "use input.mtls.san.uri, a list",
    "version": "there is one version of the input: remove the line",
}
_MAX_LISTED = 8


def contract_problems(query: str, modules: Iterable[Module], data: Value, *, evaluated: bool = False) -> list[Problem]:
    """Every problem once, in the order of files and lines. For modules that `authz_rego` compiles."""
    resolved, _ = resolve_modules(modules)
    names = _Names(resolved, data)
    if evaluated:
        names.input_fields = INPUT_FIELDS | EVALUATION_FIELDS
    problems = set(_query_problems(query, names))
    for module in resolved:
        for each in module.imports:
            problems.update(_unknown(each.path, names))
        for node in (node for rule in module.rules for node in walk(rule)):
            if isinstance(node, Ref):
                problems.update(_unknown(node, names))
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column, problem.found))


class _Names:
    """What rules, packages and data define below `data`."""

    def __init__(self, modules: Iterable[Module], data: Value) -> None:
        self.data = data
        self.input_fields = INPUT_FIELDS
        self.rules: dict[Path, Rule] = {}  # the first of each name
        self.packages: set[Path] = {("data",)}
        for module in modules:
            package = ("data", *package_path(module))
            self.packages.update(package[:end] for end in range(2, len(package) + 1))
            for rule in module.rules:
                self.rules.setdefault((*package, *_head(rule)), rule)

    def below(self, path: Path) -> set[str]:
        """The names right below a path."""
        defined = (*self.rules, *self.packages)
        return {each[len(path)] for each in defined if len(each) > len(path) and each[: len(path)] == path}

    def is_inside_a_rule(self, path: Path) -> bool:
        return any(path[:end] in self.rules for end in range(2, len(path) + 1))


def _head(rule: Rule) -> Path:
    """The static part of a rule's name."""
    ref = rule.head.ref
    first = ref.head.name if isinstance(ref.head, Var) else ""
    return (first, *constant_names(ref))


def constant_names(ref: Ref) -> Iterator[str]:
    """Those that are written out at a reference's beginning, behind its head."""
    for step in ref.path:
        if not isinstance(step, Scalar) or not isinstance(step.value, str):
            return
        yield step.value


def _query_problems(query: str, names: _Names) -> Iterator[Problem]:
    """The configured query has to name what can be a decision."""
    path = tuple(query.split("."))
    values = [".".join(path) for path, rule in names.rules.items() if _is_a_value(rule) and _is_static(rule)]
    fix = f"set proxy.authz.policy_query to a rule: {meant(query, values)}"
    rule = names.rules.get(path)
    if path[0] != "data" or not all(part.isidentifier() for part in path):
        yield Problem(query, "the policy query is not of the form data.<package>.<rule>", fix)
    elif rule is not None and not _is_a_value(rule):
        kind = "a function" if rule.head.args is not None else "a set"
        yield _at(rule.place, query, f"the policy query names {kind}, which is not a decision", fix)
    elif path in names.packages:
        yield Problem(query, "the policy query names a package, not a rule in it", fix)
    elif not names.is_inside_a_rule(path) and not names.below(path):
        yield Problem(query, "the policy query names no rule of these policies", fix)


def _is_static(rule: Rule) -> bool:
    """Whether its name is written out: not `allowed[user] := …`."""
    return len(_head(rule)) == len(rule.head.ref.path) + 1


def _is_a_value(rule: Rule) -> bool:
    return rule.head.args is None and rule.head.value is not None


def _unknown(ref: Ref, names: _Names) -> Iterator[Problem]:
    """A reference that is undefined for every request: mostly a misspelling."""
    root = ref.head.name if isinstance(ref.head, Var) else ""
    path = (root, *constant_names(ref))
    if root == "input":
        yield from _unknown_input(path, ref.place, names.input_fields)
    elif root == "data":
        yield from _unknown_data(path, ref.place, names)


def _unknown_input(path: Path, place: Place, known: Mapping[str, frozenset[str] | None]) -> Iterator[Problem]:
    fields: Iterable[str] = known
    for depth, part in enumerate(path[1:3], 1):
        name = ".".join(path[: depth + 1])
        if part not in fields:
            instead = PLUGIN.get(part) if depth == 1 else None
            fix = instead or meant(part, fields, ".".join(path[:depth]) + ".")
            yield _at(place, name, f"the input has no field `{name}`", fix)
            return
        below = known[part] if depth == 1 else None
        if below is None:
            return
        fields = below


def _unknown_data(path: Path, place: Place, names: _Names) -> Iterator[Problem]:
    data: Value = names.data
    for depth, part in enumerate(path[1:], 1):
        here = path[:depth]
        if here in names.rules or not (here in names.packages or names.below(here)):
            return  # inside a rule's value or inside the data: depends on the request, or on the data of the day
        known = names.below(here) | ({key for key in data if type(key) is str} if type(data) is dict else set())
        if part not in known:
            name = ".".join(path[: depth + 1])
            fix = f"define it in a rule or in data.json; {meant(part, known, '.'.join(here) + '.')}"
            yield _at(place, name, f"nothing defines `{name}`", fix)
            return
        data = data.get(part) if type(data) is dict else None


def _at(place: Place, at: str, found: str, fix: str) -> Problem:
    return Problem(at, found, fix, place.file, place.row, place.column)


def meant(name: str, known: Iterable[str], below: str = "") -> str:
    """The known name that is probably meant, or what there is."""
    names = sorted(set(known))
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {below}{close[0]}?"
    listed = ", ".join(below + each for each in names[:_MAX_LISTED]) + (", …" if len(names) > _MAX_LISTED else "")
    return f"there is {listed}" if names else "there is nothing of the kind"
