"""How deep a value may be. Not how large (`big_integers` for numbers; the evaluation's own budget for the rest)."""

from __future__ import annotations

from itertools import chain
from typing import Final

from authz_rego.values.value import Value, value_of

MAX_DEPTH: Final = 128  # ours; OPA's is 10,000, which Python's own stack does not bear


def is_deeper_than(value: Value, depth: int) -> bool:
    """Whether arrays, objects and sets stand in one another more than that often."""
    kind = type(value)
    if kind is list:
        return depth == 0 or any(is_deeper_than(member, depth - 1) for member in value)
    if kind is dict:
        members = chain(map(value_of, value), value.values())
        return depth == 0 or any(is_deeper_than(member, depth - 1) for member in members)
    if kind is frozenset:
        return depth == 0 or any(is_deeper_than(value_of(key), depth - 1) for key in value)
    return False
