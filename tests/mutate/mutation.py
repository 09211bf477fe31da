"""One wrong line, and where a test must notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """`old`, which stands exactly once in `file`, becomes `new`; one of `tests` (pytest's arguments) must fail then."""

    name: str
    file: str  # below the project's root
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, text: str) -> str:
        """Raises ValueError when the line is no longer there: then the list is to be mended, or it proves nothing."""
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.name}: {self.file} has {self.old!r} {found} times, not once")
        return text.replace(self.old, self.new)
