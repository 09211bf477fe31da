"""What is known of variables, rules, documents, builtins: the type of any term. Not how it is found (`type_check`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from authz_rego.check.static_keys import is_constant, key_order, static_key
from authz_rego.check.term_order import sorted_items, sorted_pairs
from authz_rego.check.type_access import select, values_of
from authz_rego.check.type_merging import is_empty
from authz_rego.check.type_tree import TypeNode, parts_of
from authz_rego.check.types import (
    ANY,
    BOOLEAN,
    NULL,
    NUMBER,
    STRING,
    ArrayType,
    Dynamic,
    ObjectType,
    Property,
    SetType,
    Type,
    object_type,
    union,
)
from authz_rego.syntax.tree import (
    ArrayComprehension,
    ArrayTerm,
    Call,
    Comprehension,
    ObjectComprehension,
    ObjectTerm,
    Ref,
    Scalar,
    SetComprehension,
    SetTerm,
    TemplateString,
    Term,
    Var,
)
from authz_rego.values.value import UNDEFINED

ROOTS: Final = ("data", "input")
# A literal of so many parts has no type of its own any more: `x := [y, y]` ten times over is a thousand times y.
_MAX_SIZE: Final = 1_000_000


class CheckComprehension(Protocol):
    """Finds the types of the variables in a comprehension's body; None when something is wrong there."""

    def __call__(self, env: TypeEnv, term: Comprehension) -> TypeEnv | None: ...


class TypeEnv:
    """Layers of what is known: the innermost first, the builtins last.

    `tree` is the layer's own; types of variables are put into `variables`, which is another layer's where a `with`
    has made a layer for one statement.
    """

    __slots__ = ("check", "next", "tree", "variables")

    def __init__(self, tree: TypeNode, check: CheckComprehension, next_: TypeEnv | None = None) -> None:
        self.tree = tree
        self.variables = tree
        self.next = next_
        self.check = check

    def inner(self) -> TypeEnv:
        """A new layer for a body."""
        return TypeEnv(TypeNode(), self.check, self)

    def inner_with(self, tree: TypeNode) -> TypeEnv:
        """A new layer for a statement with `with`, whose variables outlive it."""
        layer = TypeEnv(tree, self.check, self)
        layer.variables = self.variables
        return layer

    def put_variable(self, variable: Term, type_: Type | None) -> None:
        """What is known of a variable from here on."""
        self.variables.grow(variable).type = type_

    def type_of(self, term: Term) -> Type | None:  # noqa: C901, PLR0911 - one line for each kind of term
        """The type of a term that stands in the body this was made for.

        What the evaluation finds is always of this type, as far as the type checker of OPA is right; None when
        nothing is known, as of a variable that gets its value later, or of a call.
        """
        match term:
            case Scalar():
                return _scalar(term.value)
            case Var():
                if term.name in ROOTS:
                    return self.type_of_ref((term,))
                node = self.variable(term)
                return None if node is None else node.type
            case Ref():
                return self.type_of_ref(parts_of(term))
            case ArrayTerm():
                return _bounded(ArrayType(tuple(map(self.type_of, term.items))))
            case ObjectTerm():
                return _bounded(self._object(term))
            case SetTerm():
                of: Type | None = None
                for each in sorted_items(term):
                    of = union(of, self.type_of(each))
                return _bounded(SetType(of))
            case TemplateString():
                return STRING
            case Call():
                return None
        return self._comprehension(term)

    def variable(self, term: Var) -> TypeNode | None:
        """Where the innermost layer that knows the variable has it."""
        env: TypeEnv | None = self
        while env is not None:
            node = env.tree.child(term)
            if node is not None:
                return node
            env = env.next
        return None

    def replacements(self) -> list[TypeNode]:
        """The layers that `with`s have made, the innermost first."""
        found: list[TypeNode] = []
        env: TypeEnv | None = self
        while env is not None:
            if env.variables is not env.tree:
                found.append(env.tree)
            env = env.next
        return found

    def _object(self, term: ObjectTerm) -> ObjectType:
        static: list[Property] = []
        dynamic: Dynamic | None = None
        for key, value in sorted_pairs(term):
            try:
                constant = static_key(key) if is_constant(key) else UNDEFINED
            except ValueError:
                constant = UNDEFINED
            if constant is UNDEFINED:  # OPA knows of the last one only
                dynamic = Dynamic(self.type_of(key), self.type_of(value))
            else:
                static.append(Property(constant, key_order(constant), self.type_of(value)))
        return object_type(static, dynamic)

    def _comprehension(self, term: Comprehension) -> Type | None:
        inside = self.check(self, term)
        if inside is None:
            return None
        match term:
            case ArrayComprehension():
                return ArrayType((), inside.type_of(term.term))
            case SetComprehension():
                return SetType(inside.type_of(term.term))
            case ObjectComprehension():
                return ObjectType((), Dynamic(inside.type_of(term.key), inside.type_of(term.value)))

    # ── references ──

    def type_of_ref(self, parts: Sequence[Term]) -> Type | None:
        """The type of what a reference finds: its head, and its path."""
        node = self.tree.child(parts[0])
        return self._without(parts) if node is None else self._below(node, parts, parts[1:])

    def _without(self, parts: Sequence[Term]) -> Type | None:
        """The layer knows nothing of it."""
        if self.next is not None:
            return self.next.type_of_ref(parts)
        head = parts[0]
        return ANY if type(head) is Var and head.name in ROOTS else None

    def _below(self, node: TypeNode, parts: Sequence[Term], tail: Sequence[Term]) -> Type | None:
        if not tail:
            return node.extent()
        child = node.child(tail[0])
        if node.type is not None:
            return select_path(node.type, tail) if child is None else self._below(child, parts, tail[1:])
        if not is_constant(tail[0]):
            return select_path(node.extent(), tail)
        return self._without(parts) if child is None else self._below(child, parts, tail[1:])


def select_path(type_: Type | None, path: Sequence[Term]) -> Type | None:
    """The type of what a path finds in a value of the type."""
    for step in path:
        if type_ is None:
            return None
        match step:
            case Var() | Ref() | ArrayTerm() | ObjectTerm() | SetTerm():
                if is_empty(type_):
                    return ANY  # nothing is found: whatever is done with it is never done
                type_ = values_of(type_)
            case Scalar():
                type_ = select(type_, step.value)
            case _:
                return None
    return type_


def _scalar(value: object) -> Type:
    if value is None:
        return NULL
    if type(value) is bool:
        return BOOLEAN
    return STRING if type(value) is str else NUMBER


def _bounded(type_: ArrayType | ObjectType | SetType) -> Type:
    return type_ if type_.size < _MAX_SIZE else ANY
