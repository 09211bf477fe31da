"""Binary floating-point numbers of a given precision, as Go's `math/big` computes and writes them.

Not numbers of Rego (`number`): those keep the text that this module writes.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from authz_rego.values.big_integers import MAX_BITS, integer_of, text_of

_PARTS: Final = re.compile(r"[+-]?(0[xX])?([0-9a-fA-F]*)\.?([0-9a-fA-F]*)(?:[eEpP]([+-]?[0-9]+))?")
_DECIMAL_PARTS: Final = re.compile(r"[+-]?()([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?")

PRECISION: Final = 64  # bits: what Go gives a number that it reads from a text
_LARGEST_EXPONENT: Final = 2**31 - 1
_SMALLEST_EXPONENT: Final = -(2**31)
_MOST_FIVES: Final = 27  # 5**27 is the largest power of five in 64 bits
_DIGITS: Final = 48  # more than ever tell two neighbours apart at 64 bits


class BinaryFloat(NamedTuple):
    """±mantissa * 2**exponent; zeros have a sign. An infinite one has a mantissa of -1."""

    negative: bool
    mantissa: int
    exponent: int
    precision: int = PRECISION

    @property
    def is_infinite(self) -> bool:
        return self.mantissa < 0

    @property
    def magnitude(self) -> int:
        """The exponent when the mantissa is written as 0.1…"""
        return self.exponent + self.mantissa.bit_length()

    @property
    def is_whole(self) -> bool:
        return self.exponent >= 0 or not self.mantissa & ((1 << -self.exponent) - 1)


def float_of(text: str) -> BinaryFloat:
    """Reads a number's text, at 64 bits; raises ValueError when the exponent is beyond all bounds."""
    hexadecimal = "x" in text or "X" in text
    text = text.replace("_", "")
    match = (_PARTS if hexadecimal else _DECIMAL_PARTS).fullmatch(text)
    if match is None:
        raise ValueError(f"not a number: {text[:100]!r}")
    negative, given = text[0] == "-", integer_of(match[4] or "0")
    digits = int(match[2] + match[3], 16) if hexadecimal else integer_of(match[2] + match[3])
    exponent = given - len(match[3]) * (4 if hexadecimal else 1)
    if not -(2**63) <= given < 2**63:
        raise ValueError("a number with too big an exponent")
    if digits == 0:
        return BinaryFloat(negative, 0, 0)
    if not _SMALLEST_EXPONENT <= exponent + digits.bit_length() <= _LARGEST_EXPONENT:
        raise ValueError("a number with too big an exponent")
    if hexadecimal or exponent == 0:
        return _rounded(negative, digits, exponent)
    fives = _power_of_five(abs(exponent))
    unrounded = BinaryFloat(negative, digits, exponent)
    return quotient(unrounded, fives) if exponent < 0 else product(unrounded, fives)


def nearest_float(integer: int) -> BinaryFloat:
    """What `float_of` makes of its text."""
    return _rounded(integer < 0, abs(integer), 0)


def float_of_integer(integer: int) -> BinaryFloat:
    """Exactly: the precision is what it takes, at least 64 bits."""
    return BinaryFloat(integer < 0, abs(integer), 0, max(PRECISION, integer.bit_length()))


def negated(one: BinaryFloat) -> BinaryFloat:
    return one._replace(negative=not one.negative)


def added(one: BinaryFloat, other: BinaryFloat, precision: int = PRECISION) -> BinaryFloat:
    """The rounded sum; exactly zero is +0 unless both are -0."""
    if not one.mantissa or not other.mantissa:
        if one.mantissa or other.mantissa:
            found = one if one.mantissa else other
            return _rounded(found.negative, found.mantissa, found.exponent, precision)
        return BinaryFloat(one.negative and other.negative, 0, 0, precision)
    exponent = min(one.exponent, other.exponent)
    mine = one.mantissa << (one.exponent - exponent)
    theirs = other.mantissa << (other.exponent - exponent)
    total = (-mine if one.negative else mine) + (-theirs if other.negative else theirs)
    return _rounded(total < 0, abs(total), exponent, precision)


def product(one: BinaryFloat, other: BinaryFloat, precision: int = PRECISION) -> BinaryFloat:
    """The rounded product."""
    negative = one.negative != other.negative
    if one.is_infinite or other.is_infinite:
        return BinaryFloat(negative, -1, 0, precision)
    return _rounded(negative, one.mantissa * other.mantissa, one.exponent + other.exponent, precision)


def quotient(one: BinaryFloat, other: BinaryFloat, precision: int = PRECISION) -> BinaryFloat:
    """The rounded quotient; the divisor is not zero."""
    negative = one.negative != other.negative
    if other.is_infinite:
        return BinaryFloat(negative, 0, 0, precision)
    shift = max(precision + 2 + other.mantissa.bit_length() - one.mantissa.bit_length(), 0)
    mantissa, rest = divmod(one.mantissa << shift, other.mantissa)
    # A bit below all others stands for the rest: rounding asks only whether there is one.
    mantissa = (mantissa << 1) | (rest != 0)
    return _rounded(negative, mantissa, one.exponent - other.exponent - shift - 1, precision)


def truncated(one: BinaryFloat) -> int:
    """The integer part."""
    whole = one.mantissa << one.exponent if one.exponent >= 0 else one.mantissa >> -one.exponent
    return -whole if one.negative else whole


def float_text(one: BinaryFloat) -> str:
    """The shortest text that reads back as this number: all digits of a whole one, `1.5e-07` where that is usual.

    Raises ValueError for a number that is not finite or would take too long to write.
    """
    sign = "-" if one.negative else ""
    if not one.mantissa:
        return sign + "0"
    if one.is_infinite or abs(one.exponent) > 2 * MAX_BITS or one.magnitude > MAX_BITS:
        raise ValueError("a number with too big an exponent")
    if one.precision > PRECISION:  # then it is an integer, and its precision tells all its digits
        return sign + text_of(one.mantissa << one.exponent if one.exponent >= 0 else one.mantissa >> -one.exponent)
    digits, point = _shortest(one)
    if one.is_whole:
        return sign + digits.ljust(point, "0")
    if -4 < point <= 6:
        return sign + ("0." + "0" * -point + digits if point <= 0 else f"{digits[:point]}.{digits[point:]}")
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+03d}"


def _rounded(negative: bool, mantissa: int, exponent: int, precision: int = PRECISION) -> BinaryFloat:  # noqa: FBT001
    """Half to even, as always."""
    excess = mantissa.bit_length() - precision
    if excess > 0:
        half = 1 << (excess - 1)
        rest = mantissa & ((half << 1) - 1)
        mantissa >>= excess
        exponent += excess
        if rest > half or (rest == half and mantissa & 1):
            mantissa += 1
    if not mantissa:
        return BinaryFloat(negative, 0, 0, precision)
    magnitude = exponent + mantissa.bit_length()
    if not _SMALLEST_EXPONENT <= magnitude <= _LARGEST_EXPONENT:
        return BinaryFloat(negative, 0 if magnitude < 0 else -1, 0, precision)
    return BinaryFloat(negative, mantissa, exponent, precision)


def _power_of_five(power: int) -> BinaryFloat:
    """5**power at 128 bits, rounded after every step as Go does: the last digit of a number hangs on it."""
    start = min(power, _MOST_FIVES)
    found = BinaryFloat(negative=False, mantissa=5**start, exponent=0, precision=2 * PRECISION)
    square = BinaryFloat(negative=False, mantissa=5, exponent=0, precision=3 * PRECISION)
    left = power - start
    while left:
        if left & 1:
            found = product(found, square, 2 * PRECISION)
        square = product(square, square, 3 * PRECISION)
        left >>= 1
    return found


def _shortest(one: BinaryFloat) -> tuple[str, int]:
    """The fewest digits that tell the number from its neighbours, and where the point stands among them."""
    shift = one.precision + 1 - one.mantissa.bit_length()
    mantissa, exponent = one.mantissa << shift, one.exponent - shift
    digits, point, more = _decimal(mantissa, exponent)
    lower, _, lower_more = _decimal(mantissa - 1, exponent)
    upper, _, upper_more = _decimal(mantissa + 1, exponent)
    inclusive = not mantissa & 2  # the neighbours' halves round to an even one
    for at, digit in enumerate(digits):
        low = lower[at] if at < len(lower) else "0"
        high = upper[at] if at < len(upper) else "0"
        is_last_of_lower = not lower_more and at + 1 == len(lower)
        down = low != digit or (inclusive and is_last_of_lower)
        up = digit != high and (inclusive or int(digit) + 1 < int(high) or upper_more or at + 1 < len(upper))
        if down and up:
            tail = digits[at + 1 :] + ("1" if more else "")
            up = tail > "5" or (tail == "5" and int(digit) % 2 == 1)
            down = not up
        if up:
            return _one_up(digits[: at + 1], point)
        if down:
            return digits[: at + 1].rstrip("0"), point
    return digits, point


def _one_up(digits: str, point: int) -> tuple[str, int]:
    kept = digits.rstrip("9")
    if not kept:
        return "1", point + 1
    return kept[:-1] + str(int(kept[-1]) + 1), point


def _decimal(mantissa: int, exponent: int) -> tuple[str, int, bool]:
    """The first digits of mantissa * 2**exponent, where the point stands, and whether more digits follow."""
    scale = _DIGITS - (mantissa.bit_length() + exponent) * 30103 // 100_000
    numerator = mantissa * 10**scale if scale >= 0 else mantissa
    if exponent >= 0:
        numerator <<= exponent
    denominator = (10**-scale if scale < 0 else 1) << max(-exponent, 0)
    whole, rest = divmod(numerator, denominator)
    digits = str(whole)
    return (digits if rest else digits.rstrip("0")), len(digits) - scale, rest != 0
