"""Whether something was there before: digests in bounded number, for what strangers fill. Not the things themselves."""

from __future__ import annotations


class SeenLately:
    """Knows the last `most` at most, and half as many at least.

    Two sets that take turns, because `Bounded` takes ten times as long for each new digest.
    """

    __slots__ = ("_before", "_half", "_latest")

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._latest: set[int] = set()
        self._before: set[int] = set()

    def again(self, digest: int) -> bool:
        """Whether it was there before. From now on it was."""
        if digest in self._latest or digest in self._before:
            return True
        if len(self._latest) >= self._half:
            self._before, self._latest = self._latest, set()
        self._latest.add(digest)
        return False

    def clear(self) -> None:
        self._latest.clear()
        self._before.clear()
