"""What it costs a stock Envoy to ask us (`decision_only`), over gRPC and over HTTP, against itself without asking.

`python -m bench.other_proxies`. The files are those of examples/decision_only, without TLS: wrk has no client
certificate. The service behind is an Envoy that answers at once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml
from rich.console import Console

from authz_devkit.demo.mesh import REPOSITORY, MeshError
from bench import neighbours
from bench.figures import Figure, print_figures
from bench.load import BenchError, Target, require_wrk
from bench.rounds import Rounds, Side
from bench.scenarios import Scenario, measure
from bench.stage import ORDER, Stage

_EXAMPLE = REPOSITORY / "examples" / "decision_only"
_PATH = "/inventory/PROD-123"
_POLICY = """package bench
import rego.v1
default allow := false
allow if { input.token.sub; input.request.segments[0] == "inventory" }
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.other_proxies", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    try:
        found = asyncio.run(_run(Rounds(options.rounds, options.seconds)))
    except (BenchError, MeshError) as error:
        sys.exit(f"bench: {error}")
    print_figures(found, Console() if sys.stdout.isatty() else Console(width=120))


async def _run(rounds: Rounds) -> list[Figure]:
    require_wrk()
    stage = Stage()
    found: list[Figure] = []
    try:
        await stage.start_identity_provider()
        address = stage.live.address(ORDER)
        workers = await _start_decision_point(stage, address)
        await stage.start_service([neighbours.listener(address, 9000, [neighbours.answers(neighbours.ORDER)])])
        token = await stage.user_token()
        bare = await _start_envoy(stage, address, "envoy-http", 8000, asks=False)
        for port, name in ((8001, "envoy-grpc"), (8002, "envoy-http")):
            ours = await _start_envoy(stage, address, name, port, asks=True)
            asking, not_asking = (
                Side(Target(f"http://{address}:{at}{_PATH}", (f"Authorization: Bearer {token}",)), (pid,), of)
                for at, pid, of in ((port, ours, workers), (8000, bare, ()))
            )
            found += await measure(Scenario(f"{name}: token known", asking, not_asking), rounds)
    finally:
        await stage.stop()
    return found


async def _start_decision_point(stage: Stage, address: str) -> tuple[int, ...]:
    """The pids of its Python: workers and door."""
    folder = stage.live.folder / "decision-point"
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "bench.rego").write_text(_POLICY)
    config = yaml.safe_load((_EXAMPLE / "authz.yaml").read_text().replace("127.0.0.1", address))
    asked_by = {name: config["proxy"]["asked_by"][name] for name in ("envoy-grpc", "envoy-http")}
    config["proxy"] |= {"asked_by": asked_by, "authz": {"policy_query": "data.bench.allow"}}
    del config["proxy"]["mtls"]
    config["jwt"] |= {
        "issuer": f"{stage.live.identity_url}/realms/users",
        "ca_file": str(stage.live.certs / "ca" / "identity-ca.crt"),
    }
    config |= {
        "hosts": stage.live.hosts,
        "policy": {"path": str(folder / "policies")},
        "audit": {"path": str(folder / "audit.jsonl")},
        "runtime": {"state_dir": str(stage.live.folder / "state" / "point")},
    }
    file = folder / "authz.yaml"
    file.write_text(yaml.safe_dump(config))
    name = "decision-point"
    await stage.live.spawn(name, [sys.executable, "-m", "authz_service.cli.main", "run", "--config", str(file)], {})
    await stage.until_ready(f"http://{address}:9901/readyz")
    return tuple(_python_below(stage.pid(name)))


def _python_below(control_plane: int) -> Iterator[int]:
    for child in psutil.Process(control_plane).children():
        if "authz_service.decision_point.door" in child.cmdline():
            yield child.pid
        yield from (worker.pid for worker in child.children())


async def _start_envoy(stage: Stage, address: str, name: str, port: int, *, asks: bool) -> int:
    text = (_EXAMPLE / f"{name}.yaml").read_text().replace("127.0.0.1", address)
    config: dict[str, Any] = yaml.safe_load(text)
    [listener] = config["static_resources"]["listeners"]
    listener["address"]["socket_address"] = {"address": address, "port_value": port}
    [chain] = listener["filter_chains"]
    del chain["transport_socket"]
    manager = chain["filters"][0]["typed_config"]
    if not asks:
        del manager["http_filters"][0]
    file: Path = stage.live.folder / f"stock-{port}.yaml"
    file.write_text(yaml.safe_dump(config))
    await stage.start_envoy(f"stock-{port}", file, 1)
    await stage.until_listening(address, port, f"stock-{port}")
    return stage.pid(f"stock-{port}")


if __name__ == "__main__":
    main()
