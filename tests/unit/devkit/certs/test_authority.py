import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.unit.devkit.certs.handshake import handshake, write_ca, write_pair

from authz_devkit.certs.authority import Authority, KeyPair, Request, client_request, server_request

HOST = "order-service.zone2.local"


def test_a_ca_signs_leaves_and_lists_and_nothing_deeper(now: datetime) -> None:
    """Path length 0 and only the two signing usages."""
    certificate = Authority.create("zone2-CA", now=now).certificate

    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)
    assert certificate.not_valid_after_utc - now > timedelta(days=4 * 365)


def test_a_client_certificate_names_the_service_twice_over(now: datetime) -> None:
    """CN `<service>-client` with the organisation, and a SPIFFE name of the caller's own zone; client use only."""
    request = client_request("order-service", "zone2", now=now)
    certificate = Authority.create("zone3-CA", now=now).issue(request).certificate

    extensions = certificate.extensions
    assert certificate.subject.rfc4514_string() == "O=MyOrg,CN=order-service-client"
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["spiffe://mesh/zone2/order-service"]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_leaf_points_at_its_ca_and_starts_in_the_past(now: datetime) -> None:
    authority = Authority.create("zone2-CA", now=now)
    certificate = authority.issue(server_request(HOST, now=now)).certificate

    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    theirs = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert theirs.key_identifier == own.digest
    assert certificate.not_valid_before_utc <= now - timedelta(minutes=4)
    assert timedelta(days=6) < certificate.not_valid_after_utc - now <= timedelta(days=7)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


Change = Callable[[Request, datetime], Request]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda request, _: replace(request, usages=(ExtendedKeyUsageOID.SERVER_AUTH,)), "unsuitable|purpose"),
        (lambda request, now: replace(request, not_after=now - timedelta(minutes=1)), "expired"),
        (lambda request, now: replace(request, not_before=now + timedelta(hours=1)), "not yet valid"),
    ],
)
def test_one_wrong_thing_in_a_client_certificate_fails_the_handshake(
    tmp_path: Path, now: datetime, change: Change, refusal: str
) -> None:
    """The good one passes; what tests spoil on purpose is wrong in TLS's eyes too, each for its own reason."""
    authority = Authority.create("zone2-CA", now=now)
    good = client_request("api-gateway", "zone1", now=now)

    _shake(tmp_path, authority, authority.issue(good))
    with pytest.raises(ssl.SSLError, match=refusal):
        _shake(tmp_path, authority, authority.issue(change(good, now)))


def test_a_namesake_of_the_ca_is_a_stranger(tmp_path: Path, now: datetime) -> None:
    authority, namesake = Authority.create("zone2-CA", now=now), Authority.create("zone2-CA", now=now)

    with pytest.raises(ssl.SSLError, match=r"unable to get|signature failure"):
        _shake(tmp_path, authority, namesake.issue(client_request("api-gateway", "zone1", now=now)))


def test_a_server_is_known_by_its_name_and_by_no_other(tmp_path: Path, now: datetime) -> None:
    authority = Authority.create("zone2-CA", now=now)
    server = write_pair(tmp_path, "server", authority.issue(server_request(HOST, now=now, ips=["127.9.2.1"])))
    client = write_pair(tmp_path, "client", authority.issue(client_request("api-gateway", "zone1", now=now)))
    trusted = write_ca(tmp_path, "ca", authority)

    for host in (HOST, "127.9.2.1"):
        handshake(server=server, client=client, trusted=trusted, host=host)
    for host in ("payment-service.zone2.local", "127.9.2.2"):
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            handshake(server=server, client=client, trusted=trusted, host=host)


def _shake(folder: Path, authority: Authority, client: KeyPair) -> None:
    server = authority.issue(server_request(HOST, now=authority.certificate.not_valid_before_utc))
    handshake(
        server=write_pair(folder, "server", server),
        client=write_pair(folder, "client", client),
        trusted=write_ca(folder, "ca", authority),
        host=HOST,
    )
