"""Rules: heads of every form, bodies, `else`, `default`. Not what stands in their bodies (`literals`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from authz_rego.errors import Place
from authz_rego.syntax.cursor import Cursor, Statement
from authz_rego.syntax.defaults import default_is_right
from authz_rego.syntax.heads import ASSIGNS, Written, read_head, set_key, true_body, true_value
from authz_rego.syntax.literals import body as braced_body
from authz_rego.syntax.literals import literal
from authz_rego.syntax.shapes import is_ground, moved
from authz_rego.syntax.terms import infix, take_name
from authz_rego.syntax.tokens import NAMES, Kind
from authz_rego.syntax.tree import Body, Head, Rule, SetTerm, Term, Var

# A keyword before one of these is meant to be a rule's name.
_AFTER_NAME: Final = frozenset({Kind.ASSIGN, Kind.UNIFY, Kind.IF, Kind.CONTAINS, Kind.LPAREN})
_NAMED_LIKE_KEYWORD: Final[dict[Kind, frozenset[Kind]]] = {
    **dict.fromkeys((Kind.EVERY, Kind.IF, Kind.IN, Kind.SOME, Kind.AS), _AFTER_NAME),
    # Paths may be named like keywords: `package contains`, `import if.foo`.
    **dict.fromkeys((Kind.PACKAGE, Kind.IMPORT), _AFTER_NAME - {Kind.IF, Kind.CONTAINS}),
    # `not (x)` is a statement, and `or(x, y)` a call.
    **dict.fromkeys((Kind.NOT, Kind.LOGICAL_AND, Kind.LOGICAL_OR), _AFTER_NAME - {Kind.LPAREN}),
    Kind.CONTAINS: frozenset({Kind.IF, Kind.CONTAINS}),
}


def is_keyword_as_name(cursor: Cursor, *, after_default: bool = False) -> bool:
    """Whether a keyword is used as a rule's name; then an error says so."""
    followers = _NAMED_LIKE_KEYWORD.get(cursor.kind)
    if followers is None or not (after_default or cursor.next_kind() in followers):
        return False
    found = f"{NAMES[cursor.kind]} keyword cannot be used for rule name"
    cursor.error(cursor.place(), found, "give the rule another name")
    return True


def rules(cursor: Cursor) -> list[Written] | None:  # noqa: PLR0911  # at each step it may turn out to be none
    """The rule that begins here, or several of one head; None when it is none, or is wrong."""
    place = cursor.place()
    take_name(cursor)
    default = cursor.at(Kind.DEFAULT)
    if default:
        cursor.scan()
        take_name(cursor)
    if not cursor.at(Kind.IDENT):
        if default:
            is_keyword_as_name(cursor, after_default=True)
        return None
    written = read_head(cursor, place, default=default)
    if written is None:
        return None
    if default:
        return [written] if default_is_right(cursor, written.rule) else None
    written.has_if = cursor.at(Kind.IF)
    if not written.has_contains and not set_key(written):
        return None
    body = _body(cursor, written)
    if body is None:
        return None
    written.rule.body = body
    if not written.has_body:
        return [written]
    if cursor.at(Kind.ELSE) and not take_name(cursor) and not _else_chain(cursor, written):
        return None
    return _more_bodies(cursor, written)


# ── bodies ──


def _body(cursor: Cursor, written: Written) -> Body | None:
    if written.has_if:
        cursor.scan()
        saved = cursor.save()
        brace = cursor.at(Kind.LBRACE)
        statement = literal(cursor)
        # A set is never false: `p if { true }` means a body.
        if statement is not None and not (brace and isinstance(statement.expr.terms, SetTerm)):
            return (statement.expr,)
        if not brace:
            return None
        cursor.state = saved
        return _braces(cursor)
    if cursor.at(Kind.LBRACE):
        return _braces(cursor)
    if not written.has_contains:
        return None
    written.has_body = False
    written.rule.place = written.rule.head.place
    return written.rule.body


def _braces(cursor: Cursor) -> Body | None:
    cursor.scan()
    found: list[Statement] | None = braced_body(cursor, Kind.RBRACE)
    if found is None:
        return None
    cursor.scan()
    return tuple(each.expr for each in found)


def _more_bodies(cursor: Cursor, written: Written) -> list[Written] | None:
    """`p if { … } { … }`: each further body makes a rule of its own with the same head."""
    found = [written]
    while cursor.at(Kind.LBRACE):
        place = cursor.place()
        if written.else_ is not None:
            cursor.error(place, "expected else keyword")
            return None
        body = _braces(cursor)
        if body is None:
            return None
        head = _copied(cursor, written.rule.head)
        # OPA moves all of the head to the body's place but the reference.
        head = replace(moved(head, place), ref=written.rule.head.ref)
        found.append(replace(written, rule=Rule(head, body, place=place)))
    return found


# ── else ──


def _else_chain(cursor: Cursor, written: Written) -> bool:
    """Whether all that follows with `else` is right; then it hangs on the rule."""
    head = written.rule.head
    if not all(map(is_ground, head.ref.path)):
        cursor.error(cursor.place(), "else keyword cannot be used on rules with variables in head")
        return False
    if head.key is not None:
        cursor.error(cursor.place(), "else keyword cannot be used on multi-value rules")
        return False
    last = written
    while cursor.at(Kind.ELSE) and last.has_body:  # behind a value without a condition there is nothing else
        last.else_ = _else(cursor, head)
        if last.else_ is None:
            return False
        last.rule.else_ = last.else_.rule
        last = last.else_
    return True


def _else(cursor: Cursor, above: Head) -> Written | None:
    place = cursor.place()
    head = _copied(cursor, above)
    head.place, head.value_written = place, True
    written = Written(Rule(head, true_body(place), place=place))
    cursor.scan()
    if cursor.at(Kind.LBRACE, Kind.IF):
        true_value(written)
    elif cursor.at(*ASSIGNS):
        head.assign = cursor.at(Kind.ASSIGN)
        cursor.scan()
        head.value = infix(cursor, True)
        if head.value is None:
            return None
    else:
        cursor.illegal("expected else value term or rule body")
        return None
    written.has_if = cursor.at(Kind.IF)
    if not cursor.at(Kind.IF, Kind.LBRACE):
        written.has_body = False
        return written
    body = _else_body(cursor, place)
    if body is None:
        return None
    written.rule.body = body
    return written


def _else_body(cursor: Cursor, place: Place) -> Body | None:
    if cursor.at(Kind.IF):
        cursor.scan()
    if cursor.at(Kind.LBRACE):
        return _braces(cursor)
    if cursor.at(Kind.EOF):
        cursor.illegal("rule body expected")
        return None
    statement = literal(cursor)
    if statement is None:
        return None
    return (moved(statement.expr, place),)  # to where the `else` stands: OPA does so


def _copied(cursor: Cursor, head: Head) -> Head:
    """The head for another rule, all `_` among its arguments anew."""
    args = None if head.args is None else tuple(_renewed(cursor, each) for each in head.args)
    return replace(head, args=args)


def _renewed(cursor: Cursor, arg: Term) -> Term:
    return Var(cursor.new_wildcard(), arg.place) if isinstance(arg, Var) and arg.is_wildcard else arg
