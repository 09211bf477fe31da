"""Whether what Envoy says it runs is what we rendered. Pure; not the asking, and not what becomes of a difference.

Envoy shows its configuration as protobuf words it: without what has its default value, long integers as text, durations
with three digits. Everything else must be as we wrote it, and nothing beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from authz_service.envoy.messages import Json

# The first value of an enumeration is its default. By field, of those that we write out all the same.
_FIRST_VALUES = frozenset(
    {
        ("codec_type", "AUTO"), ("forward_client_cert_details", "SANITIZE"), ("op", "EQ"), ("type", "STATIC"),
        ("lb_policy", "ROUND_ROBIN"), ("source", "DYNAMIC"), ("dns_lookup_family", "AUTO"),
    }
)  # fmt: skip
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s", re.ASCII)
_REDACTED = "[redacted]"  # a secret, which Envoy does not show


def difference(ours: Json, theirs: Json, at: str = "") -> str:
    """Where they differ first, such as `.filter_chains[0].name`; "" when Envoy runs what we wrote."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return next(filter(None, _fields(ours, theirs, at)), "")
    if _is_list(ours) and _is_list(theirs):
        assert isinstance(ours, Sequence)
        assert isinstance(theirs, Sequence)
        if len(ours) != len(theirs):
            return at
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next(filter(None, (difference(a, b, f"{at}[{index}]") for index, (a, b) in pairs)), "")
    return "" if _same(ours, theirs) else at or "."


def foreign(kind: str, running: Mapping[str, Json], known: Mapping[str, Sequence[Json]]) -> list[str]:
    """What runs and is none of those that we wrote under its name, in words: where it differs from the last of them."""
    found = []
    for name, theirs in sorted(running.items()):
        differences = [difference(ours, theirs) for ours in known.get(name, ())]
        if not differences:
            found.append(f"{kind} {name}")
        elif all(differences):
            found.append(f"{kind} {name}, at {differences[-1]}")
    return found


def _fields(ours: Mapping[str, Json], theirs: Mapping[str, Json], at: str) -> Iterable[str]:
    for name in sorted({*ours, *theirs}):
        place = f"{at}.{name}"
        if name not in ours:
            yield place
        elif name in theirs:
            yield difference(ours[name], theirs[name], place)
        elif not _is_default(name, ours[name]):
            yield place


def _is_default(name: str, value: Json) -> bool:
    return not value or (name, value) in _FIRST_VALUES if isinstance(value, str) else not value


def _same(ours: Json, theirs: Json) -> bool:
    if theirs == _REDACTED:
        return True
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, int | float):
        return ours == theirs or str(ours) == theirs
    if isinstance(ours, str) and isinstance(theirs, str) and ours != theirs:
        durations = _DURATION.fullmatch(ours), _DURATION.fullmatch(theirs)
        return all(durations) and len({float(each[1]) for each in durations if each}) == 1
    return ours == theirs


def _is_list(value: Json) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
