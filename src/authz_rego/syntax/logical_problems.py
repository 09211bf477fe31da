"""What can be wrong with `and`, `or`, `not {…}`, and OPA's hints for it. Not how they are read (`logical`)."""

from __future__ import annotations

from authz_rego.builtins.declarations import declarations
from authz_rego.errors import Place
from authz_rego.syntax.cursor import Cursor, Mark, Statement
from authz_rego.syntax.shapes import calls, kind_of, operator_of
from authz_rego.syntax.tokens import NAMES
from authz_rego.syntax.tree import Call, Expr, Term


def with_on_operand(cursor: Cursor, place: Place) -> None:
    """`x with … and y`, at the operator: whose `with` is it?"""
    name = NAMES[cursor.kind]
    cursor.hint(
        "Wrap the operand in `(...)` or `{...}` to scope, or move `with` after the "
        f"`{name}` expression to apply it to the whole expression"
    )
    cursor.error(place, f"`with` modifier is not allowed on operand of `{name}`")


def brace_led_operand(cursor: Cursor, mark: Mark, operator: str) -> None:
    """`{1, 2} == x and …`: braces begin a body here."""
    text = cursor.text(mark.start, cursor.state.last_end)
    cursor.hint(f"wrap the operand to keep the value: `({text}) {operator} ...`")
    cursor.error(mark.place, f"operand of `{operator}` cannot begin with `{{` unless the braces hold a body")


def needs_body(cursor: Cursor, mark: Mark, value: Term) -> None:
    text = cursor.text(mark.start, cursor.state.last_end)
    cursor.hint(f"write `not ({text})` to negate the value, or `not {{{text}}}` for a body holding it")
    kind = kind_of(_led_by_brace(value))
    cursor.error(mark.place, f"`{{...}}` in an operand position must contain expression(s), got: {kind}")


def _led_by_brace(value: Term) -> Term:
    while isinstance(value, Call):
        builtin = declarations().get(operator_of(Expr(value)))
        if builtin is None or not builtin.infix or len(value.args) != builtin.arity:
            break
        value = value.args[0]
    return value


def is_ambiguous_union(cursor: Cursor, body: list[Statement]) -> bool:
    """`{a | b}`, which is a body here and would be a comprehension elsewhere. `or(a, b)` and `(a | b)` are not."""
    statement = body[0]
    terms = statement.expr.terms
    if not isinstance(terms, Call) or not calls(statement.expr, "or"):
        return False
    return (
        cursor.scanner.character_at(terms.operator.place) == "|"
        and cursor.text(statement.start, statement.start + 1) != "("
    )


def ambiguous_union(cursor: Cursor, mark: Mark, body: list[Statement], prefix: str) -> None:
    """Says how to write either."""
    braces = cursor.text(mark.start, cursor.state.last_end)
    start, end = body[0].start - mark.start, body[0].end - mark.start
    union = f"{braces[:start]}({braces[start:end]}){braces[end:]}"
    cursor.hint(f"write `{prefix}({braces})` for the comprehension, or `{prefix}{union}` for the set union")
    cursor.error(
        mark.place,
        "ambiguous `{ ... | ... }` operand: read as a body holding a set-union expression, not as a comprehension",
    )


def check_not_void(cursor: Cursor, body: list[Statement], operator: str) -> None:
    """`print(…) and x`: what has no result cannot fail."""
    name, place = "", body[0].expr.place
    for each in body:
        builtin = declarations().get(operator_of(each.expr))
        if each.expr.negated or builtin is None or builtin.result is not None:
            return
        name = name or builtin.name
    cursor.hint(
        f"`{name}` produces no value and always succeeds, so the operand can never fail; "
        "move it out of the operand, or add an expression that can fail"
    )
    cursor.error(place, f"operand of `{operator}` cannot consist only of calls to `{name}`")
