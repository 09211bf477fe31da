"""What Go's fmt makes of one argument: strings, integers, and what it says of a wrong verb. Not floats, not formats."""

from __future__ import annotations

from typing import Final, TypeAlias

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.sprintf_flags import Flags
from authz_rego.builtins.sprintf_floats import float_text
from authz_rego.values.byte_texts import is_torn, raw_of
from authz_rego.values.characters import is_printable
from authz_rego.values.text import int_text, quote

Argument: TypeAlias = str | int | float  # an int beyond 64 bits is a *big.Int in Go

_BASES: Final = {"v": 10, "d": 10, "b": 2, "o": 8, "O": 8, "x": 16, "X": 16}
_BIG_BASES: Final = _BASES | {"s": 10}
_DIGITS: Final = {2: "b", 8: "o", 16: "x"}
_INT64: Final = range(-(2**63), 2**63)
_WORD: Final = 64


def type_name(argument: Argument) -> str:
    """The argument's type in Go."""
    if type(argument) is str:
        return "string"
    if type(argument) is float:
        return "float64"
    return "int64" if argument in _INT64 else "*big.Int"


def printed(flags: Flags, argument: Argument, verb: str) -> str:
    """The argument's text by the verb."""
    if verb == "T":
        return _string(flags, type_name(argument))
    if type(argument) is str:
        return _string_verb(flags, argument, verb)
    if type(argument) is float:
        text = float_text(flags, argument, verb)
        return _wrong_verb(flags, argument, verb) if text is None else text
    if argument in _INT64:
        return _int_verb(flags, int(argument), verb)
    return _big_verb(flags, int(argument), verb)


def padded(flags: Flags, text: str, *, zeros: bool) -> str:
    """The text, as wide as asked for."""
    missing = flags.width - len(text)
    if missing <= 0:
        return text
    if flags.minus:
        return text + " " * missing
    return ("0" if zeros else " ") * missing + text


def _wrong_verb(flags: Flags, argument: Argument, verb: str) -> str:
    return f"%!{verb}({type_name(argument)}={printed(flags, argument, 'v')})"


def _string_verb(flags: Flags, text: str, verb: str) -> str:
    if verb == "s" or (verb == "v" and not flags.sharp_v):
        return _string(flags, text)
    if verb in ("v", "q"):
        return _quoted(flags, text)
    if verb in ("x", "X"):
        return _hexadecimal(flags, text, verb)
    return _wrong_verb(flags, text, verb)


def _string(flags: Flags, text: str) -> str:
    return padded(flags, text[: flags.precision], zeros=flags.zero)


def _quoted(flags: Flags, text: str) -> str:
    text = text[: flags.precision]
    if flags.sharp and not (
        is_torn(text) or any(each in "`\x7f\ufeff" or (each < " " and each != "\t") for each in text)
    ):
        return padded(flags, f"`{text}`", zeros=flags.zero)
    return padded(flags, quote(text, only_ascii=flags.plus), zeros=flags.zero)


def _hexadecimal(flags: Flags, text: str, verb: str) -> str:
    raw = raw_of(text)[: flags.precision]
    prefix = f"0{verb}" if flags.sharp and raw else ""
    digits = raw.hex(" ") if flags.space and raw else raw.hex()
    if verb == "X":
        digits = digits.upper()
    if flags.space:
        digits = digits.replace(" ", f" {prefix}")
    return padded(flags, prefix + digits, zeros=flags.zero)


def _int_verb(flags: Flags, number: int, verb: str) -> str:
    base = _BASES.get(verb)
    if base is not None:
        return _integer(flags, number, base, verb)
    if verb in ("c", "q"):
        character = chr(number) if 0 <= number < 0xD800 or 0xE000 <= number <= 0x10FFFF else "\ufffd"
        text = character if verb == "c" else quote(character, "'", only_ascii=flags.plus)
        return padded(flags, text, zeros=flags.zero)
    if verb == "U":
        return _unicode(flags, number)
    return _wrong_verb(flags, number, verb)


def _integer(flags: Flags, number: int, base: int, verb: str) -> str:
    least = flags.precision or 0  # digits
    if flags.precision == 0 and number == 0:
        return " " * flags.width
    if flags.precision is None and flags.zero and not flags.minus and flags.width:
        least = flags.width - (number < 0 or flags.plus or flags.space)
    digits = _digits(abs(number), base, verb).rjust(least, "0")
    if flags.sharp:
        digits = _prefix(base, verb, digits) + digits
    if verb == "O":
        digits = f"0o{digits}"
    return padded(flags, _sign(number, plus=flags.plus, space=flags.space) + digits, zeros=False)


def _prefix(base: int, verb: str, digits: str) -> str:
    if base == 8:
        return "" if digits.startswith("0") else "0"
    return {2: "0b", 10: "", 16: f"0{verb}"}[base]


def _digits(number: int, base: int, verb: str) -> str:
    text = int_text(number) if base == 10 else format(number, _DIGITS[base])
    return text.upper() if verb == "X" else text


def _sign(number: int, *, plus: bool, space: bool) -> str:
    if number < 0:
        return "-"
    if plus:
        return "+"
    return " " if space else ""


def _unicode(flags: Flags, number: int) -> str:
    unsigned = number % 2**64
    text = f"U+{format(unsigned, 'X').rjust(max(flags.precision or 0, 4), '0')}"
    if flags.sharp and unsigned <= 0x10FFFF and is_printable(unsigned):
        text += f" '{chr(unsigned)}'"
    return padded(flags, text, zeros=False)


def _big_verb(flags: Flags, number: int, verb: str) -> str:
    """As math/big's Int formats itself: not quite as fmt does a small one."""
    if verb == "p":
        raise beyond_bounds("sprintf", "%p of so large an integer is where it lies in memory")
    if verb == "w":
        return f"%!w(*big.Int={_structure(flags, number)})"
    base = _BIG_BASES.get(verb)
    if base is None:
        return f"%!{verb}(big.Int={int_text(number)})"
    prefix = "0o" if verb == "O" else ""
    if (flags.sharp or flags.sharp_v) and verb in "boxX":
        prefix = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}[verb]
    start = _sign(number, plus=flags.plus or flags.plus_v, space=flags.space) + prefix
    digits = _digits(abs(number), base, verb).rjust(flags.precision or 0, "0")
    missing = flags.width - len(start) - len(digits)
    if flags.zero and not flags.minus and flags.precision is None and missing > 0:
        return start + "0" * missing + digits
    return padded(flags, start + digits, zeros=False)


def _structure(flags: Flags, number: int) -> str:
    """What fmt finds inside of a *big.Int: its sign and its words, each as wide as asked for."""
    negative = padded(flags, "true" if number < 0 else "false", zeros=flags.zero)
    magnitude = abs(number)
    words = [magnitude >> at & (2**_WORD - 1) for at in range(0, magnitude.bit_length(), _WORD)]
    if flags.sharp_v:
        flags.sharp = True
        found = ", ".join([_integer(flags, word, 16, "x") for word in words])
        return f"&big.Int{{neg:{negative}, abs:big.nat{{{found}}}}}"
    found = " ".join([_integer(flags, word, 10, "d") for word in words])
    return f"&{{neg:{negative} abs:[{found}]}}" if flags.plus_v else f"&{{{negative} [{found}]}}"
