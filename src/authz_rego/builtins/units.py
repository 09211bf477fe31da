"""OPA's `units.*`: "10Ki" to 10240. Not durations (`times`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.operands import string_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.arithmetic import bounded
from authz_rego.values.big_integers import MAX_DIGITS, integer_of
from authz_rego.values.binary_float import float_of, float_of_integer, product, truncated
from authz_rego.values.characters import lower_table
from authz_rego.values.number import Number
from authz_rego.values.value import Value

_PREFIXES: Final = "kmgtpe"
# An "e" belongs to the number when a digit or a sign follows.
_AMOUNT: Final = re.compile(r"(?:[0-9.+-]|[eE][+-]|[eE](?=[0-9]))*")
_LONG_EXPONENT: Final = re.compile(r"[eE][+-]?[0-9]{7}")
_DECIMAL: Final = re.compile(r"([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?")
_LARGEST_EXPONENT: Final = 1_000_000  # of Go's rational numbers, less the digits of a fraction
_DECIMALS: Final = 10  # how many OPA gives of what is no integer


def _parse(quantity: Value) -> Value:
    amount, unit = _parts("units.parse", string_operand(quantity, 1).replace('"', ""))
    factor = _factor("units.parse", unit[:1] + unit[1:].translate(lower_table()))
    match = _DECIMAL.fullmatch(amount)
    if match is None or not match[2] + match[3]:
        raise BuiltinError("units.parse: could not parse amount to a number")
    digits, exponent = integer_of(match[2] + match[3]) * factor.numerator, int(match[4] or "0") - len(match[3])
    negative = match[1] == "-" and digits != 0
    if digits and abs(exponent) > _LARGEST_EXPONENT:
        raise BuiltinError("units.parse: could not parse amount to a number")
    if digits and exponent > MAX_DIGITS:
        raise beyond_bounds("units.parse", "a number of too many digits")
    # Less than this is zero in all decimals that are written.
    divisor = factor.denominator * 10 ** min(max(-exponent, 0), 2 * MAX_DIGITS)
    digits *= 10 ** min(max(exponent, 0), MAX_DIGITS)
    if digits % divisor == 0:
        return bounded(-(digits // divisor) if negative else digits // divisor)
    scaled, rest = divmod(digits * 10**_DECIMALS, divisor)
    whole, fraction = divmod(scaled + (2 * rest >= divisor), 10**_DECIMALS)
    return Number(f"{'-' if negative else ''}{bounded(whole)}.{fraction:0{_DECIMALS}}")


def _parse_bytes(quantity: Value) -> Value:
    amount, unit = _parts("units.parse_bytes", string_operand(quantity, 1).translate(lower_table()).replace('"', ""))
    # A "b" may follow, but does not stand alone.
    factor = _factor("units.parse_bytes", unit[:-1] if len(unit) > 1 and unit[-1] == "b" else unit, milli=False)
    try:
        number = float_of(amount)
    except ValueError as problem:
        raise BuiltinError("units.parse_bytes: could not parse byte amount to a number") from problem
    if number.magnitude > 2 * MAX_DIGITS:
        raise beyond_bounds("units.parse_bytes", "a number of too many digits")
    return bounded(truncated(product(number, float_of_integer(factor.numerator))))


def _parts(name: str, text: str) -> tuple[str, str]:
    if " " in text:
        raise BuiltinError(f"{name}: spaces not allowed in resource strings")
    found = _AMOUNT.match(text)
    end = found.end() if found else 0
    amount = text[:end]
    if _LONG_EXPONENT.search(amount):
        raise BuiltinError(f"{name}: exponent too large")
    if not amount:
        raise BuiltinError(f"{name}: no amount provided")
    if len(amount) > MAX_DIGITS:
        raise beyond_bounds(name, "a number of too many digits")
    return amount, text[end:]


def _factor(name: str, unit: str, *, milli: bool = True) -> Fraction:
    """Of "", "k", "ki" …; a first letter may be a capital, and "m" is not "M" where there are thousandths."""
    if not unit:
        return Fraction(1)
    if unit == "m" and milli:
        return Fraction(0.001)  # as near as a float64 comes: "3m" is no whole number of thousandths to OPA either
    power = _PREFIXES.find(unit[0].lower() if milli else unit[0]) + 1
    if not power or unit[1:] not in {"", "i"} or not unit.isascii():
        raise BuiltinError(f"{name}: unit {unit[:100]} not recognized")
    return Fraction(1024 if unit[1:] else 1000) ** power


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {"units.parse": _parse, "units.parse_bytes": _parse_bytes}
