"""One rule for keys and signatures: what check takes can connect, and what it does not take cannot (ASVS 11.6)."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests.support.certificates import Authority, Key, Leaf
from tests.support.envoy_pair import EDGE, ORDERS, EnvoyPair
from tests.support.neighbours import ask
from tests.support.patience import PATIENCE
from tests.support.real_envoy import RealEnvoy

from authz_service.credentials.certificates import parse_key_pair
from authz_service.envoy import secrets
from authz_service.errors import CertificateProblems
from authz_service.trust.ca_bundles import parse_ca_bundle

KEYS: dict[str, Key] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "RSA 2048": rsa.generate_private_key(65537, 2048),
}
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(params=KEYS)
def key(request: pytest.FixtureRequest) -> Key:
    return KEYS[request.param]


@pytest.fixture
def _as_before(pair: EnvoyPair) -> Iterator[None]:
    before = {envoy: envoy.paths.secret(secrets.SERVER_CERTIFICATE).read_text() for envoy in (pair.edge, pair.orders)}
    yield
    for envoy, text in before.items():
        envoy.change_secret(secrets.SERVER_CERTIFICATE, text)


def serve_with(pair: EnvoyPair, leaf: Leaf, *, edge: bool) -> None:
    chosen = parse_key_pair(leaf.certificate, leaf.key, "server", pair.ca.life.begin + 1)
    text = secrets.tls_certificate_secret(secrets.SERVER_CERTIFICATE, chosen.chain_pem, chosen.key_pem.reveal())
    (pair.edge if edge else pair.orders).change_secret(secrets.SERVER_CERTIFICATE, text)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_caller_with_a_good_key_gets_in(pair: EnvoyPair, key: Key, version: ssl.TLSVersion) -> None:
    tls = pair.client_tls(pair.ca.issue("caller-client", key=key))
    tls.minimum_version = tls.maximum_version = version

    assert ask(EDGE, "GET", "/api", tls=tls).status == 200


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_our_own_good_key_is_taken(pair: EnvoyPair, key: Key, version: ssl.TLSVersion) -> None:
    """By OpenSSL as the client; by the egress of another sidecar, which speaks TLS 1.3 to this target."""
    serve_with(pair, pair.ca.issue("edge.test", dns=("edge.test",), key=key), edge=True)
    serve_with(pair, pair.ca.issue("orders.test", dns=("orders.test",), key=key), edge=False)
    tls = pair.client_tls(pair.caller)
    tls.minimum_version = tls.maximum_version = version

    assert ask(EDGE, "GET", "/api", tls=tls).status == 200
    assert pair.call_egress("/orders/x").status == 200


@pytest.fixture(params=["P-224", "SHA-224"])
def weak(pair: EnvoyPair, request: pytest.FixtureRequest) -> Authority:
    """Signed by the zone's root, and refused in a file of ours."""
    key = ec.generate_private_key(ec.SECP224R1()) if request.param == "P-224" else None
    digest = hashes.SHA224() if request.param == "SHA-224" else None
    weak = Authority("weak-issuing", pair.ca.life, pair.ca, key=key, digest=digest)
    with pytest.raises(CertificateProblems, match=r"weak or unusual"):
        parse_ca_bundle(pair.ca.pem + weak.pem, pair.ca.life.begin + 1)
    return weak


@contextmanager
def trusting(envoy: RealEnvoy, name: str, pem: str) -> Iterator[None]:
    before = envoy.paths.secret(name).read_text()
    envoy.change_secret(name, secrets.validation_context_secret(name, pem))
    try:
        yield
    finally:
        envoy.change_secret(name, before)


def test_a_weak_link_that_a_caller_brings_along(pair: EnvoyPair, weak: Authority) -> None:
    """A limit of Envoy's, and the way around it (docs/security.md): it takes what a trusted root has signed, however
    weakly, and shows the gate the leaf alone. Where an issuing CA is trusted in place of its root, only that counts.
    """
    strong = Authority("issuing", pair.ca.life, pair.ca)

    def gets_in(link: Authority) -> bool:
        leaf = link.issue("caller-client")
        leaf = leaf._replace(certificate=leaf.certificate + link.pem)
        try:
            return ask(ORDERS, "GET", "/api", tls=pair.client_tls(leaf)).status == 200
        except (ssl.SSLError, ConnectionError):
            return False

    assert gets_in(strong)
    assert gets_in(weak)
    with trusting(pair.orders, secrets.CLIENT_CA, parse_ca_bundle(strong.pem, pair.ca.life.begin + 1).pem):
        assert gets_in(strong)
        assert not gets_in(weak)


@pytest.mark.parametrize("group", ["prime256v1", "secp384r1", "secp521r1", "X25519"])
def test_every_usual_group_will_do(pair: EnvoyPair, group: str) -> None:
    tls = pair.client_tls(pair.caller)
    tls.set_ecdh_curve(group)

    assert ask(ORDERS, "GET", "/api", tls=tls).status == 200


SHA1, SHA256 = [0x0203, 0x0201], [0x0403, 0x0401]  # ECDSA and RSA (RFC 5246 §7.4.1.4.1, RFC 8446 §4.2.3)


@pytest.mark.parametrize(("offered", "answered"), [(SHA256, True), (SHA1 + SHA256, True), (SHA1, False)])
def test_nothing_is_signed_with_sha1(pair: EnvoyPair, offered: list[int], answered: bool) -> None:
    """A client of TLS 1.2 that takes nothing else gets an alert; by default it got its signature."""
    with socket.create_connection(EDGE, timeout=PATIENCE) as connection:
        connection.sendall(_client_hello(offered))
        answer = connection.recv(4096)

    assert (answer[0] == 0x16) is answered  # a handshake message, or an alert (0x15)
    if answered:
        assert _accepted(answer).isdisjoint(SHA1)


def _client_hello(signatures: list[int]) -> bytes:
    """Of TLS 1.2 (RFC 5246 §7.4.1.2), as small as may be."""

    def extension(number: int, content: bytes) -> bytes:
        return struct.pack(">HH", number, len(content)) + content

    def listed(numbers: list[int]) -> bytes:
        return struct.pack(f">H{len(numbers)}H", 2 * len(numbers), *numbers)

    extensions = extension(10, listed([23, 29])) + extension(11, b"\1\0") + extension(13, listed(signatures))
    ciphers = listed([0xC02B, 0xC02F])
    body = b"\3\3" + bytes(32) + b"\0" + ciphers + b"\1\0" + struct.pack(">H", len(extensions)) + extensions
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + struct.pack(">H", len(message)) + message


def _accepted(answer: bytes) -> set[int]:
    """What the server takes from clients: the list in its CertificateRequest (RFC 5246 §7.4.4)."""
    records = b""
    while answer:
        size = int.from_bytes(answer[3:5], "big")
        records, answer = records + answer[5 : 5 + size], answer[5 + size :]
    while records:
        kind, size = records[0], int.from_bytes(records[1:4], "big")
        body, records = records[4 : 4 + size], records[4 + size :]
        if kind == 13:
            start = 1 + body[0]
            count = int.from_bytes(body[start : start + 2], "big")
            return set(struct.unpack(f">{count // 2}H", body[start + 2 : start + 2 + count]))
    raise AssertionError("no certificate is asked for")
