"""The escapes of strings. Not where a string ends (`scanner`)."""

from __future__ import annotations

import json


def unescaped(inner: str) -> str | None:
    r"""What stands between the quotes, with its escapes resolved; None where JSON has no such string.

    Half a character (`\ud800` alone) is U+FFFD.
    """
    try:
        found = json.loads(f'"{inner}"')
    except ValueError:
        return None
    assert isinstance(found, str)
    return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
