"""Heads of rules, of every form. Not what follows them (`rules`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from authz_rego.errors import Place
from authz_rego.syntax.cursor import Cursor
from authz_rego.syntax.shapes import as_root, is_ground
from authz_rego.syntax.terms import infix, name_here, reference
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tokens import Kind
from authz_rego.syntax.tree import Body, Call, Expr, Head, Ref, Rule, Scalar, SetTerm, Var

ASSIGNS: Final = (Kind.ASSIGN, Kind.UNIFY)
_OPERATORS: Final = frozenset({
    Kind.ADD, Kind.SUB, Kind.MUL, Kind.QUO, Kind.REM, Kind.AND, Kind.OR,
    Kind.EQUAL, Kind.NEQ, Kind.GT, Kind.GTE, Kind.LT, Kind.LTE,
})  # fmt: skip


@dataclass(slots=True)
class Written:
    """A rule, and how it was written: what Rego v1 demands shows in that only."""

    rule: Rule
    has_if: bool = False
    has_contains: bool = False
    has_body: bool = True
    value_was_made: bool = False
    else_: Written | None = None


def true_body(place: Place) -> Body:
    """The body of a rule that has none."""
    return (Expr(Scalar(True, place), generated=True, place=place),)


def read_head(cursor: Cursor, place: Place, *, default: bool) -> Written | None:
    head_place = cursor.place()
    name = _head_name(cursor)
    if name is None:
        cursor.illegal("expected rule head name")
        return None
    if isinstance(name, SetTerm):
        return None
    ref = name.operator if isinstance(name, Call) else name if isinstance(name, Ref) else Ref(name, (), name.place)
    if isinstance(name, Call) and not isinstance(ref.head, Var):
        cursor.illegal(f"rule head ref {ref_text(ref)} invalid")
        return None
    new = Head(ref, (name.args or None) if isinstance(name, Call) else None, place=head_place)
    written = Written(Rule(new, true_body(place), default, place=place))
    if cursor.at(Kind.CONTAINS):
        written.has_contains = True
        _contained(cursor, new, is_call=isinstance(name, Call))
    else:
        if cursor.at(*ASSIGNS):
            _value(cursor, new, default=default)
        if new.value is None and (len(new.ref.path) != 1 or new.args):
            true_value(written)
    return written


def _head_name(cursor: Cursor) -> Var | Ref | Call | SetTerm | None:
    name = name_here(cursor)
    cursor.scan(blanks=True)
    if cursor.at(*_OPERATORS):
        cursor.illegal("", "a rule begins with its name, and `:=`, `contains` or `if` follow")
    elif cursor.at(Kind.WHITESPACE):
        cursor.scan()
    if cursor.at(Kind.LPAREN, Kind.DOT, Kind.LBRACK):
        return reference(cursor, name)  # type: ignore[return-value]  # its head is a name
    return as_root(name)  # type: ignore[return-value]


def _contained(cursor: Cursor, head: Head, *, is_call: bool) -> None:
    name = ref_text(head.ref)
    if is_call:
        cursor.illegal(
            "the contains keyword can only be used with multi-value rule definitions "
            f"(e.g., {name} contains <VALUE> {{ ... }})",
            "a function gives one value: write `:=`",
        )
    cursor.scan()
    head.key = infix(cursor, True)
    if head.key is None:
        cursor.illegal(f"expected rule key term (e.g., {name} contains <VALUE> {{ ... }})")


def _value(cursor: Cursor, head: Head, *, default: bool) -> None:
    head.assign = cursor.at(Kind.ASSIGN)
    cursor.scan()
    head.value = infix(cursor, True)
    head.value_written = True
    if head.value is not None:
        return
    name = ref_text(head.ref)
    if not head.assign:
        cursor.illegal(f"expected rule value term (e.g., {name}[<nil>] = <VALUE> {{ ... }})")
    elif head.args:
        cursor.illegal(f"expected function value term (e.g., {name}(...) := <VALUE> {{ ... }})")
    elif default:
        cursor.illegal(f"expected default rule value term (e.g., default {name} := <VALUE>)")
    else:
        cursor.illegal(f"expected rule value term (e.g., {name} := <VALUE> {{ ... }})")


def true_value(written: Written) -> None:
    head = written.rule.head
    head.value, head.value_written, written.value_was_made = Scalar(True, head.place), False, True


def set_key(written: Written) -> bool:
    """`p[x] if …` and `p[x] := y if …` have x as their key; `p[x] { … }` was a set once."""
    head = written.rule.head
    if head.args or len(head.ref.path) != 1:
        return True
    last = head.ref.path[0]
    is_name = isinstance(head.ref.head, Var)
    if written.has_if:
        if not is_ground(last) or isinstance(last, Ref):
            head.key = last
        if head.value is not None:
            return is_name
        true_value(written)
        return True
    if not is_name:
        return False
    head.key = last
    if head.value is None:
        head.ref = replace(head.ref, path=())
    return True
