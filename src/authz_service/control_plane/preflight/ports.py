"""Whether the addresses we are to listen on are free: asked before Envoy starts, because it would only say so in its
log.
"""

from __future__ import annotations

import errno
import socket

from authz_service.config.model import Address, Config
from authz_service.errors import ConfigProblems, Problem


def listen_addresses(config: Config) -> dict[str, Address]:
    """Every address of this sidecar, by its place in the configuration."""
    found = {"admin.addr": config.admin.addr}
    if config.admin.network_addr is not None:
        found["admin.network_addr"] = config.admin.network_addr
    if config.proxy.enabled:
        found |= {".".join(map(str, place)): address for place, address in config.ingress_addresses}
    if config.egress.enabled and config.egress.routes and isinstance(config.egress.addr, Address):
        found["egress.addr"] = config.egress.addr
    return found


def require_free(addresses: dict[str, Address]) -> None:
    """Raises ConfigProblems for each address that cannot be bound."""
    problems = [problem for at, address in addresses.items() if (problem := _problem(at, address)) is not None]
    if problems:
        raise ConfigProblems(problems)


def _problem(at: str, address: Address) -> Problem | None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Envoy does: TIME_WAIT is no obstacle
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            fix = {
                errno.EADDRINUSE: "another process listens there, perhaps a second sidecar; stop it or choose another",
                errno.EACCES: "ports below 1024 need a privilege; choose a higher one",
                errno.EADDRNOTAVAIL: "this host does not have the address; choose one that it has",
            }.get(error.errno or 0, "choose another address")
            return Problem(at, f"cannot listen on {address}: {error.strerror}", fix)
    return None
