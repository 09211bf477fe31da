"""Pieces of a regular expression as RE2 reads them, and how large Go would find them. Not how Go's are read."""

from __future__ import annotations

from typing import NamedTuple


class Node(NamedTuple):
    """A piece of the pattern, for RE2, and the bounds that Go looks at."""

    text: str
    single: bool = True  # can be repeated as it is
    height: int = 1
    size: int = 1  # instructions
    repeats: int = 1  # the product of nested counted repetitions
    plain: bool = False  # a literal
    pieces: int = 1  # so many pieces could be what Go finds to be common prefixes
    runs: int = 1  # the same, literals side by side counted as one
    groups: tuple[int, int] = (0, 0)  # first and last capturing group in it


def repeated(node: Node, least: int, most: int, *, operator: str, lazy: bool) -> Node:
    """The node so often; `most` is -1 without a bound, `operator` is one of * + ? or empty for counts in braces."""
    if most == 0:
        # RE2 would count what is in it, Go does not.
        return node._replace(text="(?:)", single=True, height=node.height + 1, repeats=1)
    count = most if most > 0 else least
    suffix = operator or f"{{{least}{'' if most == least else ',' if most < 0 else f',{most}'}}}"
    return node._replace(
        text=f"{node.text if node.single else f'(?:{node.text})'}{suffix}{'?' if lazy else ''}",
        single=False,
        height=node.height + 1,
        size=node.size + 2 if operator else max(count, 1) * (node.size + 1),
        repeats=node.repeats if operator else node.repeats * max(count, 1),
        plain=False,
    )


def concatenation(pieces: list[Node]) -> Node:
    """One after the other; there may be none."""
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return Node("(?:)")
    return Node(
        "".join([piece.text for piece in pieces]),
        single=False,
        height=1 + max(piece.height for piece in pieces),
        size=sum(piece.size for piece in pieces),
        repeats=max(piece.repeats for piece in pieces),
        pieces=sum(piece.pieces for piece in pieces),
        runs=sum(piece.runs for at, piece in enumerate(pieces) if not (piece.plain and at and pieces[at - 1].plain)),
        groups=_all_groups(pieces),
    )


def alternation(branches: list[Node]) -> Node:
    """One of them; there is at least one."""
    if len(branches) == 1:
        return branches[0]
    # Go takes out what branches have in common at their start and nests the rest: two levels each time. It takes out
    # whole runs of literals, so that there are fewer branches with each; of anything else a piece at a time.
    longest, runs = max(branch.pieces for branch in branches), max(branch.runs for branch in branches)
    return Node(
        "|".join([branch.text for branch in branches]),
        single=False,
        height=1 + max(branch.height for branch in branches) + 2 * (runs + min(longest, len(branches))),
        size=sum(branch.size + 1 for branch in branches),
        repeats=max(branch.repeats for branch in branches),
        pieces=longest,
        runs=runs,
        groups=_all_groups(branches),
    )


def _all_groups(nodes: list[Node]) -> tuple[int, int]:
    found = [node.groups for node in nodes if node.groups[1]]
    return (found[0][0], found[-1][1]) if found else (0, 0)
