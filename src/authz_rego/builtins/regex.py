"""OPA's `regex.*`: Go's regular expressions, matched by RE2. Not how they are read (`regex_syntax`)."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

import re2

from authz_rego.builtins.bounds import LONGEST_TEXT, beyond_bounds
from authz_rego.builtins.operands import int64_operand, string_operand, wrong_operand
from authz_rego.builtins.regex_globs import globs_intersect
from authz_rego.builtins.regex_replacement import Template, template_of
from authz_rego.builtins.regex_syntax import translate
from authz_rego.errors import BuiltinError
from authz_rego.values.byte_texts import is_torn, lone_bytes_in, raw_of, readable, text_of_bytes
from authz_rego.values.value import Value

_Spans = list[tuple[int, int]]  # of the whole match and of each group, in bytes; (-1, -1) for a group without

_MEMORY: Final = 8 * 1024 * 1024  # of one pattern, bytes
_LARGE_MEMORY: Final = 32 * 1024 * 1024
_MOST_WORK: Final = 1_000_000_000  # bytes of a text times instructions of a pattern: what RE2 needs at worst
_NOTHING: Final = (-1, -1)
_META: Final = frozenset("\\.+*?()|[]{}^$")
# The compiled pattern's own search() makes a generator and an object of each match: 3.1 µs where this takes 1.6.
_UNANCHORED: Final = re2._re2.RE2.Anchor.UNANCHORED  # noqa: SLF001


class _Regex(NamedTuple):
    match: Callable[..., _Spans]
    names: tuple[str, ...]
    places: tuple[int | None, ...]
    longest: int  # bytes of a text
    plain: bool  # RE2 sees each match where Go sees it
    is_empty: bool


def _match(pattern: Value, text: Value) -> bool:
    if type(pattern) is not str:
        raise wrong_operand(pattern, 1, "string")
    if type(text) is not str:
        raise wrong_operand(text, 2, "string")
    regex = _matcher(pattern)
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raw = readable(text).encode()
    if regex.plain and len(raw) <= regex.longest:
        return bool(regex.match(_UNANCHORED, raw, 0, len(raw))[0] != _NOTHING)
    return next(_matches(regex, raw), None) is not None


def _is_valid(pattern: Value) -> bool:
    if type(pattern) is not str:
        return False
    try:
        translate(pattern)
    except BuiltinError:
        return False
    return True


def _find_n(pattern: Value, text: Value, limit: Value) -> list[str]:
    regex_text, base, most = string_operand(pattern, 1), string_operand(text, 2), int64_operand(limit, 3)
    raw, matches = _found(_finder(regex_text), base)
    return [text_of_bytes(raw[spans[0][0] : spans[0][1]]) for spans in _some(matches, most)]


def _find_all_submatch_n(pattern: Value, text: Value, limit: Value) -> list[list[str]]:
    regex_text, base, most = string_operand(pattern, 1), string_operand(text, 2), int64_operand(limit, 3)
    regex = _finder(regex_text)
    raw, matches = _found(regex, base)
    found = []
    length = 0
    for spans in _some(matches, most):
        groups = [text_of_bytes(raw[slice(*spans[place])]) if place is not None else "" for place in regex.places]
        length += len(groups) + sum(map(len, groups))
        if length > LONGEST_TEXT:
            raise beyond_bounds("regex.find_all_string_submatch_n", "too much is found")
        found.append(groups)
    return found


def _replace(text: Value, pattern: Value, replacement: Value) -> str:
    base, regex_text = string_operand(text, 1), string_operand(pattern, 2)
    template = template_of(string_operand(replacement, 3))
    regex = _finder(regex_text)
    raw, matches = _found(regex, base)
    found: list[bytes] = []
    end = length = 0
    for spans in matches:
        found += (raw[end : spans[0][0]], _expanded(template, regex, raw, spans))
        length += len(found[-1])
        if length > LONGEST_TEXT:
            raise beyond_bounds("regex.replace", "the result is too long")
        end = spans[0][1]
    return text_of_bytes(b"".join(found) + raw[end:])


def _split(pattern: Value, text: Value) -> list[str]:
    regex_text, base = string_operand(pattern, 1), string_operand(text, 2)
    regex = _finder(regex_text)
    raw, matches = _found(regex, base)
    if not regex.is_empty and not raw:
        return [""]
    found = []
    start = end = 0
    for spans in matches:
        end, following = spans[0]
        if following:
            found.append(text_of_bytes(raw[start:end]))
        start = following
    if end != len(raw):
        found.append(text_of_bytes(raw[start:]))
    return found


def _template_match(template: Value, text: Value, start: Value, end: Value) -> bool:
    operands = [string_operand(each, at) for at, each in enumerate((template, text, start, end), 1)]
    for delimiter in operands[2:]:
        if len(raw_of(delimiter)) != 1:
            raise BuiltinError("a delimiter has to be exactly one character long")
    # A character for each byte: a delimiter may be a byte that is no UTF-8.
    by_bytes = [raw_of(operands[at]).decode("latin-1") for at in (0, 2, 3)]
    return _match(text_of_bytes(_template_pattern(*by_bytes).encode("latin-1")), text)


def _globs_match(one: Value, other: Value) -> bool:
    return globs_intersect(readable(string_operand(one, 1)), readable(string_operand(other, 2)))


def _template_pattern(template: str, start: str, end: str) -> str:
    found, done, opened, level = ["^"], 0, 0, 0
    for at, character in enumerate(template):
        if character == start:
            level += 1
            opened = at if level == 1 else opened
        elif character == end:
            level -= 1
            if level < 0:
                break
            if level == 0:
                inner = template[opened + 1 : at]
                translate(text_of_bytes(f"^{inner}$".encode("latin-1")))
                found += (_quoted(template[done:opened]), f"({inner})")
                done = at + 1
    if level:
        raise BuiltinError("unbalanced braces")
    return f"{''.join(found)}{_quoted(template[done:])}$"


def _quoted(text: str) -> str:
    return "".join([f"\\{each}" if each in _META else each for each in text])


def _expanded(template: Template, regex: _Regex, raw: bytes, spans: _Spans) -> bytes:
    found = []
    for part in template:
        if type(part) is bytes:
            found.append(part)
            continue
        # Go takes the first group of the name that took part.
        groups = [part] if type(part) is int else [at for at, name in enumerate(regex.names) if name == part]
        places = [regex.places[group] for group in groups if group < len(regex.places)]
        took = [spans[place] for place in places if place is not None and spans[place] != _NOTHING]
        if took:
            found.append(raw[slice(*took[0])])
    return b"".join(found)


def _found(regex: _Regex, text: str) -> tuple[bytes, Iterator[_Spans]]:
    """The text's bytes, and the matches in them. Go sees U+FFFD in place of a byte that is no UTF-8."""
    raw = raw_of(text)
    return raw, _matches_in_torn(regex, text) if is_torn(text) else _matches(regex, raw)


def _matches_in_torn(regex: _Regex, text: str) -> Iterator[_Spans]:
    lone = lone_bytes_in(text)
    for spans in _matches(regex, readable(text).encode()):
        yield [(_place(lone, first), _place(lone, last)) for first, last in spans]


def _place(lone: array[int], at: int) -> int:
    """Where that is in the text's own bytes: U+FFFD has two bytes more than what it stands for."""
    return at if at < 0 else at - 2 * bisect_left(lone, at)


def _some(matches: Iterator[_Spans], most: int) -> Iterator[_Spans]:
    if most == 0:
        return
    for count, spans in enumerate(matches, 1):
        yield spans
        if count == most:
            return


def _matches(regex: _Regex, raw: bytes) -> Iterator[_Spans]:
    """All matches as Go finds them: none that is empty directly behind another, none inside of a character."""
    at, end, before = 0, len(raw), -1
    if end > regex.longest:
        raise beyond_bounds("regex", "the text is too long for so large a pattern")
    while at <= end:
        spans = regex.match(_UNANCHORED, raw, at, end)
        first, last = spans[0]
        if first < 0:
            return
        if _is_inside(raw, first):
            at = _next(raw, first)
            continue
        accepted = last != at or first != before
        at = _next(raw, at) if last == at else last
        before = last
        if accepted:
            yield spans


def _is_inside(raw: bytes, at: int) -> bool:
    return at < len(raw) and raw[at] & 0xC0 == 0x80


def _next(raw: bytes, at: int) -> int:
    at += 1
    while _is_inside(raw, at):
        at += 1
    return at


@lru_cache(maxsize=128)
def _matcher(pattern: str) -> _Regex:
    return _compiled(pattern, captures=False)


@lru_cache(maxsize=128)
def _finder(pattern: str) -> _Regex:
    return _compiled(pattern, captures=True)


def _compiled(text: str, *, captures: bool) -> _Regex:
    pattern = translate(text)
    options = re2.Options()
    options.log_errors = False
    options.never_capture = not captures
    for memory in (_MEMORY, _LARGE_MEMORY):
        options.max_mem = memory
        try:
            compiled: Any = re2._Regexp(pattern.text, options)  # noqa: SLF001  # re2.compile() keeps a cache of its own
        except re2.error:
            continue
        match = compiled._regexp.Match  # noqa: SLF001
        longest = _MOST_WORK // max(compiled.programsize, 1)
        return _Regex(match, pattern.names, pattern.places, longest, not pattern.inside, not text)
    raise beyond_bounds("regex", "a pattern is too large")


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "re_match": _match,
    "regex.find_all_string_submatch_n": _find_all_submatch_n,
    "regex.find_n": _find_n,
    "regex.globs_match": _globs_match,
    "regex.is_valid": _is_valid,
    "regex.match": _match,
    "regex.replace": _replace,
    "regex.split": _split,
    "regex.template_match": _template_match,
}
