"""Calls the mesh as anybody might: with any certificate, any token, any method, from any place. Expects nothing."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.util import json_b64decode, json_b64encode

from authz_devkit.certs.authority import Authority, client_request
from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key, load_authority
from authz_devkit.demo.identity import signing_keys_file
from authz_devkit.demo.mesh import PODS, Mesh, MeshError, Pod, at_address

PASSWORD = "secret"  # noqa: S105 - every user of the example realm has it
SERVICE_SECRETS = {
    "api-gateway": "gateway-secret",
    "order-service": "order-service-secret",
    "payment-service": "payment-service-secret",
}
POD = {pod.name.removesuffix("-service").removeprefix("api-"): pod for pod in PODS}  # gateway order payment data


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status with its reason, or a refused handshake."""

    status: int  # 0: no HTTP answer
    reason: str  # the problem body's `reason`, "tls_refused", "connection_failed"; "": a service has answered
    body: Any  # JSON, or text
    headers: httpx.Headers
    seconds: float


@dataclass
class Caller:
    """One per mesh; keeps connections per certificate."""

    mesh: Mesh
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def call(  # noqa: PLR0913 - a request has many parts
        self,
        pod: Pod,
        method: str,
        path: str,
        *,
        certificate: str = "none",
        token: str | None = None,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request to a pod's ingress. `certificate` is a name of `certificates()`."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        client = self._client(certificate)
        request = client.build_request(method, f"https://{pod.host}:8443{path}", headers=sent, json=body)
        started = time.perf_counter()
        try:
            answer = await client.send(at_address(request, self.mesh.hosts))
        except httpx.TransportError as error:
            reason = "tls_refused" if "alert" in str(error).lower() else "connection_failed"
            return Answer(0, reason, str(error), httpx.Headers(), time.perf_counter() - started)
        return _answer(answer, time.perf_counter() - started)

    def _client(self, certificate: str) -> httpx.AsyncClient:
        if certificate not in self._clients:
            trust = ssl.create_default_context()
            for zone in ("zone1", "zone2", "zone3"):
                trust.load_verify_locations(ca_bundle(self.mesh.certs, zone))
            files = self.certificates[certificate]
            if files is not None:
                trust.load_cert_chain(*files)
            # In TLS 1.2 a refused certificate ends the handshake with an alert; in 1.3 a reset may overtake the alert,
            # and nobody could tell it from a broken server. What is refused is the same.
            trust.maximum_version = ssl.TLSVersion.TLSv1_2
            # Above the sidecars' 15 s, so that their answer is the one that arrives.
            self._clients[certificate] = httpx.AsyncClient(verify=trust, timeout=20, trust_env=False)
        return self._clients[certificate]

    @cached_property
    def certificates(self) -> dict[str, tuple[Path, Path] | None]:
        """Every certificate that the security matrix names, as files."""
        root = self.mesh.certs
        own = {
            "gateway-zone2": "gateway/client-zone2",
            "order-zone3": "order-service/client-zone3",
            "payment-zone3": "payment-service/client-zone3",
        }
        files: dict[str, tuple[Path, Path] | None] = {"none": None}
        files |= {name: (leaf_cert(root, place), leaf_key(root, place)) for name, place in own.items()}
        now = datetime.now(UTC)
        good = client_request("order-service", "zone2", now=now)
        files["rogue-ca"] = self._store("rogue-ca", Authority.create("zone3-CA", now=now), good)
        past = replace(good, not_before=now - timedelta(days=2), not_after=now - timedelta(days=1))
        files["expired"] = self._store("expired", load_authority(root, "zone3"), past)
        return files

    def _store(self, name: str, authority: Authority, request: Any) -> tuple[Path, Path]:
        pair = authority.issue(request)
        folder = self.mesh.folder / "state" / "strangers"
        folder.mkdir(mode=0o700, exist_ok=True)
        cert, key = folder / f"{name}.crt", folder / f"{name}.key"
        cert.write_bytes(pair.cert_pem)
        key.write_bytes(pair.key_pem)
        key.chmod(0o600)
        return cert, key


def _answer(answer: httpx.Response, seconds: float) -> Answer:
    try:
        body = answer.json()
    except ValueError:
        body = answer.text
    reason = body.get("reason", "") if isinstance(body, dict) and answer.status_code >= 400 else ""
    return Answer(answer.status_code, str(reason), body, answer.headers, seconds)


@dataclass
class Tokens:
    """Tokens of the mesh's identity provider, real ones, and what a thief makes of them."""

    mesh: Mesh

    async def user(self, name: str) -> str:
        """The password grant of `web-app`."""
        form = {"grant_type": "password", "client_id": "web-app", "username": name, "password": PASSWORD}
        return await self._fetch("users", form)

    async def service(self, client_id: str, scope: str = "") -> str:
        """The client-credentials grant of a service."""
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": SERVICE_SECRETS[client_id]}
        return await self._fetch("services", form | ({"scope": scope} if scope else {}))

    async def _fetch(self, realm: str, form: dict[str, str]) -> str:
        async with self.mesh.client() as client:
            url = f"{self.mesh.identity_url}/realms/{realm}/protocol/openid-connect/token"
            answer = await client.send(at_address(client.build_request("POST", url, data=form), self.mesh.hosts))
        if answer.status_code != httpx.codes.OK:
            raise MeshError(f"no token for {form}: {answer.status_code} {answer.text}")
        return str(answer.json()["access_token"])

    @staticmethod
    def tampered(token: str) -> str:
        """The same token for somebody else: one claim changed, the signature kept."""
        head, payload, signature = token.split(".")
        claims = json_b64decode(payload.encode())
        claims["sub"] = "somebody-else"
        forged = json_b64encode(claims).decode()
        return f"{head}.{forged}.{signature}"

    def expired(self, token: str, realm: str) -> str:
        """The same claims with a true signature of the realm's own key, an hour too late."""
        head, payload, _ = token.split(".")
        header, claims = json_b64decode(head.encode()), json_b64decode(payload.encode())
        claims |= {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600}
        return jwt.encode(header, claims, self._signing_keys(realm))

    def _signing_keys(self, realm: str) -> KeySet:
        state = json.loads(signing_keys_file(self.mesh.folder).read_text())
        return KeySet.import_key_set({"keys": state[realm]["keys"]})
