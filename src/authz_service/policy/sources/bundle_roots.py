"""Holds a bundle to the `roots` of its manifest, as OPA does: what lies elsewhere in `data` is not its to define.

Not its signature, and not whether its policies can be used.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from authz_service.policy.sources.data_documents import BadFile, parse_document

_Path = tuple[str, ...]

_PACKAGE = re.compile(
    r"(?:\s|#[^\n]*(?:\n|\Z))*package\s+([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\[\"(?:[^\"\\\n]|\\.)*\"\])*)"
)
_STEP = re.compile(r"\.(\w+)|\[(\"(?:[^\"\\]|\\.)*\")\]")


def outside_of_roots(roots: Sequence[str], files: Mapping[str, bytes]) -> str:
    """What is wrong with roots and files together; "" when nothing is."""
    paths = [_split(root) for root in roots]
    for index, path in enumerate(paths):
        for other in paths[:index]:
            if _is_below(path, other) or _is_below(other, path):
                return f"its roots {'/'.join(other)!a} and {'/'.join(path)!a} overlap"
    if () in paths:
        return ""  # everything is its own
    shown = ", ".join(map(ascii, roots)) or "none"
    for name, content in files.items():
        for path in _defined(name, content, paths):
            if not any(_is_below(path, root) for root in paths):
                return f"{name} defines {'.'.join(('data', *path))[:200]}, outside of its roots ({shown[:200]})"
    return ""


def _split(root: str) -> _Path:
    return tuple(step for step in root.split("/") if step)


def _is_below(path: _Path, root: _Path) -> bool:
    return path[: len(root)] == root


def _defined(name: str, content: bytes, roots: Sequence[_Path]) -> Iterator[_Path]:
    """The places in `data` that a file fills; of an object that only leads to a root, those in it."""
    *folders, last = name.split("/")
    if last.endswith(".rego"):
        yield _package(content)
    elif last == "data.json":
        try:
            document: object = parse_document(content.decode("utf-8-sig"), is_json=True)
        except (BadFile, UnicodeDecodeError):
            document = None  # it is refused as well where it is loaded; whatever it says, it is at its folder
        yield from _filled(document, tuple(folders), roots)


def _filled(value: object, path: _Path, roots: Sequence[_Path]) -> Iterator[_Path]:
    leads_to_a_root = any(root != path and _is_below(root, path) for root in roots)
    if leads_to_a_root and isinstance(value, dict):
        for key, below in value.items():
            yield from _filled(below, (*path, key), roots)
    else:
        yield path


def _package(content: bytes) -> _Path:
    """What the first statement names; nothing, which is in no root, where that cannot be told."""
    try:
        found = _PACKAGE.match(content.decode("utf-8-sig"))
        if found is None:
            return ()
        steps = (dotted or json.loads(quoted) for dotted, quoted in _STEP.findall(found[2]))
        return (found[1], *steps)
    except ValueError:
        return ()
