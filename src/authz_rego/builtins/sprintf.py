"""OPA's `sprintf`: what becomes of its operands before Go's fmt.Sprintf sees them. Not the verbs (`sprintf_verbs`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import isinf
from typing import Final

from authz_rego.builtins.bounds import LONGEST_TEXT, require_length
from authz_rego.builtins.operands import wrong_operand
from authz_rego.builtins.sprintf_directives import formatted
from authz_rego.builtins.sprintf_verbs import Argument
from authz_rego.values.big_integers import integer_of
from authz_rego.values.byte_texts import mended
from authz_rego.values.number import Number, float64, int64_of
from authz_rego.values.text import int_text, term_text
from authz_rego.values.value import Value

_LONGEST_PLAN: Final = 1024
_HAS_FRACTION: Final = frozenset(".eE")
_DIGITS: Final = re.compile(r"[+-]?[0-9]+")


def _sprintf(text: Value, values: Value) -> str:
    if type(text) is not str:
        raise wrong_operand(text, 1, "string")
    if type(values) is not list:
        raise wrong_operand(values, 2, "array")
    plan = _plan(text) if len(text) <= _LONGEST_PLAN else None
    if plan is not None and len(plan[1]) == len(values):
        template, verbs = plan
        found = []
        for verb, value in zip(verbs, values, strict=False):  # False is quicker
            kind = type(value)
            if kind is str and verb != "d":
                found.append(value)
            elif kind is int and verb != "s":
                found.append(int_text(value))
            elif kind is str or kind is int or kind is Number or verb == "d":
                return formatted(text, [_argument(each) for each in values])
            else:
                found.append(term_text(value))
        if sum(map(len, found)) + len(text) > LONGEST_TEXT:
            require_length("sprintf", sum(map(len, found)))
        made = template % tuple(found)
        return made if made.isascii() else mended(made)
    return formatted(text, [_argument(each) for each in values])


@lru_cache(maxsize=512)
def _plan(text: str) -> tuple[str, str] | None:
    """For a text with nothing but %s, %v, %d and %%: what Python's `%` takes, and the verbs; None for any other."""
    pieces = text.split("%")
    found, verbs = [pieces[0]], ""
    rest = iter(pieces[1:])
    for piece in rest:
        if not piece:  # %%, or a % that ends the text
            following = next(rest, None)
            if following is None:
                return None
            found += ("%%", following)
        elif piece[0] in "svd":
            verbs += piece[0]
            found += ("%s", piece[1:])
        else:
            return None
    return "".join(found), verbs


def _argument(value: Value) -> Argument:
    """What OPA hands to fmt: strings, integers and floats; the text of anything else."""
    if type(value) is str or type(value) is int:
        return value
    if type(value) is not Number:
        return term_text(value)
    text = value.text
    if not _HAS_FRACTION.isdisjoint(text):  # OPA looks at the letters alone: the e of 0x1ep1, too
        number = float64(value)
        return text if isinf(number) else number
    whole = int64_of(value)
    if whole is not None:
        return whole
    return integer_of(text) if _DIGITS.fullmatch(text) else text


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {"sprintf": _sprintf}
