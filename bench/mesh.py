"""`python -m bench.mesh`: what the commands over a whole mesh take, on 100 services. Needs no Envoy; two minutes."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from tests.support.generated_mesh import Size, generate_mesh

from bench.figures import Figure, at_most, print_figures, write_json

_MEBIBYTE = 1024  # KiB, as Linux counts ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.mesh", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="authz-bench-") as folder:
        mesh = generate_mesh(Path(folder) / "mesh")
        found = measure(mesh)
    print_figures(found, Console())
    if options.json:
        write_json(found, options.json)


def measure(mesh: Path) -> list[Figure]:
    """Processor time: the commands wait for nothing, and a busy machine is no news. Memory: the most of all three."""
    size = Size()
    part = f"{size.services} services, {size.routes:,} routes, {size.users} users"
    ask = ("GET", "/things-1/x", "--as", "user001", "--at", "s000")
    return [
        Figure(part, "authz explain", seconds("explain", str(mesh), *ask), "s", at_most(1)),
        Figure(part, "authz lint", seconds("lint", str(mesh)), "s", at_most(10)),
        Figure(part, "authz matrix, as a page", seconds("matrix", str(mesh), "--format", "html"), "s", at_most(60)),
        Figure(part, "memory", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _MEBIBYTE, "MiB", at_most(500)),
    ]


def seconds(*words: str) -> float:
    """Of the processor, for one run of the command as a user runs it. It must not fail: 1 is a refusal or a finding."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "authz_service.cli.main", *words], capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stderr.decode()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


if __name__ == "__main__":
    main()
