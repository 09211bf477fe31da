"""The whole mesh of `examples/three_zones` on loopback: identity provider, three services, four sidecars, as processes.

Each "pod" has a loopback address of its own, so that every port is the spec's. Several meshes run side by side: the
second byte of the addresses tells them apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from authz_devkit.certs.tree import create_tree
from authz_devkit.demo import identity
from authz_devkit.demo.identity import IdentityProvider
from authz_devkit.keycloak.admin import Admin

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLE = REPOSITORY / "examples" / "three_zones"

IDENTITY_PROVIDER = "keycloak.example.com"
SECRETS = {
    "ORDER_SERVICE_CLIENT_SECRET": "order-service-secret",
    "PAYMENT_SERVICE_CLIENT_SECRET": "payment-service-secret",
}
# Seconds, on a busy machine: Keycloak makes its database at the first start, and its first answers are slow.
_READY_TIMEOUT, _ANSWER_TIMEOUT = 240.0, 30.0
_POLL = 0.05


class MeshError(Exception):
    """The mesh did not come up, or something in it died. The text says which and where its log is."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One service and its sidecar, on one address, as in a pod."""

    name: str  # the sidecar's and the service's name in audit and metrics
    folder: str  # below examples/three_zones and in the certificate tree
    zone: str
    host: str
    suffix: str  # the last two bytes of its address
    service: str | None  # the demo service that stands behind the sidecar


PODS = (
    Pod("api-gateway", "gateway", "zone1", "api-gateway.zone1.local", "1.1", None),
    Pod("order-service", "order-service", "zone2", "order-service.zone2.local", "2.1", "order"),
    Pod("payment-service", "payment-service", "zone2", "payment-service.zone2.local", "2.2", "payment"),
    Pod("data-service", "data-service", "zone3", "data-service.zone3.local", "3.1", "data"),
)
IDENTITY_SUFFIX = "9.1"


@dataclass
class Mesh:
    """Everything that runs, and where. `start` and `stop`; nothing outlives `stop`, nor this process."""

    folder: Path
    block: int  # 127.<block>.x.y
    example: Path = EXAMPLE
    identity: IdentityProvider = IdentityProvider.DEVELOPMENT
    on_event: Callable[[str, str], None] = lambda name, state: None
    extra_environment: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    @property
    def certs(self) -> Path:
        return self.folder / "certs"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def identity_url(self) -> str:
        return f"https://{IDENTITY_PROVIDER}:8443"

    def address(self, pod: Pod) -> str:
        return f"127.{self.block}.{pod.suffix}"

    @property
    def identity_address(self) -> str:
        return f"127.{self.block}.{IDENTITY_SUFFIX}"

    @property
    def hosts(self) -> dict[str, str]:
        return {pod.host: self.address(pod) for pod in PODS} | {IDENTITY_PROVIDER: self.identity_address}

    def audit_file(self, pod: Pod) -> Path:
        return self.folder / "audit" / f"{pod.name}.jsonl"

    def access_file(self, pod: Pod) -> Path:
        return self.folder / "audit" / f"{pod.name}.access.jsonl"

    def prepare(self) -> None:
        """Make the folders and the certificates."""
        for name in ("logs", "audit", "state", "database"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        addresses = {pod.folder: [self.address(pod)] for pod in PODS}
        create_tree(self.certs, now=datetime.now(UTC), ips=addresses | {"identity-provider": [self.identity_address]})

        bundle = "".join(path.read_text() for path in sorted((self.certs / "ca").glob("*-ca.crt")))
        (self.folder / "ca-bundle.crt").write_text(bundle)

    async def start(self) -> None:
        """Start everything and wait until all of it is ready. Raises MeshError, with everything stopped again."""
        if not self.example.is_dir():
            raise MeshError("its files, examples/three_zones, are not installed: clone the project, and run it there")
        try:
            self.prepare()
            await self.start_identity_provider()
            for pod in PODS:
                if pod.service is not None:
                    await self.start_service(pod)
                await self.start_sidecar(pod)
            await self.wait_ready()
        except BaseException:
            await self.stop()
            raise

    async def start_identity_provider(self) -> None:
        command = identity.command(self.identity, self.example, self.folder, self.identity_address, self.identity_url)
        await self.spawn("identity-provider", command, {})
        if self.identity is IdentityProvider.KEYCLOAK:
            await self.wait_identity_provider_ready()
            async with self.client() as client:
                await identity.hand_signing_keys(self.folder, self.example, self.admin(client))

    async def start_service(self, pod: Pod) -> None:
        assert pod.service is not None
        listen = f"--listen={self.address(pod)}:9000"
        database = self.folder / "database" / "data.db"
        environment = {
            "EGRESS_URL": f"http://{self.address(pod)}:8080",
            "DATABASE_URL": os.environ.get("DATABASE_URL", f"sqlite+aiosqlite:///{database}"),
        }
        command = [sys.executable, "-m", "authz_devkit.demo.services", pod.service, listen]
        await self.spawn(f"{pod.name}/app", command, environment)

    async def start_sidecar(self, pod: Pod) -> None:
        config = self.example / pod.folder / "config.yaml"
        command = [sys.executable, "-m", "authz_service.cli.main", "run", "--config", str(config)]
        await self.spawn(f"{pod.name}/sidecar", command, self.sidecar_environment(pod))

    def sidecar_environment(self, pod: Pod) -> dict[str, str]:
        """What `examples/three_zones/*/config.yaml` reads from the environment."""
        addresses = {f"{p.name.upper().replace('-', '_')}_IP": self.address(p) for p in PODS}
        return {
            **addresses,
            **SECRETS,
            "LOOPBACK_IP": self.address(pod),
            "CERTS_DIR": str(self.certs),
            "POLICIES_DIR": str(self.example / pod.folder / "policies"),
            "STATE_DIR": str(self.folder / "state" / pod.name),
            "AUDIT_PATH": str(self.audit_file(pod)),
            "ACCESS_LOG_PATH": str(self.access_file(pod)),
            "IDP_URL": self.identity_url,
            "IDP_IP": self.identity_address,
            **self.extra_environment,
        }

    async def spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """Start one process, bound to our life by the product's own launcher (a command, not an import)."""
        launcher = [sys.executable, "-m", "authz_service.parent_death", str(os.getpid())]
        with self.log_file(name).open("ab") as log:
            self.processes[name] = await asyncio.create_subprocess_exec(
                *launcher,
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self.on_event(name, "starting")

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name.replace('/', '.')}.log"

    async def wait_ready(self) -> None:
        """Until the identity provider, every service and every sidecar says so; MeshError after a time, or a death."""
        waits = [self.wait_identity_provider_ready()]
        for pod in PODS:
            if pod.service is not None:
                waits.append(self._wait_for(f"{pod.name}/app", f"http://{self.address(pod)}:9000/healthz"))
            waits.append(self._wait_for(f"{pod.name}/sidecar", f"http://{self.address(pod)}:9901/readyz"))
        await asyncio.gather(*waits)

    async def wait_identity_provider_ready(self) -> None:
        await self._wait_for("identity-provider", f"{self.identity_url}/realms/users")

    async def _wait_for(self, name: str, url: str) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT
        async with self.client() as client:
            while time.monotonic() < deadline:
                process = self.processes[name]
                if process.returncode is not None:
                    raise MeshError(f"{name} ended with exit code {process.returncode}; its log: {self.log_file(name)}")
                with contextlib.suppress(httpx.HTTPError, OSError):
                    answer = await get(client, self.hosts, url)
                    if answer.status_code == httpx.codes.OK:
                        self.on_event(name, "ready")
                        return
                await asyncio.sleep(_POLL)
        raise MeshError(f"{name} was not ready after {_READY_TIMEOUT:.0f} s; its log: {self.log_file(name)}")

    def client(self) -> httpx.AsyncClient:
        """Trusts the identity provider's CA. Callers in zones need more: see `demo.caller`."""
        trust = ssl.create_default_context(cafile=self.certs / "ca" / "identity-ca.crt")
        return httpx.AsyncClient(verify=trust, timeout=_ANSWER_TIMEOUT, trust_env=False)

    def admin(self, http: httpx.AsyncClient) -> Admin:
        """Of a Keycloak; `http` is ours (`client`)."""
        return Admin(self.identity_url, lambda request: http.send(at_address(request, self.hosts)))

    async def stop(self) -> None:
        """End everything: callers first, then what they call; the sidecars drain."""
        order = sorted(self.processes, key=lambda name: (name == "identity-provider", not name.endswith("/sidecar")))
        groups = [[n for n in order if n.endswith("/sidecar")], [n for n in order if not n.endswith("/sidecar")]]
        for group in groups:
            for name in group:
                if self.processes[name].returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        self.processes[name].send_signal(signal.SIGTERM)
            await asyncio.gather(*(self._ended(name) for name in group))

    async def _ended(self, name: str) -> None:
        process = self.processes[name]
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()
        self.on_event(name, "stopped")


async def get(client: httpx.AsyncClient, hosts: Mapping[str, str], url: str) -> httpx.Response:
    """GET a name of the mesh at its loopback address; TLS checks stay on the name."""
    return await client.send(at_address(client.build_request("GET", url), hosts))


def at_address(request: httpx.Request, hosts: Mapping[str, str]) -> httpx.Request:
    """The same request, sent to the address that stands for its host name; SNI, Host and certificate check keep the
    name.
    """
    name = request.url.host
    if name in hosts:
        request.extensions["sni_hostname"] = name
        request.url = request.url.copy_with(host=hosts[name])  # the Host header was set from the name already
    return request


def free_block() -> int:
    """A block of loopback addresses that no other mesh uses: nobody listens where its parts would."""
    suffixes = (IDENTITY_SUFFIX, *(pod.suffix for pod in PODS))
    blocks = list(range(77, 250))
    random.shuffle(blocks)  # two meshes that start at the same moment must not both take the first
    for block in blocks:
        if all(_is_free(f"127.{block}.{suffix}", 8443) for suffix in suffixes):
            return block
    raise MeshError("no free block of loopback addresses; stop the other meshes")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
