"""Lines of Python, indented, and names for what stands in them. Knows nothing of Rego."""

from __future__ import annotations

from typing import Any


class Lines:
    """The lines of one function."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 1

    def add(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def open(self, text: str) -> None:
        """A line that others stand below."""
        self.add(text)
        self.depth += 1

    def close(self) -> None:
        self.depth -= 1

    def when(self, condition: str, statement: str) -> None:
        """One statement, if the condition holds."""
        self.open(f"if {condition}:")
        self.add(statement)
        self.close()


class Source:
    """The functions of a policy, and the constants that they name."""

    def __init__(self) -> None:
        self._functions: list[str] = []
        self._names = 0
        self.constants: dict[str, Any] = {}

    def name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def constant(self, value: Any) -> str:
        """The name of a value that is there before the functions are."""
        name = self.name("k")
        self.constants[name] = value
        return name

    def function(self, head: str, lines: Lines) -> None:
        self._functions.append("\n".join([f"def {head}:", *lines.lines]))

    def text(self) -> str:
        return "\n\n\n".join(self._functions) + "\n"
