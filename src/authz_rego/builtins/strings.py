"""OPA's functions on strings, gathered; many of them are here. Not `sprintf`, regular expressions or globs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authz_rego.builtins import format_int, replacing, template_string, trimming
from authz_rego.builtins.bounds import LONGEST_TEXT, require_length
from authz_rego.builtins.operands import int64_operand, kind_of, no_strings, string_operand, wrong_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.byte_texts import is_torn, mended, raw_of, readable, text_of_bytes
from authz_rego.values.characters import lower_table, upper_table
from authz_rego.values.value import Value, sorted_keys, value_of


# A part that is torn may be found within a character. One that is none is found at characters only, also in torn texts.
def _contains(text: Value, part: Value) -> bool:
    if type(text) is str and type(part) is str:
        return part in text or (is_torn(part) and raw_of(part) in raw_of(text))
    raise no_strings(text, part)


def _starts_with(text: Value, prefix: Value) -> bool:
    if type(text) is str and type(prefix) is str:
        return text.startswith(prefix) or (is_torn(prefix) and raw_of(text).startswith(raw_of(prefix)))
    raise no_strings(text, prefix)


def _ends_with(text: Value, suffix: Value) -> bool:
    if type(text) is str and type(suffix) is str:
        return text.endswith(suffix) or (is_torn(suffix) and raw_of(text).endswith(raw_of(suffix)))
    raise no_strings(text, suffix)


def _lower(text: Value) -> str:
    if type(text) is str:
        # Python's own would make two characters of İ, and look around for the final sigma.
        return text.lower() if text.isascii() else readable(text).translate(lower_table())
    raise wrong_operand(text, 1, "string")


def _upper(text: Value) -> str:
    if type(text) is str:
        return text.upper() if text.isascii() else readable(text).translate(upper_table())
    raise wrong_operand(text, 1, "string")


def _split(text: Value, separator: Value) -> list[str]:
    if type(text) is str and type(separator) is str:
        return _parts(text, separator, -1)
    raise no_strings(text, separator)


def _split_n(text: Value, separator: Value, count: Value) -> list[str]:
    if type(text) is not str or type(separator) is not str:
        raise no_strings(text, separator)
    limit = int64_operand(count, 3)
    if limit < 0:
        parts = _parts(text, separator, -1)
        return parts[max(len(parts) + limit, 0) :]
    if not separator:
        return list(text[:limit])
    return _parts(text, separator, min(limit, 4 * len(text)))[:limit]


def _parts(text: str, separator: str, most: int) -> list[str]:
    """Between the separators, `most` of which count; each character is a part if there is none."""
    if not separator:
        return list(text)
    if is_torn(separator):
        return [*map(text_of_bytes, raw_of(text).split(raw_of(separator), most))]
    return text.split(separator, most)


def _concat(separator: Value, parts: Value) -> str:
    if type(separator) is not str:
        raise wrong_operand(separator, 1, "string")
    if type(parts) is not list and type(parts) is not frozenset:
        raise wrong_operand(parts, 2, "set", "array")
    try:
        found: list[str] = parts if type(parts) is list else sorted_keys(parts)  # type: ignore[assignment]
        if len(found) * len(separator) + sum(map(len, found)) > LONGEST_TEXT:
            require_length("concat", max(len(found) - 1, 0) * len(separator) + sum(map(len, found)))
        joined = separator.join(found)
        return joined if joined.isascii() else mended(joined)
    except TypeError:  # asked only when it goes wrong: one of them is no string
        raise _wrong_member(parts, 2) from None


def _index_of(text: Value, part: Value) -> int:
    if type(text) is str and type(part) is str:
        if not part:
            raise BuiltinError("empty search character")
        return text.find(part) if part.isascii() else readable(text).find(readable(part))
    raise no_strings(text, part)


def _index_of_n(text: Value, part: Value) -> list[int]:
    if type(text) is not str or type(part) is not str:
        raise no_strings(text, part)
    if not part:
        raise BuiltinError("empty search character")
    found = []
    if not part.isascii():
        text, part = readable(text), readable(part)
    at = text.find(part)
    while at >= 0:
        found.append(at)
        at = text.find(part, at + 1)  # occurrences may overlap
    return found


def _count(text: Value, part: Value) -> int:
    if type(text) is str and type(part) is str:
        return raw_of(text).count(raw_of(part)) if is_torn(part) else text.count(part)
    raise no_strings(text, part)


def _reverse(text: Value) -> str:
    return mended(string_operand(text, 1)[::-1])


def _substring(text: Value, start: Value, length: Value) -> str:
    base = string_operand(text, 1)
    first = int64_operand(start, 2)
    count = int64_operand(length, 3)
    if first < 0:
        raise BuiltinError("negative offset")
    if first == 0 and count >= len(base):
        return base
    return readable(base[first:] if count < 0 else base[first : first + count])


def _any_match(
    of_text: Callable[[str, tuple[str, ...]], bool], of_raw: Callable[[bytes, tuple[bytes, ...]], bool]
) -> Callable[[Value, Value], bool]:
    def match(texts: Value, parts: Value) -> bool:
        found, wanted = _one_or_more(texts, 1), _one_or_more(parts, 2)
        if any(map(is_torn, wanted)):
            raw = tuple(map(raw_of, wanted))
            return any(of_raw(raw_of(text), raw) for text in found)
        return any(of_text(text, wanted) for text in found)

    return match


def _one_or_more(value: Value, position: int) -> tuple[str, ...]:
    if type(value) is str:
        return (value,)
    if type(value) is not list and type(value) is not frozenset:
        raise wrong_operand(value, position, "string", "set", "array")
    if not all(type(member) is str for member in value):
        raise _wrong_member(value, position)
    return tuple(value)


def _wrong_member(values: Value, position: int) -> BuiltinError:
    kind = kind_of(values)
    members = values if type(values) is list else map(value_of, sorted_keys(values))
    wrong = next(kind_of(member) for member in members if type(member) is not str)
    return BuiltinError(f"operand {position} must be {kind} of strings but got {kind} containing {wrong}")


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "concat": _concat,
    "contains": _contains,
    "endswith": _ends_with,
    "indexof": _index_of,
    "indexof_n": _index_of_n,
    "lower": _lower,
    "split": _split,
    "startswith": _starts_with,
    "strings.any_prefix_match": _any_match(str.startswith, bytes.startswith),
    "strings.any_suffix_match": _any_match(str.endswith, bytes.endswith),
    "strings.count": _count,
    "strings.reverse": _reverse,
    "strings.split_n": _split_n,
    "substring": _substring,
    "upper": _upper,
    **format_int.FUNCTIONS,
    **replacing.FUNCTIONS,
    **template_string.FUNCTIONS,
    **trimming.FUNCTIONS,
}
