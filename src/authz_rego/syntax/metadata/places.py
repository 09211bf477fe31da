"""On which line of a metadata block its YAML is wrong, as go-yaml counts. Not what is wrong with it (`raw`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

from authz_rego.builtins.yaml.nodes import Node

# libyaml, of which go-yaml is a translation. Where PyYAML came without it, its own parser counts nearly alike.
_LOADER: Final[Any] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NODES: Final[tuple[type[Any], ...]] = (
    yaml.ScalarEvent,
    yaml.AliasEvent,
    yaml.SequenceStartEvent,
    yaml.MappingStartEvent,
)


def end_of_first_document(text: str) -> int | None:
    """Behind its last character; None when it has no right end."""
    try:
        for event in _events(text):
            if type(event) is yaml.DocumentEndEvent:
                mark: Any = event.start_mark
                return None if _looked_ahead(text, mark) else int(mark.index)
    except yaml.YAMLError:
        pass
    return None


def syntax_problem(text: str) -> tuple[int, str] | None:
    """The line, from 1 (or 0 for none), and what stands in the way there; None when PyYAML can read it all."""
    anchors: set[str] = set()
    try:
        for event in _events(text):
            if isinstance(event, yaml.AliasEvent):
                if event.anchor not in anchors:
                    return _looked_ahead(text, event.start_mark) or (0, f"unknown anchor '{event.anchor}' referenced")
            elif getattr(event, "anchor", None) is not None:
                anchors.add(event.anchor)
    except yaml.scanner.ScannerError as problem:
        return _described(problem, 1)
    except yaml.MarkedYAMLError as problem:
        return _looked_ahead(text, problem.problem_mark) or _described(problem, 0)
    except yaml.YAMLError:
        return 0, "control characters are not allowed"
    return None


def _looked_ahead(text: str, at: Any) -> tuple[int, str] | None:
    """go-yaml always reads one token more, and complains of that first where it is none."""
    start = 0
    try:
        for token in yaml.scan(text, Loader=_LOADER):
            start = token.start_mark.index
    except yaml.scanner.ScannerError as problem:
        if at is None or at.index >= start:
            return _described(problem, 1)
    except yaml.YAMLError:
        pass
    return None


def _described(problem: Any, more: int) -> tuple[int, str]:
    marks = (problem.context_mark, problem.problem_mark)
    line = next((mark.line + more for mark in marks if mark is not None and mark.line), 0)
    return line, problem.problem or "unknown problem parsing YAML content"


def lines_of(text: str, root: Node) -> dict[int, int]:
    """The line of each node, from 1, by the node's `id`."""
    found: dict[int, int] = {}
    try:
        marks: Iterator[Any] = (event.start_mark for event in _events(text) if isinstance(event, _NODES))
        for mark, node in zip(marks, _written(root), strict=False):
            found[id(node)] = int(mark.line) + 1
    except yaml.YAMLError:
        pass
    return found


def _events(text: str) -> Iterator[Any]:
    return yaml.parse(text, Loader=_LOADER)


def _written(root: Node) -> Iterator[Node]:
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending += reversed(node.content)
