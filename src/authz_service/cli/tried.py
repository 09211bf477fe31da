"""A policy's explanation in lines: which bodies were tried, and where each stopped. Not the deciding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from authz_rego.explain import Explanation, Tried
from authz_rego.values.json_text import to_json
from authz_rego.values.value import Value

_LONGEST = 60


def tried_lines(explained: Explanation) -> Iterator[str]:
    """The last body that was tried comes last, and usually says it."""
    if explained.error:
        yield f"no answer: {explained.error}"
    yield from body_lines(explained.tried)


def body_lines(tried: Iterable[Tried]) -> Iterator[str]:
    for each in tried:
        yield from _lines(each)


def _lines(tried: Tried) -> Iterator[str]:
    times = f", tried {tried.times} times" if tried.times > 1 else ""
    if tried.held and tried.default:
        yield f"· {tried.rule}: its default ({tried.place}{times})"
        return
    if tried.held:
        yield f"✓ {tried.rule} ({tried.place}{times})"
        return
    yield f"✗ {tried.rule} ({tried.place}{times})"
    if tried.line:
        yield f"    stopped at line {tried.stopped.row}: {tried.line}"
    if tried.values:
        yield f"    with {', '.join(map(short_value, tried.values))}"


def short_value(value: Value) -> str:
    try:
        text = to_json(value)
    except ValueError:
        return "a value that JSON does not have"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
