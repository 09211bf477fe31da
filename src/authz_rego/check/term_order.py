"""The order of terms as OPA has it, in which keys and items come. Not that of values (`values.value`)."""

from __future__ import annotations

from typing import Any, TypeAlias

from authz_rego.syntax import tree
from authz_rego.values.number import Number, compare_numbers, hash_of

TermOrder: TypeAlias = tuple[Any, ...]

_ROOTS = ("data", "input")


class _NumberOrder:
    """Compares as the number does, whatever its text."""

    __slots__ = ("number",)

    def __init__(self, number: int | Number) -> None:
        self.number = number

    def __lt__(self, other: _NumberOrder) -> bool:
        return compare_numbers(self.number, other.number) < 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _NumberOrder) and not compare_numbers(self.number, other.number)

    def __hash__(self) -> int:
        return hash_of(self.number)


def sorted_pairs(term: tree.ObjectTerm) -> list[tuple[tree.Term, tree.Term]]:
    """An object's pairs in the order of their keys; of equal keys the last one's value, as OPA keeps it."""
    if len(term.pairs) < 2:
        return list(term.pairs)
    found = {term_order(key): (key, value) for key, value in term.pairs}
    return [found[order] for order in sorted(found)]


def sorted_items(term: tree.SetTerm) -> list[tree.Term]:
    """A set's items in order, each once."""
    if len(term.items) < 2:
        return list(term.items)
    found = {term_order(each): each for each in reversed(term.items)}
    return [found[order] for order in sorted(found)]


def term_order(term: tree.Term) -> TermOrder:  # noqa: C901, PLR0911 - one line for each kind of term
    """Sorts as OPA's terms do; equal terms have equal ones, and it can be hashed."""
    match term:
        case tree.Scalar():
            return _scalar(term.value)
        case tree.Var():
            return (6, ((5, term.name),)) if term.name in _ROOTS else (5, term.name)
        case tree.Ref():
            head = (5, term.head.name) if type(term.head) is tree.Var else term_order(term.head)
            return (6, (head, *map(term_order, term.path)))
        case tree.ArrayTerm():
            return (7, tuple(map(term_order, term.items)))
        case tree.ObjectTerm():
            return (8, tuple(sorted({term_order(key): term_order(value) for key, value in term.pairs}.items())))
        case tree.SetTerm():
            return (9, tuple(sorted(set(map(term_order, term.items)))))
        case tree.ArrayComprehension():
            return (10, term_order(term.term), _body(term.body))
        case tree.ObjectComprehension():
            return (11, term_order(term.key), term_order(term.value), _body(term.body))
        case tree.SetComprehension():
            return (12, term_order(term.term), _body(term.body))
        case tree.Call():
            return (13, (term_order(term.operator), *map(term_order, term.args)))
        case tree.TemplateString():
            return (4, term.multi_line, len(term.parts), tuple(map(_part, term.parts)))


def _scalar(value: bool | int | Number | str | None) -> TermOrder:  # noqa: FBT001 - a value, not a switch
    if isinstance(value, str):
        return (3, value)
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    return (2, _NumberOrder(value))


def _part(part: tree.Scalar | tree.Expr) -> TermOrder:
    return (100, statement_order(part)) if type(part) is tree.Expr else term_order(part)  # type: ignore[arg-type]


def _body(body: tree.Body) -> TermOrder:
    return tuple(map(statement_order, body))


def statement_order(expr: tree.Expr) -> TermOrder:
    """The same for statements, wherever they stand in their bodies."""
    rank, *order = _statement(expr.terms)
    return (rank, expr.negated, *order, tuple(map(_with, expr.with_)))


def _statement(terms: tree.Terms) -> TermOrder:
    match terms:
        case tree.SomeDecl():
            return (0, tuple(map(term_order, terms.symbols)))
        case tree.Every():
            key = () if terms.key is None else term_order(terms.key)
            return (3, key, term_order(terms.value), term_order(terms.domain), _body(terms.body))
        case tree.Not():
            return (4, _body(terms.body))
        case tree.Logical():
            return (5 if terms.operator == "and" else 6, _body(terms.left), _body(terms.right))
        case tree.Call():
            return (2, (term_order(terms.operator), *map(term_order, terms.args)))
    return (1, term_order(terms))


def _with(each: tree.With) -> TermOrder:
    return (term_order(each.target), term_order(each.value))
