"""A metadata block's YAML as OPA's fields want it, or where it is something else. Not its meaning (`members`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from authz_rego.builtins.yaml.nodes import MAP, MERGE, NULL, SEQ, STR, Node, Shape
from authz_rego.builtins.yaml.resolving import Resolved, scalar_value
from authz_rego.errors import BuiltinError
from authz_rego.values.text import quote

_T = TypeVar("_T")
_YES: Final = frozenset({"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})
_NO: Final = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF"})
_ANY: Final = "interface {}"
_FEW: Final = 400_000
_MANY: Final = 4_000_000
_MOST_ERRORS: Final = 100


class LooseMap(dict[Any, Any]):
    """A mapping with keys that are no texts."""


@dataclass(slots=True)
class Raw:
    """The fields of a block, before anything is made of them. A missing one is empty."""

    scope: str = ""
    title: str = ""
    entrypoint: bool = False
    description: str = ""
    organizations: list[str | None] = field(default_factory=list)
    related_resources: list[Any] = field(default_factory=list)
    authors: list[Any] = field(default_factory=list)
    schemas: list[dict[str, Any]] = field(default_factory=list)
    compile: dict[str, Any] | None = None
    custom: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None


class Misfit(NamedTuple):
    """A node that is not what it should be. Of the text, `{}` is where the line of the other node belongs."""

    node: Node
    text: str
    other: Node | None = None


class Reader:
    """Reads nodes as types. What does not fit is noted in `misfits`, and the reading goes on."""

    def __init__(self) -> None:
        self.misfits: list[Misfit] = []
        self._count = self._alias_count = self._alias_depth = 0
        self._open: set[int] = set()
        self._taken: set[Any] | None = None  # keys that a merge may not set any more

    def raw(self, root: Node) -> Raw:
        """Raises BuiltinError where go-yaml stops altogether."""
        found = Raw()
        self._node(root, lambda node: self._fill(node, found))
        return found

    def _node(self, node: Node, read: Callable[[Node], _T | None]) -> _T | None:
        """What a node is, or the node that it is an alias of. None is null, or something else than was wanted."""
        self._count += 1
        self._alias_count += self._alias_depth > 0
        if self._alias_count > 100 and self._count > 1000 and self._alias_count / self._count > _ratio(self._count):
            raise BuiltinError("yaml: document contains excessive aliasing")
        if node.target is None:
            return read(node)
        if id(node) in self._open:
            raise BuiltinError(f"yaml: anchor '{node.value}' value contains itself")
        self._open.add(id(node))
        self._alias_depth += 1
        found = self._node(node.target, read)
        self._alias_depth -= 1
        self._open.remove(id(node))
        return found

    def _misfit(self, node: Node, kind: str, wanted: str) -> None:
        value = node.value if len(node.value) <= 10 else node.value[:7] + "..."
        shown = "" if kind in {SEQ, MAP} else f" `{value}`"
        found = f"cannot unmarshal {kind}{shown} into {wanted}"
        self.misfits.append(Misfit(node, found.replace("{", "{{").replace("}", "}}")))

    def _scalar(self, node: Node, wanted: str) -> Resolved:
        if node.shape is Shape.SCALAR:
            return scalar_value(node)
        if node.tag != NULL:
            self._misfit(node, node.tag, wanted)
        return None

    def text(self, node: Node) -> str | None:
        value = self._scalar(node, "string")
        if value is None or isinstance(value, str):
            return value
        return value.decode(errors="replace") if isinstance(value, bytes) else node.value

    def flag(self, node: Node) -> bool | None:
        """A boolean, or one of the words that YAML once had for them."""
        value = self._scalar(node, "bool")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value in _YES | _NO:
            return value in _YES
        self._misfit(node, node.tag, "bool")
        return None

    def items(self, node: Node, read: Callable[[Node], _T | None], wanted: str) -> list[_T | None] | None:
        if node.shape is Shape.SEQUENCE:
            return [self._node(each, read) for each in node.content]
        if node.tag != NULL:
            self._misfit(node, node.tag, f"[]{wanted}")
        return None

    def any(self, node: Node) -> Any:
        if node.shape is Shape.SCALAR:
            return scalar_value(node)
        if node.shape is Shape.SEQUENCE:
            return self.items(node, self.any, _ANY)
        is_texts = all(key.meant_tag in {STR, MERGE} for key in node.content[::2])
        return self._members(node, {} if is_texts else LooseMap())

    def map(self, node: Node) -> dict[str, Any] | None:
        if node.shape is Shape.MAPPING:
            return self._members(node, {})
        if node.tag != NULL:
            self._misfit(node, node.tag, f"map[string]{_ANY}")
        return None

    # ── mappings ──

    def _members(self, node: Node, found: dict[Any, Any]) -> dict[Any, Any]:
        key_of = self._any_key if isinstance(found, LooseMap) else self.text

        def take(key: Any, value: Node) -> None:
            found[key] = self._node(value, self.any)

        self._pairs(node, key_of, take)
        return found

    def _any_key(self, node: Node) -> Any:
        key = self.any(node)
        if isinstance(key, (dict, list)):
            raise BuiltinError("yaml: invalid map key")
        return key

    def _pairs(self, node: Node, key_of: Callable[[Node], Any], take: Callable[[Any, Node], None]) -> None:
        """Each member, also those merged in by `<<` where there is none of that key yet."""
        if self._repeats_keys(node):
            return
        taken, self._taken = self._taken, None
        merge: Node | None = None
        for key_node, value in node.pairs:
            if key_node.is_merge_key:
                merge = value
                continue
            key = self._node(key_node, key_of)
            if key is None and key_of == self.text:
                continue
            if taken is not None:
                if key in taken:
                    continue
                taken.add(key)
            take(key, value)
        self._taken = taken
        if merge is not None:
            self._merge(node, merge, key_of, take)
            self._taken = taken

    def _merge(
        self, parent: Node, merge: Node, key_of: Callable[[Node], Any], take: Callable[[Any, Node], None]
    ) -> None:
        if self._taken is None:
            self._taken = {self._node(key, self._any_key) for key in parent.content[::2]}
        for each in merge.content if merge.shape is Shape.SEQUENCE else [merge]:
            target = each.target if each.target is not None else each
            if target.shape is not Shape.MAPPING:
                raise BuiltinError("yaml: map merge requires map or sequence of maps as the value")
            self._node(each, lambda node: self._pairs(node, key_of, take))

    def _repeats_keys(self, node: Node) -> bool:
        first: dict[tuple[Shape, str], Node] = {}
        repeated = False
        for key in node.content[::2]:
            known = first.setdefault((key.shape, key.value), key)
            if known is not key:
                repeated = True
                if len(self.misfits) < _MOST_ERRORS:
                    shown = quote(key.value).replace("{", "{{").replace("}", "}}")
                    self.misfits.append(Misfit(key, f"mapping key {shown} already defined at line {{}}", known))
        return repeated

    def _fill(self, node: Node, found: Raw) -> None:
        if node.shape is not Shape.MAPPING:
            if node.tag != NULL:
                self._misfit(node, node.tag, "ast.rawAnnotation")
            return
        fields: dict[str, Callable[[Node], Any]] = {
            **dict.fromkeys(("scope", "title", "description"), self.text),
            "entrypoint": self.flag,
            "organizations": lambda each: self.items(each, self.text, "string"),
            "schemas": lambda each: self.items(each, self.map, f"map[string]{_ANY}"),
            **dict.fromkeys(("related_resources", "authors"), lambda each: self.items(each, self.any, _ANY)),
            **dict.fromkeys(("compile", "custom", "labels"), self.map),
        }

        def take(name: str, value: Node) -> None:
            if name in fields:
                read = self._node(value, fields[name])
                if read is not None:
                    setattr(found, name, read)

        self._pairs(node, self.text, take)


def _ratio(count: int) -> float:
    """How much of a document may come out of aliases."""
    if count <= _FEW:
        return 0.99
    return max(0.10, 0.99 - 0.89 * (float(count - _FEW) / float(_MANY - _FEW)))
