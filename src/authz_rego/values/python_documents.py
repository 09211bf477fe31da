"""Plain Python objects to Rego's values, and values to what others can read. Not JSON text (`json_text`)."""

from __future__ import annotations

from typing import Any, Final

from authz_rego.values.big_integers import MAX_BITS
from authz_rego.values.byte_texts import readable
from authz_rego.values.depth import MAX_DEPTH
from authz_rego.values.number import Number, number_of
from authz_rego.values.value import Key, Value, key_of, sorted_keys, value_of

_SCALARS: Final = frozenset({type(None), bool, Number})


def readable_value(value: Value) -> Value:
    """The value with U+FFFD for each byte that is no UTF-8, as OPA's JSON has it: so it leaves the engine.

    Of keys that become one the last is kept, as by who reads that JSON.
    """
    kind = type(value)
    if kind is str:
        return readable(value)
    if kind is list:
        return [*map(readable_value, value)]
    if kind is dict:
        return {_readable_key(key): readable_value(value[key]) for key in sorted_keys(value)}
    if kind is frozenset:
        return frozenset(map(_readable_key, value))
    return value


def _readable_key(key: str | Key) -> str | Key:
    return readable(key) if type(key) is str else Key(readable_value(value_of(key)))


class _UnfitError(Exception):
    """What cannot be taken, and the way to it, from the inside out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.way: list[str] = []


def from_python(document: object) -> Value:
    """The value of None, booleans, numbers, text, lists, tuples, sets and dicts with text as keys, however nested.

    A value is its own value. Raises ValueError that says where something stands that is none of these.
    """
    try:
        return _value(document, MAX_DEPTH)
    except _UnfitError as problem:
        raise ValueError(f"{''.join(reversed(problem.way)) or 'the document'}: {problem.reason}") from None


def _value(given: Any, depth: int) -> Value:
    kind = type(given)
    if kind is str and given.isascii():
        return given
    if kind in _SCALARS:
        return given
    if kind is dict or isinstance(given, dict):
        return _object(given, _inside(depth))
    if kind is list or isinstance(given, (list, tuple)):
        return _array(given, _inside(depth))
    if isinstance(given, (set, frozenset)):
        return frozenset(key_of(_value(member, _inside(depth))) for member in given)
    return _value(given.value, depth) if kind is Key else _scalar(given)


def _inside(depth: int) -> int:
    if depth == 0:
        raise _UnfitError(f"more than {MAX_DEPTH} levels deep")
    return depth - 1


def _object(given: dict[Any, Any], depth: int) -> Value:
    found: dict[str | Key, Value] = {}
    key: Any = None
    try:
        for key, member in given.items():
            found[_key(key, depth)] = _value(member, depth)
    except _UnfitError as problem:
        problem.way.append(f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{_shown(key)}]")
        raise
    return found


def _key(given: Any, depth: int) -> str | Key:
    if type(given) is Key:
        return Key(_value(given.value, depth))
    if not isinstance(given, str):
        raise _UnfitError(f"a key must be text, not {type(given).__name__}")
    return _text(given)


def _array(given: Any, depth: int) -> Value:
    found: list[Value] = []
    try:
        for member in given:
            found.append(_value(member, depth))  # noqa: PERF401  # its length tells where a member was refused
    except _UnfitError as problem:
        problem.way.append(f"[{len(found)}]")
        raise
    return found


def _scalar(given: Any) -> Value:
    if isinstance(given, str):
        return _text(given)
    if isinstance(given, int):
        if given.bit_length() > MAX_BITS:
            raise _UnfitError(f"an integer of more than {MAX_BITS} bits")
        return int(given)
    if isinstance(given, float):
        try:
            return number_of(float.__repr__(given))
        except ValueError:
            raise _UnfitError(f"{given} is no number") from None
    raise _UnfitError(f"a {type(given).__name__} is no value")


def _text(given: str) -> str:
    """Two halves of a character become one, and half a character U+FFFD, as when the text went through JSON."""
    if given.isascii():
        return str.__str__(given)
    return given.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _shown(key: object) -> str:
    return repr(key) if isinstance(key, (str, int, float)) else type(key).__name__
