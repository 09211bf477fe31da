"""What OPA does to a YAML tree before it decodes it: the last of equal keys counts, times are texts. Not decoding."""

from __future__ import annotations

from authz_rego.builtins.yaml.nodes import MERGE, SEQ, STR, TIMESTAMP, Node, Shape
from authz_rego.builtins.yaml.resolving import key_name, scalar_value
from authz_rego.errors import BuiltinError


def normalize(root: Node) -> None:
    """Changes the tree in place; a part that several aliases name is visited once."""
    visited: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if node.shape is Shape.SCALAR and node.tag == TIMESTAMP and not node.is_styled:
            node.tag = STR
        elif node.shape is Shape.MAPPING:
            node.content = _without_repeated_keys(_with_one_merge(node.content))
        pending += reversed(node.content)
        if node.target is not None:
            pending.append(node.target)


def _with_one_merge(content: list[Node]) -> list[Node]:
    """Several `<<` become one, with a sequence of all that they name."""
    places = [at for at in range(0, len(content), 2) if _is_merge(content[at])]
    merged: list[Node] = []
    for at in places:
        value = content[at + 1]
        merged += value.content if value.shape is Shape.SEQUENCE else [value]
    if len(merged) < 2:
        return content
    found: list[Node] = []
    for at in range(0, len(content), 2):
        if at == places[0]:
            found += (content[at], Node(Shape.SEQUENCE, SEQ, content=merged))
        elif at not in places:
            found += content[at : at + 2]
    return found


def _is_merge(key: Node) -> bool:
    return key.shape is Shape.SCALAR and key.tag == MERGE


def _without_repeated_keys(content: list[Node]) -> list[Node]:
    """Equal are keys that have one name in JSON: 1 and "1". The last one's value stands in the first one's place."""
    places: dict[str | bytes, int] = {}
    found: list[Node] = []
    for key, value in zip(content[::2], content[1::2], strict=True):
        name = _name(key)
        if name is not None and name in places:
            found[places[name]] = value
            continue
        if name is not None:
            places[name] = len(found) + 1
        found += (key, value)
    return found


def _name(key: Node) -> str | bytes | None:
    if key.shape is not Shape.SCALAR or key.tag == MERGE:
        return None
    try:
        return key_name(scalar_value(key))
    except BuiltinError:
        return None
