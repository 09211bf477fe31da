"""`python -m bench.records`: how long the commands that read records take. Needs no Envoy; two minutes."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from tests.support.audit_trails import ID, line, order_flow, record, seal
from tests.support.decision_events import event, request
from tests.support.meshes import EXAMPLE

from bench.figures import Figure, at_most, print_figures, write_json

LINES = 1_000_000
DECISIONS = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.records", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="authz-bench-") as folder:
        found = [*measure_trail(Path(folder)), *measure_replay(Path(folder))]
    print_figures(found, Console())
    if options.json:
        write_json(found, options.json)


def measure_trail(folder: Path) -> list[Figure]:
    """The records of one id among a million lines, in four files."""
    flow = [one for made in order_flow().values() for one in made]
    user = {"user_id": "7d0c6a52-1f5e-4b1a-9c57-3f0e6f6d1a01", "user_name": "john", "calling_service": "web-app"}
    other = record("order-service", 7, path="/orders/123", mtls_client="api-gateway-client", **user)
    files = [folder / f"{number}.jsonl" for number in range(4)]
    share = LINES // len(files)
    for file, made in zip(files, flow, strict=True):
        with file.open("wb") as stream:
            for number in range(share):
                stream.write(line(msgspec.structs.replace(other, correlation_id=f"r-{number}"), seal(number + 1)))
            stream.write(line(made, seal(share + 1)))
    seconds, output = timed("trail", ID, *map(str, files), "--format", "json")
    assert len(json.loads(output)["hops"]) == len(flow)
    size = sum(file.stat().st_size for file in files) / 2**20
    part = f"authz trail, {LINES:,} lines, {size:.0f} MiB"
    return [
        Figure(part, "start to end of the command", seconds, "s", at_most(5)),
        Figure(part, "memory", peak_of_children(), "MiB", at_most(500)),
    ]


def measure_replay(folder: Path) -> list[Figure]:
    """The example's order policy with one line changed: a fifth of the verdicts flips."""
    policies = folder / "policies"
    policies.mkdir()
    text = (EXAMPLE / "order-service" / "policies" / "order.rego").read_text()
    (policies / "order.rego").write_text(text.replace('"orders:create" in', '"customer" in'))
    post: dict[str, Any] = {"input__request": request("POST", "orders")}
    kinds = [
        event(),
        event(roles=("orders:create", "customer"), **post),
        event("policy_denied", **post),
        event("token_expired"),
        event(input__request=request("GET", "inventory", "PROD-123")),
    ]
    lines = [json.dumps(one) + "\n" for one in kinds]
    with (folder / "decisions.jsonl").open("w") as stream:
        for number in range(DECISIONS):
            stream.write(lines[number % len(lines)])
    seconds, output = timed("replay", str(policies), str(folder / "decisions.jsonl"), "--format", "json")
    found = json.loads(output)
    assert (found["gained"], found["lost"], found["alike"]) == (DECISIONS // 5, 0, DECISIONS // 5 * 3)
    part = f"authz replay, {DECISIONS:,} decisions, a fifth of which flip"
    return [Figure(part, "start to end of the command", seconds, "s", at_most(60))]


def timed(*words: str) -> tuple[float, str]:
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "authz_service.cli.main", *words], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    assert ended.returncode in {0, 1}, ended.stderr
    return seconds, ended.stdout


def peak_of_children() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    main()
