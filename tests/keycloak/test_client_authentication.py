"""How our egress proves itself to Keycloak: by secret, signed JWT, certificate; and what a bound token is worth."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey
from tests.keycloak.conftest import ChangeClient
from tests.support.echo_service import EchoService, tls_server
from tests.support.live import Json, Live, decoded
from tests.support.lone_sidecar import REMOVED, LoneSidecar, until

from authz_devkit.certs.authority import client_request
from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key, load_authority
from authz_devkit.demo.caller import POD
from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]
AUTH = "egress.targets.data-service.auth"
STOCK = "/data/inventory/PROD-123"


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
    start_sidecar: StartSidecar, data_service: tuple[str, int], change_client: ChangeClient, tmp_path: Path, kind: str
) -> None:
    """With the key that Keycloak knows; another key gets no token, and nothing leaves."""
    key, other = (a_key(kind) for _ in range(2))
    change_client(
        "order-service",
        clientAuthenticatorType="client-jwt",
        attributes={"use.jwks.string": "true", "jwks.string": key_set(key, kind)},
    )
    for name, written in (("good", key), ("bad", other)):
        pem = written.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.key").write_bytes(pem)
        (tmp_path / f"{name}.key").chmod(0o600)
    changes = {
        f"{AUTH}.client_auth": "private_key_jwt",
        f"{AUTH}.client_secret": REMOVED,
        f"{AUTH}.client_key_id": "k1",
    }

    good = start_sidecar({**changes, f"{AUTH}.client_key_file": str(tmp_path / "good.key")}, target=data_service)
    assert good.call_egress("GET", STOCK).status == 200

    bad = start_sidecar({**changes, f"{AUTH}.client_key_file": str(tmp_path / "bad.key")}, target=data_service)
    assert bad.call_egress("GET", STOCK).problem["reason"] == Reason.EGRESS_TOKEN_UNAVAILABLE
    assert "secret, key or certificate" in str(bad.readyz()["degraded"])


def test_by_a_certificate_to_which_the_token_is_bound(
    start_sidecar: StartSidecar, mesh: Live, data_service: tuple[str, int], change_client: ChangeClient
) -> None:
    """RFC 8705, from end to end: `cnf` names the certificate of zone 3 that our egress shows, to Keycloak and to the
    target. A thief with another certificate of the same name gets nowhere with that token.
    """
    bind(change_client)
    changes = {f"{AUTH}.client_auth": "tls_client_auth", f"{AUTH}.client_secret": REMOVED}
    sidecar = start_sidecar(changes, target=data_service)

    assert sidecar.call_egress("GET", STOCK).status == 200

    token = token_of(sidecar, mesh)
    shown = x509.load_pem_x509_certificate(leaf_cert(mesh.mesh.certs, "order-service/client-zone3").read_bytes())
    digest = sha256(shown.public_bytes(Encoding.DER)).digest()
    assert decoded(token)[1]["cnf"] == {"x5t#S256": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}
    own = mesh.call(POD["data"], "GET", "/inventory/PROD-123", certificate="order-zone3", token=token)
    assert own.status == 200
    mesh.caller.certificates["order-twin"] = a_twin(mesh)
    twin = mesh.call(POD["data"], "GET", "/inventory/PROD-123", certificate="order-twin", token=token)
    assert (twin.status, twin.reason) == (401, Reason.TOKEN_BINDING_MISMATCH)
    free = mesh.call(POD["data"], "GET", "/inventory/PROD-123", certificate="order-twin", token=UNBOUND[0])
    assert free.status == 200


def test_a_renewed_certificate_brings_a_token_that_is_bound_to_it(
    start_sidecar: StartSidecar, mesh: Live, data_service: tuple[str, int], change_client: ChangeClient
) -> None:
    """The token in hand, bound to the certificate before, would be refused; nobody waits for its end."""
    bind(change_client)
    changes = {f"{AUTH}.client_auth": "tls_client_auth", f"{AUTH}.client_secret": REMOVED}
    sidecar = start_sidecar(changes, target=data_service, own_certs=True)
    assert sidecar.call_egress("GET", STOCK).status == 200

    rotate_leaf(sidecar.certs, "order-service/client-zone3", now=datetime.now(UTC))

    until(lambda: "certificates_reloaded" in sidecar.log)
    until(lambda: sidecar.call_egress("GET", STOCK).status == 200)


def test_another_certificate_is_no_proof(
    start_sidecar: StartSidecar, mesh: Live, data_service: tuple[str, int], change_client: ChangeClient
) -> None:
    """Payment's certificate, of the same CA, does not make it the order service."""
    bind(change_client)
    certs, tls = mesh.mesh.certs, "egress.targets.data-service.tls"
    changes = {
        f"{AUTH}.client_auth": "tls_client_auth",
        f"{AUTH}.client_secret": REMOVED,
        f"{tls}.client_cert": str(leaf_cert(certs, "payment-service/client-zone3")),
        f"{tls}.client_key": str(leaf_key(certs, "payment-service/client-zone3")),
    }

    refused = start_sidecar(changes, target=data_service).call_egress("GET", STOCK)

    assert refused.problem["reason"] == Reason.EGRESS_TOKEN_UNAVAILABLE


UNBOUND: list[str] = []


@pytest.fixture(autouse=True)
def unbound_token(mesh: Live) -> None:
    """An order-service token from before any change."""
    if not UNBOUND:
        UNBOUND.append(mesh.service("order-service"))


def bind(change_client: ChangeClient) -> None:
    change_client(
        "order-service",
        clientAuthenticatorType="client-x509",
        attributes={
            "x509.subjectdn": "CN=order-service-client,O=MyOrg",
            "tls.client.certificate.bound.access.tokens": "true",
        },
    )


def token_of(sidecar: LoneSidecar, live: Live) -> str:
    """The token that the egress sends: seen by a target of our own."""
    certs = live.mesh.certs
    tls = tls_server(
        leaf_cert(certs, "data-service/server"), leaf_key(certs, "data-service/server"), ca_bundle(certs, "zone3")
    )
    with EchoService(live.free_address(), 9443, tls) as target:
        hosts = {**live.mesh.hosts, "data-service.zone3.local": target.host}
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
