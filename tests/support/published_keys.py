"""An identity provider that publishes the key sets of a test's own, over real TLS, for a live ingress to fetch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.certificates import SERVER, Authority
from tests.support.faulty_server import Answer, FaultyServer
from tests.support.live import Live, short_name

NAME = "idp.example"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class PublishedKeys:
    """`issuers` is issuer name to the text of its key set; `changes` makes a LoneSidecar trust them."""

    def __init__(
        self,
        live: Live,
        issuers: Mapping[str, str],
        *,
        audience: str,
        algorithms: Iterable[str] = ALGORITHMS,
        service_tokens: str = "auto",
    ) -> None:
        address = live.free_address()
        folder = live.mesh.folder / f"keys-{short_name(address)}"
        folder.mkdir()
        authority = Authority.living("idp-ca", time.time())
        ca_file: Path = folder / "idp-ca.crt"
        ca_file.write_bytes(authority.pem)
        leaf = authority.issue(NAME, dns=(NAME,), usages=(SERVER,)).write(folder, "idp")
        self.server = FaultyServer(leaf, address=address)
        trusted = []
        for number, (issuer, keys) in enumerate(issuers.items()):
            self.server.script(f"/{number}", Answer(body=keys.encode()))
            trusted.append(
                {
                    "issuer": issuer,
                    "jwks_url": self.server.url(f"/{number}", host=NAME),
                    "audience": audience,
                    "ca_file": str(ca_file),
                    "algorithms": list(algorithms),
                    "service_tokens": service_tokens,
                }
            )
        self.changes: dict[str, object] = {"jwt": {"issuers": trusted}, "hosts": {NAME: address}}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.go_down()
