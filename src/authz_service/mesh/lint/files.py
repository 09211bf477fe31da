"""Files that cannot be used, as the loader says of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from authz_service.mesh.ground import Ground
from authz_service.mesh.lint.rule import Found


def unreadable(ground: Ground) -> Iterator[Found]:
    for problem in ground.mesh.problems:
        spot = ground.mesh.spot_of(Path(problem.file), problem.line)
        yield Found(spot, f"{problem.at}: {problem.found}", problem.fix)
