"""Numbers as OPA has them: the text of those that are no plain integers is kept. Not arithmetic (`arithmetic`)."""

from __future__ import annotations

import re
from functools import lru_cache
from math import inf
from typing import Final

from authz_rego.values.big_integers import MAX_DIGITS, BeyondBoundsError, integer_of, text_of
from authz_rego.values.binary_float import BinaryFloat, float_of, float_of_integer, float_text, quotient

# As JSON writes numbers, and as Rego does: `.5` is one there.
_NUMBER: Final = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"-?[1-9][0-9]*|0")
# `to_number` of OPA also makes numbers of these texts: "+5", "007", "1.", "1_000", "0x1.8p3".
_DECIMAL: Final = re.compile(r"([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?")
_HEXADECIMAL: Final = re.compile(r"([+-]?)0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([+-]?[0-9]+)")
# What OPA takes for an integer without further thought: a fraction of zeros is one ("10.00"), an exponent is not.
_PLAIN: Final = re.compile(r"([+-]?)([0-9]*)\.?0*")

_MAX_BINARY_EXPONENT: Final = 100_000  # OPA's
_SURELY_SMALL: Final = 25_000  # decimal: OPA looks no closer below this
# Beyond this OPA's rational numbers give up; the only texts that get here are so small that they are zero to it.
_MAX_EXPONENT: Final = 1_000_000
_VANISHED: Final = (0, 1)  # zero only because OPA's floats end somewhere: it computes with zero, but sees no integer
_EXACT_IN_FLOAT: Final = 2**53


class Number:
    """A number whose text is not that of a plain integer: `1.5`, `1e3`, `2.0`, `-0`. Equal to an `int` of its value.

    Everything else is a Python `int`; use `number_of` to read a text.
    """

    __slots__ = ("_decimal", "_text", "parts")

    def __init__(self, text: str, parts: tuple[int, int] | None = None) -> None:
        self._text = text
        # The integers of 64 bits whose quotient it is, the second above zero; then the text is made when asked for.
        self.parts = parts
        self._decimal: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        """As OPA writes it."""
        if self.parts is not None and not self._text:
            dividend, divisor = map(float_of_integer, self.parts)
            self._text = float_text(quotient(dividend, divisor))
        return self._text

    @property
    def decimal(self) -> tuple[int, int]:
        """The exact value: an integer, and the power of ten to multiply it with."""
        if self._decimal is None:
            self._decimal = _decimal_of(self.text)
        return self._decimal

    def __eq__(self, other: object) -> bool:
        return (type(other) is Number or type(other) is int) and not compare_numbers(self, other)

    def __hash__(self) -> int:
        nearest = float64(self)
        # OPA, too, knows those that are no float64 by their text only: 1e400 and 10e399 are two members of a set.
        return hash(self.text) if nearest in (inf, -inf) else hash(nearest)

    def __repr__(self) -> str:
        return f"Number({self.text!r})"


def number_of(text: str) -> int | Number:
    """Reads a number's text as JSON and Rego write it; raises ValueError for anything else, and for what is too big.

    Too big is a binary exponent beyond ±100,000, as in OPA. One bound is ours: 100,000 characters.
    """
    if len(text) > MAX_DIGITS:
        raise BeyondBoundsError(f"a number of more than {MAX_DIGITS} characters")
    if _INTEGER.fullmatch(text):
        return integer_of(text)
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text!r}")
    check_exponent(text)
    return Number(text)


def number_of_literal(text: str) -> int | Number:
    """Reads a number that stands in a policy, where OPA refuses big integers without an exponent, too."""
    found = number_of(text)
    _check_size(float_of(text))
    return found


def check_exponent(text: str) -> None:
    """Raises ValueError for a text whose exponent is too big for OPA."""
    at = text.lower().find("e")
    if at < 0:
        return
    try:
        surely_small = at + abs(int(text[at + 1 :])) <= _SURELY_SMALL
    except ValueError:  # a hexadecimal digit, or more digits than Python reads
        surely_small = False
    if not surely_small:
        _check_size(float_of(text))


def number_text(number: int | Number) -> str:
    """How OPA writes it; unlike `str`, also for integers of many thousand digits."""
    return text_of(number) if type(number) is int else number.text  # type: ignore[union-attr]


def int64_of(number: int | Number) -> int | None:
    """The number where OPA wants an index or a count: an integer of 64 bits whose text has no exponent, or None."""
    if type(number) is not int:
        return int64_of_text(number.text)  # type: ignore[union-attr]
    return number if -(2**63) <= number < 2**63 else None


def int64_of_text(text: str) -> int | None:
    """The same for any text."""
    match = _PLAIN.fullmatch(text)
    if match is None or not 0 < len(text) - len(match[1]) <= 19:
        return None
    found = int(match[2] or "0")
    found = -found if match[1] == "-" else found
    return found if -(2**63) <= found < 2**63 else None


def whole_of(number: int | Number) -> int | None:
    """The number as an integer of any size, whatever its text, or None when it has a fraction."""
    if type(number) is int:
        return number
    digits, exponent = number.decimal  # type: ignore[union-attr]
    if (digits, exponent) == _VANISHED:
        return None
    if exponent >= 0:
        return int(digits * 10**exponent)
    whole, rest = divmod(digits, 10**-exponent)
    return None if rest else whole


def float64(number: int | Number) -> float:
    """The nearest float64; infinite when there is none."""
    try:
        if type(number) is int:
            return float(number)
        text = number.text.replace("_", "")  # type: ignore[union-attr]
        return float.fromhex(text) if "p" in text or "P" in text else float(text)
    except OverflowError:
        return -inf if number_text(number).startswith("-") else inf


def hash_of(number: int | Number) -> int:
    """The same for equal numbers, as far as OPA's is."""
    if type(number) is int and -_EXACT_IN_FLOAT <= number <= _EXACT_IN_FLOAT:
        return hash(number)
    nearest = float64(number)
    return hash(number if nearest in (inf, -inf) else nearest)


def compare_numbers(one: int | Number, other: int | Number) -> int:
    """-1, 0 or 1."""
    if type(one) is int:
        if type(other) is int:
            return (one > other) - (one < other)
        if other.parts is not None:  # type: ignore[union-attr]
            return _compare_to_quotient(one, other.parts)  # type: ignore[union-attr]
    elif type(other) is int and one.parts is not None:  # type: ignore[union-attr]
        return -_compare_to_quotient(other, one.parts)  # type: ignore[union-attr]
    if (
        type(one) is Number
        and type(other) is Number
        and (one.text == other.text or (_is_a_float(one.text) and _is_a_float(other.text) and _same_float(one, other)))
    ):
        return 0
    return _compare_decimals(
        (one, 0) if type(one) is int else one.decimal,  # type: ignore[union-attr]
        (other, 0) if type(other) is int else other.decimal,  # type: ignore[union-attr]
    )


def _compare_decimals(one: tuple[int, int], other: tuple[int, int]) -> int:
    mine, my_exponent = one
    theirs, their_exponent = other
    sign = (mine > 0) - (mine < 0)
    if my_exponent == their_exponent or sign != (theirs > 0) - (theirs < 0) or not sign:
        return (mine > theirs) - (mine < theirs)
    distance = my_exponent - their_exponent
    # How far apart the leading digits are, give or take one; without this 1e30000 < 1 would need all digits.
    apart = distance + (mine.bit_length() - theirs.bit_length()) * 30103 // 100_000
    if abs(apart) > 2:
        return sign if apart > 0 else -sign
    if distance > 0:
        mine *= _power_of_ten(distance)
    else:
        theirs *= _power_of_ten(-distance)
    return (mine > theirs) - (mine < theirs)


def _compare_to_quotient(number: int, parts: tuple[int, int]) -> int:
    """An integer and a quotient that is none.

    OPA rounds the quotient to 64 bits. It stays on its side of every integer: one that fits into 64 bits is a float
    itself, and the quotient of two integers of 64 bits is at least the last of those bits away from it.
    """
    dividend, divisor = parts
    product = number * divisor
    return (product > dividend) - (product < dividend)


@lru_cache(maxsize=16)
def _power_of_ten(exponent: int) -> int:
    """Kept, because a number that is looked for in a list is compared with all of it."""
    return int(10**exponent)


def _is_a_float(text: str) -> bool:
    """OPA compares two numbers as float64, too, if their texts end in zeros and have a fraction without these."""
    trimmed = text.rstrip(".0")
    return "." in trimmed and trimmed != text


def _same_float(one: Number, other: Number) -> bool:
    nearest = float64(one)
    return nearest not in (inf, -inf) and nearest == float64(other)


def _decimal_of(text: str) -> tuple[int, int]:
    text = text.replace("_", "")
    match = _DECIMAL.fullmatch(text)
    if match:
        exponent = integer_of(match[4] or "0") - len(match[3])
        digits = integer_of(match[2] + match[3])
    else:
        match = _HEXADECIMAL.fullmatch(text)
        if match is None:
            raise ValueError(f"not a number: {text!r}")
        exponent = integer_of(match[4]) - 4 * len(match[3])
        digits = int(match[2] + match[3], 16)
        if digits and abs(exponent) > _MAX_EXPONENT:
            return _VANISHED
        digits, exponent = (digits << exponent, 0) if exponent >= 0 else (digits * 5**-exponent, exponent)
    if digits == 0:
        return 0, 0
    if abs(exponent) > _MAX_EXPONENT:
        return _VANISHED
    return (-digits if match[1] == "-" else digits), exponent


def _check_size(number: BinaryFloat) -> None:
    if number.is_infinite or (number.mantissa and abs(number.magnitude) > _MAX_BINARY_EXPONENT):
        raise ValueError("a number with too big an exponent")
