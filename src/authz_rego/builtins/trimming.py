"""OPA's `trim` and its kin. Not other functions on strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authz_rego.builtins.operands import no_strings, wrong_operand
from authz_rego.values.byte_texts import alike, is_torn, raw_of, text_of_bytes
from authz_rego.values.characters import SPACES
from authz_rego.values.value import Value

# Python looks through all of the characters to trim for each one that goes: too slow if there are a million of both.
_MANY: Final = 256


def _trimming(strip: Callable[[str, str], str], *, left: bool, right: bool) -> Callable[[Value, Value], str]:
    def trim(text: Value, characters: Value) -> str:
        if type(text) is str and type(characters) is str:
            characters = alike(characters)
            if len(characters) > _MANY:
                return _trimmed(text, characters, left=left, right=right)
            return strip(text, characters)
        raise no_strings(text, characters)

    return trim


def _removing(
    of_text: Callable[[str, str], str], of_raw: Callable[[bytes, bytes], bytes]
) -> Callable[[Value, Value], str]:
    def trim(text: Value, part: Value) -> str:
        if type(text) is str and type(part) is str:
            return text_of_bytes(of_raw(raw_of(text), raw_of(part))) if is_torn(part) else of_text(text, part)
        raise no_strings(text, part)

    return trim


def _trim_space(text: Value) -> str:
    if type(text) is str:
        return text.strip(SPACES)
    raise wrong_operand(text, 1, "string")


def _trimmed(text: str, characters: str, *, left: bool, right: bool) -> str:
    unwanted = set(characters)
    first, end = 0, len(text)
    while left and first < end and text[first] in unwanted:
        first += 1
    while right and first < end and text[end - 1] in unwanted:
        end -= 1
    return text[first:end]


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "trim": _trimming(str.strip, left=True, right=True),
    "trim_left": _trimming(str.lstrip, left=True, right=False),
    "trim_prefix": _removing(str.removeprefix, bytes.removeprefix),
    "trim_right": _trimming(str.rstrip, left=False, right=True),
    "trim_space": _trim_space,
    "trim_suffix": _removing(str.removesuffix, bytes.removesuffix),
}
