"""How our egress proves itself to either provider: secret, signed JWT, certificate; what a bound token is worth."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey
from tests.support.changed_clients import ChangedProvider, changed_clients
from tests.support.live import Json, Live, decoded
from tests.support.lone_config import TARGET
from tests.support.lone_sidecar import REMOVED, LoneSidecar, until
from tests.support.patience import PATIENCE
from tests.support.target_service import target_service

from authz_devkit.certs.authority import client_request
from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key, load_authority
from authz_devkit.demo.caller import POD
from authz_service.credentials.oauth2 import Token, TokenRequest, fetch_token
from authz_service.domain.refusals import Reason
from authz_service.domain.secret import Secret
from authz_service.errors import FetchError
from authz_service.http_client import HttpClient

StartSidecar = Callable[..., LoneSidecar]
AUTH = "egress.targets.data-service.auth"
REQUEST = TokenRequest("", "order-service", Secret(""), ("data-service:read",))
STOCK = "/data/inventory/PROD-123"


@pytest.fixture
def provider(mesh: Live) -> Iterator[ChangedProvider]:
    with changed_clients(mesh) as found:
        yield found


@pytest.fixture
def data_service(mesh: Live) -> tuple[str, int]:
    """The ingress of the mesh's real data service."""
    return (mesh.mesh.address(POD["data"]), 8443)


@pytest.mark.parametrize("client_auth", ["client_secret_basic", "client_secret_post"])
def test_by_a_secret(start_sidecar: StartSidecar, data_service: tuple[str, int], client_auth: str) -> None:
    assert (
        start_sidecar({f"{AUTH}.client_auth": client_auth}, target=data_service).call_egress("GET", STOCK).status == 200
    )


@pytest.mark.parametrize("kind", ["ES256", "RS256"])
def test_by_a_signed_jwt(
    start_sidecar: StartSidecar,
    mesh: Live,
    data_service: tuple[str, int],
    provider: ChangedProvider,
    tmp_path: Path,
    *,
    kind: str,
) -> None:
    """With the key that the provider knows, and for this realm; another key, or another audience, gets no token."""
    key, other = (a_key(kind) for _ in range(2))
    provider.change(
        "order-service",
        clientAuthenticatorType="client-jwt",
        attributes={"use.jwks.string": "true", "jwks.string": key_set(key, kind)},
    )
    for name, written in (("good", key), ("bad", other)):
        pem = written.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.key").write_bytes(pem)
    by_key = {
        "hosts": at(provider, data_service),
        f"{AUTH}.client_auth": "private_key_jwt",
        f"{AUTH}.client_secret": REMOVED,
        f"{AUTH}.client_key_id": "k1",
    }

    sidecar = start_sidecar({**by_key, f"{AUTH}.client_key_file": str(tmp_path / "good.key")}, target=data_service)
    assert sidecar.call_egress("GET", STOCK).status == 200

    request = replace(REQUEST, client_auth="private_key_jwt", assertion_key_id="k1")
    for audience in ("", f"{mesh.mesh.identity_url}/realms/services"):
        good = replace(request, assertion_key_file=tmp_path / "good.key", assertion_audience=audience)
        assert mesh.run(asked(mesh, provider, good)).lifetime == pytest.approx(300, abs=5)
    for wrong in (
        replace(request, assertion_key_file=tmp_path / "bad.key"),
        replace(request, assertion_key_file=tmp_path / "good.key", assertion_audience="https://elsewhere.example"),
    ):
        with pytest.raises(FetchError, match="invalid_client"):
            mesh.run(asked(mesh, provider, wrong))


def test_by_a_certificate_to_which_the_token_is_bound(
    start_sidecar: StartSidecar, mesh: Live, data_service: tuple[str, int], provider: ChangedProvider
) -> None:
    """RFC 8705, from end to end: `cnf` names the certificate of zone 3 that our egress shows, to the provider and the
    target. A thief with another certificate of the same name gets nowhere with that token.
    """
    bind(mesh, provider)
    changes = {
        "hosts": at(provider, data_service),
        f"{AUTH}.client_auth": "tls_client_auth",
        f"{AUTH}.client_secret": REMOVED,
    }
    sidecar = start_sidecar(changes, target=data_service)

    assert sidecar.call_egress("GET", STOCK).status == 200

    token = token_of(sidecar, mesh, provider)
    assert decoded(token)[1]["cnf"] == bound_to(leaf_cert(mesh.mesh.certs, "order-service/client-zone3"))
    own = mesh.call(POD["data"], "GET", "/inventory/PROD-123", certificate="order-zone3", token=token)
    assert own.status == 200
    mesh.caller.certificates["order-twin"] = a_twin(mesh)
    twin = mesh.call(POD["data"], "GET", "/inventory/PROD-123", certificate="order-twin", token=token)
    assert (twin.status, twin.reason) == (401, Reason.TOKEN_BINDING_MISMATCH)
    free = mesh.call(POD["data"], "GET", "/inventory/PROD-123", certificate="order-twin", token=UNBOUND[0])
    assert free.status == 200


def test_a_renewed_certificate_brings_a_token_that_is_bound_to_it(
    start_sidecar: StartSidecar, mesh: Live, data_service: tuple[str, int], provider: ChangedProvider
) -> None:
    """Token and connection: nobody waits for the end of those in hand, which do not fit the new ones."""
    bind(mesh, provider)
    changes = {
        "hosts": at(provider, data_service),
        f"{AUTH}.client_auth": "tls_client_auth",
        f"{AUTH}.client_secret": REMOVED,
    }
    sidecar = start_sidecar(changes, target=data_service, own_certs=True)
    assert sidecar.call_egress("GET", STOCK).status == 200
    pair = tuple(of_leaf(sidecar.certs, "order-service/client-zone3") for of_leaf in (leaf_cert, leaf_key))

    rotate_leaf(sidecar.certs, "order-service/client-zone3", now=datetime.now(UTC))
    until(lambda: "certificates_reloaded" in sidecar.log)

    until(lambda: sidecar.call_egress("GET", STOCK).status == 200)
    until(lambda: decoded(token_of(sidecar, mesh, provider))[1]["cnf"] == bound_to(pair[0]))
    mesh.caller.certificates["order-renewed"] = (pair[0], pair[1])
    token = token_of(sidecar, mesh, provider)
    answers = {
        name: mesh.call(POD["data"], "GET", "/inventory/PROD-123", certificate=name, token=token)
        for name in ("order-renewed", "order-zone3")
    }
    assert answers["order-renewed"].status == 200
    assert answers["order-zone3"].reason == Reason.TOKEN_BINDING_MISMATCH


def test_another_certificate_is_no_proof(mesh: Live, provider: ChangedProvider) -> None:
    """Payment's, of the same CA, does not make it the order service; nor does none."""
    bind(mesh, provider)

    def of(service: str) -> TokenRequest:
        pair = tuple(of_leaf(mesh.mesh.certs, f"{service}/client-zone3") for of_leaf in (leaf_cert, leaf_key))
        return replace(REQUEST, client_auth="tls_client_auth", client_pair=(pair[0], pair[1]))

    assert mesh.run(asked(mesh, provider, of("order-service"))).lifetime == pytest.approx(300, abs=5)
    for wrong in (of("payment-service"), replace(REQUEST, client_auth="tls_client_auth")):
        with pytest.raises(FetchError, match="invalid_client"):
            mesh.run(asked(mesh, provider, wrong))


UNBOUND: list[str] = []


@pytest.fixture(autouse=True)
def unbound_token(mesh: Live) -> None:
    """An order-service token from before any change."""
    if not UNBOUND:
        UNBOUND.append(mesh.service("order-service"))


def at(provider: ChangedProvider, data_service: tuple[str, int]) -> Json:
    """The `hosts` of a sidecar which gets its tokens there."""
    return {**provider.hosts, TARGET: data_service[0]}


def bind(live: Live, provider: ChangedProvider) -> None:
    """To the certificate's subject and to its CA, for Keycloak trusts the public CAs too."""
    own = certificate(live, "order-service/client-zone3")
    provider.change(
        "order-service",
        clientAuthenticatorType="client-x509",
        attributes={
            "x509.subjectdn": own.subject.rfc4514_string(),
            "x509.casubjectdn": own.issuer.rfc4514_string(),
            "x509.allow.regex.pattern.comparison": "false",
            "tls.client.certificate.bound.access.tokens": "true",
        },
    )


def bound_to(file: Path) -> Json:
    """`cnf` (RFC 8705 §3.1)."""
    der = x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER)
    return {"x5t#S256": base64.urlsafe_b64encode(sha256(der).digest()).rstrip(b"=").decode()}


def certificate(live: Live, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf_cert(live.mesh.certs, name).read_bytes())


async def asked(live: Live, provider: ChangedProvider, request: TokenRequest) -> Token:
    """By the product's own client, without a sidecar. Raises FetchError."""
    url = f"{live.mesh.identity_url}/realms/services/protocol/openid-connect/token"
    ca_file = ca_bundle(live.mesh.certs, "identity")
    http = HttpClient(provider.hosts, ca_file, timeout=PATIENCE, client_pair=request.client_pair)
    try:
        return await fetch_token(http.post_form, replace(request, token_url=url), time.time)
    finally:
        await http.aclose()


def token_of(sidecar: LoneSidecar, live: Live, provider: ChangedProvider) -> str:
    """The token that the egress sends: seen by a target of our own."""
    with target_service(live) as target:
        hosts = at(provider, (target.host, 9443))
        url = "https://data-service.zone3.local:9443"
        sidecar.write_config({"hosts": hosts, "egress.targets.data-service.url": url})
        until(lambda: sidecar.call_egress("GET", STOCK).status and target.seen)
        [value] = target.seen[-1].values("authorization")
    return value.removeprefix("Bearer ")


def a_twin(live: Live) -> tuple[Path, Path]:
    """A second certificate of the order service, as good as the first."""
    pair = load_authority(live.mesh.certs, "zone3").issue(
        client_request("order-service", "zone2", now=datetime.now(UTC))
    )
    cert, key = live.mesh.folder / "state" / "twin.crt", live.mesh.folder / "state" / "twin.key"
    cert.write_bytes(pair.cert_pem)
    key.write_bytes(pair.key_pem)
    return cert, key


def a_key(kind: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ES256" else rsa.generate_private_key(65537, 2048)


def key_set(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kind: str) -> str:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    jwk = (ECKey if kind == "ES256" else RSAKey).import_key(pem)
    public: Json = {**jwk.as_dict(private=False), "kid": "k1", "use": "sig", "alg": kind}
    return json.dumps({"keys": [public]})
