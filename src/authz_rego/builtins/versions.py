"""OPA's `semver.*`: versions after semver.org, with a `v` in front or without. Not other versions."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Final, NamedTuple

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.operands import string_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.value import Value

_NUMBER: Final = r"(0|[1-9][0-9]{0,18})"
_IDENTIFIERS: Final = r"([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)"
_VERSION: Final = re.compile(rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_IDENTIFIERS})?(?:\+{_IDENTIFIERS})?")
_DIGITS: Final = re.compile(r"[0-9]+")
_LARGEST: Final = 2**63 - 1


class _Version(NamedTuple):
    numbers: tuple[int, ...]
    before_release: str


def _compare(one: Value, other: Value) -> int:
    texts = (string_operand(one, 1), string_operand(other, 2))
    first, second = (_require(text, position) for position, text in enumerate(texts, 1))
    if first.numbers != second.numbers:
        return 1 if first.numbers > second.numbers else -1
    return _compare_identifiers(first.before_release, second.before_release)


def _is_valid(value: Value) -> bool:
    return type(value) is str and _find(value) is not None


def _require(text: str, position: int) -> _Version:
    found = _find(text)
    if found is None:
        raise BuiltinError(f"operand {position}: string {text[:64]} is not a valid SemVer")
    return found


def _find(text: str) -> _Version | None:
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    numbers = tuple(map(int, match.groups()[:3]))
    identifiers = match[4] or ""
    if max(numbers) > _LARGEST or any(map(_has_zero_in_front, identifiers.split("."))):
        return None
    return _Version(numbers, identifiers)


def _has_zero_in_front(identifier: str) -> bool:
    return len(identifier) > 1 and identifier[0] == "0" and _DIGITS.fullmatch(identifier) is not None


def _compare_identifiers(one: str, other: str) -> int:
    """A release comes after what was before it; otherwise the first identifiers that differ decide."""
    if one == other:
        return 0
    if not one or not other:
        return -1 if one else 1
    for mine, theirs in zip_longest(one.split("."), other.split(".")):
        if mine is None or theirs is None:
            return -1 if mine is None else 1
        first, second = _rank(mine), _rank(theirs)
        if first != second:
            return -1 if first < second else 1
    # Numbers beyond 64 bits are the same to OPA, and it looks on behind the end, for ever.
    raise beyond_bounds("semver.compare", "OPA does not come to an end with these numbers")


def _rank(identifier: str) -> tuple[bool, int, str]:
    """Numbers come before words."""
    if _DIGITS.fullmatch(identifier) is None:
        return (True, 0, identifier)
    return (False, int(identifier) if len(identifier) <= 18 else _clamped(identifier), "")


def _clamped(digits: str) -> int:
    return min(int(digits[:20]), _LARGEST)


FUNCTIONS: dict[str, Callable[..., Value]] = {"semver.compare": _compare, "semver.is_valid": _is_valid}
