"""OPA's `format_int`. Not `sprintf`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from authz_rego.builtins.operands import number_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.big_integers import integer_of
from authz_rego.values.binary_float import float_of, truncated
from authz_rego.values.text import int_text
from authz_rego.values.value import Value

_FORMATS: Final = {2: "b", 8: "o", 16: "x"}
_DIGITS: Final = re.compile(r"[+-]?[0-9]+")


def _format_int(number: Value, base: Value) -> str:
    found = number_operand(number, 1)
    radix = number_operand(base, 2)
    if type(radix) is not int or (radix != 10 and radix not in _FORMATS):
        raise BuiltinError("operand 2 must be one of {2, 8, 10, 16}")
    whole = found if type(found) is int else _whole(found.text)  # type: ignore[union-attr]  # a Number
    return int_text(whole) if radix == 10 else format(whole, _FORMATS[radix])


def _whole(text: str) -> int:
    """All digits of an integer; of anything else what Go's 64 binary digits leave of it, without the fraction."""
    return integer_of(text) if _DIGITS.fullmatch(text) else truncated(float_of(text))


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {"format_int": _format_int}
