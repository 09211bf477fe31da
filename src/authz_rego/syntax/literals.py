"""Bodies and the statements in them: terms, `some`, `every`, `not`, `with`. Not `and` and `or` (`logical`)."""

from __future__ import annotations

from typing import Final

from authz_rego.syntax.cursor import Cursor, Mark, Statement
from authz_rego.syntax.expressions import attach_with, expression
from authz_rego.syntax.logical import (
    AND_OR,
    Operand,
    and_or_known,
    folded,
    group,
    is_negated,
    not_body,
    not_statement,
)
from authz_rego.syntax.logical_problems import ambiguous_union, brace_led_operand, is_ambiguous_union, with_on_operand
from authz_rego.syntax.shapes import operator_of
from authz_rego.syntax.terms import infix, name_here, take_name
from authz_rego.syntax.tokens import FUTURE, NAMES, Kind
from authz_rego.syntax.tree import Call, Every, Expr, Not, ObjectTerm, SomeDecl, Term, Var

_MEMBER: Final = {"internal.member_2": 2, "internal.member_3": 3}
_INFIX_KEYWORDS: Final = {"in": "x in xs", "and": "x and y", "or": "x or y"}


def body(cursor: Cursor, end: Kind) -> list[Statement] | None:
    """Statements up to a closing bracket, on which the cursor ends."""
    cursor.enter()
    found = query(cursor, end, top_level=False)
    cursor.leave()
    return found


def query(cursor: Cursor, end: Kind, *, top_level: bool) -> list[Statement] | None:
    """Statements up to the end of a line or a closing token; only the latter in brackets."""
    if cursor.kind is end:
        cursor.error(cursor.place(), "found empty body")
        return None
    found: list[Statement] = []
    while True:
        statement = literal(cursor)
        if statement is None:
            return None
        found.append(statement)
        if cursor.at(Kind.SEMICOLON):
            cursor.scan()
        elif cursor.kind is end or top_level:
            return found
        elif not cursor.state.line_skipped:
            if cursor.state.errors is None:
                _hint_missing_keyword(cursor)
                cursor.illegal(f"expected \\n or ; or {NAMES[end]}")
            return None


def literal(cursor: Cursor) -> Statement | None:
    """One statement."""
    mark = cursor.mark()
    found = _literal(cursor, mark)
    if found is None:
        return None
    expr = found.expr
    expr.place = mark.place
    if isinstance(expr.terms, Not) and not expr.terms.explicit:
        for inner in expr.terms.body:
            inner.place = mark.place
    return Statement(expr, mark.start, cursor.state.last_end)


def _literal(cursor: Cursor, mark: Mark) -> Statement | None:
    if cursor.at(Kind.LBRACE, Kind.LPAREN) and and_or_known(cursor):
        committed, found = _operand_first(cursor, mark)
        if committed:
            return found
    if take_name(cursor):
        return _plain(cursor, None)
    negation = mark if is_negated(cursor) else None
    if negation is not None:
        cursor.scan()
        if cursor.not_has_body and cursor.at(Kind.LBRACE):
            statement = not_body(cursor, negation)
            return None if statement is None else folded(cursor, Operand([statement], explicit=False, mark=negation))
    if cursor.at(Kind.SOME, Kind.EVERY):
        if negation is not None:
            cursor.illegal(f"illegal negation of '{NAMES[cursor.kind]}'")
            return None
        return _some(cursor) if cursor.at(Kind.SOME) else _every(cursor)
    return _plain(cursor, negation)


def _operand_first(cursor: Cursor, mark: Mark) -> tuple[bool, Statement | None]:
    """Tries `{ body } and …` and `(a or b)`; whether it is one, and the statement if it is right."""
    if cursor.at(Kind.LPAREN):
        committed, left = group(cursor, inside=False, prefix="")
        return committed, None if left is None else folded(cursor, left)
    saved, known = cursor.save(), cursor.known_terms
    cursor.scan()
    found = body(cursor, Kind.RBRACE)
    if found is not None:
        cursor.scan()
        if cursor.at(*AND_OR):
            if is_ambiguous_union(cursor, found):
                ambiguous_union(cursor, mark, found, "")
                return True, None
            return True, folded(cursor, Operand(found, explicit=True, mark=mark))
    cursor.state, cursor.known_terms = saved, known
    return False, None


def _plain(cursor: Cursor, negation: Mark | None) -> Statement | None:
    """A term or an assignment, with its `with`, and with what follows at an `and` or `or`."""
    mark = cursor.mark()
    if negation is not None and cursor.not_has_body and cursor.at(Kind.LPAREN):
        committed, inner = group(cursor, inside=True, prefix="not ")
        if committed:
            if inner is None:
                return None
            statement = not_statement(cursor, inner.body, negation, explicit=inner.explicit)
            return folded(cursor, Operand([statement], explicit=False, mark=negation))
    return _with_operators(cursor, mark, negation)


def _with_operators(cursor: Cursor, mark: Mark, negation: Mark | None) -> Statement | None:
    expr = expression(cursor)
    if expr is None:
        return None
    with_place = cursor.place() if cursor.at(Kind.WITH) else None
    found = attach_with(cursor, Statement(expr, mark.start, cursor.state.last_end))
    if found is None:
        return None
    if negation is not None and cursor.not_has_body:
        with_, expr.with_ = expr.with_, ()
        found, mark = not_statement(cursor, [found], negation, explicit=False), negation
        found.expr.with_ = with_
    else:
        expr.negated = negation is not None
    if not cursor.at(*AND_OR):
        return found
    if with_place is not None:
        with_on_operand(cursor, with_place)
    elif negation is None and cursor.text(mark.start, mark.start + 1) == "{":
        if isinstance(expr.terms, ObjectTerm) and not expr.terms.pairs:
            cursor.error(mark.place, "found empty body")
        else:
            brace_led_operand(cursor, mark, NAMES[cursor.kind])
    else:
        return folded(cursor, Operand([found], explicit=False, mark=mark))
    return None


def _hint_missing_keyword(cursor: Cursor) -> None:
    """`x and y` where `and` was not imported; `k, v in xs` where that cannot stand."""
    word = "in"
    if cursor.state.hints:
        return
    if cursor.at(Kind.IDENT):
        word = cursor.state.token.text
        if word not in _INFIX_KEYWORDS:
            return
    elif not cursor.at(Kind.COMMA) or not _member_follows(cursor):
        return
    cursor.hint(f"`import future.keywords.{word}` for `{_INFIX_KEYWORDS[word]}` expressions")


def _member_follows(cursor: Cursor) -> bool:
    saved = cursor.save()
    cursor.scan()
    with cursor.with_keywords(cursor.state.keywords | FUTURE):
        found = infix(cursor, True)
    cursor.state = saved
    return isinstance(found, Call) and operator_of(Expr(found)) in _MEMBER


# ── some and every ──


def _some(cursor: Cursor) -> Statement | None:
    mark = cursor.mark()
    saved = cursor.save()
    cursor.scan()
    found = infix(cursor, True)
    if isinstance(found, Call):
        wrong = _wrong_member(found, "expected `x in xs` or `x, y in xs` expression")
        if wrong:
            cursor.illegal(wrong)
            return None
        return attach_with(cursor, _statement(cursor, SomeDecl((found,), mark.place), mark))
    cursor.state = saved
    symbols: list[Term] = []
    while True:
        cursor.scan()
        if not cursor.at(Kind.IDENT):
            cursor.illegal("expected var")
            return None
        symbols.append(name_here(cursor))
        cursor.scan()
        if not cursor.at(Kind.COMMA):
            return _statement(cursor, SomeDecl(tuple(symbols), mark.place), mark)


def _wrong_member(found: Term, expected: str) -> str:
    """Why this is not one of `x in xs` and `x, y in xs`."""
    name = operator_of(Expr(found))
    if name not in _MEMBER or not isinstance(found, Call):
        return expected
    return "" if len(found.args) == _MEMBER[name] else "illegal domain"


def _every(cursor: Cursor) -> Statement | None:
    mark = cursor.mark()
    cursor.scan()
    found = infix(cursor, True)
    wrong = _wrong_every(cursor, found)
    if found is None or wrong:
        if wrong:
            cursor.illegal(wrong)
        return None
    cursor.scan()
    inside = body(cursor, Kind.RBRACE)
    if inside is None:
        return None
    cursor.scan()
    assert isinstance(found, Call)
    *keys, value, domain = found.args
    key = keys[0] if keys else None
    assert isinstance(value, Var)
    assert key is None or isinstance(key, Var)
    every = Every(key, value, domain, tuple(each.expr for each in inside), mark.place)
    return attach_with(cursor, _statement(cursor, every, mark))


def _wrong_every(cursor: Cursor, found: Term | None) -> str:
    """Why `every` cannot go on like this; nothing where it can, or where something else is wrong already."""
    if found is None:
        return ""
    wrong = _wrong_member(found, "expected `x[, y] in xs { ... }` expression")
    if wrong or not isinstance(found, Call):
        return wrong
    names = found.args[:-1]
    if len(names) > 1 and not isinstance(names[0], Var):
        return "expected key to be a variable"
    if not isinstance(names[-1], Var):
        return "expected value to be a variable"
    return "" if cursor.at(Kind.LBRACE) else "missing body"


def _statement(cursor: Cursor, terms: SomeDecl | Every, mark: Mark) -> Statement:
    return Statement(Expr(terms, place=mark.place), mark.start, cursor.state.last_end)
