"""Values to and from the JSON in which we talk with the judge (judge/values.go): nothing is lost. Not JSON of Rego."""

# ruff: noqa: PLR0911 - a way out for each kind of value

from __future__ import annotations

import json
import re
from typing import Any, Final

from authz_rego.values.big_integers import integer_of, text_of
from authz_rego.values.byte_texts import is_torn, raw_of, text_of_bytes
from authz_rego.values.number import Number
from authz_rego.values.value import Value, key_of, sorted_keys, value_of

_INTEGER: Final = re.compile(r"-?[1-9][0-9]*|0")
_LONG: Final = 2**63


def told(value: Value) -> Any:
    """What `json.dumps` takes."""
    kind = type(value)
    if kind is list:
        return [*map(told, value)]
    if kind is frozenset:
        return {"s": [told(value_of(key)) for key in sorted_keys(value)]}
    if kind is str:
        return {"b": raw_of(value).hex()} if is_torn(value) else value
    if kind is dict:
        if all(type(key) is str and not is_torn(key) for key in value):
            return {"o": {key: told(member) for key, member in value.items()}}
        return {"p": [[told(value_of(key)), told(member)] for key, member in value.items()]}
    if kind is Number:
        return {"n": value.text}
    if kind is int and not -_LONG <= value < _LONG:
        return {"n": text_of(value)}
    return value


def decoded(line: bytes) -> Any:
    """An answer's JSON, in which the numbers are numbers of ours already."""
    return json.loads(line, parse_float=Number, parse_int=_number)


def value_told(tree: Any) -> Value:
    """The value of a tree that `decoded` made."""
    kind = type(tree)
    if kind is list:
        return [*map(value_told, tree)]
    if kind is not dict:
        return tree
    ((tag, content),) = tree.items()
    if tag == "n":
        return _number(content)
    if tag == "b":
        return text_of_bytes(bytes.fromhex(content))
    if tag == "s":
        return frozenset(key_of(value_told(member)) for member in content)
    if tag == "o":
        return {key: value_told(member) for key, member in content.items()}
    return {key_of(value_told(key)): value_told(member) for key, member in content}


def identical(one: Value, other: Value) -> bool:
    """Equal, and to the letter: `1.0` is not `1` here."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is list:
        return len(one) == len(other) and all(map(identical, one, other))
    if kind is frozenset:
        return len(one) == len(other) and all(map(_identical_keys, sorted_keys(one), sorted_keys(other)))
    if kind is dict:
        mine, theirs = sorted_keys(one), sorted_keys(other)
        return len(mine) == len(theirs) and all(
            _identical_keys(a, b) and identical(one[a], other[b]) for a, b in zip(mine, theirs, strict=True)
        )
    return bool(one.text == other.text if kind is Number else one == other)


def _identical_keys(one: Any, other: Any) -> bool:
    return identical(value_of(one), value_of(other))


def _number(text: str) -> int | Number:
    return integer_of(text) if _INTEGER.fullmatch(text) else Number(text)
