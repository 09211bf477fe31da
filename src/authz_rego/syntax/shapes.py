"""What the parser asks about terms: their names in messages, equality, variables. Not their text (`text`)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import fields
from typing import Any, Final, TypeVar

from authz_rego.errors import Place
from authz_rego.syntax import tree
from authz_rego.syntax.text import ref_text
from authz_rego.values.value import Key

_Node = TypeVar("_Node")
ROOTS: Final = ("data", "input")
_KINDS: Final[dict[type, str]] = {
    tree.Var: "var",
    tree.Ref: "ref",
    tree.Call: "call",
    tree.ArrayTerm: "array",
    tree.ObjectTerm: "object",
    tree.SetTerm: "set",
    tree.ArrayComprehension: "arraycomprehension",
    tree.ObjectComprehension: "objectcomprehension",
    tree.SetComprehension: "setcomprehension",
    tree.TemplateString: "templatestring",
}


def kind_of(term: tree.Term) -> str:
    """How OPA's messages call it."""
    if not isinstance(term, tree.Scalar):
        return _KINDS[type(term)]
    if term.value is None:
        return "null"
    if isinstance(term.value, bool):
        return "boolean"
    return "string" if isinstance(term.value, str) else "number"


def as_root(head: tree.Term) -> tree.Term:
    """`data` and `input` are references, also when nothing follows."""
    return tree.Ref(head, (), head.place) if isinstance(head, tree.Var) and head.name in ROOTS else head


def is_text(term: tree.Term) -> bool:
    """A string constant."""
    return isinstance(term, tree.Scalar) and isinstance(term.value, str)


def operator_of(expr: tree.Expr) -> str:
    """The name of the function that a statement calls, or nothing."""
    return ref_text(expr.terms.operator) if isinstance(expr.terms, tree.Call) else ""


def calls(expr: tree.Expr, builtin: str) -> bool:
    """Whether a statement is a call of a builtin whose name has no dots, however it was written."""
    terms = expr.terms
    return isinstance(terms, tree.Call) and not terms.operator.path and terms.operator.head == tree.Var(builtin)


def is_ground(term: tree.Term) -> bool:  # noqa: PLR0911  # one line for each kind of term
    """Without variables. What a reference begins with is none."""
    match term:
        case tree.Scalar():
            return True
        case tree.Ref():
            return all(map(is_ground, term.path))
        case tree.ArrayTerm() | tree.SetTerm():
            return all(map(is_ground, term.items))
        case tree.ObjectTerm():
            return all(is_ground(key) and is_ground(value) for key, value in term.pairs)
        case tree.Call():
            return is_ground(term.operator) and all(map(is_ground, term.args))
        case tree.ArrayComprehension() | tree.SetComprehension():
            return is_ground(term.term) and _is_ground_body(term.body)
        case tree.ObjectComprehension():
            return is_ground(term.key) and is_ground(term.value) and _is_ground_body(term.body)
    return False  # a variable, or a template string, whatever is in it


def _is_ground_body(body: tree.Body) -> bool:
    return all(map(_is_ground_expr, body))


def _is_ground_expr(expr: tree.Expr) -> bool:
    match expr.terms:
        case tree.SomeDecl() | tree.Every():
            return False
        case tree.Not():
            return _is_ground_body(expr.terms.body)
        case tree.Logical():
            return _is_ground_body(expr.terms.left) and _is_ground_body(expr.terms.right)
        case tree.Call():
            return all(map(is_ground, expr.terms.args))
    return is_ground(expr.terms)


def distinct(items: Iterable[tree.Term]) -> tuple[tree.Term, ...]:
    """The members of a set, each once: the first of those that OPA takes for the same."""
    found: dict[Hashable, tree.Term] = {}
    for each in items:
        found.setdefault(identity(each), each)
    return tuple(found.values())


def identity(node: Any) -> Hashable:  # noqa: PLR0911  # one line for each kind of node
    """The same for the same terms, wherever they stand: `1` and `1.0` are, `1` and `true` are not."""
    if isinstance(node, tree.Scalar):
        return node.value if isinstance(node.value, str) else Key(node.value)
    if isinstance(node, tree.Var):
        return (tree.Var, node.name)
    if isinstance(node, tree.SetTerm):
        return (tree.SetTerm, frozenset(map(identity, node.items)))
    if isinstance(node, tree.ObjectTerm):
        return (tree.ObjectTerm, frozenset((identity(key), identity(value)) for key, value in node.pairs))
    if isinstance(node, tuple):
        return tuple(map(identity, node))
    if hasattr(node, "__dataclass_fields__"):
        return (type(node), *(identity(getattr(node, each.name)) for each in fields(node) if each.compare))
    return (type(node), node)


def moved(node: _Node, place: Place) -> _Node:
    """The same with one place for the node and all below it."""
    found: Any = node
    if isinstance(node, tuple):
        found = tuple(moved(each, place) for each in node)
    elif "place" in getattr(node, "__dataclass_fields__", ()):
        values = {each.name: moved(getattr(node, each.name), place) for each in fields(found)}
        found = type(node)(**(values | {"place": place}))
    return found  # type: ignore[no-any-return]
