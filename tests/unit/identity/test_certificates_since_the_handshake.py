"""A connection outlives its handshake: what is revoked since is refused on its next request (SECURITY T2)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from tests.support.certificates import Authority as AnyAuthority
from tests.support.certificates import Life
from tests.support.revocations import below

from authz_devkit.certs.authority import Authority, KeyPair, client_request
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import ClientRule, PeerRules
from authz_service.identity.certificates import Peers, read_peer

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RULE = ClientRule(attributes=(("CN", "api-gateway-client"),))
AUTHORITY = Authority.create("zone2-CA", now=NOW)
NAMESAKE = Authority.create("zone2-CA", now=NOW)  # the next one, by the same name
LEAF = AUTHORITY.issue(client_request("api-gateway", "zone1", now=NOW))


def envoys_form(pair: KeyPair) -> bytes:
    return quote(pair.cert_pem.decode(), safe="").encode()


def peers(**changed: Any) -> Peers:
    return Peers(msgspec.structs.replace(PeerRules(required=True, allowed=(RULE,)), **changed), NOW.timestamp)


def entry(pair: KeyPair) -> tuple[str, str]:
    peer = read_peer(envoys_form(pair))
    return peer.issuer, f"{peer.serial:x}"


def test_a_revoked_certificate_is_refused_and_its_sister_is_not() -> None:
    """By issuer and serial: the same serial of another authority is another certificate."""
    sister = AUTHORITY.issue(client_request("api-gateway", "zone1", now=NOW))
    gate = peers(revoked=(entry(LEAF),))

    assert gate.require_allowed(envoys_form(sister)).common_name == "api-gateway-client"
    with pytest.raises(Rejected) as refusal:
        gate.require_allowed(envoys_form(LEAF))
    assert refusal.value.reason is Reason.CLIENT_CERT_REVOKED
    issuer, serial = entry(LEAF)
    assert peers(revoked=((f"{issuer},OU=other", serial),)).require_allowed(envoys_form(LEAF))


def test_a_withdrawn_authority_takes_its_clients_with_it() -> None:
    """By signature, not by name: the new authority may be called like the old one."""
    renewed = NAMESAKE.issue(client_request("api-gateway", "zone1", now=NOW))
    gate = peers(withdrawn=(AUTHORITY.cert_pem.decode(),))

    assert gate.require_allowed(envoys_form(renewed)).common_name == "api-gateway-client"
    with pytest.raises(Rejected) as refusal:
        gate.require_allowed(envoys_form(LEAF))
    assert refusal.value.reason is Reason.CLIENT_CERT_REVOKED


def test_without_a_withdrawal_the_same_certificate_passes() -> None:
    """The good twin of both refusals; and a wrong name is still a wrong name."""
    assert peers().require_allowed(envoys_form(LEAF)).common_name == "api-gateway-client"
    stranger = client_request("api-gateway", "zone1", now=NOW)
    mallory = AUTHORITY.issue(replace(stranger, subject=((stranger.subject[0][0], "mallory"),)))
    with pytest.raises(Rejected) as refusal:
        peers().require_allowed(envoys_form(mallory))
    assert refusal.value.reason is Reason.CLIENT_NOT_ALLOWED


def test_a_fingerprint_names_one_certificate() -> None:
    """Its sister by the same authority is not meant."""
    sister = AUTHORITY.issue(client_request("api-gateway", "zone1", now=NOW))
    gate = peers(revoked_fingerprints=(read_peer(envoys_form(LEAF)).fingerprint,))

    assert gate.require_allowed(envoys_form(sister)).common_name == "api-gateway-client"
    with pytest.raises(Rejected) as refusal:
        gate.require_allowed(envoys_form(LEAF))
    assert refusal.value.reason is Reason.CLIENT_CERT_REVOKED


URL = "http://crl.example.com/1.crl"
ROOT = AnyAuthority("root-ca", Life(NOW.timestamp() - 1, NOW.timestamp() + 86_400))


def known(url: str | None = None) -> bytes:
    return quote(below(ROOT, url=url, name="api-gateway-client").certificate.decode(), safe="").encode()


def issuer() -> str:
    return read_peer(known()).issuer


@pytest.mark.parametrize(
    ("listed", "url", "covered"),
    [
        (((issuer(), ()),), None, True),
        (((issuer(), ()),), URL, True),
        (((issuer(), (URL,)),), URL, True),
        (((issuer(), (URL,)),), None, True),
        (((issuer(), ("http://crl.example.com/2.crl",)),), URL, False),
        ((), None, False),
        ((("CN=another", ()),), None, False),
    ],
)
def test_where_the_gate_looks_at_the_lists_they_must_cover_the_certificate(
    listed: tuple[tuple[str, tuple[str, ...]], ...], url: str | None, covered: bool
) -> None:
    """By a list of its own authority, for the place that the certificate names, if it names one."""
    gate = peers(listed=listed)

    if covered:
        assert gate.require_allowed(known(url)).common_name == "api-gateway-client"
        return
    with pytest.raises(Rejected) as refusal:
        gate.require_allowed(known(url))
    assert refusal.value.reason is Reason.CLIENT_CERT_REVOKED


def test_lists_at_which_the_gate_looks_end() -> None:
    """As Envoy refuses everybody then: on open connections too."""
    end = NOW.timestamp() + 60
    clock = [NOW.timestamp()]
    rules = PeerRules(True, (RULE,), listed=((issuer(), ()),), listed_until=end)
    gate = Peers(rules, lambda: clock[0])

    leaf = known()
    assert gate.require_allowed(leaf).common_name == "api-gateway-client"
    clock[0] = end
    with pytest.raises(Rejected) as refusal:
        gate.require_allowed(leaf)
    assert refusal.value.reason is Reason.CLIENT_CERT_REVOKED
