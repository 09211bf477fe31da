r"""Classes and escapes in Go's regular expressions (regexp/syntax): `[^a-z]`, `\pL`, `\x{41}`. Not operators."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import Final

from authz_rego.errors import BuiltinError
from authz_rego.values.characters import (
    LAST,
    Ranges,
    categories,
    category_aliases,
    complement,
    contains,
    orbits,
    scripts,
    union,
)

_ALNUM: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_OCTAL: Final = frozenset("01234567")
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_CONTROLS: Final = MappingProxyType({"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11})
_PERL: Final = MappingProxyType(
    {"d": (48, 57), "s": (9, 10, 12, 13, 32, 32), "w": (48, 57, 65, 90, 95, 95, 97, 122)},
)
_POSIX: Final = MappingProxyType(
    {
        "alnum": (48, 57, 65, 90, 97, 122),
        "alpha": (65, 90, 97, 122),
        "ascii": (0, 127),
        "blank": (9, 9, 32, 32),
        "cntrl": (0, 31, 127, 127),
        "digit": (48, 57),
        "graph": (33, 126),
        "lower": (97, 122),
        "print": (32, 126),
        "punct": (33, 47, 58, 64, 91, 96, 123, 126),
        "space": (9, 13, 32, 32),
        "upper": (65, 90),
        "word": (48, 57, 65, 90, 95, 95, 97, 122),
        "xdigit": (48, 57, 65, 70, 97, 102),
    }
)
_FEW: Final = 512  # characters: beyond, it is quicker to look at all that have a case


def wrong(what: str, where: str) -> BuiltinError:
    """The error of a pattern that Go does not take."""
    return BuiltinError(f"error parsing regexp: {what}: `{where}`")


def folded(ranges: Ranges) -> Ranges:
    """The characters, and all that are the same when case is ignored."""
    if sum(ranges[1::2]) - sum(ranges[::2]) < _FEW:
        codes = [code for at in range(0, len(ranges), 2) for code in range(ranges[at], ranges[at + 1] + 1)]
        found = {other for code in codes for other in orbits().get(code, ())}
    else:
        clean = union(ranges)
        found = {other for code, orbit in orbits().items() if contains(clean, code) for other in orbit}
    return union(ranges, *((code, code) for code in found))


def literal(code: int, *, fold: bool) -> Ranges:
    """One character as a class."""
    return folded((code, code)) if fold else (code, code)


class Reader:
    """A place in a pattern. What it reads it leaves behind."""

    def __init__(self, text: str) -> None:
        self.text, self.end, self.at = text, len(text), 0

    def peek(self, distance: int = 0) -> str:
        """The character there, or nothing at the end."""
        place = self.at + distance
        return self.text[place] if place < self.end else ""

    def take(self) -> str:
        """The next character, or nothing at the end."""
        found = self.peek()
        self.at += 1
        return found

    def escape(self) -> int:
        r"""The character that an escape like \n, \x41 or \. stands for; the reader is at the backslash."""
        start = self.at
        self.at += 1
        character = self.take()
        if not character:
            raise wrong("trailing backslash at end of expression", "")
        code = self._escaped(character)
        if code is None:
            raise wrong("invalid escape sequence", self.text[start : self.at])
        return code

    def _escaped(self, character: str) -> int | None:
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character == "0" or (character in _OCTAL and self.peek() in _OCTAL):
            return self._octal(character)
        if character == "x":
            return self._hexadecimal()
        return ord(character) if character < "\x80" and character not in _ALNUM else None

    def _octal(self, digits: str) -> int:
        while len(digits) < 3 and self.peek() in _OCTAL:
            digits += self.take()
        return int(digits, 8)

    def _hexadecimal(self) -> int | None:
        if self.peek() != "{":
            digits = self.text[self.at : self.at + 2]
            self.at += 2
            return int(digits, 16) if len(digits) == 2 and _HEX.issuperset(digits) else None
        end = self.text.find("}", self.at)
        digits = self.text[self.at + 1 : end] if end > 0 else ""
        if not digits or not _HEX.issuperset(digits):
            return None
        self.at = end + 1
        significant = digits.lstrip("0")
        code = int(significant or "0", 16) if len(significant) <= 6 else LAST + 1
        return code if code <= LAST else None

    def group(self, *, fold: bool) -> Ranges | None:
        r"""A class like \d or \pL, if there is one here."""
        name = self.peek(1) if self.peek() == "\\" else ""
        if name and name in "pP":
            return self._unicode_group(fold=fold)
        ranges = _PERL.get(name.lower())
        if not name or ranges is None:
            return None
        self.at += 2
        return _signed(folded(ranges) if fold else ranges, negated=name.isupper())

    def _unicode_group(self, *, fold: bool) -> Ranges:
        start = self.at
        negated = self.peek(1) == "P"
        self.at += 2
        name = self.take()
        if name == "{":
            end = self.text.find("}", start)
            if end < 0:
                raise wrong("invalid character class range", self.text[start:])
            name = self.text[start + 3 : end]
            self.at = end + 1
        if name.startswith("^"):
            negated, name = not negated, name[1:]
        found = _named(name)
        if found is None:
            raise wrong("invalid character class range", self.text[start : self.at])
        ranges, has_cases = found
        return _signed(folded(ranges) if fold and has_cases else ranges, negated=negated)

    def bracket(self, *, fold: bool) -> Ranges:
        """What stands in brackets; the reader is at the opening one."""
        start = self.at
        self.at += 1
        negated = self.peek() == "^"
        self.at += negated
        parts: list[Ranges] = []
        first = True
        while self.peek() != "]" or first:
            first = False
            part = self._posix(fold=fold) or self.group(fold=fold)
            if part is None:
                part = self._range(start)
                part = folded(part) if fold else part
            parts.append(part)
        self.at += 1
        ranges = union(*parts)
        return complement(ranges) if negated else ranges

    def _posix(self, *, fold: bool) -> Ranges | None:
        if self.peek() != "[" or self.peek(1) != ":":
            return None
        end = self.text.find(":]", self.at + 2)
        if end < 0:
            return None
        name = self.text[self.at + 2 : end]
        ranges = _POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise wrong("invalid character class range", f"[:{name}:]")
        self.at = end + 2
        return _signed(folded(ranges) if fold else ranges, negated=name.startswith("^"))

    def _range(self, bracket: int) -> Ranges:
        start = self.at
        first = last = self._member(bracket)
        if self.peek() == "-" and self.peek(1) and self.peek(1) != "]":
            self.at += 1
            last = self._member(bracket)
            if last < first:
                raise wrong("invalid character class range", self.text[start : self.at])
        return first, last

    def _member(self, bracket: int) -> int:
        if self.at >= self.end:
            raise wrong("missing closing ]", self.text[bracket:])
        return self.escape() if self.peek() == "\\" else ord(self.take())


def _signed(ranges: Ranges, *, negated: bool) -> Ranges:
    return complement(ranges) if negated else ranges


def _named(name: str) -> tuple[Ranges, bool] | None:
    """The class, and whether ignoring case can add to it: Go 1.26 forgets to for LC."""
    name = _canonical(name)
    if name == "Any":
        return (0, LAST), False
    if name == "Assigned":
        return complement(categories()["Cn"]), True
    if name == "Ascii":
        return (0, 127), True
    if name == "Lc":
        return categories()["LC"], False
    found = categories().get(name) or scripts().get(name)
    if found is None and name in _aliases():
        actual = _aliases()[name]
        return categories()[actual], actual != "LC"
    return None if found is None else (found, True)


@cache
def _aliases() -> dict[str, str]:
    return {_canonical(name): actual for name, actual in category_aliases().items()}


def _canonical(name: str) -> str:
    r"""As Go looks names up. It does not do so with its own names of two words: there is no `\p{Old_Italic}`."""
    short = name.replace("_", "").replace("-", "").replace(" ", "")
    return _ascii_upper(short[:1]) + "".join([each.lower() if each < "\x80" else each for each in short[1:]])


def _ascii_upper(text: str) -> str:
    return text.upper() if text.isascii() else text
