"""The tree of a YAML document, as written. Not its values (`decoding`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

_LONG_PREFIX: Final = "tag:yaml.org,2002:"

NULL: Final = "!!null"
BOOL: Final = "!!bool"
STR: Final = "!!str"
INT: Final = "!!int"
FLOAT: Final = "!!float"
TIMESTAMP: Final = "!!timestamp"
BINARY: Final = "!!binary"
MERGE: Final = "!!merge"
SEQ: Final = "!!seq"
MAP: Final = "!!map"


class Shape(Enum):
    """What a node is made of."""

    SCALAR = auto()
    SEQUENCE = auto()
    MAPPING = auto()
    ALIAS = auto()


@dataclass(slots=True, eq=False)
class Node:
    """`value` is a scalar's text or an alias's name; a mapping's content are its keys and values in turn."""

    shape: Shape
    tag: str
    value: str = ""
    is_styled: bool = False  # quoted, in a block, or with a tag of its own
    content: list[Node] = field(default_factory=list)
    target: Node | None = None  # of an alias

    @property
    def meant_tag(self) -> str:
        """The tag, of an alias its target's."""
        node = self
        while node.shape is Shape.ALIAS and node.target is not None:
            node = node.target
        return node.tag

    @property
    def is_merge_key(self) -> bool:
        return self.shape is Shape.SCALAR and self.value == "<<" and self.tag == MERGE

    @property
    def pairs(self) -> list[tuple[Node, Node]]:
        return list(zip(self.content[::2], self.content[1::2], strict=True))


def short_tag(tag: str) -> str:
    """`!!x` for YAML's own tags."""
    return "!!" + tag.removeprefix(_LONG_PREFIX) if tag.startswith(_LONG_PREFIX) else tag
