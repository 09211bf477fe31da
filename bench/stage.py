"""Everything that a measurement needs, running: identity provider, live sidecars, bare Envoys, their neighbours.

The live sidecars are `authz run` on `examples/three_zones`. Beside each stands an Envoy with the very resources that we
render for it, but for the filter whose cost is asked about, on addresses of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from authz_devkit.demo.caller import Tokens
from authz_devkit.demo.leftovers import new_folder
from authz_devkit.demo.mesh import EXAMPLE, PODS, Mesh, Pod, free_block, get
from authz_service.config.loader import load_config
from authz_service.config.model import Config
from authz_service.envoy.binary import find_envoy
from authz_service.envoy.messages import Message
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import Resources, render
from bench import neighbours
from bench.bare import ASKS, INJECTS, WATCHES, WATCHES_STRANGERS, without
from bench.load import BenchError
from bench.many_tokens import Jwk
from bench.processes import Sidecar, find_sidecar

GATEWAY, ORDER, DATA = PODS[0], PODS[1], PODS[3]
_FLAGS = ("--disable-hot-restart", "--reject-unknown-dynamic-fields", "-l", "warn")
_PATIENCE = 30.0  # seconds for an Envoy to listen, also under valgrind
_BLOCKS = 38
_CALLERS = "8.1"  # the callers' address within a block


@dataclass
class Stage:
    """`live` has the sidecars and the folder; `bare` and `egress` are only blocks of addresses."""

    live: Mesh = field(default_factory=lambda: Mesh(new_folder(), free_block()))
    sidecars: dict[str, Sidecar] = field(default_factory=dict)
    workers: int = 0

    def __post_init__(self) -> None:
        # What the examples do by default; the demo writes an access log to read.
        self.live.extra_environment = {"ACCESS_LOG_PATH": "/dev/null"}
        # Live meshes take blocks from 77 on: these stay below, and apart for as many of us as there may be.
        self.bare = Mesh(self.live.folder, self.live.block % _BLOCKS + 1)
        self.egress = Mesh(self.live.folder, self.bare.block + _BLOCKS)

    async def start_identity_provider(self) -> None:
        self.live.prepare()
        await self.live.start_identity_provider()
        await self.until_ready(f"{self.live.identity_url}/realms/users")

    async def start_sidecar(self, pod: Pod) -> float:
        """Seconds from the start of `authz run` until /readyz says 200."""
        began = time.perf_counter()
        await self.live.start_sidecar(pod)
        await self.until_ready(f"http://{self.live.address(pod)}:9901/readyz")
        return time.perf_counter() - began

    async def stop_sidecar(self, pod: Pod) -> None:
        process = self.live.processes[f"{pod.name}/sidecar"]
        process.terminate()
        await process.wait()

    def pid(self, name: str) -> int:
        return self.live.processes[name].pid

    async def start_all(self) -> None:
        """The three live sidecars of the chain, the bare Envoys, and the neighbours of all."""
        for pod in (GATEWAY, ORDER, DATA):
            await self.start_sidecar(pod)
            self.sidecars[pod.name] = find_sidecar(self.pid(f"{pod.name}/sidecar"))
        self.workers = len(self.sidecars[ORDER.name].workers)
        await self.start_bare(GATEWAY, self.bare, {}, ASKS, *WATCHES_STRANGERS)
        await self.start_bare(DATA, self.bare, {}, ASKS, *WATCHES)
        await self.start_bare(ORDER, self.bare, {}, ASKS, *WATCHES, INJECTS)
        # The egress alone: our own token, but a data service that asks nobody.
        await self.start_bare(ORDER, self.egress, {"DATA_SERVICE_IP": self.bare.address(DATA)}, ASKS, *WATCHES)
        await self.start_neighbours()

    async def stop(self) -> None:
        await self.live.stop()

    def bare_envoy(self, pod: Pod, mesh: Mesh) -> int:
        return self.pid(f"bare-{mesh.block}/{pod.name}")

    def caller_url(self, mesh: Mesh) -> str:
        return f"http://{_callers(mesh)}:8000"

    async def user_token(self) -> str:
        return await Tokens(self.live).user("john")

    def signing_key(self) -> Jwk:
        state = json.loads((self.live.folder / "state" / "identity-provider.json").read_text())
        key: Jwk = state["users"]["keys"][0]
        return key

    def config(self, pod: Pod, mesh: Mesh, changed: dict[str, str]) -> Config:
        environment = mesh.sidecar_environment(pod) | {
            "ACCESS_LOG_PATH": "/dev/null",
            "IDP_IP": self.live.identity_address,
        }
        return load_config(EXAMPLE / pod.folder / "config.yaml", {**os.environ, **environment, **changed})

    async def start_bare(self, pod: Pod, mesh: Mesh, changed: dict[str, str], *filters: str) -> None:
        name = f"bare-{mesh.block}/{pod.name}"
        paths = StatePaths(self.live.folder / "state" / f"b{mesh.block}-{pod.name}")
        config = self.config(pod, mesh, changed)
        await self.start_rendered(name, pod, mesh, without(render(config, paths), *filters), paths)

    async def start_rendered(
        self, name: str, pod: Pod, mesh: Mesh, resources: Resources, paths: StatePaths, tool: tuple[str, ...] = ()
    ) -> None:
        """`tool` runs Envoy in its place, as callgrind does."""
        paths.xds.mkdir(parents=True, mode=0o700)
        # The live sidecar's own certificates and tokens, kept fresh by it.
        paths.sds.symlink_to(StatePaths(self.live.folder / "state" / pod.name).sds)
        _write(resources, paths)
        await self.start_envoy(name, paths.bootstrap, 1, tool)  # one thread, as in the examples
        await self.until_listening(mesh.address(pod), 8443, name)

    async def start_neighbours(self) -> None:
        listeners: list[Message] = []
        clusters: list[Message] = []
        for mesh in (self.live, self.bare):
            to_order, to_egress = f"order-{mesh.block}", f"egress-{mesh.block}"
            config = self.config(GATEWAY, mesh, {})
            rendered = render(config, StatePaths(self.live.folder / "state" / GATEWAY.name))
            found = next(cluster for cluster in rendered.clusters if cluster["name"] == f"target_{ORDER.name}")
            clusters.append(neighbours.renamed(found, to_order))
            clusters.append(neighbours.plain_cluster(to_egress, mesh.address(ORDER), 8080))
            listeners.append(neighbours.listener(_callers(mesh), 8000, [neighbours.forwards(to_order)]))
            order = [neighbours.calls_data(to_egress), neighbours.answers(neighbours.ORDER)]
            listeners.append(neighbours.listener(mesh.address(ORDER), 9000, order))
            data = [neighbours.answers(neighbours.INVENTORY)]
            listeners.append(neighbours.listener(mesh.address(DATA), 9000, data))
        await self.start_service(listeners, clusters)
        await self.until_listening(self.bare.address(DATA), 9000, "neighbours")

    async def start_service(self, listeners: list[Message], clusters: list[Message] | None = None) -> None:
        """What stands around: with more threads than the sidecars have, for it must not be the narrow place."""
        file = self.live.folder / "neighbours.json"
        file.write_text(json.dumps(neighbours.bootstrap(listeners, clusters or [])))
        await self.start_envoy("neighbours", file, 2)

    async def start_envoy(self, name: str, bootstrap: Path, threads: int, tool: tuple[str, ...] = ()) -> None:
        command = [*tool, str(find_envoy(os.environ)), "-c", str(bootstrap), "--concurrency", str(threads), *_FLAGS]
        await self.live.spawn(name, command, {})

    async def until_ready(self, url: str) -> None:
        async def answers_ok() -> bool:
            return (await get(client, self.live.hosts, url)).status_code == httpx.codes.OK

        async with self.live.client() as client:
            await self._until(answers_ok, url)

    async def until_listening(self, host: str, port: int, name: str) -> None:
        async def accepts() -> bool:
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return True

        await self._until(accepts, f"{name} at {host}:{port}; its log: {self.live.log_file(name)}")

    @staticmethod
    async def _until(ready: Callable[[], Awaitable[bool]], what: str) -> None:
        end = time.perf_counter() + _PATIENCE
        while time.perf_counter() < end:
            try:
                if await ready():
                    return
            except (OSError, httpx.HTTPError):
                pass
            await asyncio.sleep(0.005)
        raise BenchError(f"not ready after {_PATIENCE:.0f} s: {what}")


def _callers(mesh: Mesh) -> str:
    return f"127.{mesh.block}.{_CALLERS}"


def _write(resources: Resources, paths: StatePaths) -> None:
    for name, text in resources.files().items():
        (paths.root / name).write_text(text)
