"""The control plane's connections to identity providers, one client for each way to connect. Not what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from authz_service.http_client import HttpClient

# Whom a connection trusts, what it shows, whether it exchanges users' tokens (those may be many, and shall be in
# nobody's way), and how long an answer may take.
_Place = tuple[Path | None, tuple[Path, Path] | None, bool, float]


class HttpClients:
    def __init__(self) -> None:
        self.hosts: dict[str, str] = {}
        self._clients: dict[_Place, HttpClient] = {}

    def to(
        self,
        ca_file: Path | None,
        client_pair: tuple[Path, Path] | None = None,
        *,
        exchanges: bool = False,
        timeout: float = 5.0,
    ) -> HttpClient:
        place = (ca_file, client_pair, exchanges, timeout)
        if place not in self._clients:
            self._clients[place] = HttpClient(self.hosts, ca_file, timeout, client_pair)
        return self._clients[place]

    async def use(self, hosts: Mapping[str, str]) -> None:
        """From now on. Who has a client of before must have given it back."""
        await self.aclose()
        self.hosts = dict(hosts)

    async def aclose(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()
