"""What stands between % and the verb of Go's fmt. Not what a verb makes of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Flags:
    """Of `%+v` and `%#v` the flags are plus_v and sharp_v instead."""

    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    plus_v: bool = False
    sharp_v: bool = False
    width: int = 0
    precision: int | None = None
