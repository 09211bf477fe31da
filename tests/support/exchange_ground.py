"""An identity provider with the realm `exchange` (tests/support/realms), on a line that can be cut; the same on `--idp`
of either kind.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.live import Live
from tests.support.lone_sidecar import TARGET, LoneSidecar
from tests.support.neighbours import ask
from tests.support.private_idp import PrivateIdp

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key
from authz_devkit.demo.identity import IdentityProvider
from authz_devkit.demo.mesh import IDENTITY_PROVIDER
from authz_devkit.keycloak.admin import Admin

REALM = Path(__file__).parent / "realms" / "exchange-realm.json"
AUTH = "egress.targets.data-service.auth"
ANN, BOB = "ann", "bob"
IDS = {ANN: "1c7c9d4e-7f52-4d7e-9a8b-0d0b1c1e2f11", BOB: "1c7c9d4e-7f52-4d7e-9a8b-0d0b1c1e2f12"}


class ExchangeGround:
    def __init__(self, live: Live) -> None:
        self.live = live
        self._stack = ExitStack()
        self._address = live.free_address()

    def __enter__(self) -> Self:
        live = self.live
        if live.mesh.identity is IdentityProvider.KEYCLOAK:
            import_realm(live, REALM)
            behind = live.mesh.identity_address
        else:
            idp = PrivateIdp(live)
            shutil.copy(REALM, idp.folder)
            behind = self._stack.enter_context(idp).address
        self._proxy = self._stack.enter_context(FaultProxy((self._address, 8443), to=(behind, 8443)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def switch(self, fault: Fault) -> None:
        """Between the sidecars and the provider."""
        self._proxy.switch(fault)

    @property
    def issuer(self) -> str:
        return f"{self.live.mesh.identity_url}/realms/exchange"

    @property
    def hosts(self) -> dict[str, str]:
        return {**self.live.mesh.hosts, IDENTITY_PROVIDER: self._address}

    def user(self, name: str) -> str:
        """A new access token of the web application."""
        form = {"grant_type": "password", "client_id": "web-app", "username": name, "password": "secret"}
        answer = ask(
            (self._address, 8443), "POST", "/realms/exchange/protocol/openid-connect/token",
            body=urlencode(form).encode(), headers=[("content-type", "application/x-www-form-urlencoded")],
            tls=self.live.identity_tls, host=IDENTITY_PROVIDER,
        )  # fmt: skip
        return str(json.loads(answer.body)["access_token"])

    def caller(self, target: tuple[str, int], **auth: object) -> dict[str, object]:
        """What makes a lone sidecar with an egress the order service of the realm. `auth` changes its keys."""
        whole = {
            "type": "oauth2_token_exchange",
            "token_url": f"{self.issuer}/protocol/openid-connect/token",
            "client_id": "order-service",
            "client_secret": "order-service-secret",
            "audience": "data-service",
            "ca_file": str(ca_bundle(self.live.mesh.certs, "identity")),
            **auth,
        }
        return {"hosts": {**self.hosts, TARGET: target[0]}, "jwt.issuer": self.issuer, AUTH: whole}

    def target(self) -> Mapping[str, object]:
        """What makes a lone sidecar the data service of the realm."""
        certs = self.live.mesh.certs
        return {
            "service": {"name": "data-service", "zone": "zone3"},
            "hosts": self.hosts,
            "http.tls.cert_file": str(leaf_cert(certs, "data-service/server")),
            "http.tls.key_file": str(leaf_key(certs, "data-service/server")),
            "http.tls.client_ca_file": str(ca_bundle(certs, "zone3")),
            "jwt.issuer": self.issuer,
            "jwt.audience": "data-service",
            "proxy.mtls.allowed_clients": ["CN=order-service-client,O=MyOrg"],
        }


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def exchanges(sidecar: LoneSidecar, result: str) -> float:
    return sidecar.metric(f'authz_token_exchanges_total{{result="{result}",target="data-service"}}')


def import_realm(live: Live, file: Path) -> None:
    """Into Keycloak, once: it has one for all tests."""
    document = json.loads(file.read_text())

    async def add(admin: Admin) -> None:
        if document["realm"] not in {realm["realm"] for realm in await admin.call("GET", "")}:
            await admin.call("POST", "", document)

    live.administer(add)
