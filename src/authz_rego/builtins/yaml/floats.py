"""Floats as Go writes them in YAML and in JSON. Not how they are read (`resolving`)."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Final

_MOST_DIGITS: Final = 9  # they tell all floats of 32 bits apart


def yaml_text(number: float) -> str:
    """The fewest digits that are read back as this number; with an exponent below 1e-4 and from 1e6 up."""
    special = _special_text(number)
    return special if special is not None else _sign(number) + _general(*_digits(abs(number)))


def key_text(number: float) -> str:
    """A float that is a key: go-yaml writes it with the digits that 32 bits need."""
    try:
        single = struct.unpack(">f", struct.pack(">f", number))[0]
    except OverflowError:
        single = math.copysign(math.inf, number)
    special = _special_text(single)
    return special if special is not None else _sign(single) + _general(*_single_digits(abs(single)))


def json_text(number: float) -> str:
    """As encoding/json has it; the number is finite."""
    digits, exponent = _digits(abs(number))
    if digits != "0" and not -7 < exponent < 21:
        point = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{_sign(number)}{digits[0]}{point}e{exponent:+d}"
    return _sign(number) + _plain(digits, exponent)


def _special_text(number: float) -> str | None:
    if math.isnan(number):
        return ".nan"
    if math.isinf(number):
        return ".inf" if number > 0 else "-.inf"
    return None


def _sign(number: float) -> str:
    return "-" if math.copysign(1, number) < 0 else ""


def _digits(number: float) -> tuple[str, int]:
    """Significant digits, and the exponent of the first of them."""
    mantissa, _, power = f"{number!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    padded = whole + fraction
    digits = padded.lstrip("0")
    exponent = len(whole) + int(power or 0) - (len(padded) - len(digits)) - 1
    return (digits.rstrip("0"), exponent) if digits else ("0", 0)


def _single_digits(number: float) -> tuple[str, int]:
    """The same for a number of 32 bits: the fewest digits, of those the nearest, between its neighbours' halves."""
    if not number:
        return "0", 0
    bits = struct.unpack(">I", struct.pack(">f", number))[0]
    exact = Fraction(number)
    low, high = ((_single(bits + step) + exact) / 2 for step in (-1, 1))
    exponent = int(f"{number:e}".partition("e")[2])
    for count in range(1, _MOST_DIGITS + 1):
        unit = Fraction(10) ** (exponent - count + 1)
        below = exact // unit
        for candidate in sorted((below, below + 1), key=lambda each: abs(each * unit - exact)):
            inside = low < candidate * unit < high or (bits % 2 == 0 and candidate * unit in {low, high})
            if inside and candidate:
                digits = str(candidate)
                return digits.rstrip("0"), exponent + len(digits) - count
    raise AssertionError("nine digits are always enough")


def _single(bits: int) -> Fraction:
    """What the bits of a float of 32 bits are worth; those of infinity as if numbers went on."""
    exponent, mantissa = divmod(bits, 2**23)
    return Fraction(mantissa + (2**23 if exponent else 0)) * Fraction(2) ** (max(exponent, 1) - 150)


def _general(digits: str, exponent: int) -> str:
    if -4 <= exponent < 6:
        return _plain(digits, exponent)
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{point}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    padded = digits.ljust(exponent + 1, "0")
    fraction = padded[exponent + 1 :]
    return padded[: exponent + 1] + (f".{fraction}" if fraction else "")
