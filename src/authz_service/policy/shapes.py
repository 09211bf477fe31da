"""References into values that stand in the policy itself: a field that the written value does not have is never there.

Looks at rules and local variables that are given literals, and only at those; not at the types of anything computed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from authz_service.errors import Problem
from authz_service.policy.definitions import Definitions, meant
from authz_service.policy.syntax import Path, Rule, Statement, Term, terms_in, terms_of

_SCALARS = (str, bool, int, float, type(None))
_TRUE = Term("constant", 0, value=True)  # what a rule without a value of its own is


def shape_problems(definitions: Definitions) -> Iterator[Problem]:
    """OPA's undefined references and match errors, as far as literals show them; under `not` they would allow."""
    for rules in definitions.rules.values():
        for rule in rules:
            for term, _ in terms_of(rule):
                if term.kind == "reference" and term.path:
                    yield from _into_rule(term, rule, definitions)
            for body in rule.bodies:
                yield from _in_body(body.statements, body.heads, rule)


def _into_rule(term: Term, rule: Rule, definitions: Definitions) -> Iterator[Problem]:
    for end in range(2, len(term.path)):
        found = definitions.rules.get(term.path[:end], ())
        if found and not any(each.dynamic or each.is_function or each.kind == "set" for each in found):
            values = [head for each in found for body in each.bodies for head in body.heads or (_TRUE,)]
            yield from _missing(values, term.path[end:], ".".join(term.path[:end]), rule, term.line)
            return


def _in_body(statements: Sequence[Statement], heads: Iterable[Term], rule: Rule) -> Iterator[Problem]:
    literals = _assigned(statements)
    for term, _ in terms_in(statements, heads):
        if term.kind == "reference" and not term.path and term.parts[0].value in literals:
            name = str(term.parts[0].value)
            yield from _missing([literals[name]], _constant_path(term.parts[1:]), name, rule, term.line)
        elif term.kind == "unify":
            left, right = (_type(each, literals) for each in term.parts)
            if left and right and left != right:
                fix = "compare values of one type; what is never equal makes the body undefined"
                yield Problem(rule.name, f"{left} is never equal to {right}", fix, rule.file, term.line)


def _assigned(statements: Iterable[Statement]) -> Mapping[str, Term]:
    """What the body's variables are assigned, where it is a literal."""
    terms = [each.terms[0] for each in statements if each.kind == "expression"]
    return {
        str(name.value): value
        for name, value in (term.parts for term in terms if term.kind == "assign")
        if name.kind == "variable" and value.kind in {"constant", "array", "object"}
    }


def _missing(values: Sequence[Term], path: Path, at: str, rule: Rule, line: int) -> Iterator[Problem]:
    """Only when none of the values has it."""
    if not values or not path or any(_may_have(value, path) for value in values):
        return
    names = {str(key) for value in values for key in _keys(value) or ()}
    fix = f"{meant(path[0], names, f'{at}.')} under `not` this would be true for everybody"
    yield Problem(rule.name, f"`{at}` has no `{'.'.join(path)}`", fix, rule.file, line)


def _may_have(value: Term, path: Path) -> bool:
    if not path:
        return True
    if value.kind == "constant":
        return False
    if value.kind == "array":
        return not path[0] or not path[0].strip("0123456789")  # an index: not looked at
    keys = _keys(value)
    if keys is None:
        return True
    pairs = zip(value.parts[::2], value.parts[1::2], strict=True)
    return any(_may_have(member, path[1:]) for key, member in pairs if key.value == path[0])


def _keys(value: Term) -> list[object] | None:
    """An object's keys; None when it is something else, or one of them is computed."""
    keys = value.parts[::2]
    if value.kind != "object" or any(key.kind != "constant" for key in keys):
        return None
    return [key.value for key in keys]


def _constant_path(indices: Iterable[Term]) -> Path:
    path: list[str] = []
    for index in indices:
        if index.kind != "constant" or not isinstance(index.value, str):
            break
        path.append(index.value)
    return tuple(path)


def _type(term: Term, literals: Mapping[str, Term]) -> str:
    """In words, if it is known."""
    value = literals.get(str(term.value), term) if term.kind == "variable" else term
    if value.kind == "constant" and isinstance(value.value, _SCALARS):
        return {str: "text", bool: "a truth value", type(None): "null"}.get(type(value.value), "a number")
    return {"array": "a list", "object": "an object"}.get(value.kind, "")
