"""The template that `regex.replace` puts in for a match: Go's `$1`, `${name}`, `$$`. Not matching (`regex`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

from authz_rego.values.byte_texts import raw_of
from authz_rego.values.characters import categories, contains

# Text as it is, a group's number, or a group's name.
Template: TypeAlias = tuple[bytes | int | str, ...]

_MOST_DIGITS: Final = 9  # of a number: beyond, it is a name


@lru_cache(maxsize=256)
def template_of(text: str) -> Template:
    """As regexp.Expand reads it; a `$` that begins nothing stands for itself."""
    found: list[bytes | int | str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        found.append(raw_of(text[at:dollar]))
        at = dollar + 1
        if text.startswith("$", at):
            found.append(b"$")
            at += 1
            continue
        name, end = _name(text, at)
        if not name:
            found.append(b"$")
            continue
        found.append(_number(name) if _is_number(name) else name)
        at = end
    found.append(raw_of(text[at:]))
    return tuple(found)


def _name(text: str, at: int) -> tuple[str, int]:
    braced = text.startswith("{", at)
    start = end = at + braced
    while end < len(text) and _is_word(text[end]):
        end += 1
    if braced and not text.startswith("}", end):
        return "", at
    return text[start:end], end + braced


def _is_word(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "_"
    code = ord(character)
    return contains(categories()["L"], code) or contains(categories()["Nd"], code)


def _is_number(name: str) -> bool:
    if not (name.isascii() and name.isdigit()) or (name[0] == "0" and len(name) > 1):
        return False
    return len(name) <= _MOST_DIGITS


def _number(name: str) -> int:
    return int(name)
