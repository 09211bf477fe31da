"""Which parts of its input a policy can read, so that only those are sent to it. Not what it does with them.

Read from the text, not from the syntax tree: nothing reads `input` without writing that word, and wherever it stands,
in a comment even, it counts. What follows the word is believed as far as it is plain; that part is then kept whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias, Union

# What is read below a member: None is everything, a mapping is only these members.
Reads: TypeAlias = Union[dict[str, "Reads"], None]  # noqa: UP007 - `|` does not take a name in quotes

# A name that goes on with a letter of another alphabet is not plain.
_NAME = r"\.[A-Za-z_][A-Za-z0-9_]*+(?![^\x00-\x7f])"
_KEY = r'\["[A-Za-z0-9_./:-]++"\]'
_REFERENCE = re.compile(rf"\binput\b((?:{_NAME}|{_KEY})*)", re.ASCII)
_STEP = re.compile(r'\.(\w+)|\["([^"]+)"\]', re.ASCII)


def reads_in(modules: Iterable[str]) -> Reads:
    """What the Rego texts read together."""
    reads: dict[str, Reads] = {}
    for text in modules:
        for reference in _REFERENCE.finditer(text):
            path = [name or key for name, key in _STEP.findall(reference[1])]
            if not path:
                return None  # `input` as a whole, or a part of it that is not named
            _add(reads, path)
    return reads


def seen(value: object, reads: Reads) -> object:
    """The value without the members that are not read."""
    if reads is None or not isinstance(value, dict):
        return value
    return {name: seen(member, reads[name]) for name, member in value.items() if name in reads}


def _add(reads: dict[str, Reads], path: list[str]) -> None:
    for name in path[:-1]:
        below = reads.setdefault(name, {})
        if below is None:
            return  # all of it is read already
        reads = below
    reads[path[-1]] = None
