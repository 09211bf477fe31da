"""Types by where they stand: of variables, of rules below `data`, of builtins. Not of references (`type_env`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from authz_rego.check.static_keys import key_order
from authz_rego.check.term_order import TermOrder, term_order
from authz_rego.check.type_access import builtin_types
from authz_rego.check.type_merging import Widened, merged
from authz_rego.check.types import ANY, STRING, Dynamic, ObjectType, Property, Type, object_type, union
from authz_rego.syntax.tree import Ref, Scalar, Term, Var


def parts_of(ref: Ref) -> tuple[Term, ...]:
    """The head and the path."""
    return (ref.head, *ref.path)


def place_of(term: Term) -> TermOrder:
    """By what a term is found in a tree."""
    return (5, term.name) if type(term) is Var else term_order(term)


class TypeNode:
    """A place: its type, when it has one, and what is below. Whatever is put below goes through `grow`."""

    __slots__ = ("children", "key", "known_extent", "type")

    def __init__(self, key: Term | None = None) -> None:
        self.key = key
        self.type: Type | None = None
        self.children: dict[TermOrder, TypeNode] = {}
        self.known_extent: Type | None = None

    def child(self, key: Term) -> TypeNode | None:
        """What is below, if anything is known of it."""
        return self.children.get(place_of(key))

    def grow(self, key: Term) -> TypeNode:
        """What is below; makes it."""
        self.known_extent = None
        place = place_of(key)
        found = self.children.get(place)
        if found is None:
            found = self.children[place] = TypeNode(key)
        return found

    def put(self, path: Sequence[Term], type_: Type | None) -> None:
        """Sets the type there."""
        node = self
        for each in path:
            node = node.grow(each)
        node.type = type_

    def extent(self) -> Type:
        """The type of the place: its own, or an object of what is below. There may be data beside the rules."""
        if self.type is not None:
            return self.type
        if self.known_extent is None:
            static = []
            for child in self.children.values():
                key = child.key
                if type(key) is Scalar and key.value is not None:
                    static.append(Property(key.value, key_order(key.value), child.extent()))
            self.known_extent = object_type(static, Dynamic(STRING, ANY))
        return self.known_extent

    def leaves(self) -> Iterator[tuple[tuple[Term, ...], Type]]:
        """All below that have a type, but not what is below of those."""
        for child in self.children.values():
            assert child.key is not None
            if child.type is not None:
                yield (child.key,), child.type
                continue
            for path, type_ in child.leaves():
                yield (child.key, *path), type_

    def insert(self, path: Sequence[Term], type_: Type, type_of: Callable[[Term], Type | None]) -> None:
        """Adds a rule's type to what is known: to a type at the place, to objects above it, and what is below to it.

        The path is without variables; `type_of` gives the types of its steps.
        """
        node = self
        for index, each in enumerate(path):
            node = node.grow(each)
            if type(node.type) is ObjectType and index + 1 < len(path):
                node.type = _with_member(node.type, [*map(type_of, path[index + 1 :])], type_)
        widened = Widened()
        node.type = merged(node.type, type_, widened)
        if widened:
            self.see(widened)
        if type(type_) is ObjectType and node.children and type(node.type) is ObjectType:
            for below, leaf in list(node.leaves()):
                node.type = _with_member(node.type, [*map(type_of, below)], leaf)

    def see(self, widened: Widened) -> None:
        """Has all types as they are after some were widened."""
        self.type, self.known_extent = widened.seen(self.type), None
        for child in self.children.values():
            child.see(widened)


def _with_member(object_: ObjectType, keys: Sequence[Type | None], type_: Type) -> ObjectType:
    """The object with something more somewhere in it."""
    if not keys:
        return object_
    value: Type | None = type_ if len(keys) == 1 else _with_member(ObjectType(), keys[1:], type_)
    others, key = object_.dynamic, keys[0]
    if others is not None:
        key, value = union(others.key, key), union(others.value, value)
    return object_type(object_.static, Dynamic(key, value))


def builtin_tree() -> TypeNode:
    """The types of the builtins."""
    root = TypeNode()
    for name, type_ in builtin_types().items():
        head, *path = name.split(".")
        root.put((Var(head), *map(Scalar, path)), type_)
    return root
