"""`and`, `or`, and `not` with a body, which a module must import. Not statements without them (`literals`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from authz_rego.syntax.cursor import Cursor, Mark, Statement
from authz_rego.syntax.expressions import attach_with, expression
from authz_rego.syntax.logical_problems import (
    ambiguous_union,
    brace_led_operand,
    check_not_void,
    is_ambiguous_union,
    needs_body,
    with_on_operand,
)
from authz_rego.syntax.terms import infix, term
from authz_rego.syntax.tokens import Kind
from authz_rego.syntax.tree import Body, Expr, Logical, Not, Term

AND_OR: Final = (Kind.LOGICAL_AND, Kind.LOGICAL_OR)


class Operand(NamedTuple):
    """One side of an operator: a statement, or a body in braces."""

    body: list[Statement]
    explicit: bool
    mark: Mark


_NO_GROUP: Final[tuple[bool, Operand | None]] = (False, None)
_WRONG: Final[tuple[bool, Operand | None]] = (True, None)


def and_or_known(cursor: Cursor) -> bool:
    """Whether one of the two was imported."""
    return "and" in cursor.state.keywords or "or" in cursor.state.keywords


def is_negated(cursor: Cursor) -> bool:
    """At a `not` that is no name."""
    return cursor.at(Kind.NOT) and cursor.next_kind(blanks=True) not in {Kind.DOT, Kind.LBRACK}


def exprs_of(body: list[Statement]) -> Body:
    return tuple(each.expr for each in body)


def not_statement(cursor: Cursor, body: list[Statement], mark: Mark, *, explicit: bool) -> Statement:
    expr = Expr(Not(exprs_of(body), explicit, mark.place), place=mark.place)
    return Statement(expr, mark.start, cursor.state.last_end)


# ── operators ──


def folded(cursor: Cursor, left: Operand) -> Statement | None:
    """What begins with this operand: all of `left and … or …`, or just its statement; and a `with` behind it."""
    found = or_chain(cursor, left) if cursor.at(*AND_OR) else left.body[0]
    return None if found is None else attach_with(cursor, found)


def or_chain(cursor: Cursor, left: Operand) -> Statement | None:
    """All that follows at an operator; `and` binds tighter."""
    if cursor.at(Kind.LOGICAL_AND):
        found = _and_chain(cursor, left)
        if found is None:
            return None
        left = found
    while cursor.at(Kind.LOGICAL_OR):
        cursor.scan()
        right = operand(cursor, "or")
        if right is not None and cursor.at(Kind.LOGICAL_AND):
            right = _and_chain(cursor, right)
        if right is None:
            return None
        left = _joined(cursor, "or", left, right)
    return left.body[0]


def _and_chain(cursor: Cursor, left: Operand) -> Operand | None:
    while cursor.at(Kind.LOGICAL_AND):
        cursor.scan()
        right = operand(cursor, "and")
        if right is None:
            return None
        left = _joined(cursor, "and", left, right)
    return left


def _joined(cursor: Cursor, operator: str, left: Operand, right: Operand) -> Operand:
    for side in (left, right):
        check_not_void(cursor, side.body, operator)
    mark = left.mark
    logical = Logical(
        operator, exprs_of(left.body), exprs_of(right.body), left.explicit, right.explicit, mark.place
    )  # fmt: skip
    statement = Statement(Expr(logical, place=mark.place), mark.start, cursor.state.last_end)
    return Operand([statement], explicit=False, mark=mark)


def operand(cursor: Cursor, operator: str) -> Operand | None:
    """One side; without an operator's name in an attempt that is forgotten when it fails."""
    mark = cursor.mark()
    if cursor.at(Kind.LBRACE):
        return _braced_operand(cursor, operator, mark)
    negated = is_negated(cursor)
    if negated:
        cursor.scan()
    if negated and cursor.not_has_body and cursor.at(Kind.LBRACE):
        return _operand(not_body(cursor, mark), mark)
    if cursor.at(Kind.LPAREN) and and_or_known(cursor) and (not negated or cursor.not_has_body):
        committed, found = group(cursor, inside=True, prefix="not " if negated else "")
        if committed and (found is None or not negated):
            return found
        if found is not None:
            return _operand(not_statement(cursor, found.body, mark, explicit=found.explicit), mark)
    return _plain_operand(cursor, mark, negated=negated)


def _plain_operand(cursor: Cursor, mark: Mark, *, negated: bool) -> Operand | None:
    inner = cursor.mark()
    expr = expression(cursor)
    if expr is None:
        return None
    statement = Statement(expr, inner.start, cursor.state.last_end)
    if negated and cursor.not_has_body:
        return _operand(not_statement(cursor, [statement], mark, explicit=False), mark)
    expr.negated = negated
    return _operand(statement, inner)


def _operand(statement: Statement | None, mark: Mark) -> Operand | None:
    return None if statement is None else Operand([statement], explicit=False, mark=mark)


def _braced_operand(cursor: Cursor, operator: str, mark: Mark) -> Operand | None:
    body = _braced_body(cursor, (lambda _: brace_led_operand(cursor, mark, operator)) if operator else None)
    if body is None:
        return None
    if is_ambiguous_union(cursor, body):
        ambiguous_union(cursor, mark, body, "")
    return Operand(body, explicit=True, mark=mark)


def _braced_body(cursor: Cursor, complain: Callable[[Term], None] | None) -> list[Statement] | None:
    """At the brace. The braces may hold a value; then that is what to complain about."""
    saved = cursor.save()
    cursor.scan()
    empty = cursor.at(Kind.RBRACE)
    body = cursor.grammar.body(cursor, Kind.RBRACE)
    if body is not None:
        cursor.scan()
    elif complain is not None and not empty:
        failed = cursor.save()
        cursor.state = saved
        value = infix(cursor, True)
        if value is not None:
            complain(value)
        else:
            cursor.state = failed
    return body


def not_body(cursor: Cursor, negation: Mark) -> Statement | None:
    """`not { body }`, at the brace."""
    mark = cursor.mark()
    body = _braced_body(cursor, lambda value: needs_body(cursor, mark, value))
    if body is None:
        return None
    if is_ambiguous_union(cursor, body):
        ambiguous_union(cursor, mark, body, "not ")
        return None
    return not_statement(cursor, body, negation, explicit=True)


# ── groups in parentheses ──


def group(cursor: Cursor, *, inside: bool, prefix: str) -> tuple[bool, Operand | None]:
    """Tries `(a or b)`; whether that is what stands here, and if so what it is, or None where it is wrong.

    Inside of an operator parentheses hold an operand; at the beginning of a statement that shows only at their end.
    """
    cursor.enter()
    saved, mark = cursor.save(), cursor.mark()
    cursor.scan()
    if cursor.at(Kind.RPAREN) and inside:
        cursor.error(mark.place, "empty parenthesized group")
        found = _WRONG
    else:
        left = None if cursor.at(Kind.RPAREN) else operand(cursor, "")
        found = _NO_GROUP if left is None else _group_from(cursor, left, mark, inside=inside)
        if found is _NO_GROUP:
            braces = cursor.text(left.mark.start, cursor.state.last_end) if left is not None else ""
            cursor.state = saved
            if left is not None and left.explicit and not _holds_value(cursor):
                cursor.hint(f"drop the parens to keep the body: `{prefix}{braces}`")
                cursor.error(mark.place, "`(...)` in an operand position cannot contain a body")
                found = _WRONG
    cursor.leave()
    return found


def _group_from(cursor: Cursor, left: Operand, mark: Mark, *, inside: bool) -> tuple[bool, Operand | None]:
    if cursor.at(*AND_OR):
        found = or_chain(cursor, left)
        found = None if found is None else attach_with(cursor, found)
        return _closed(cursor, None if found is None else [found], mark)
    if cursor.at(Kind.WITH) and not left.explicit and len(left.body) == 1:
        return _group_with(cursor, left, mark, inside=inside)
    if not left.explicit and len(left.body) == 1:
        expr = left.body[0].expr
        if expr.negated or isinstance(expr.terms, (Logical, Not)):
            return _closed(cursor, left.body, mark)
    return _NO_GROUP


def _group_with(cursor: Cursor, left: Operand, mark: Mark, *, inside: bool) -> tuple[bool, Operand | None]:
    place = cursor.place()
    found = attach_with(cursor, left.body[0])
    if found is not None and cursor.at(*AND_OR):
        with_on_operand(cursor, place)
        found = None
    closed = _closed(cursor, None if found is None else [found], mark)
    return closed if closed == _WRONG or inside or cursor.at(*AND_OR) else _NO_GROUP


def _closed(cursor: Cursor, body: list[Statement] | None, mark: Mark) -> tuple[bool, Operand | None]:
    if body is None:
        return _WRONG
    if not cursor.at(Kind.RPAREN):
        cursor.error(cursor.place(), "expected ) to close parenthesized group")
        return _WRONG
    cursor.scan()
    return True, Operand(body, explicit=False, mark=mark)


def _holds_value(cursor: Cursor) -> bool:
    probe = cursor.save()
    cursor.scan()
    value = term(cursor)
    cursor.state = probe
    return value is not None
