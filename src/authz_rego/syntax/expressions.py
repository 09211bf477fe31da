"""A statement that is a term or an assignment, and the `with` behind it. Not the other statements (`literals`)."""

from __future__ import annotations

from authz_rego.syntax.cursor import Cursor, Statement
from authz_rego.syntax.terms import infix, operator_here, term
from authz_rego.syntax.tokens import Kind
from authz_rego.syntax.tree import Call, Expr, Ref, Var, With


def expression(cursor: Cursor) -> Expr | None:
    """A term, `x = y`, or `x := y`."""
    place = cursor.place()
    left = infix(cursor, True)
    if left is None:
        return None
    if not cursor.at(Kind.ASSIGN, Kind.UNIFY):
        return Expr(left, place=place)
    operator = operator_here(cursor)
    right = infix(cursor, True)
    if right is None:
        return None
    return Expr(Call(operator, (left, right), left.place), place=place)


def attach_with(cursor: Cursor, statement: Statement) -> Statement | None:
    """The statement with the `with` that follows, if one does."""
    if not cursor.at(Kind.WITH):
        return statement
    found = _with_list(cursor)
    if found is None:
        return None
    statement.expr.with_ = found
    return statement._replace(end=cursor.state.last_end)


def _with_list(cursor: Cursor) -> tuple[With, ...] | None:
    found: list[With] = []
    while cursor.at(Kind.WITH):
        place = cursor.place()
        cursor.scan()
        if not cursor.at(Kind.IDENT):
            cursor.illegal("expected ident", "`with` takes `input`, `data`, a path below them, or a function")
            return None
        target = term(cursor)
        if target is None:
            return None
        if not isinstance(target, (Ref, Var)):
            cursor.illegal("expected with target path")
        if not cursor.at(Kind.AS):
            cursor.illegal("expected as keyword")
            return None
        cursor.scan()
        value = infix(cursor, True)
        if value is None:
            return None
        found.append(With(target, value, place))
    return tuple(found)
