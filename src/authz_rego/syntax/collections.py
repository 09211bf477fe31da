"""Arrays, sets, objects and their comprehensions: what stands in `[…]` and `{…}`. Not bodies in braces (`literals`)."""

from __future__ import annotations

from authz_rego.errors import Place
from authz_rego.syntax.cursor import Cursor, State
from authz_rego.syntax.shapes import distinct
from authz_rego.syntax.tokens import NAMES, Kind
from authz_rego.syntax.tree import (
    ArrayComprehension,
    ArrayTerm,
    Body,
    ObjectComprehension,
    ObjectTerm,
    SetComprehension,
    SetTerm,
    Term,
)

_Pairs = list[tuple[Term, Term]]


def array_term(cursor: Cursor) -> Term | None:  # noqa: PLR0911  # each reading may be the right one
    """`[…]`; the cursor ends on the closing bracket, as in all functions here."""
    place = cursor.place()
    cursor.scan()
    if cursor.at(Kind.RBRACK):
        return ArrayTerm((), place)
    may_be_comprehension = not _skip_comma(cursor)
    saved = cursor.save()
    # A term without operators first: `[x | …]` is a comprehension, not the beginning of a union.
    head = cursor.grammar.term(cursor)
    if head is None:
        return None
    if cursor.at(Kind.RBRACK):
        return ArrayTerm((head,), place)
    if cursor.at(Kind.COMMA):
        cursor.scan()
        items = term_list(cursor, Kind.RBRACK, [head])
        return None if items is None else ArrayTerm(tuple(items), place)
    if cursor.at(Kind.OR) and may_be_comprehension:
        body = _body(cursor, Kind.RBRACK)
        if body is not None:
            return ArrayComprehension(head, body, place)
        if not cursor.at(Kind.COMMA):
            return None
    cursor.state = saved
    items = term_list(cursor, Kind.RBRACK)
    return None if items is None else ArrayTerm(tuple(items), place)


def braced_term(cursor: Cursor) -> Term | None:  # noqa: PLR0911  # each reading may be the right one
    """`{…}`: a set, an object, or a comprehension of one."""
    place = cursor.place()
    cursor.scan()
    if cursor.at(Kind.RBRACE):
        return ObjectTerm((), place)
    may_be_comprehension = not _skip_comma(cursor)
    saved = cursor.save()
    head = cursor.grammar.term(cursor)
    if head is None:
        return None
    kind = cursor.kind
    if kind in {Kind.RBRACE, Kind.COMMA} or (kind is Kind.OR and may_be_comprehension):
        return _set(cursor, saved, head, place)
    if kind is Kind.COLON:
        return _object(cursor, head, place, may_be_comprehension=may_be_comprehension)
    cursor.state = saved
    head = cursor.grammar.infix(cursor, False)
    if head is None:
        return None
    if cursor.at(Kind.RBRACE, Kind.COMMA):
        return _set(cursor, saved, head, place)
    if cursor.at(Kind.COLON):
        return _object(cursor, head, place, may_be_comprehension=may_be_comprehension)
    cursor.illegal("non-terminated set")
    return None


def _set(cursor: Cursor, saved: State, head: Term, place: Place) -> Term | None:
    if cursor.at(Kind.RBRACE):
        return SetTerm((head,), place)
    if cursor.at(Kind.COMMA):
        cursor.scan()
        items = term_list(cursor, Kind.RBRACE, [head])
    else:
        body = _body(cursor, Kind.RBRACE)
        if body is not None:
            return SetComprehension(head, body, place)
        if not cursor.at(Kind.COMMA):
            return None
        cursor.state = saved
        items = term_list(cursor, Kind.RBRACE)
    return None if items is None else SetTerm(distinct(items), place)


def _object(cursor: Cursor, key: Term, place: Place, *, may_be_comprehension: bool) -> Term | None:
    cursor.scan()
    saved = cursor.save()
    value = cursor.grammar.term(cursor)
    if value is None:
        return None
    if may_be_comprehension:
        if cursor.at(Kind.RBRACE, Kind.COMMA):
            return _object_from(cursor, key, value, place)
        if cursor.at(Kind.OR):
            body = _body(cursor, Kind.RBRACE)
            if body is not None:
                return ObjectComprehension(key, value, body, place)
    cursor.state = saved
    value = cursor.grammar.infix(cursor, False)
    if value is None:
        return None
    if cursor.at(Kind.RBRACE, Kind.COMMA):
        return _object_from(cursor, key, value, place)
    cursor.illegal("non-terminated object")
    return None


def _object_from(cursor: Cursor, key: Term, value: Term, place: Place) -> Term | None:
    if cursor.at(Kind.RBRACE):
        return ObjectTerm(((key, value),), place)
    cursor.scan()
    pairs = _pair_list(cursor, [(key, value)])
    return None if pairs is None else ObjectTerm(tuple(pairs), place)


def _skip_comma(cursor: Cursor) -> bool:
    """OPA still takes `[, x]`."""
    if not cursor.at(Kind.COMMA):
        return False
    cursor.scan()
    return True


def _body(cursor: Cursor, end: Kind) -> Body | None:
    cursor.scan()
    found = cursor.grammar.body(cursor, end)
    return None if found is None else tuple(each.expr for each in found)


def term_list(cursor: Cursor, end: Kind, found: list[Term] | None = None) -> list[Term] | None:
    """Terms with commas between, and one behind the last if you like."""
    found = [] if found is None else found
    while cursor.kind is not end:
        term = cursor.grammar.infix(cursor, False)
        if term is None:
            return None
        found.append(term)
        if not _comma_or(cursor, end):
            return None
    return found


def _pair_list(cursor: Cursor, found: _Pairs) -> _Pairs | None:
    while not cursor.at(Kind.RBRACE):
        key = cursor.grammar.infix(cursor, False)
        if key is None:
            return None
        if not cursor.at(Kind.COLON):
            cursor.illegal('expected ":"')
            return None
        cursor.scan()
        value = cursor.grammar.infix(cursor, False)
        if value is None:
            return None
        found.append((key, value))
        if not _comma_or(cursor, Kind.RBRACE):
            return None
    return found


def _comma_or(cursor: Cursor, end: Kind) -> bool:
    if cursor.at(Kind.COMMA):
        cursor.scan()
        return True
    if cursor.kind is end:
        return True
    cursor.illegal(f'expected "," or "{NAMES[end]}"')
    return False
