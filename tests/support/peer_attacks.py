"""Hostile client certificates, each beside its good twin (SECURITY T6, A4). A careless CA could sign each."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448
from cryptography.hazmat.primitives.hashes import SHA224
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.support import client_certificates as mint
from tests.support.client_certificates import (
    CLIENT_AUTH,
    CN,
    GATEWAY,
    OU,
    SPIFFE_ID,
    UID,
    O,
    in_envoys_form,
)
from tests.support.tokens import NOW, ec_key, ed_key, rsa_key

from authz_service.domain.refusals import Reason

ALLOWED = ("CN=api-gateway-client,O=MyOrg", SPIFFE_ID)
_NAME = "api-gateway-client"
_ORG = (O, "MyOrg")
_INVALID, _NOT_ALLOWED = Reason.CLIENT_CERT_INVALID, Reason.CLIENT_NOT_ALLOWED


class PeerAttack(NamedTuple):
    """A certificate, as Envoy hands it over, that must be refused, and the nearest one that must be accepted."""

    name: str
    reason: Reason
    pem: bytes
    twin: bytes


Certificate = Callable[..., bytes]
RowOf = Callable[..., PeerAttack]


def _tools(now: float) -> tuple[Certificate, RowOf]:
    """`certificate(…)` is valid at that time; `row(name, reason, bad, good)` has a good twin where none is given."""
    certificate = partial(mint.certificate, now=now)

    def row(name: str, reason: Reason, bad: bytes, good: bytes | None = None) -> PeerAttack:
        return PeerAttack(name, reason, in_envoys_form(bad), in_envoys_form(good or certificate()))

    return certificate, row


def attacks_on_peer_form(now: float = NOW) -> Iterator[PeerAttack]:
    """What is not exactly one certificate."""
    certificate, row = _tools(now)
    good = certificate()
    text = mint.pem(good)
    many = [x509.DNSName(f"{number:05}.example.com") for number in range(5000)]
    header = in_envoys_form(text)
    public = ec_key("client").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield PeerAttack("none", Reason.CLIENT_CERT_MISSING, b"", header)
    for name, pem in {
        "a space": b" ",
        "not PEM": b"x" * 100,
        "DER": good.replace(b"-", b"%2D"),
        "bytes above 127": b"\xff" * 40,
        "encoded twice": header.replace(b"%", b"%25"),
        "an empty PEM": b"-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----%0A",
        "half a PEM": header[: len(header) // 2],
        "no end": header[: header.index(b"-----END")],
    }.items():
        yield PeerAttack(name, _INVALID, pem, header)
    yield row("two certificates", _INVALID, text + mint.pem(certificate([(CN, "mallory")])))
    yield row("a stranger's before", _INVALID, mint.pem(certificate([(CN, "mallory")])) + text)
    yield row("a key behind", _INVALID, text + public)
    yield row("a public key", _INVALID, public)
    yield row("text before", _INVALID, b"CN=api-gateway-client\n" + text)
    yield row("text behind", _INVALID, text + b"CN=api-gateway-client")
    yield row("another label", _INVALID, text.replace(b"CERTIFICATE", b"X509 CERTIFICATE"))
    yield row("bytes behind the certificate", _INVALID, mint.pem(good + b"\0"), mint.pem(good))
    yield row("a byte short", _INVALID, mint.pem(good[:-1]))
    yield row("90 KB", _INVALID, certificate(names=many[:5000]), certificate(names=many[:100]))
    yield row("no certificate inside", _INVALID, mint.pem(b"0\x03\x02\x01\x05"))
    expired, future = certificate(valid=(now - 99, now - 1)), certificate(valid=(now + 1, now + 99))
    yield row("expired", Reason.CLIENT_CERT_EXPIRED, expired, certificate(valid=(now - 99, now)))
    yield row("future", Reason.CLIENT_CERT_EXPIRED, future, certificate(valid=(now, now + 99)))


def attacks_on_peer_purpose(now: float = NOW) -> Iterator[PeerAttack]:
    """Certificates that are somebody's, but not a client's, or too weak to prove anything."""
    certificate, row = _tools(now)

    def extended(name: str, bad: mint.Extension, good: mint.Extension) -> PeerAttack:
        return row(name, _INVALID, certificate(extensions=[bad]), certificate(extensions=[good]))

    leaf: mint.Extension = (x509.BasicConstraints(ca=False, path_length=None), True)
    yield extended("a CA", (x509.BasicConstraints(ca=True, path_length=None), True), leaf)
    yield extended("a CA, not critical", (x509.BasicConstraints(ca=True, path_length=0), False), leaf)
    yield extended("may sign certificates", (_usage(key_cert_sign=True), True), (_usage(), True))
    yield extended("may not sign", (_usage(digital_signature=False), True), (_usage(), False))
    purposes = ExtendedKeyUsageOID
    for wrong in (purposes.SERVER_AUTH, purposes.ANY_EXTENDED_KEY_USAGE, purposes.CODE_SIGNING):
        both = x509.ExtendedKeyUsage([wrong, purposes.CLIENT_AUTH])
        yield extended(f"for {wrong.dotted_string} only", (x509.ExtendedKeyUsage([wrong]), False), (both, False))
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    yield extended("an unknown critical extension", (unknown, True), (unknown, False))
    second = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\x05\x00")
    twice = certificate(extensions=[(unknown, False), (second, False)])
    tail = bytes.fromhex("868d1f")  # …99999.
    yield row("one extension twice", _INVALID, _patched(twice, tail + b"\x02", tail + b"\x01"), twice)
    named = certificate(extensions=[CLIENT_AUTH], names=[x509.DNSName("xx")])
    yield row("a broken extension", _INVALID, _patched(named, b"\x82\x02xx", b"\x82\x7fxx"), named)
    yield row(
        "an alternative name of a forgotten kind", _INVALID, _patched(named, b"\x82\x02xx", b"\xa5\x02\x0c\0"), named
    )
    yield row("of version 8", _INVALID, _patched(named, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"), named)
    text, bits = b"\x0c\x12api-gateway", b"\x03\x12\0pi-gateway"
    yield row("a CN of bits", _INVALID, _patched(named, text, bits), named)
    strong = certificate(key=mint.rsa_public_key(2048))
    yield row("RSA of 1024 bits", _INVALID, certificate(key=mint.rsa_public_key(1024)), strong)
    yield row("RSA of 2047 bits", _INVALID, certificate(key=mint.rsa_public_key(2047)), strong)
    for curve in (ec.SECP256K1(), ec.SECP224R1(), ec.BrainpoolP256R1()):
        good = certificate(key=mint.ec_public_key(ec.SECP384R1()))
        yield row(f"on {curve.name}", _INVALID, certificate(key=mint.ec_public_key(curve)), good)
    ed25519 = certificate(key=ed_key().public_key(), issuer_key=ed_key(), digest=None)
    ed448_key = ed448.Ed448PrivateKey.generate()
    yield row("Ed448", _INVALID, certificate(key=ed448_key.public_key()), ed25519)
    yield row("signed with Ed448", _INVALID, certificate(issuer_key=ed448_key, digest=None), ed25519)
    yield row("DSA", _INVALID, certificate(key=dsa.generate_private_key(2048).public_key()), strong)
    yield row("signed over SHA-224", _INVALID, certificate(digest=SHA224()))
    signed = certificate(issuer_key=rsa_key())
    sha256 = bytes.fromhex("2a864886f70d01010b")  # sha256WithRSAEncryption, 1.2.840.113549.1.1.11
    for digest, number in {"SHA-1": 5, "MD5": 4, "MD2": 2}.items():
        yield row(f"signed over {digest}", _INVALID, _patched(signed, sha256, sha256[:-1] + bytes([number])), signed)


def attacks_on_peer_names(now: float = NOW) -> Iterator[PeerAttack]:
    """Names that look like, contain, or come together with the name that may pass."""
    certificate, row = _tools(now)
    for name, subject in {
        "two CNs": ((CN, _NAME), (CN, "mallory"), _ORG),
        "two CNs, ours last": ((CN, "mallory"), (CN, _NAME), _ORG),
        "our CN twice": ((CN, _NAME), (CN, _NAME), _ORG),
        "NUL in the CN": ((CN, f"{_NAME}\0.evil"), _ORG),
        "NUL in another attribute": (*GATEWAY, (OU, "a\0b")),
        "line break": ((CN, f"{_NAME}\n"), _ORG),
        "tab": ((CN, f"\t{_NAME}"), _ORG),
        "right-to-left override": ((CN, f"\u202e{_NAME}"), _ORG),
        "zero-width space": ((CN, "api\u200b-gateway-client"), _ORG),
        "empty CN": ((CN, ""), _ORG),
    }.items():
        yield row(name, _INVALID, certificate(subject))
    unique = x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"x", _type=_ASN1Type.BitString)
    bits = x509.Name([x509.NameAttribute(CN, _NAME), x509.NameAttribute(O, "MyOrg"), unique])
    yield row("a name of bits", _INVALID, certificate(bits))
    pair = x509.RelativeDistinguishedName([x509.NameAttribute(CN, _NAME), x509.NameAttribute(CN, "mallory")])
    two = x509.Name([pair, x509.RelativeDistinguishedName([x509.NameAttribute(O, "MyOrg")])])
    yield row("two CNs in one RDN", _INVALID, certificate(two))
    for name, subject in {
        "somebody else": ((CN, "order-service-client"), _ORG),
        "the DN in one O": ((O, f"MyOrg,CN={_NAME}"), (CN, "evil")),
        "the DN in one O, escaped": ((O, f"X\\,CN={_NAME}"), (CN, "evil")),
        "the DN in one CN": ((CN, f"{_NAME},O=MyOrg"),),
        "the DN in one CN, by plus": ((CN, f"{_NAME}+O=MyOrg"), (O, "x")),
        "no subject": (),
        "no CN": (_ORG,),
        "no O": ((CN, _NAME),),
        "another O": ((CN, _NAME), (O, "YourOrg")),
        "two Os": (*GATEWAY, (O, "YourOrg")),
        "O of another case": ((CN, _NAME), (O, "myorg")),
        "CN of another case": ((CN, "API-gateway-client"), _ORG),
        "space behind": ((CN, f"{_NAME} "), _ORG),
        "space before": ((CN, f" {_NAME}"), _ORG),
        "longer": ((CN, f"{_NAME}-2"), _ORG),
        "shorter": ((CN, _NAME[:-1]), _ORG),
        "Cyrillic a": ((CN, _NAME.replace("a", "\u0430")), _ORG),
        "full-width letters": ((CN, _NAME.replace("a", "\uff41")), _ORG),
        "CN in OU": ((OU, _NAME), _ORG),
        "CN in UID": ((UID, _NAME), _ORG),
        "CN in serialNumber": ((NameOID.SERIAL_NUMBER, _NAME), _ORG),
        "the rule as CN": ((CN, "CN=api-gateway-client,O=MyOrg"),),
        "the SPIFFE ID as CN": ((CN, SPIFFE_ID), _ORG),
    }.items():
        yield row(name, _NOT_ALLOWED, certificate(subject))
    yield row("CN as DNS name alone", _NOT_ALLOWED, certificate((), names=[x509.DNSName(_NAME)]))


def attacks_on_peer_uris(now: float = NOW) -> Iterator[PeerAttack]:
    """The same with SPIFFE IDs, under no subject at all."""
    certificate, row_of = _tools(now)

    def row(name: str, reason: Reason, names: Iterable[x509.GeneralName]) -> PeerAttack:
        return row_of(f"URI: {name}", reason, certificate((), names=names), certificate((), names=[_uri(SPIFFE_ID)]))

    other = "spiffe://mesh/zone1/order-service"
    for name, uris in {
        "two": (SPIFFE_ID, other),
        "two, ours last": (other, SPIFFE_ID),
        "two, the same": (SPIFFE_ID, SPIFFE_ID),
        "two, one of the web": (SPIFFE_ID, "https://example.com"),
        "somebody else's": (other,),
        "two in one, by a comma": (f"{other},{SPIFFE_ID}",),
        "slash behind": (f"{SPIFFE_ID}/",),
        "child": (f"{SPIFFE_ID}/x",),
        "parent": ("spiffe://mesh/zone1",),
        "dots": ("spiffe://mesh/zone1/x/../api-gateway",),
        "percent": ("spiffe://mesh/zone1/api%2Dgateway",),
        "query": (f"{SPIFFE_ID}?x",),
        "fragment": (f"{SPIFFE_ID}#x",),
        "case of the path": ("spiffe://mesh/zone1/API-gateway",),
        "case of the scheme": (SPIFFE_ID.replace("spiffe", "SPIFFE"),),
        "another domain": ("spiffe://mesh.evil/zone1/api-gateway",),
        "another scheme": (SPIFFE_ID.replace("spiffe", "https"),),
        "port": ("spiffe://mesh:443/zone1/api-gateway",),
        "user": ("spiffe://x@mesh/zone1/api-gateway",),
    }.items():
        yield row(name, _NOT_ALLOWED, map(_uri, uris))
    for name, text in {"NUL": f"{SPIFFE_ID}\0", "line break": f"{SPIFFE_ID}\n", "empty": ""}.items():
        yield row(name, _INVALID, [_uri(text)])
    yield row("as a DNS name", _NOT_ALLOWED, [x509.DNSName(SPIFFE_ID)])
    yield row("as an e-mail address", _NOT_ALLOWED, [x509.RFC822Name(SPIFFE_ID)])
    yield row("NUL in a DNS name beside it", _INVALID, [_uri(SPIFFE_ID), x509.DNSName("a\0b")])


def _uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def _usage(*, digital_signature: bool = True, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_agreement=not digital_signature,
        key_cert_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _patched(der: bytes, old: bytes, new: bytes) -> bytes:
    """The certificate with other bytes of the same length; nobody checks its signature here."""
    if old not in der or len(old) != len(new):
        raise AssertionError(old)
    return der.replace(old, new)
