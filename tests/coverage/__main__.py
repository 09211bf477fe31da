"""Holds the branches that tests reach against what each folder promises: `make coverage`.

Measured over the tests that the Makefile names, in the commands that they start, and in the processes of their sidecars
(`measured_process`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.coverage.floors import FLOORS, SAMPLE


class Reached(NamedTuple):
    reached: int
    all: int

    @property
    def percent(self) -> float:
        return 100.0 if self.all == 0 else 100.0 * self.reached / self.all


def reached(report: Mapping[str, Any], folder: str) -> Reached:
    """Lines and branches of a folder, or file, below src."""
    found = [
        each["summary"]
        for name, each in report["files"].items()
        if name == f"src/{folder}.py" or name.startswith(f"src/{folder}/")
    ]
    covered = sum(one["covered_lines"] + one["covered_branches"] for one in found)
    return Reached(covered, sum(one["num_statements"] + one["num_branches"] for one in found))


def shortfalls(report: Mapping[str, Any], floors: Mapping[str, float]) -> list[str]:
    """A sentence for each folder that is below its floor, or is not there at all."""
    told = []
    for folder, floor in floors.items():
        found = reached(report, folder)
        if found.all == 0:
            told.append(f"{folder}: nothing was measured; is the folder still called so?")
        elif round(found.percent, 2) < floor:
            told.append(f"{folder}: {found.percent:.2f} %, and {floor:g} % is promised; {_missing(report, folder)}")
    return told


def _missing(report: Mapping[str, Any], folder: str) -> str:
    places = []
    for name, each in report["files"].items():
        lines = each["missing_lines"] or sorted({branch[0] for branch in each["missing_branches"]})
        if lines and name.startswith(f"src/{folder}"):
            places.append(f"{name}:{','.join(map(str, lines))}")
    return f"not reached: {' '.join(places)}"


def main() -> None:
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    floors = FLOORS | SAMPLE if "--sample" in sys.argv[2:] else FLOORS
    for folder in floors:
        print(f"{reached(report, folder).percent:6.2f} %  {folder}")
    told = shortfalls(report, floors)
    print("\n".join(told), file=sys.stderr)
    sys.exit(1 if told else 0)


if __name__ == "__main__":
    main()
