"""The specification's six networks as Linux bridges, and each pod as a network namespace with a foot in some of them.

All of it lies in namespaces of its own: nothing of the host's network is touched or reachable. Needs root and iproute2.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self, TypeVar

# Who is connected to what. `identity` is one network too, but its members reach the identity provider only (compose:
# enable_icc off), else it would be a way around all the others.
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "zone1": ("user", "api-gateway"),
    "zone1-zone2": ("api-gateway", "order-service", "payment-service"),
    "zone2": ("order-service", "payment-service"),
    "zone2-zone3": ("order-service", "payment-service", "data-service"),
    "zone3": ("data-service",),
    "identity": ("identity-provider", "user", "api-gateway", "order-service", "payment-service", "data-service"),
}
PODS = tuple(dict.fromkeys(pod for members in NETWORKS.values() for pod in members))
_SWITCH = "switch"
_CLONE_NEWNET = 0x40000000  # setns(2)
_T = TypeVar("_T")


class Networks:
    """`with Networks() as networks:`; every namespace is gone afterwards, with all that was in it."""

    def __init__(self) -> None:
        self._prefix = f"authz-{os.getpid()}-"

    def __enter__(self) -> Self:
        try:
            for name in (_SWITCH, *PODS):
                _ip("netns", "add", self.namespace(name))
                self._within(name, "link", "set", "lo", "up")
            for network, members in NETWORKS.items():
                self._make(network, members)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in (*PODS, _SWITCH):
            subprocess.run(["ip", "netns", "del", self.namespace(name)], check=False, capture_output=True)

    def namespace(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def address(self, pod: str, network: str) -> str:
        """198.18.0.0/15 is for tests of networks that lead nowhere (RFC 2544, RFC 6890)."""
        return f"198.18.{list(NETWORKS).index(network) + 1}.{PODS.index(pod) + 10}"

    def addresses(self, pod: str) -> dict[str, str]:
        """By network."""
        return {network: self.address(pod, network) for network, members in NETWORKS.items() if pod in members}

    def inside(self, pod: str, command: list[str]) -> list[str]:
        """The command, to be run in the pod's network."""
        return [shutil.which("nsenter") or "nsenter", f"--net=/run/netns/{self.namespace(pod)}", *command]

    def call(self, pod: str, work: Callable[[], _T]) -> _T:
        """Do the work in a thread whose sockets are in the pod's network."""
        results: list[_T] = []
        errors: list[BaseException] = []

        def enter_and_work() -> None:
            try:
                _enter(Path("/run/netns") / self.namespace(pod))
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
                errors.append(error)

        thread = threading.Thread(target=enter_and_work)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def cut(self, pod: str, network: str) -> None:
        """Pull the cable: the pod's own end stays up and hears nothing."""
        self._within(_SWITCH, "link", "set", self._port(pod, network), "down")

    def heal(self, pod: str, network: str) -> None:
        self._within(_SWITCH, "link", "set", self._port(pod, network), "up")

    def _make(self, network: str, members: tuple[str, ...]) -> None:
        bridge = f"br{list(NETWORKS).index(network)}"
        self._within(_SWITCH, "link", "add", bridge, "type", "bridge")
        self._within(_SWITCH, "link", "set", bridge, "up")
        for pod in members:
            port, own = self._port(pod, network), f"eth{list(NETWORKS).index(network)}"
            _ip("link", "add", own, "netns", self.namespace(pod), "type", "veth", "peer", "name", port, "netns",
                self.namespace(_SWITCH))  # fmt: skip
            self._within(_SWITCH, "link", "set", port, "master", bridge, "up")
            if network == "identity" and pod != "identity-provider":
                self._within(_SWITCH, "link", "set", port, "type", "bridge_slave", "isolated", "on")
            self._within(pod, "addr", "add", f"{self.address(pod, network)}/24", "dev", own)
            self._within(pod, "link", "set", own, "up")

    def _port(self, pod: str, network: str) -> str:
        return f"p{PODS.index(pod)}n{list(NETWORKS).index(network)}"

    def _within(self, name: str, *words: str) -> None:
        _ip("-n", self.namespace(name), *words)


def _enter(namespace: Path) -> None:
    """For the calling thread only."""
    with namespace.open("rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()} (needs root and iproute2)")
