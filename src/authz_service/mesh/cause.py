"""Of all rule bodies that a policy tried, the one that is the reason: from the query down to what it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from authz_rego.explain import Tried

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEEPEST = 32


def find_cause(tried: Sequence[Tried], query: str, texts: Mapping[str, str]) -> Tried | None:
    """The body that came furthest, of the rule at which the chain of rules ends; None where no body stopped."""
    held = {one.rule for one in tried if one.held and not _is_default(one, texts)}
    stopped = [one for one in tried if not one.held and one.line]
    failing = {one.rule for one in stopped} - held
    roots = [query, f"{query.rpartition('.')[0]}.allow", *(one.rule for one in stopped)]
    start = next((rule for rule in roots if rule in failing), None)
    return None if start is None else _follow(start, stopped, failing, _DEEPEST)


def _is_default(one: Tried, texts: Mapping[str, str]) -> bool:
    """It holds whenever nothing else does."""
    lines = texts.get(one.place.file, "").splitlines()
    return 0 < one.place.row <= len(lines) and lines[one.place.row - 1].lstrip().startswith("default ")


def _follow(rule: str, stopped: Sequence[Tried], failing: set[str], depth: int) -> Tried:
    best = max((one for one in stopped if one.rule == rule), key=_progress)
    package = rule.rpartition(".")[0]
    for name in _NAME.findall(best.line):
        asked = f"{package}.{name}"
        if asked != rule and asked in failing and depth:
            return _follow(asked, stopped, failing, depth - 1)
    return best


def _progress(one: Tried) -> int:
    return one.stopped.row - one.place.row
