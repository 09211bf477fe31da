"""The values of a YAML tree, with go-yaml's guard against floods of aliases. Not yet Rego's (`json_values`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.yaml.nodes import MERGE, STR, Node, Shape
from authz_rego.builtins.yaml.resolving import Resolved, scalar_value
from authz_rego.errors import BuiltinError
from authz_rego.values.depth import MAX_DEPTH

_FEW: Final = 400_000  # values: as long as there are no more, nearly all may come out of aliases
_MANY: Final = 4_000_000

_Key: TypeAlias = tuple[type, Resolved]  # Go tells 1, 1.0 and true apart


@dataclass(slots=True)
class Map:
    """A mapping. Its keys are all texts, or anything."""

    has_text_keys: bool
    members: dict[_Key, Any] = field(default_factory=dict)


Decoded: TypeAlias = Resolved | list[Any] | Map


def decode(root: Node) -> Decoded:
    """The document's value; raises BuiltinError where go-yaml does, EvaluationError where it is too deep for us."""
    decoder = _Decoder()
    decoder.count_one()  # the document
    return decoder.value(root)


class _Decoder:
    def __init__(self) -> None:
        self._count = 0
        self._alias_count = 0
        self._alias_depth = 0
        self._depth = 0
        self._open: set[int] = set()  # aliases that are being followed
        self._merged: set[_Key] | None = None  # keys that a merge may not set any more

    def count_one(self) -> None:
        self._count += 1
        self._alias_count += self._alias_depth > 0
        if (
            self._alias_count > 100
            and self._count > 1000
            and self._alias_count / self._count > _allowed_ratio(self._count)
        ):
            raise BuiltinError("yaml: document contains excessive aliasing")

    def value(self, node: Node) -> Decoded:
        self.count_one()
        if node.shape is Shape.ALIAS:
            with self._followed(node) as target:
                return self.value(target)
        if node.shape is Shape.SCALAR:
            return scalar_value(node)
        if node.shape is Shape.MAPPING:
            found = Map(all(key.meant_tag in {STR, MERGE} for key in node.content[::2]))
            self._fill(found, node)
            return found
        self._go_deeper()
        items = [self.value(each) for each in node.content]
        self._depth -= 1
        return items

    def _go_deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise beyond_bounds("yaml", f"a document more than {MAX_DEPTH} levels deep")

    @contextmanager
    def _followed(self, alias: Node) -> Iterator[Node]:
        """What an alias names."""
        assert alias.target is not None  # the parser has seen to it
        if id(alias) in self._open:
            raise BuiltinError(f"yaml: anchor '{alias.value}' value contains itself")
        self._open.add(id(alias))
        self._alias_depth += 1
        yield alias.target
        self._alias_depth -= 1
        self._open.remove(id(alias))

    def _fill(self, found: Map, node: Node) -> None:
        _require_unique_keys(node)
        self._go_deeper()
        merged, self._merged = self._merged, None
        merge: Node | None = None
        for key_node, value_node in node.pairs:
            if key_node.is_merge_key:
                merge = value_node
                continue
            key = self._text_key(key_node) if found.has_text_keys else self._any_key(key_node)
            if key is None:
                continue
            if merged is not None:
                if key in merged:
                    continue
                merged.add(key)
            found.members.pop(key, None)  # of 0.0 and -0.0, which are equal, the later one is kept
            found.members[key] = self.value(value_node)
        self._merged = merged
        if merge is not None:
            self._merge(found, node, merge)
        self._depth -= 1

    def _any_key(self, node: Node) -> _Key:
        return _hashable(self.value(node))

    def _text_key(self, node: Node) -> _Key | None:
        """A key where all are texts: of a number that is merged in its text counts; null is none."""
        self.count_one()
        if node.shape is Shape.ALIAS:
            with self._followed(node) as target:
                return self._text_key(target)
        if node.shape is not Shape.SCALAR:
            raise BuiltinError("yaml: cannot unmarshal into string")
        value = scalar_value(node)
        if value is None:
            return None
        if not isinstance(value, str | bytes):
            value = node.value
        return (type(value), value)

    def _merge(self, found: Map, parent: Node, merge: Node) -> None:
        """Adds the members of the mappings that `<<` names, where there is none of that key yet."""
        merged = self._merged
        if merged is None:
            self._merged = {self._any_key(key) for key in parent.content[::2]}
        for source in merge.content if merge.shape is Shape.SEQUENCE else [merge]:
            target = source.target if source.shape is Shape.ALIAS else source
            if target is None or target.shape is not Shape.MAPPING:
                raise BuiltinError("yaml: map merge requires map or sequence of maps as the value")
            self.count_one()
            if source.shape is Shape.ALIAS:
                with self._followed(source) as target:
                    self.count_one()
                    self._fill(found, target)
            else:
                self._fill(found, source)
        self._merged = merged


def _hashable(key: Decoded) -> _Key:
    if isinstance(key, list | Map):
        raise BuiltinError("yaml: invalid map key")
    return (type(key), key)


def _require_unique_keys(node: Node) -> None:
    written = {(key.shape, key.value) for key in node.content[::2]}
    if 2 * len(written) < len(node.content):
        raise BuiltinError("yaml: mapping key already defined")


def _allowed_ratio(count: int) -> float:
    if count <= _FEW:
        return 0.99
    if count >= _MANY:
        return 0.10
    return 0.99 - 0.89 * (float(count - _FEW) / float(_MANY - _FEW))
