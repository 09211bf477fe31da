"""How Go's fmt and strconv write a float: %v %e %f %g %b %x. Not numbers that keep their text (`values.text`)."""

from __future__ import annotations

import math
from typing import Final

from authz_rego.builtins.sprintf_flags import Flags

_SIX: Final = frozenset("efEF")
_SHORTEST: Final = frozenset("vgGbxX")
_LARGEST_PLAIN_EXPONENT: Final = 5  # of a shortest text: beyond, and from 1e-5 down, it is written with an exponent


def float_text(flags: Flags, number: float, verb: str) -> str | None:
    """The float's text, None for a verb that is not for floats."""
    if verb not in _SIX and verb not in _SHORTEST:
        return None
    precision = flags.precision
    if precision is None and verb in _SIX:
        precision = 6
    verb = {"v": "g", "F": "f"}.get(verb, verb)
    negative = math.copysign(1, number) < 0
    digits = _unsigned_text(abs(number), verb, precision)
    if flags.sharp and verb != "b":
        digits = _with_point(digits, verb, precision)
    sign = "-" if negative else " " if flags.space and not flags.plus else "+"
    if not flags.plus and sign == "+":
        sign = ""
    missing = max(flags.width - len(sign) - len(digits), 0)
    if flags.minus:
        return sign + digits + " " * missing
    return sign + "0" * missing + digits if flags.zero else " " * missing + sign + digits


def _unsigned_text(number: float, verb: str, precision: int | None) -> str:
    if verb == "b":
        return _binary(number)
    if verb in ("x", "X"):
        return _hexadecimal(number, verb, precision)
    if precision is None:
        return _shortest(number, verb)
    return format(number, f".{precision}{verb}")


def _shortest(number: float, verb: str) -> str:
    """%g without a precision: the fewest digits that are read back as this number."""
    mantissa, _, power = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(power or 0)
    padded = whole + fraction
    digits = padded.lstrip("0")
    exponent = point - (len(padded) - len(digits)) - 1
    digits = digits.rstrip("0")
    if not digits:
        return "0"
    if exponent < -4 or exponent > _LARGEST_PLAIN_EXPONENT:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        mark = "e" if verb == "g" else "E"
        return f"{digits[0]}{rest}{mark}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    digits = digits.ljust(exponent + 1, "0")
    return digits[: exponent + 1] + (f".{digits[exponent + 1 :]}" if len(digits) > exponent + 1 else "")


def _binary(number: float) -> str:
    fraction, exponent = math.frexp(number)
    if number == 0 or exponent < -1021:  # no leading 1: the exponent is the smallest
        return f"{int(math.ldexp(number, 1074))}p-1074"
    return f"{int(math.ldexp(fraction, 53))}p{exponent - 53:+d}"


def _hexadecimal(number: float, verb: str, precision: int | None) -> str:
    fraction, exponent = math.frexp(number)
    mantissa = int(math.ldexp(fraction, 61))  # 60 binary digits behind the point
    exponent = exponent - 1 if mantissa else 0
    if precision is not None and precision < 15:
        lost = 60 - precision * 4
        kept, rest = mantissa >> lost, mantissa & ((1 << lost) - 1)
        kept += rest > 1 << (lost - 1) or (rest == 1 << (lost - 1) and kept & 1 == 1)
        mantissa = kept << lost
        if mantissa >> 61:
            mantissa >>= 1
            exponent += 1
    digits = format(mantissa & ((1 << 60) - 1), "015x")
    digits = digits.rstrip("0") if precision is None else digits[:precision].ljust(precision, "0")
    text = f"0x{mantissa >> 60}{'.' if digits else ''}{digits}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return text.upper() if verb == "X" else text


def _with_point(text: str, verb: str, precision: int | None) -> str:
    """The flag #: a point even where no digits follow, and for %g the zeros that it leaves out."""
    wanted = (6 if precision is None else precision) if verb in ("g", "G", "x") else 0
    mark = {"x": "p", "X": "P"}.get(verb, "e" if "e" in text else "E")
    number, found, exponent = text.partition(mark)
    significant = number.replace(".", "").lstrip("0") if verb not in ("x", "X") else number[1:].replace(".", "")
    wanted -= len(significant)
    if "." not in number:
        wanted -= number == "0"
        number += "."
    return number + "0" * wanted + found + exponent
