"""What a value is, and `to_number`. Not the types of expressions, which are known before a query (`check`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isinf
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.operands import kind_of, wrong_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.big_integers import MAX_BITS, MAX_DIGITS, integer_of
from authz_rego.values.number import Number, check_exponent, float64, number_of
from authz_rego.values.value import Value

# What Go's strconv.ParseFloat reads, less "inf" and "nan". An underscore stands between two digits.
_DIGITS: Final = r"[0-9](?:_?[0-9])*"
_HEXADECIMALS: Final = r"[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_READABLE: Final = re.compile(
    rf"[+-]?(?:(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?"
    rf"|0[xX](?:_?{_HEXADECIMALS}\.?(?:{_HEXADECIMALS})?|\.{_HEXADECIMALS})[pP](?P<binary>[+-]?{_DIGITS}))"
)
_ZERO: Final = re.compile(r"[+-]?0[xX][0_.]*[pP]")
_PLAIN_INTEGER: Final = re.compile(r"-?[1-9][0-9]*|0")


def _to_number(value: Value) -> Value:
    if type(value) is int or type(value) is Number:
        return value
    if type(value) is bool or value is None:
        return 1 if value else 0
    if type(value) is not str:
        raise wrong_operand(value, 1, "null", "boolean", "number", "string")
    return _number_of_text(value)


def _number_of_text(text: str) -> int | Number:
    """The text stays as it is: "007" is a number that is equal to 7."""
    match = _READABLE.fullmatch(text)
    if match is None:
        raise BuiltinError(f"to_number: {text[:100]!r} is no number")
    if len(text) > MAX_DIGITS:
        raise beyond_bounds("to_number", "a number of too many digits")
    number = Number(text)
    if isinf(float64(number)):
        raise BuiltinError(f"to_number: {text[:100]} is out of range")
    if match["binary"] and not _ZERO.match(text) and abs(integer_of(match["binary"].replace("_", ""))) > MAX_BITS:
        # OPA takes it, and panics as soon as it is compared, or computed with.
        raise beyond_bounds("to_number", "a number with too small an exponent")
    try:
        check_exponent(text)
    except ValueError as problem:
        raise BuiltinError(f"to_number: {problem}") from problem
    return number_of(text) if _PLAIN_INTEGER.fullmatch(text) else number


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "to_number": _to_number,
    "type_name": kind_of,
    "is_array": lambda value: type(value) is list,
    "is_boolean": lambda value: type(value) is bool,
    "is_null": lambda value: value is None,
    "is_number": lambda value: type(value) is int or type(value) is Number,
    "is_object": lambda value: type(value) is dict,
    "is_set": lambda value: type(value) is frozenset,
    "is_string": lambda value: type(value) is str,
}
