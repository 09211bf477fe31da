"""A parsed glob made simpler, in the way that decides where gobwas looks anew and where it does not. Not matching."""

from __future__ import annotations

from authz_rego.builtins.glob_nodes import (
    Choice,
    Class,
    Node,
    Sequence,
    Single,
    Somewhere,
    Span,
    Star,
    Text,
    Void,
    needs_walk,
)


def arranged(node: Node) -> Node:
    """The glob as it is matched; what it matches stays the same."""
    node = _shaped(_simple(node), at_end=True)
    _look_ahead(node, at_end=True)
    _close(node, at_end=True)
    return node


def least_length(node: Node) -> int:
    """No shorter text can match."""
    if isinstance(node, Sequence):
        return sum(map(least_length, node.parts))
    if isinstance(node, Choice):
        return min(map(least_length, node.parts))
    if isinstance(node, Text | Somewhere):
        return len(node.text)
    if isinstance(node, Span):
        return len(node.start) + len(node.end)
    return 1 if isinstance(node, Single | Class) else 0


def required_end(node: Node) -> str:
    """No text that ends otherwise can match."""
    if isinstance(node, Text):
        return node.text
    if isinstance(node, Span):
        return node.end
    if isinstance(node, Sequence):
        return required_end(node.parts[-1])
    if isinstance(node, Choice):
        ends = [required_end(part) for part in node.parts]
        shortest = min(ends, key=len)
        places = range(len(shortest))
        return next((shortest[at:] for at in places if all(end.endswith(shortest[at:]) for end in ends)), "")
    return ""


def _simple(node: Node) -> Node:
    if not isinstance(node, Sequence | Choice):
        return node
    parts = [_simple(part) for part in node.parts]
    if isinstance(node, Sequence):
        parts = _joined(parts)
    if len(parts) < 2:
        return parts[0] if parts else Void()
    return Sequence(parts) if isinstance(node, Sequence) else Choice(parts)


def _joined(parts: list[Node]) -> list[Node]:
    """Sequences in sequences opened up, neighbouring texts made one, and neighbouring stars the widest of them."""
    flat: list[Node] = []
    for part in parts:
        flat += part.parts if isinstance(part, Sequence) else [] if isinstance(part, Void) else [part]
    found: list[Node] = []
    for part in flat:
        before = found[-1] if found else None
        if isinstance(part, Text) and isinstance(before, Text):
            found[-1] = Text(before.text + part.text)
        elif isinstance(part, Star) and isinstance(before, Star):
            if before.separators and not part.separators:
                found[-1] = part
        else:
            found.append(part)
    return found


def _shaped(node: Node, *, at_end: bool) -> Node:
    """What stands at the end of the glob made one piece that looks at all of the rest."""
    if isinstance(node, Choice):
        return Choice([_shaped(part, at_end=at_end) for part in node.parts])
    if not isinstance(node, Sequence):
        return node
    last = len(node.parts) - 1
    parts = [_shaped(part, at_end=at_end and place == last) for place, part in enumerate(node.parts)]
    while at_end and len(parts) > 1 and (shape := _shape(parts[-2], parts[-1])) is not None:
        parts[-2:] = [shape]
    return parts[0] if len(parts) == 1 else Sequence(parts)


def _shape(before: Node, last: Node) -> Node | None:
    if isinstance(before, Text):
        if isinstance(last, Star):
            return Span(before.text, "", last.separators)
        if isinstance(last, Span) and not (last.start and last.end):
            return Span(before.text + last.start, last.end, last.separators)
    if isinstance(before, Star):
        if isinstance(last, Text):
            return Span("", last.text, before.separators)
        if isinstance(last, Span) and not last.end and not (before.separators or last.separators):
            return Somewhere(last.start)
    return None


def _look_ahead(node: Node, *, at_end: bool) -> None:
    """Tells each star what comes next."""
    if isinstance(node, Star):
        node.last = at_end
    elif isinstance(node, Choice):
        for part in node.parts:
            _look_ahead(part, at_end=at_end)
    elif isinstance(node, Sequence):
        for part, following in zip(node.parts, [*node.parts[1:], None], strict=True):
            _look_ahead(part, at_end=at_end and following is None)
            if isinstance(part, Star) and following is not None:
                part.following = _first_text(following)


def _first_text(node: Node) -> str:
    if isinstance(node, Text):
        return node.text
    return node.start if isinstance(node, Span) else ""


def _close(node: Node, *, at_end: bool) -> None:
    if isinstance(node, Sequence):
        for place, part in enumerate(node.parts):
            _close(part, at_end=at_end and place == len(node.parts) - 1)
    elif isinstance(node, Choice):
        for part in node.parts:
            _close(part, at_end=at_end)
        node.closed = at_end and not any(map(needs_walk, node.parts))
