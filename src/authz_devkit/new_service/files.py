"""The files of a new service: the template with the names filled in. Not its certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

SCRIPTS = frozenset({"up", "token"})
_WRITTEN_AS = {"README.txt": "README.md"}  # a page for readers is not part of a wheel; this one is


def render(names: Mapping[str, str]) -> dict[str, str]:
    """Path below the new folder -> text. `names` are what stands between two @ in the template."""
    return {_WRITTEN_AS.get(path, path): _filled(text, names) for path, text in _template(_root(), "")}


def _root() -> Traversable:
    return files(__package__) / "template"


def _template(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _template(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry.read_text(encoding="utf-8")


def _filled(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"@{name}@", value)
    return text
