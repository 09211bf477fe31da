"""The mesh of `examples/three_zones` with each pod in a network of its own, by the example files' own defaults.

A pod's parts find each other on its loopback; what it reaches of others is an address in a network that both are in.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from tests.support.networks import Networks
from tests.support.patience import PATIENCE

from authz_devkit.demo.mesh import IDENTITY_PROVIDER, PODS, Mesh, Pod

# In which network a pod is called.
CALLED_IN = {
    "api-gateway": "zone1",
    "order-service": "zone1-zone2",
    "payment-service": "zone1-zone2",
    "data-service": "zone2-zone3",
}


@dataclass
class NetworkedMesh(Mesh):
    networks: Networks = field(default_factory=Networks)

    def address(self, pod: Pod) -> str:
        """Of its parts among themselves."""
        del pod
        return "127.0.0.1"

    @property
    def identity_address(self) -> str:
        return self.networks.address("identity-provider", "identity")

    @property
    def hosts(self) -> dict[str, str]:
        return {pod.host: self.networks.address(pod.name, CALLED_IN[pod.name]) for pod in PODS} | {
            IDENTITY_PROVIDER: self.identity_address
        }

    def sidecar_environment(self, pod: Pod) -> dict[str, str]:
        addresses = {
            f"{other.name.upper().replace('-', '_')}_IP": self.networks.address(other.name, CALLED_IN[other.name])
            for other in PODS
        }
        # Without LOOPBACK_IP the doors are as in the example: the ingress on every address, all else on loopback.
        return {**super().sidecar_environment(pod), **addresses, "LOOPBACK_IP": ""}

    async def spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        await super().spawn(name, self.networks.inside(name.partition("/")[0], command), environment)

    async def wait_ready(self) -> None:
        """Asked from inside each pod: nobody else can."""
        await asyncio.gather(*(asyncio.to_thread(self.networks.call, pod.name, self._await_pod) for pod in PODS))

    def _await_pod(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if httpx.get("http://127.0.0.1:9901/readyz", trust_env=False).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < end, "a sidecar was not ready"
            time.sleep(0.1)


def can_connect(address: str, port: int) -> bool:
    """Within a second, which is long between two namespaces of one machine."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
