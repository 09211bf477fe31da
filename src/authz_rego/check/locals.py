"""Local variables get names of their own: `x := 1` becomes `__local0__ = 1`, and `some`, `:=` and shadowing are gone.

Follows OPA's rewriting step by step, also in what it calls declared, seen and unused. Not whether they are safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from authz_rego.check.dependencies import branches
from authz_rego.check.local_bodies import LocalBodies
from authz_rego.check.local_names import ARGUMENT, SEEN, LocalNames, Scopes
from authz_rego.check.names import declared_in
from authz_rego.check.rebuild import Rebuild, Renamer
from authz_rego.check.walk import Skip, variables, variables_of, walk
from authz_rego.errors import RegoProblem
from authz_rego.syntax import tree

_COMPILE = "rego_compile_error"


def rewrite_rule(
    rule: tree.Rule, names: LocalNames, builtins: Mapping[str, object]
) -> tuple[tree.Rule, list[RegoProblem]]:
    """The rule with local names, its else-branches too."""
    problems: list[RegoProblem] = []
    arguments = Scopes(names)
    rewritten = [_branch(each, arguments, builtins, problems) for each in branches(rule)]
    new = rewritten.pop()
    while rewritten:
        new = replace(rewritten.pop(), else_=new)
    return new, problems


def _arguments(args: tuple[tree.Term, ...], scopes: Scopes, problems: list[RegoProblem]) -> tuple[tree.Term, ...]:
    """The patterns that a function's arguments are."""

    def pattern(term: tree.Term) -> tree.Term:
        match term:
            case tree.Var():
                local = scopes.find(term.name)
                if local is None:
                    local = scopes.local_names.new()
                    scopes.insert(term.name, local, ARGUMENT)
                return tree.Var(local, term.place)
            case tree.ObjectTerm():
                return replace(term, pairs=tuple((key, pattern(value)) for key, value in term.pairs))
            case tree.ArrayTerm():
                return replace(term, items=tuple(map(pattern, term.items)))
            case tree.Ref():
                return replace(term, head=pattern(term.head), path=tuple(map(pattern, term.path)))
            case tree.Call():
                found = "rule arguments cannot contain calls"
                problems.append(RegoProblem(_COMPILE, term.place, found, "call it in the body"))
        return term

    return tuple(map(pattern, args))


def _branch(
    rule: tree.Rule, arguments: Scopes, builtins: Mapping[str, object], problems: list[RegoProblem]
) -> tree.Rule:
    args = rule.head.args and _arguments(rule.head.args, arguments, problems)
    head = _NestedInHead(arguments.local_names, problems).head(replace(rule.head, args=args))
    used: set[str] = set()
    for term in (*head.ref.path, head.key, head.value):
        if term is not None:
            used |= variables(term)
    scopes = arguments.copy()
    _shadowed_builtins(rule, scopes, builtins)
    body = LocalBodies(scopes, problems).own_body(rule.body, used)
    declared = scopes.scopes[-1].names
    return replace(rule, head=Renamer(lambda name: declared.get(name, name)).head(head), body=body)


def _shadowed_builtins(rule: tree.Rule, scopes: Scopes, builtins: Mapping[str, object]) -> None:
    """A variable that is called like a builtin must not be taken for it later."""
    mocked: set[str] = set()
    for node in walk(rule):
        if isinstance(node, tree.With):
            mocked |= variables(node.target, Skip(call_heads=True)) | variables(node.value, Skip(call_heads=True))
    declared = declared_in(rule.body)
    for name in sorted(variables_of(rule.body, Skip(call_heads=True, closures=True))):
        if name in builtins and name not in declared and name not in mocked and scopes.find(name) is None:
            scopes.insert(name, scopes.local_names.new(), SEEN)


class _NestedInHead(Rebuild):
    """Comprehensions and templates of the head have scopes of their own, which come first."""

    def __init__(self, names: LocalNames, problems: list[RegoProblem]) -> None:
        self._names = names
        self._problems = problems

    def term(self, term: tree.Term) -> tree.Term:
        match term:
            case tree.ArrayComprehension() | tree.SetComprehension() | tree.ObjectComprehension():
                return LocalBodies(Scopes(self._names), self._problems).term(term)
            case tree.TemplateString():
                return LocalBodies(Scopes(self._names), self._problems).template(term)
        return self.term_inside(term)
