"""JSON text with a line for each member, as Go's `json.MarshalIndent` lays it out. Not what the text says."""

from __future__ import annotations

import re
from typing import Final

from authz_rego.values.big_integers import BeyondBoundsError

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^"\[\]{},:]+')


def indented(text: str, prefix: str, indent: str, longest: int) -> str:
    """The text, which must be JSON without blanks; each line but the first begins with the prefix."""
    found: list[str] = []
    depth = 0
    left = longest - len(text)
    tokens = _TOKEN.findall(text)
    for at, sign in enumerate(tokens):
        closes, opens = sign in {"]", "}"}, sign in {"[", "{"}
        depth += opens - closes
        line = f"\n{prefix}{indent * depth}"
        if closes and tokens[at - 1] not in {"[", "{"}:
            found.append(line)
            left -= len(line)
        found.append(": " if sign == ":" else sign)
        if sign == "," or (opens and tokens[at + 1] not in {"]", "}"}):
            found.append(line)
            left -= len(line)
        if left < 0:
            raise BeyondBoundsError(f"the result would have more than {longest} characters")
    return "".join(found)
