"""Template strings: `$"… {x} …"`, and the form in backquotes that may have several lines. Not their evaluation."""

from __future__ import annotations

from typing import Final

from authz_rego.syntax.cursor import Cursor
from authz_rego.syntax.shapes import calls
from authz_rego.syntax.strings import unescaped
from authz_rego.syntax.tokens import Kind
from authz_rego.syntax.tree import Every, Expr, Scalar, SomeDecl, TemplateString, Term

_PLAIN: Final = (Kind.TEMPLATE_PART, Kind.TEMPLATE_END)
_RAW: Final = (Kind.RAW_TEMPLATE_PART, Kind.RAW_TEMPLATE_END)
_ENDS: Final = (Kind.TEMPLATE_END, Kind.RAW_TEMPLATE_END)


def template_string(cursor: Cursor) -> Term | None:
    """The whole string; the cursor ends on its last part."""
    place, multi_line = cursor.place(), cursor.at(*_RAW)
    parts: list[Scalar | Expr] = []
    while True:
        text = _text_here(cursor)
        if text is None:
            return None
        if text:
            parts.append(Scalar(text, cursor.place()))
        if cursor.at(*_ENDS):
            return TemplateString(tuple(parts), multi_line, place)
        cursor.enter()
        part = _part(cursor)
        cursor.leave()
        if part is None:
            return None
        parts.append(part)
        if not cursor.at(Kind.RBRACE):
            cursor.error(cursor.place(), "expected } to end template string expression")
            return None
        cursor.scan_template(raw=multi_line)


def _text_here(cursor: Cursor) -> str | None:
    kind, token = cursor.kind, cursor.state.token
    inner = token.text[1:-1]
    if kind in _RAW:
        return inner
    if kind not in _PLAIN:
        cursor.error(cursor.place(), "expected template-string part")
        return None
    if "\\" not in inner:
        return inner
    found = None if token.ragged and kind in _ENDS else unescaped(inner)
    if found is None:
        cursor.error(cursor.place(), f"illegal template-string part: {token.text}")
    return found


def _part(cursor: Cursor) -> Scalar | Expr | None:
    """What stands in braces: a constant is itself, unless a comment stands before it."""
    comments = cursor.state.comments
    cursor.scan()
    commented = cursor.state.comments is not comments
    statement = cursor.grammar.literal(cursor)
    if statement is None:
        cursor.error(cursor.place(), "invalid template-string expression")
        return None
    expr = statement.expr
    unexpected = _unexpected(expr)
    if unexpected:
        cursor.error(
            expr.place, f"unexpected {unexpected} in template-string expression", "put a value into the braces"
        )
        return None
    return expr.terms if isinstance(expr.terms, Scalar) and not commented else expr


def _unexpected(expr: Expr) -> str:
    if expr.negated:
        return "negation ('not')"
    if calls(expr, "eq"):
        return "unification ('=')"
    if calls(expr, "assign"):
        return "assignment (':=')"
    if isinstance(expr.terms, Every):
        return "'every'"
    return "'some'" if isinstance(expr.terms, SomeDecl) else ""
