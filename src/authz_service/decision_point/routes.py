"""Which route a path belongs to, by its bytes, as our own Envoy finds it. The gate looks at its decoded form."""

from __future__ import annotations

from collections.abc import Iterable

NOWHERE = b"-"  # no route: the gate refuses it under this name


class Routes:
    """Exact paths first, then `/path/**`; of those the longest."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._exact = {path.encode() for path in paths if not path.endswith("/**")}
        below = [path.removesuffix("/**").encode() for path in paths if path.endswith("/**")]
        self._below = sorted(below, key=len, reverse=True)

    def find(self, path: bytes) -> bytes:
        if path in self._exact:
            return path
        for base in self._below:
            if path == base or path.startswith(base + b"/"):
                return base + b"/**"
        return NOWHERE
