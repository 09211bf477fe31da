"""OPA's `format_int`, and how Go reads a decimal (math/big's Float of 64 bits). Not `sprintf`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.operands import number_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.big_integers import integer_of
from authz_rego.values.text import int_text
from authz_rego.values.value import Value

_FORMATS: Final = {2: "b", 8: "o", 16: "x"}
_PRECISION: Final = 64
_LARGEST_EXPONENT: Final = 400_000  # OPA takes no number beyond 2 to the power of 100,000


def _format_int(number: Value, base: Value) -> str:
    found = number_operand(number, 1)
    radix = number_operand(base, 2)
    if type(radix) is not int or (radix != 10 and radix not in _FORMATS):
        raise BuiltinError("operand 2 must be one of {2, 8, 10, 16}")
    whole = found if type(found) is int else _whole(found.text)  # type: ignore[union-attr]  # a Number
    return int_text(whole) if radix == 10 else format(whole, _FORMATS[radix])


def _whole(text: str) -> int:
    """The number without its fraction, after Go has made 64 binary digits of it."""
    mantissa, _, exponent = text.lower().partition("e")
    digits, _, fraction = mantissa.partition(".")
    ten = integer_of(exponent or "0") - len(fraction)
    if abs(ten) > _LARGEST_EXPONENT:
        raise beyond_bounds("format_int", "the exponent is too large")
    significand = integer_of(digits.lstrip("-") + fraction)
    if ten < 0:
        power, shift = _power_of_five(-ten)
        significand, shift = _quotient(significand, power, ten - shift)
    else:
        power, shift = _power_of_five(ten)
        significand, shift = _rounded(significand * power, ten + shift, _PRECISION)
    whole = significand << shift if shift >= 0 else significand >> -shift
    return -whole if text.startswith("-") else whole


def _power_of_five(exponent: int) -> tuple[int, int]:
    """A power of five as Go has it, rounded to 128 bits at each step: a significand and a power of two."""
    if exponent <= 27:
        return 5**exponent, 0
    found, square = (5**27, 0), (5, 0)
    rest = exponent - 27
    while rest:
        if rest & 1:
            found = _rounded(found[0] * square[0], found[1] + square[1], _PRECISION + 64)
        square = _rounded(square[0] * square[0], square[1] * 2, _PRECISION + 128)
        rest >>= 1
    return found


def _quotient(dividend: int, divisor: int, shift: int) -> tuple[int, int]:
    more = max(divisor.bit_length() - dividend.bit_length(), 0) + _PRECISION + 2
    quotient, rest = divmod(dividend << more, divisor)
    # One more bit for the rest: it decides whether half is more than half.
    return _rounded(quotient << 1 | bool(rest), shift - more - 1, _PRECISION)


def _rounded(significand: int, shift: int, precision: int) -> tuple[int, int]:
    """To the nearest of so many bits, to the even one of two."""
    surplus = significand.bit_length() - precision
    if surplus <= 0:
        return significand, shift
    half = 1 << (surplus - 1)
    kept, lost = significand >> surplus, significand & ((1 << surplus) - 1)
    if lost > half or (lost == half and kept & 1):
        kept += 1
    return kept, shift + surplus


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {"format_int": _format_int}
