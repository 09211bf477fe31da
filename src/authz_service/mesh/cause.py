"""Of all rule bodies that a policy tried, the one that is the reason: from the query down to what it asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from authz_rego.explain import Tried
from authz_rego.values.value import Value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEEPEST = 32


def find_cause(tried: Sequence[Tried], query: str, segments: Sequence[str] = ()) -> Tried | None:
    """The body that came furthest, of the rule at which the chain of rules ends; None where no body stopped.

    Of several, the one that would hold if the path began later.
    """
    held = {one.rule for one in tried if one.held and not one.default}
    stopped = [one for one in tried if not one.held and one.line]
    failing = {one.rule for one in stopped} - held
    roots = [query, f"{query.rpartition('.')[0]}.allow", *(one.rule for one in stopped)]
    start = next((rule for rule in roots if rule in failing), None)
    return None if start is None else _follow(start, stopped, failing, segments, _DEEPEST)


def unstripped(cause: Tried, segments: Sequence[str]) -> str:
    """What the path has before that which the body wants: `/data` of /data/orders for `segments == ["orders"]`."""
    if "segments" not in cause.line:
        return ""
    for number in range(1, len(segments)):
        rest = list(segments[number:])
        if any(_wants(value, rest, first="segments[0]" in cause.line) for value in cause.values):
            return "/" + "/".join(segments[:number])
    return ""


def _wants(value: Value, rest: list[str], *, first: bool) -> bool:
    if not first:
        return bool(value == rest)
    return rest[0] in value if isinstance(value, list) else bool(value == rest[0])


def _follow(rule: str, stopped: Sequence[Tried], failing: set[str], segments: Sequence[str], depth: int) -> Tried:
    bodies = [one for one in stopped if one.rule == rule]
    best = max(bodies, key=lambda one: (one.stopped.row - one.place.row, bool(unstripped(one, segments))))
    package = rule.rpartition(".")[0]
    for name in _NAME.findall(best.line):
        asked = f"{package}.{name}"
        if asked != rule and asked in failing and depth:
            return _follow(asked, stopped, failing, segments, depth - 1)
    return best
