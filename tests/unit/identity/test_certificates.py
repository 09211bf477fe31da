"""Who a certificate says it is, and who may connect. The hostile certificates are in tests/attacks."""

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509.oid import NameOID
from tests.support.client_certificates import (
    CN,
    DC,
    GATEWAY,
    OU,
    SPIFFE_ID,
    Digest,
    O,
    certificate,
    ec_public_key,
    in_envoys_form,
)
from tests.support.tokens import NOW

from authz_service.domain.decision import NO_PEER
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import ClientRule, PeerRules
from authz_service.identity import certificates as product
from authz_service.identity.certificates import Peers, is_match, parse_client_rule, read_peer

RULE = ClientRule(attributes=(("CN", "api-gateway-client"), ("O", "MyOrg")))
GOOD = in_envoys_form(certificate())


def peers(*allowed: ClientRule, required: bool = True, now: Callable[[], float] = lambda: NOW) -> Peers:
    return Peers(PeerRules(required=required, allowed=allowed or (RULE,)), now)


def reason_of(peers: Peers, pem: bytes) -> Reason:
    with pytest.raises(Rejected) as refusal:
        peers.require_allowed(pem)
    return refusal.value.reason


def test_a_peer_is_what_its_certificate_says() -> None:
    """All of it, as the policy will see it."""
    names = [x509.DNSName("gw.example"), x509.UniformResourceIdentifier(SPIFFE_ID), x509.RFC822Name("a@b")]
    der = certificate([*GATEWAY, (NameOID.SERIAL_NUMBER, "7"), (DC, "b"), (DC, "a")], names=names, serial=4711)

    peer = read_peer(in_envoys_form(der))

    fingerprint = x509.load_der_x509_certificate(der).fingerprint(SHA256()).hex()
    assert (peer.common_name, peer.organization, peer.serial) == ("api-gateway-client", "MyOrg", 4711)
    assert peer.subject == {*RULE.attributes, ("serialNumber", "7"), ("DC", "b"), ("DC", "a")}
    assert (peer.uris, peer.dns, peer.fingerprint) == ((SPIFFE_ID,), ("gw.example",), fingerprint)
    assert (peer.issuer, peer.not_before, peer.not_after) == ("CN=zone2-ca", NOW - 3600, NOW + 3600)
    assert peer.document == {
        "verified": True,
        "subject": {"CN": "api-gateway-client", "O": "MyOrg", "serialNumber": "7", "DC": ["b", "a"]},
        "san": {"uri": [SPIFFE_ID], "dns": ["gw.example"]},
        "fingerprint_sha256": fingerprint,
    }


def test_attributes_have_their_short_names_or_their_numbers() -> None:
    """RFC 4514's, a few that people know, and dotted OIDs for the rest."""
    some = {
        NameOID.EMAIL_ADDRESS: "emailAddress",
        NameOID.SURNAME: "SN",
        NameOID.USER_ID: "UID",
        NameOID.PSEUDONYM: "2.5.4.65",
    }
    peer = read_peer(in_envoys_form(certificate([(oid, "x") for oid in some])))

    assert {name for name, _ in peer.subject} == set(some.values())
    assert (peer.common_name, peer.organization) == ("", "")


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
@pytest.mark.parametrize("digest", [SHA256(), SHA384(), SHA512()], ids=lambda digest: digest.name)
def test_the_usual_curves_and_digests_are_accepted(curve: ec.EllipticCurve, digest: Digest) -> None:
    """The unusual ones are in tests/attacks."""
    assert peers().require_allowed(in_envoys_form(certificate(key=ec_public_key(curve), digest=digest)))


def test_two_organizations_are_none() -> None:
    """Nobody is to choose one of them."""
    assert read_peer(in_envoys_form(certificate([*GATEWAY, (O, "X")]))).organization == ""


def test_no_certificate_is_nobody_where_none_is_required() -> None:
    """A wrong one is refused all the same."""
    assert peers(required=False).require_allowed(b"") is NO_PEER
    assert reason_of(peers(), b"") is Reason.CLIENT_CERT_MISSING
    assert reason_of(peers(required=False), b"x") is Reason.CLIENT_CERT_INVALID
    stranger = in_envoys_form(certificate([(CN, "mallory")]))
    assert reason_of(peers(required=False), stranger) is Reason.CLIENT_NOT_ALLOWED


def test_a_certificate_is_read_once() -> None:
    """The very same object comes back."""
    gate = peers()

    assert gate.require_allowed(GOOD) is gate.require_allowed(bytes(bytearray(GOOD)))


def test_time_is_checked_on_every_request() -> None:
    """A connection outlives its certificate; the next request on it does not (SECURITY T2)."""
    time = [NOW]
    gate = peers(now=lambda: time[0])
    assert gate.require_allowed(GOOD)

    time[0] = NOW + 3600
    assert gate.require_allowed(GOOD)
    for wrong in (NOW + 3600.5, NOW - 3600.5):
        time[0] = wrong
        assert reason_of(gate, GOOD) is Reason.CLIENT_CERT_EXPIRED


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first, and is simply read again."""
    monkeypatch.setattr(product, "MAX_CACHED", 2)
    gate = peers()
    pems = [in_envoys_form(certificate(serial=serial)) for serial in (1, 2, 3)]
    known = [gate.require_allowed(pem) for pem in pems]

    assert gate.require_allowed(pems[1]) is known[1]
    assert gate.require_allowed(pems[2]) is known[2]
    assert gate.require_allowed(pems[0]) is not known[0]
    assert len(gate._known) == 2


def test_strangers_are_not_remembered() -> None:
    """Only those who may connect take room."""
    gate = peers()
    for pem in (in_envoys_form(certificate([(CN, "mallory")])), b"x"):
        with pytest.raises(Rejected):
            gate.require_allowed(pem)

    assert gate._known == {}


def test_one_of_several_rules_is_enough() -> None:
    """And no rule admits nobody."""
    assert peers(ClientRule(uri=SPIFFE_ID), RULE).require_allowed(GOOD)
    assert reason_of(peers(ClientRule(uri=SPIFFE_ID)), GOOD) is Reason.CLIENT_NOT_ALLOWED
    assert reason_of(Peers(PeerRules(required=True, allowed=()), lambda: NOW), GOOD) is Reason.CLIENT_NOT_ALLOWED


def test_an_empty_rule_admits_nobody() -> None:
    """Not everybody, as "all of nothing" would."""
    assert not is_match(ClientRule(), read_peer(GOOD))
    assert not is_match(ClientRule(), NO_PEER)
    assert is_match(RULE, read_peer(GOOD))


def test_a_rule_with_both_needs_both() -> None:
    """Attributes and URI."""
    both = ClientRule(attributes=RULE.attributes, uri=SPIFFE_ID)
    uri = x509.UniformResourceIdentifier(SPIFFE_ID)

    assert is_match(both, read_peer(in_envoys_form(certificate(names=[uri]))))
    assert not is_match(both, read_peer(GOOD))
    assert not is_match(both, read_peer(in_envoys_form(certificate((), names=[uri]))))


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("CN=api-gateway-client,O=MyOrg", (("CN", "api-gateway-client"), ("O", "MyOrg"))),
        ("CN=a", (("CN", "a"),)),
        ("O=MyOrg", (("O", "MyOrg"),)),
        ("CN=a+O=b", (("CN", "a"), ("O", "b"))),
        ("O=X\\,CN=b,CN=a", (("O", "X,CN=b"), ("CN", "a"))),
        ("O=X\\2CCN\\3Db,CN=a", (("O", "X,CN=b"), ("CN", "a"))),
        ("CN=\\C3\\BC", (("CN", "ü"),)),
        ("CN=a=b", (("CN", "a=b"),)),
        ("2.5.4.3=a,emailAddress=x@y,1.2.3=z", (("CN", "a"), ("emailAddress", "x@y"), ("1.2.3", "z"))),
        ("CN=a,OU=b,DC=c,UID=d", (("CN", "a"), ("OU", "b"), ("DC", "c"), ("UID", "d"))),
    ],
)
def test_a_rule_is_a_distinguished_name(text: str, attributes: tuple[tuple[str, str], ...]) -> None:
    """With RFC 4514's escapes, in the order as written."""
    rule = parse_client_rule(text)

    assert sorted(rule.attributes) == sorted(attributes)
    assert rule.uri == ""


def test_a_rule_that_was_parsed_matches_the_certificate_it_describes() -> None:
    """Also with a comma, and only that certificate."""
    rule = parse_client_rule("CN=a,O=My\\, Org,OU=x")

    assert is_match(rule, read_peer(in_envoys_form(certificate([(CN, "a"), (O, "My, Org"), (OU, "x")]))))
    assert not is_match(rule, read_peer(in_envoys_form(certificate([(CN, "a"), (O, "My"), (OU, "x")]))))


def test_an_attribute_that_occurs_twice_is_named_with_all_its_values() -> None:
    """In any order; one of them is not enough, one more is too many."""
    rule = parse_client_rule("CN=a,DC=mesh,DC=example")
    both = [(DC, "example"), (DC, "mesh")]

    assert is_match(rule, read_peer(in_envoys_form(certificate([(CN, "a"), *both]))))
    for wrong in (both[:1], both[1:], [*both, (DC, "com")], [], [(DC, "mesh.example")]):
        assert not is_match(rule, read_peer(in_envoys_form(certificate([(CN, "a"), *wrong]))))


def test_a_client_is_known_by_one_of_its_dns_names() -> None:
    """In any case. Neither by a part of it, a wildcard, its CN, nor a URI that says the same."""
    rule = parse_client_rule("dns:Gateway.Zone1.example")
    assert rule == ClientRule(dns="gateway.zone1.example")

    def known(*names: x509.GeneralName) -> bool:
        subject = [(CN, "gateway.zone1.example")]
        return is_match(rule, read_peer(in_envoys_form(certificate(subject, names=list(names)))))

    dns = x509.DNSName
    assert known(dns("other.example"), dns("gateway.zone1.EXAMPLE"))
    wrong = ["*.zone1.example", "a.gateway.zone1.example", "gateway.zone1.example.evil", "zone1.example"]
    assert not any(known(dns(name)) for name in wrong)
    assert not known()
    assert not known(x509.UniformResourceIdentifier("dns:gateway.zone1.example"))


@pytest.mark.parametrize("text", ["spiffe://mesh/zone1/api-gateway", "spiffe://a.b-c_1/X/y.z/..."])
def test_a_rule_is_a_spiffe_id(text: str) -> None:
    """Whole, as it is."""
    assert parse_client_rule(text) == ClientRule(uri=text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "api-gateway-client",
        "CN=",
        "CN=a,",
        ",CN=a",
        "CN=a, O=b",
        "CN=a,CN=b",
        "CN=a,CN=a",
        "CN=a+CN=b",
        "CN=a,2.5.4.3=b",
        "cn=a",
        "XYZ=a",
        "CN=a\0",
        "CN=a\\00",
        "CN=a\\0A",
        "CN=a\n",
        "CN=a;O=b",
        "CN=*",
        "CN=a,O=*",
        "CN=*.zone1.example",
        "CN=a,DC=b,DC=b",
        "dns:",
        "dns:*.zone1.example",
        "dns:a..b",
        "dns:-a",
        "dns:a b",
        "dns:a.",
        "dns:" + "a." * 127,
        "dns:gateway/path",
        "spiffe://mesh",
        "spiffe://mesh/",
        "spiffe://mesh/a/",
        "spiffe://mesh//a",
        "spiffe://mesh/./a",
        "spiffe://mesh/..",
        "spiffe://mesh/../a",
        "spiffe://MESH/a",
        "spiffe://mesh:1/a",
        "spiffe://mesh/a?b",
        "spiffe://mesh/a#b",
        "spiffe://mesh/a%20b",
        "spiffe://mesh/a\n",
        "spiffe:///a",
        "https://mesh/a",
        "SPIFFE://mesh/a",
        " spiffe://mesh/a",
    ],
)
def test_a_rule_that_could_match_nobody_or_the_wrong_one_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=r"write |remove "):
        parse_client_rule(text)
