"""Terms: constants, names, references, calls, operators. Not what stands in brackets (`collections`)."""

from __future__ import annotations

from typing import Final

from authz_rego.errors import Place
from authz_rego.syntax.collections import array_term, braced_term, term_list
from authz_rego.syntax.cursor import Cursor
from authz_rego.syntax.shapes import as_root, kind_of
from authz_rego.syntax.strings import unescaped
from authz_rego.syntax.template_strings import template_string
from authz_rego.syntax.tokens import NAMES, Kind
from authz_rego.syntax.tree import Call, Ref, Scalar, SetTerm, TemplateString, Term, Var
from authz_rego.values.number import number_of_literal

# How tightly an operator binds; `in` binds less than all of these.
_LEVELS: Final = {
    Kind.EQUAL: 0, Kind.NEQ: 0, Kind.LT: 0, Kind.GT: 0, Kind.LTE: 0, Kind.GTE: 0,
    Kind.OR: 1,
    Kind.AND: 2,
    Kind.ADD: 3, Kind.SUB: 3,
    Kind.MUL: 4, Kind.QUO: 4, Kind.REM: 4,
}  # fmt: skip
_TIGHTEST: Final = 4
_CONSTANTS: Final = {Kind.NULL: None, Kind.TRUE: True, Kind.FALSE: False}
_SURELY_SMALL: Final = 4_000  # digits; OPA's bound is about 30,000, and Python's own of int() 4,300
_LOGICAL: Final = (Kind.LOGICAL_AND, Kind.LOGICAL_OR)


def infix(cursor: Cursor, pair: bool) -> Term | None:  # noqa: FBT001  # the grammar's
    """A term with operators; with a pair before `in` (`k, v in xs`), unless it stands in a list."""
    left = _operation(cursor, 0)
    while left is not None:
        found = None
        if pair and cursor.at(Kind.COMMA):
            saved = cursor.save()
            cursor.scan()
            middle = _operation(cursor, 0)
            if middle is not None:
                found = _member(cursor, "member_3", (left, middle))
            if found is None:
                cursor.state = saved
        if found is None:
            take_name(cursor)
            found = _member(cursor, "member_2", (left,))
        if found is None or not cursor.at(Kind.IN):
            return found or left
        left = found
    return None


def _member(cursor: Cursor, name: str, left: tuple[Term, ...]) -> Term | None:
    if not cursor.at(Kind.IN):
        return None
    place = cursor.place()
    cursor.scan()
    right = _operation(cursor, 0)
    if right is None:
        return None
    operator = Ref(Var("internal", place), (Scalar(name, place),), place)
    return Call(operator, (*left, right), left[0].place)


def _operation(cursor: Cursor, loosest: int) -> Term | None:
    """Operators that bind at least so tightly. When what follows one is no term, OPA goes on with what stood before."""
    left = term(cursor)
    if left is None:
        return None
    tightest = _TIGHTEST
    while True:
        level = _LEVELS.get(cursor.state.kind, -1)
        if not loosest <= level <= tightest:
            return left
        operator = operator_here(cursor)
        cursor.enter()
        right = _operation(cursor, level + 1)
        cursor.leave()
        tightest = level
        if right is None:
            tightest -= 1
        else:
            left = Call(operator, (left, right), left.place)


def operator_here(cursor: Cursor) -> Ref:
    """The builtin that an operator stands for."""
    place = cursor.place()
    found = Ref(Var(NAMES[cursor.kind], place), (), place)
    cursor.scan()
    return found


def take_name(cursor: Cursor) -> bool:
    """A keyword before a `.` or `[` is a name."""
    if cursor.is_name(cursor.kind) and cursor.next_kind(blanks=True) in {Kind.DOT, Kind.LBRACK}:
        cursor.state.kind = Kind.IDENT
        return True
    return False


def term(cursor: Cursor) -> Term | None:
    """One term without operators around it. None when there is none; then an error says why."""
    known = cursor.find_term()
    if known is not None:
        found, cursor.state = known
        return found
    cursor.enter()
    start = cursor.state.token.start
    if cursor.at(*_LOGICAL) and cursor.next_kind(blanks=True) is Kind.LPAREN:
        cursor.state.kind = Kind.IDENT  # `and(x, y)`, the function
    found = _minus(cursor) if cursor.at(Kind.SUB) else finished(cursor, _begun(cursor))
    cursor.leave()
    cursor.remember_term(start, found)
    return found


def _begun(cursor: Cursor) -> Term | None:  # noqa: PLR0911  # one line for each kind of term
    kind = cursor.kind
    if kind in (Kind.IDENT, Kind.CONTAINS):
        return name_here(cursor)
    if kind is Kind.STRING:
        return _string(cursor)
    if kind in (Kind.NUMBER, Kind.DOT):
        return _number(cursor)
    if kind in _CONSTANTS:
        return Scalar(_CONSTANTS[kind], cursor.place())
    if kind is Kind.LBRACE:
        return braced_term(cursor)
    if kind is Kind.LBRACK:
        return array_term(cursor)
    if kind is Kind.LPAREN:
        return _in_parentheses(cursor)
    if Kind.TEMPLATE_PART <= kind <= Kind.RAW_TEMPLATE_END:
        return template_string(cursor)
    cursor.illegal()
    return None


def _in_parentheses(cursor: Cursor) -> Term | None:
    cursor.scan()
    inner = infix(cursor, True)
    if inner is not None and not cursor.at(Kind.RPAREN):
        cursor.error(cursor.place(), "non-terminated expression")
        return None
    return inner


def _minus(cursor: Cursor) -> Term | None:
    place = cursor.place()
    saved = cursor.save()
    cursor.scan()
    if not cursor.at(Kind.IDENT, Kind.CONTAINS):
        cursor.state = saved
        return finished(cursor, _number(cursor))
    found = finished(cursor, name_here(cursor))
    if found is None:
        return None
    return Call(Ref(Var("minus", place), (), place), (Scalar(0, place), found), place)


def name_here(cursor: Cursor) -> Var:
    """The variable that stands here; `_` is another one each time."""
    text = cursor.state.token.text
    return Var(cursor.new_wildcard() if text == "_" else text, cursor.place())


# ── numbers and strings ──


def _number(cursor: Cursor) -> Term | None:
    place = cursor.place()
    prefix = ""
    for kind, sign in ((Kind.SUB, "-"), (Kind.DOT, ".")):
        if cursor.kind is kind:
            prefix += sign
            cursor.scan()
            if not cursor.at(Kind.NUMBER) and (kind is Kind.DOT or not cursor.at(Kind.DOT)):
                cursor.illegal("expected number")
                return None
    token = cursor.state.token
    text = token.text
    if not prefix.endswith(".") and len(text) > 1 and text[0] == "0" and text[1] not in ".eE":
        cursor.illegal("expected number without leading zero")
        return None
    if not prefix and len(text) < _SURELY_SMALL and text.isdigit() and not token.ragged:
        return Scalar(int(text), place)
    try:
        if token.ragged or ("." in prefix and "." in text):
            cursor.illegal("invalid float")
            return None
        return Scalar(number_of_literal(prefix + text), place)
    except ValueError:
        cursor.error(cursor.place(), "number too big", "write a number whose binary exponent is within ±100,000")
        return None


def _string(cursor: Cursor) -> Term | None:
    token = cursor.state.token
    inner = token.text[1:-1]
    if token.text[0] == '"' and "\\" in inner:
        value = None if token.ragged else unescaped(inner)
        if value is None:
            cursor.error(cursor.place(), f"illegal string literal: {token.text}")
            return None
        inner = value
    return Scalar(inner, cursor.place())


# ── references and calls ──


def finished(cursor: Cursor, head: Term | None) -> Term | None:
    """With all that hangs on it without a blank between: `.name`, `[key]`, `(arguments)`."""
    if head is None:
        return None
    cursor.scan(blanks=True)
    if cursor.at(Kind.LPAREN, Kind.DOT, Kind.LBRACK):
        return reference(cursor, head)
    if cursor.at(Kind.WHITESPACE):
        cursor.scan()
    return as_root(head)


def reference(cursor: Cursor, head: Term) -> Term | None:
    """What hangs on a head; the cursor is on the first `.`, `[` or `(`."""
    if isinstance(head, (Scalar, Ref, TemplateString)):
        cursor.error(head.place, f"illegal ref (head cannot be {kind_of(head)})", "give it a name first: `x := …`")
    path: list[Term] = []
    while True:
        if cursor.at(Kind.DOT, Kind.LBRACK):
            key = _name_behind(cursor) if cursor.at(Kind.DOT) else _key_behind(cursor)
            if key is None:
                return None
            path.append(key)
            cursor.scan(blanks=True)
            continue
        found: Term | None = Ref(head, tuple(path), head.place)
        if cursor.at(Kind.LPAREN):
            found = _call(cursor, Ref(head, tuple(path), head.place))
            if found is not None and cursor.at(Kind.DOT, Kind.LBRACK):
                head, path = found, []
                continue
        if found is not None and cursor.at(Kind.WHITESPACE):
            cursor.scan()
        return found


def _name_behind(cursor: Cursor) -> Term | None:
    cursor.scan(blanks=True)
    if not cursor.at(Kind.IDENT) and not cursor.is_name(cursor.kind):
        cursor.illegal("expected identifier")
        return None
    return Scalar(cursor.state.token.text, cursor.place())


def _key_behind(cursor: Cursor) -> Term | None:
    cursor.scan()
    key = infix(cursor, True)
    if key is not None and not cursor.at(Kind.RBRACK):
        cursor.illegal("expected [")
        return None
    return key


def _call(cursor: Cursor, operator: Ref) -> Term | None:
    place: Place = operator.place
    cursor.scan()
    if cursor.at(Kind.RPAREN):
        cursor.scan(blanks=True)
        if operator.head == Var("set") and not operator.path:
            return SetTerm((), place)
        return Call(operator, (), place)
    args = term_list(cursor, Kind.RPAREN)
    if args is None:
        return None
    cursor.scan(blanks=True)
    return Call(operator, tuple(args), place)
