"""How Go's fmt reads a format: flags, width, precision, indexes, and what it says of bad ones. Not the verbs."""

from __future__ import annotations

from typing import Final

from authz_rego.builtins.bounds import LONGEST_TEXT, require_length
from authz_rego.builtins.sprintf_flags import Flags
from authz_rego.builtins.sprintf_verbs import Argument, printed, type_name
from authz_rego.values.byte_texts import mended, readable

_LARGEST: Final = 1_000_000  # of a width, a precision or an index, while its digits are read
_DIGITS: Final = frozenset("0123456789")
_FLAGS: Final = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}


def formatted(text: str, arguments: list[Argument]) -> str:
    """fmt.Sprintf(text, arguments...); raises EvaluationError for a result that is too long."""
    return _Formatter(text, arguments).run()


class _Formatter:
    """One call: where it stands in the format and in the arguments. The names are those of fmt's documentation."""

    def __init__(self, text: str, arguments: list[Argument]) -> None:
        self._text, self._end, self._at = text, len(text), 0
        self._arguments, self._next = arguments, 0
        self._after_index = False  # the item before was an index like [3]
        self._good_index = True
        self._reordered = False

    def run(self) -> str:
        found: list[str] = []
        length = 0
        while self._at < self._end:
            start = self._at
            percent = self._text.find("%", start)
            self._at = self._end if percent < 0 else percent + 1
            piece = self._text[start : self._end if percent < 0 else percent]
            if percent >= 0:
                piece += self._directive()
            length += len(piece)
            if length > LONGEST_TEXT:
                require_length("sprintf", length)
            found.append(piece)
        if not self._reordered and self._next < len(self._arguments):
            found.append(self._extra())
        return mended("".join(found))

    def _directive(self) -> str:
        flags = Flags()
        self._good_index = True
        while self._at < self._end and self._text[self._at] in _FLAGS:
            setattr(flags, _FLAGS[self._text[self._at]], True)
            self._at += 1
        self._index()
        said = self._width(flags)
        if self._at + 1 < self._end and self._text[self._at] == ".":
            said += self._precision(flags)
        if not self._after_index:
            self._index()
        if self._at >= self._end:
            return f"{said}%!(NOVERB)"
        verb = readable(self._text[self._at])
        self._at += 1
        return said + self._verb(verb, flags)

    def _verb(self, verb: str, flags: Flags) -> str:
        if verb == "%":
            return "%"
        if not self._good_index:
            return f"%!{verb}(BADINDEX)"
        if self._next >= len(self._arguments):
            return f"%!{verb}(MISSING)"
        if verb in ("v", "w"):
            flags.sharp_v, flags.sharp = flags.sharp, False
            flags.plus_v, flags.plus = flags.plus, False
        self._next += 1
        return printed(flags, self._arguments[self._next - 1], verb)

    def _width(self, flags: Flags) -> str:
        if self._at < self._end and self._text[self._at] == "*":
            self._at += 1
            width = self._number_from_argument()
            self._after_index = False
            flags.width = abs(width or 0)
            if width is not None and width < 0:
                flags.minus, flags.zero = True, False
            return "" if width is not None else "%!(BADWIDTH)"
        width = self._number(self._end)
        flags.width = width or 0
        if self._after_index and width is not None:
            self._good_index = False
        return ""

    def _precision(self, flags: Flags) -> str:
        self._at += 1
        if self._after_index:
            self._good_index = False
        self._index()
        if self._at < self._end and self._text[self._at] == "*":
            self._at += 1
            precision = self._number_from_argument()
            self._after_index = False
            flags.precision = precision if precision is not None and precision >= 0 else None
            return "" if flags.precision is not None else "%!(BADPREC)"
        flags.precision = self._number(self._end) or 0
        return ""

    def _number(self, end: int) -> int | None:
        """The digits up to `end`; a number that is much too large swallows everything up to there."""
        if self._at >= end:
            self._at = end
            return None
        number = None
        while self._at < end and self._text[self._at] in _DIGITS:
            if number is not None and number > _LARGEST:
                self._at = end
                return None
            number = (number or 0) * 10 + int(self._text[self._at])
            self._at += 1
        return number

    def _number_from_argument(self) -> int | None:
        if self._next >= len(self._arguments):
            return None
        found = self._arguments[self._next]
        self._next += 1
        return found if type(found) is int and abs(found) <= _LARGEST else None

    def _index(self) -> None:
        """Reads `[3]`, if it is there, and goes to that argument."""
        self._after_index = False
        if self._at >= self._end or self._text[self._at] != "[":
            return
        self._reordered = True
        start = self._at
        close = self._text.find("]", start)
        if close < 0 or len(self._text) - start < 3:
            self._good_index = False
            self._at = start + 1
            return
        self._at = start + 1
        number = self._number(close)
        complete = number is not None and self._at == close
        self._at = close + 1
        self._after_index = complete
        if complete and number is not None and 0 < number <= len(self._arguments):
            self._next = number - 1
        else:
            self._good_index = False

    def _extra(self) -> str:
        rest = [f"{type_name(each)}={printed(Flags(), each, 'v')}" for each in self._arguments[self._next :]]
        require_length("sprintf", sum(map(len, rest)))
        return f"%!(EXTRA {', '.join(rest)})"
