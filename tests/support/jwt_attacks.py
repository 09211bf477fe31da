"""Hostile tokens, each beside its good twin: header, algorithm, key and signature (SECURITY T17, A2; RFC 8725).

The tables know nothing of the product but its reasons, so the same tokens can be sent to a unit or to a live ingress.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support import tokens
from tests.support.tokens import NOW, Signer, b64, good_claims, jwk, jwks, mint, sign

from authz_service.domain.refusals import Reason

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

RSA, EC = tokens.an_rsa_signer(), tokens.an_ec_signer()
EC384 = Signer("ec-384", "ES384", tokens.ec_key("ec-384", "P-384"))
LONG_KID = RSA._replace(kid="k" * 256)
STRANGER = Signer("rsa-1", "RS256", tokens.rsa_key("stranger"))
OTHER_REALM = Signer("services-1", "RS256", tokens.rsa_key("services-1"))
OTHER_ISSUER = "https://idp.example/realms/services"
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384")
KEYS = jwks(jwk(RSA), jwk(EC), jwk(EC384), jwk(LONG_KID))
OTHER_KEYS = jwks(jwk(OTHER_REALM))


class Attack(NamedTuple):
    """A token that must be refused for this reason, and the nearest one that must be accepted."""

    name: str
    reason: Reason
    token: str
    twin: str
    keys: str = KEYS  # the key set that the issuer publishes
    twin_keys: str = KEYS


def attacks_on_header(now: float = NOW) -> Iterator[Attack]:
    """Tokens that bring their own key, their own algorithm, or are another kind of token."""

    def row(name: str, reason: Reason, token: str, twin: str | None = None) -> Attack:
        return Attack(name, reason, token, twin or good)

    claims = good_claims(now)
    good = mint(claims)
    twin_of_extension = mint(claims, header={"x5t": "abc", "cty": "json"})
    for member, value in (
        ("crit", ["exp"]),
        ("crit", []),
        ("crit", None),
        ("zip", "DEF"),
        ("b64", False),
        ("b64", True),
        ("jwk", jwk(RSA)),
    ):
        token = mint(claims, header={member: value})
        yield row(f"{member}: {json.dumps(value)[:12]}", Reason.TOKEN_MALFORMED, token, twin_of_extension)
    own_key = mint(claims, signer=STRANGER, header={"jwk": jwk(STRANGER)})
    yield row("signed by the embedded key", Reason.TOKEN_MALFORMED, own_key)
    for member, value in (  # where a key would be, which is not looked at
        ("jku", "https://idp.example/realms/users/certs"),
        ("x5u", "https://idp.example/cert.pem"),
        ("x5c", ["MIIB"]),
    ):
        token, twin = (mint(claims, signer=signer, header={member: value}) for signer in (STRANGER, RSA))
        yield row(f"signed by the key at {member}", Reason.TOKEN_SIGNATURE_INVALID, token, twin)
    for kid in (7, "", "k" * 257, "rsa-1\0", "rsa-1\r\nx: y", ["rsa-1"], None, {"a": 1}, "\ud800"):
        token = mint(claims, signer=LONG_KID, header={"kid": kid})
        yield row(f"kid: {kid!r:.20}", Reason.TOKEN_MALFORMED, token, mint(claims, signer=LONG_KID))
    for kid in ("../../dev/null", "rsa-1' OR '1'='1", "RSA-1", "rsa-1 ", "http://evil/jwks", "services-1"):
        yield row(f"kid: {kid}", Reason.TOKEN_KEY_UNKNOWN, mint(claims, header={"kid": kid}))
    stranger = Signer("stranger", "RS256", tokens.rsa_key("stranger"))
    unnamed = mint(claims, signer=stranger, header={"kid": ...})
    yield row("no kid, and a key of nobody's", Reason.TOKEN_SIGNATURE_INVALID, unnamed, _without_kid(claims))
    for alg in (
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "rs256",
        "RS384",
        "ES512",
        "HS256",
        "RS256 ",
        ["RS256"],
        None,
        ...,
        1,
    ):
        yield row(f"alg: {alg!r}", Reason.TOKEN_ALGORITHM_REFUSED, mint(claims, header={"alg": alg}))
    yield row("none, no signature", Reason.TOKEN_ALGORITHM_REFUSED, mint(claims, header={"alg": "none"}, signature=b""))
    for name, secret in _secrets_out_of_public_keys():
        yield row(f"HS256 with {name}", Reason.TOKEN_ALGORITHM_REFUSED, _hmac_signed(claims, secret))
    for label, signer in (("ES256", RSA), ("RS256", EC), ("ES384", EC), ("ES256", EC384), ("PS256", RSA)):
        token = mint(claims, signer=signer, header={"alg": label})
        yield row(f"{label} with {signer.kid}", Reason.TOKEN_ALGORITHM_REFUSED, token, mint(claims, signer=signer))
    any_rsa = jwks(jwk(RSA, alg=...))
    rightly_signed = mint(claims, signer=RSA._replace(alg="RS384"))
    yield row("RS384, rightly signed", Reason.TOKEN_ALGORITHM_REFUSED, rightly_signed)._replace(
        keys=any_rsa, twin_keys=any_rsa
    )
    at_jwt = mint(claims, header={"typ": "application/at+JWT"})
    for typ in (
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "JWE",
        "",
        "application/",
        "text/JWT",
        "JWT ",
        5,
        None,
        ["JWT"],
    ):
        yield row(f"typ: {typ!r}", Reason.TOKEN_TYPE_REFUSED, mint(claims, header={"typ": typ}), at_jwt)


def attacks_on_signature(now: float = NOW) -> Iterator[Attack]:
    """Signatures that are nobody's, or somebody else's, or for something else."""
    claims = good_claims(now)
    twins = {RSA: mint(claims), EC: mint(claims, signer=EC)}

    def row(name: str, token: str, signer: Signer = RSA) -> Attack:
        return Attack(name, Reason.TOKEN_SIGNATURE_INVALID, token, twins[signer])

    def ecdsa(r: int, s: int) -> str:
        return mint(claims, signer=EC, signature=r.to_bytes(32) + s.to_bytes(32))

    message = twins[RSA].rpartition(".")[0].encode()
    right = sign(RSA, message)
    ec_message = twins[EC].rpartition(".")[0].encode()
    ec_right = sign(EC, ec_message)
    r, s = int.from_bytes(ec_right[:32]), int.from_bytes(ec_right[32:])
    order = _P256_ORDER
    for name, pair in {
        "r = s = 0": (0, 0),
        "r = 0": (0, s),
        "s = 0": (r, 0),
        "r = s = 1": (1, 1),
        "r = s = n": (order, order),
        "r = n": (order, s),
        "s = n - 1": (r, order - 1),
        "r and s swapped": (s, r),
    }.items():
        yield row(f"ECDSA, {name}", ecdsa(*pair), EC)
    if s + order < 1 << 256:  # pragma: no cover - about never for P-256, whose order is close to 2**256
        yield row("ECDSA, s + n", ecdsa(r, s + order), EC)
    yield row("ECDSA in DER", mint(claims, signer=EC, signature=encode_dss_signature(r, s)), EC)
    yield row("ECDSA, a zero too much", mint(claims, signer=EC, signature=b"\0" + ec_right), EC)
    yield row(
        "ECDSA, halves stretched", mint(claims, signer=EC, signature=b"\0" + ec_right[:32] + b"\0" + ec_right[32:]), EC
    )
    yield row("ECDSA of P-384's length", mint(claims, signer=EC, signature=ec_right + bytes(32)), EC)
    with_zero = next(each for each in iter(lambda: sign(EC, ec_message), b"") if each[32] == 0)  # one of 256
    short, full = (mint(claims, signer=EC, signature=each) for each in (with_zero[:32] + with_zero[33:], with_zero))
    yield Attack("ECDSA, s without its zero", Reason.TOKEN_SIGNATURE_INVALID, short, full)
    yield row("ECDSA, none", mint(claims, signer=EC, signature=b""), EC)
    yield row("RSA, none", mint(claims, signature=b""))
    yield row("RSA, zeros", mint(claims, signature=bytes(256)))
    yield row("RSA, one", mint(claims, signature=(1).to_bytes(256)))
    yield row("RSA, 255 bytes", mint(claims, signature=right[:-1]))
    yield row("RSA, 257 bytes", mint(claims, signature=right + b"\0"))
    yield row("RSA, a zero before", mint(claims, signature=b"\0" + right))
    yield row("RSA, one bit", mint(claims, signature=bytes([right[0] ^ 1]) + right[1:]))
    yield row("RSA, s + n", mint(claims, signature=(int.from_bytes(right) + _modulus()).to_bytes(257)))
    yield row("RSA over SHA-1", mint(claims, signature=tokens.rsa_key().sign(message, padding.PKCS1v15(), SHA1())))
    yield row("RSA-PSS called RS256", mint(claims, signature=sign(RSA._replace(alg="PS256"), message)))
    yield row("RS512 called RS256", mint(claims, signature=sign(RSA._replace(alg="RS512"), message)))
    yield row("of the payload alone", mint(claims, signature=sign(RSA, message.partition(b".")[2])))
    yield row("a stranger's, under our kid", mint(claims, signer=STRANGER))
    yield row(
        "another key of ours", mint(claims, signer=LONG_KID._replace(key=EC.key, alg="ES256"), header={"alg": "RS256"})
    )
    yield row("the other issuer's key under our kid", mint(claims, signer=OTHER_REALM._replace(kid="rsa-1")))
    richer = mint(good_claims(now, realm_access={"roles": ["admin"]})).split(".")
    plain = twins[RSA].split(".")
    yield row("another payload", f"{plain[0]}.{richer[1]}.{plain[2]}")
    yield row("another header", f"{mint(claims, header={'x': 1}).split('.')[0]}.{plain[1]}.{plain[2]}")


def _without_kid(claims: dict[str, object]) -> str:
    return mint(claims, signer=EC, header={"kid": ...})  # one ES256 key only: no doubt which


def _secrets_out_of_public_keys() -> Iterator[tuple[str, bytes]]:
    public = RSA.key.public_key()
    yield "the RSA key's PEM", public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield "the RSA key's DER", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield "the RSA key's modulus", _modulus().to_bytes(256)
    yield "the JWK", json.dumps(jwk(RSA)).encode()
    yield "the key set", KEYS.encode()
    yield "nothing", b""


def _hmac_signed(claims: dict[str, object], secret: bytes) -> str:
    signing_input = mint(claims, header={"alg": "HS256"}).rpartition(".")[0]
    return f"{signing_input}.{b64(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


def _modulus() -> int:
    return tokens.rsa_key().public_key().public_numbers().n
