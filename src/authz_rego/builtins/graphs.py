"""OPA's builtins that follow edges (`graph.*`), and `walk` through all that is in a value. Not single look-ups."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.operands import wrong_operand
from authz_rego.values.value import Key, Value, key_of, sorted_keys, value_of

_MOST_STEPS: Final = 50_000  # ours: a graph of 20 nodes can have more paths than anybody can wait for


def walk_pairs(value: Value) -> Iterator[tuple[list[Value], Value]]:
    """The value and all that is in it, however deep, each with the way to it; parents first, members in order."""
    yield [], value
    pending: list[tuple[list[Value], Iterator[tuple[Value, Value]]]] = [([], _members(value))]
    while pending:
        way, members = pending[-1]
        for key, member in members:
            there = [*way, key]
            yield there, member
            if type(member) is list or type(member) is dict or type(member) is frozenset:
                pending.append((there, _members(member)))
                break
        else:
            pending.pop()


def _members(value: Value) -> Iterator[tuple[Value, Value]]:
    kind = type(value)
    if kind is list:
        return iter(enumerate(value))
    if kind is dict:
        return ((value_of(key), value[key]) for key in sorted_keys(value))
    if kind is frozenset:
        return ((value_of(key), value_of(key)) for key in sorted_keys(value))
    return iter(())


def _graph(graph: Value, initial: Value) -> tuple[dict[str | Key, Value], list[Value]]:
    if type(graph) is not dict:
        raise wrong_operand(graph, 1, "object")
    if type(initial) is not list and type(initial) is not frozenset:
        raise wrong_operand(initial, 2, "{array, set}")
    return graph, list(_nodes(initial))


def _nodes(edges: Value) -> Iterable[Value]:
    if type(edges) is list:
        return edges
    return map(value_of, sorted_keys(edges)) if type(edges) is frozenset else ()


def _reachable(graph: Value, initial: Value) -> Value:
    edges_of, nodes = _graph(graph, initial)
    waiting = deque(map(key_of, nodes))
    reached: dict[str | Key, None] = {}
    while waiting:
        node = waiting.popleft()
        if node in edges_of and node not in reached:
            reached[node] = None
            waiting.extend(map(key_of, _nodes(edges_of[node])))
    return frozenset(reached)


def _reachable_paths(graph: Value, initial: Value) -> Value:
    edges_of, nodes = _graph(graph, initial)
    found: dict[str | Key, None] = {}
    steps = 0
    for node in nodes:
        for way in _ways(edges_of, node):
            steps += 1
            if steps > _MOST_STEPS:
                raise beyond_bounds("graph.reachable_paths", f"more than {_MOST_STEPS} steps")
            if way is not None:
                found.setdefault(key_of(way))
    return frozenset(found)


def _ways(edges_of: dict[str | Key, Value], start: Value) -> Iterator[list[Value] | None]:
    """Each way from the start to where it ends or bites itself; None for every other step."""
    key = key_of(start)
    first = list(_nodes(edges_of[key])) if key in edges_of else None
    if first is None:
        return
    if not first:
        yield [start]
    # Ways that still have to be followed, the next one last.
    pending = [(node, [start], frozenset({key})) for node in reversed(first)]
    while pending:
        node, way, seen = pending.pop()
        here = key_of(node)
        if here not in edges_of:
            yield way
            continue
        way = [*way, node]
        further = [(each, key_of(each)) for each in _nodes(edges_of[here])]
        seen |= {here}
        open_ends = [(each, way, seen) for each, its_key in further if its_key not in seen]
        yield way if len(open_ends) < len(further) or not further else None
        pending += reversed(open_ends)


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "graph.reachable": _reachable,
    "graph.reachable_paths": _reachable_paths,
}
