"""Makes the trees of documents from tokens. Not what they mean (`decoding`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.yaml.nodes import MAP, MERGE, SEQ, STR, Node, Shape, short_tag
from authz_rego.builtins.yaml.resolving import resolve
from authz_rego.builtins.yaml.tokens import Kind, Token
from authz_rego.errors import BuiltinError
from authz_rego.values.depth import MAX_DEPTH

_DIRECTIVES: Final = frozenset({Kind.VERSION, Kind.TAG_DIRECTIVE})
_DOCUMENT_MARKS: Final = _DIRECTIVES | {Kind.DOCUMENT_START, Kind.DOCUMENT_END, Kind.STREAM_END}
_DEFAULT_HANDLES: Final = {"!": "!", "!!": "tag:yaml.org,2002:"}
# What may stand in place of a node, which then is an empty scalar.
_ENDS_OF_ENTRY: Final = frozenset({Kind.BLOCK_ENTRY, Kind.BLOCK_END})
_ENDS_IN_MAPPING: Final = frozenset({Kind.KEY, Kind.VALUE, Kind.BLOCK_END})
_ENDS_OF_LOOSE_ENTRY: Final = _ENDS_IN_MAPPING | {Kind.BLOCK_ENTRY}
_ENDS_OF_FLOW_VALUE: Final = frozenset({Kind.FLOW_ENTRY, Kind.FLOW_MAPPING_END})
_ENDS_OF_PAIR_VALUE: Final = frozenset({Kind.FLOW_ENTRY, Kind.FLOW_SEQUENCE_END})


def parse(tokens: list[Token]) -> list[Node]:
    """All documents; raises BuiltinError where the tokens make none, and EvaluationError beyond our depth."""
    return _Parser(tokens).documents()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._anchors: dict[str, Node] = {}  # of all documents: one may refer to what an earlier one defined
        self._handles: dict[str, str] = {}
        self._depth = 0
        self._flow_starts: dict[Kind, tuple[Shape, Callable[[Node], None]]] = {
            Kind.FLOW_SEQUENCE_START: (Shape.SEQUENCE, self._fill_flow_sequence),
            Kind.FLOW_MAPPING_START: (Shape.MAPPING, self._fill_flow_mapping),
        }
        self._block_starts = self._flow_starts | {
            Kind.BLOCK_SEQUENCE_START: (Shape.SEQUENCE, self._fill_block_sequence),
            Kind.BLOCK_MAPPING_START: (Shape.MAPPING, self._fill_block_mapping),
        }

    def _next(self) -> Kind:
        return self._tokens[self._at].kind

    def _take(self) -> Token:
        """The current token; behind the last one there is nothing to go to."""
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _refusal(self, why: str) -> BuiltinError:
        return BuiltinError(f"yaml: line {self._tokens[self._at].line + 1}: {why}")

    def documents(self) -> list[Node]:
        found: list[Node] = []
        while self._next() is not Kind.STREAM_END:
            is_implicit = not found and self._next() not in _DIRECTIVES | {Kind.DOCUMENT_START}
            self._read_directives()
            if not is_implicit and self._take().kind is not Kind.DOCUMENT_START:
                raise self._refusal("did not find expected <document start>")
            is_empty = not is_implicit and self._next() in _DOCUMENT_MARKS
            found.append(_scalar() if is_empty else self._node(block=True))
            if self._next() is Kind.DOCUMENT_END:
                self._take()
            self._handles.clear()
            while self._next() is Kind.DOCUMENT_END:
                self._take()
        return found

    def _read_directives(self) -> None:
        has_version = False
        while self._next() in _DIRECTIVES:
            token = self._take()
            if token.kind is Kind.VERSION:
                if has_version or token.value != "1.1":
                    raise self._refusal("found duplicate %YAML directive or incompatible YAML document")
                has_version = True
            elif token.value in self._handles:
                raise self._refusal("found duplicate %TAG directive")
            else:
                self._handles[token.value] = token.suffix
        self._handles = _DEFAULT_HANDLES | self._handles

    def _node(self, *, block: bool, loose_sequence: bool = False) -> Node:
        """A node where one must stand. In a mapping, a sequence may be indented no further (`loose_sequence`)."""
        if self._next() is Kind.ALIAS:
            return self._alias(self._take().value)
        anchor, tag = self._read_properties()
        if loose_sequence and self._next() is Kind.BLOCK_ENTRY:
            return self._collection(Shape.SEQUENCE, anchor, tag, self._fill_loose_sequence)
        if self._next() is Kind.SCALAR:
            token = self._take()
            return self._anchored(anchor, _scalar(token.value, tag, is_plain=token.is_plain))
        found = (self._block_starts if block else self._flow_starts).get(self._next())
        if found is not None:
            self._take()
            return self._collection(found[0], anchor, tag, found[1])
        if not anchor and not tag:
            raise self._refusal("did not find expected node content")
        return self._anchored(anchor, _scalar("", tag))

    def _read_properties(self) -> tuple[str, str]:
        """An anchor and a tag, in any order."""
        anchor = self._take().value if self._next() is Kind.ANCHOR else ""
        tag = self._read_tag() if self._next() is Kind.TAG else ""
        if tag and not anchor and self._next() is Kind.ANCHOR:
            anchor = self._take().value
        return anchor, tag

    def _read_tag(self) -> str:
        token = self._take()
        tag = token.suffix if not token.value else self._handles.get(token.value, "") + token.suffix
        if not tag or (token.value and token.value not in self._handles):
            raise self._refusal("found undefined tag handle")
        return tag

    def _alias(self, name: str) -> Node:
        target = self._anchors.get(name)
        if target is None:
            raise self._refusal(f"unknown anchor '{name}' referenced")
        return Node(Shape.ALIAS, "", name, target=target)

    def _anchored(self, anchor: str, node: Node) -> Node:
        if anchor:
            self._anchors[anchor] = node
        return node

    def _collection(self, shape: Shape, anchor: str, tag: str, fill: Callable[[Node], None]) -> Node:
        default = SEQ if shape is Shape.SEQUENCE else MAP
        node = self._anchored(anchor, Node(shape, default if tag in {"", "!"} else short_tag(tag)))
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise beyond_bounds("yaml", f"a document more than {MAX_DEPTH} levels deep")
        fill(node)
        self._depth -= 1
        return node

    def _fill_block_sequence(self, node: Node) -> None:
        while self._next() is Kind.BLOCK_ENTRY:
            self._take()
            node.content.append(self._node_unless(_ENDS_OF_ENTRY))
        if self._take().kind is not Kind.BLOCK_END:
            raise self._refusal("did not find expected '-' indicator")

    def _fill_loose_sequence(self, node: Node) -> None:
        while self._next() is Kind.BLOCK_ENTRY:
            self._take()
            node.content.append(self._node_unless(_ENDS_OF_LOOSE_ENTRY))

    def _node_unless(self, ends: frozenset[Kind], *, block: bool = True, loose_sequence: bool = False) -> Node:
        return _scalar() if self._next() in ends else self._node(block=block, loose_sequence=loose_sequence)

    def _fill_block_mapping(self, node: Node) -> None:
        while self._next() is Kind.KEY:
            self._take()
            node.content.append(self._node_unless(_ENDS_IN_MAPPING, loose_sequence=True))
            if self._next() is Kind.VALUE:
                self._take()
                node.content.append(self._node_unless(_ENDS_IN_MAPPING, loose_sequence=True))
            else:
                node.content.append(_scalar())
        if self._take().kind is not Kind.BLOCK_END:
            raise self._refusal("did not find expected key")

    def _fill_flow_mapping(self, node: Node) -> None:
        while self._next_entry(node, Kind.FLOW_MAPPING_END):
            if self._next() is not Kind.KEY:
                node.content += (self._node(block=False), _scalar())
                continue
            self._take()
            node.content.append(self._node_unless(_ENDS_OF_FLOW_VALUE | {Kind.VALUE}, block=False))
            node.content.append(self._flow_value(_ENDS_OF_FLOW_VALUE))

    def _fill_flow_sequence(self, node: Node) -> None:
        while self._next_entry(node, Kind.FLOW_SEQUENCE_END):
            if self._next() is Kind.KEY:
                self._take()
                node.content.append(self._collection(Shape.MAPPING, "", "", self._fill_pair))
            else:
                node.content.append(self._node(block=False))

    def _next_entry(self, node: Node, end: Kind) -> bool:
        """Whether another entry of a flow collection follows; passes the comma before it, or the end."""
        if self._next() is not end and node.content and self._take().kind is not Kind.FLOW_ENTRY:
            raise self._refusal("did not find expected ',' or the end of a flow collection")
        if self._next() is end:
            self._take()
            return False
        return True

    def _fill_pair(self, node: Node) -> None:
        """`[a: b]` is a sequence of one mapping. Where the key is missing, go-yaml passes whatever stands there."""
        if self._next() in _ENDS_OF_PAIR_VALUE | {Kind.VALUE}:
            self._take()
            node.content.append(_scalar())
        else:
            node.content.append(self._node(block=False))
        node.content.append(self._flow_value(_ENDS_OF_PAIR_VALUE))

    def _flow_value(self, ends: frozenset[Kind]) -> Node:
        if self._next() is not Kind.VALUE:
            return _scalar()
        self._take()
        return self._node_unless(ends, block=False)


def _scalar(value: str = "", tag: str = "", *, is_plain: bool = True) -> Node:
    if tag not in {"", "!"}:
        return Node(Shape.SCALAR, short_tag(tag), value, is_styled=True)
    if not is_plain:
        return Node(Shape.SCALAR, STR, value, is_styled=True)
    return Node(Shape.SCALAR, MERGE if value == "<<" else resolve("", value)[0], value)
