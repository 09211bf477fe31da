"""Walks over trees: the nodes below a node, and the variables in it. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from authz_rego.syntax import tree

Node = tree.Terms | tree.Expr | tree.With | tree.Head | tree.Rule
COMPREHENSIONS = (tree.ArrayComprehension, tree.SetComprehension, tree.ObjectComprehension)
CLOSURES = (*COMPREHENSIONS, tree.Every, tree.Not, tree.Logical)


def _nothing(_: Node) -> tuple[Node, ...]:
    return ()


_CHILDREN: dict[type, Callable[[Any], Iterable[Node]]] = {
    tree.Scalar: _nothing,
    tree.Var: _nothing,
    tree.Ref: lambda node: (node.head, *node.path),
    tree.ArrayTerm: lambda node: node.items,
    tree.SetTerm: lambda node: node.items,
    tree.ObjectTerm: lambda node: [part for pair in node.pairs for part in pair],
    tree.Call: lambda node: (node.operator, *node.args),
    tree.ArrayComprehension: lambda node: (node.term, *node.body),
    tree.SetComprehension: lambda node: (node.term, *node.body),
    tree.ObjectComprehension: lambda node: (node.key, node.value, *node.body),
    tree.TemplateString: lambda node: node.parts,
    tree.Expr: lambda node: (node.terms, *node.with_),
    tree.SomeDecl: lambda node: node.symbols,
    tree.Every: lambda node: (*_there(node.key), node.value, node.domain, *node.body),
    tree.Not: lambda node: node.body,
    tree.Logical: lambda node: (*node.left, *node.right),
    tree.With: lambda node: (node.target, node.value),
    tree.Head: lambda node: (*node.ref.path, *(node.args or ()), *_there(node.key), *_there(node.value)),
    tree.Rule: lambda node: (node.head, *node.body, *_there(node.else_)),
}


def _there(node: Node | None) -> tuple[Node, ...]:
    return () if node is None else (node,)


def children(node: Node) -> Iterable[Node]:
    """The nodes right below, in the order in which they stand."""
    return _CHILDREN[type(node)](node)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, from the outside in."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(reversed(tuple(_CHILDREN[type(each)](each))))


def contains(node: Node, kinds: tuple[type, ...]) -> bool:
    """Whether a node of one of the kinds is there."""
    return any(isinstance(each, kinds) for each in walk(node))


def outermost_closures(node: Node) -> Iterator[Node]:
    """What has a body of its own, without what is inside of those."""
    if isinstance(node, CLOSURES):
        yield node
        return
    for child in children(node):
        yield from outermost_closures(child)


class Skip(NamedTuple):
    """What `variables` does not look into."""

    ref_heads: bool = False
    call_heads: bool = False  # names of functions, heads of `with` targets
    closures: bool = False
    object_keys: bool = False
    sets: bool = False
    # Asked first about every node: variables to take in place of looking into it, or None.
    instead: Callable[[Node], set[str] | None] | None = None


NOTHING = Skip()
SAFETY = Skip(call_heads=True, closures=True)
OUTPUTS = Skip(ref_heads=True, object_keys=True, closures=True)


def variables(node: Node, skip: Skip = NOTHING) -> set[str]:
    """The names of the variables in a node, `data` and `input` included."""
    found: set[str] = set()
    _collect(node, skip, found)
    return found


def variables_of(body: tree.Body, skip: Skip = NOTHING) -> set[str]:
    """The names of the variables in a body."""
    found: set[str] = set()
    for expr in body:
        _collect(expr, skip, found)
    return found


def _collect(node: Node, skip: Skip, found: set[str]) -> None:
    if skip.instead is not None:
        taken = skip.instead(node)
        if taken is not None:
            found |= taken
            return
    if type(node) is tree.Var:
        found.add(node.name)
        return
    for child in _looked_into(node, skip):
        _collect(child, skip, found)


def _looked_into(node: Node, skip: Skip) -> Iterable[Node]:  # noqa: PLR0911 - one line for each rule
    match node:
        case tree.ObjectTerm() if skip.object_keys:
            return (value for _, value in node.pairs)
        case tree.Ref() if skip.ref_heads:
            return iter(node.path)
        case (
            tree.ArrayComprehension()
            | tree.SetComprehension()
            | tree.ObjectComprehension()
            | tree.TemplateString()
            | tree.Not()
            | tree.Logical()
        ):
            return iter(()) if skip.closures else children(node)
        case tree.Expr(terms=tree.Every(domain=domain)) if skip.closures:
            return iter((domain,))
        case tree.SetTerm() if skip.sets:
            return iter(())
        case tree.Call() if skip.call_heads:
            return iter((*node.operator.path, *node.args))
        case tree.With() if skip.call_heads:
            target = node.target.path if isinstance(node.target, tree.Ref) else ()
            value = node.value.path if isinstance(node.value, tree.Ref) else (node.value,)
            return iter((*target, *value))
    return children(node)
