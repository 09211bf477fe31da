"""A text that must never be printed. Not its storage; who needs the text says `reveal()`, which a review can search."""


class Secret:
    """Prints as `***`, in logs, in tracebacks and in a dump of the configuration."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied into files or messages; say reveal() where it is used")


class _Unread(Secret):
    """Still in its file. Whoever uses it all the same has not loaded his configuration by the loader."""

    __slots__ = ()

    def reveal(self) -> str:
        raise RuntimeError("the secret is still in its file")


UNREAD = _Unread("")
