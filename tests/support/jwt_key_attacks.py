"""Hostile tokens that bring, name or guess a key, and psychic signatures in full (SECURITY A2, RFC 8725 §2, §3).

`mischief` is the address of a server that would serve the attacker's key to whoever asks.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support import tokens
from tests.support.jwt_attacks import EC, EC384, KEYS, RSA, STRANGER, Attack
from tests.support.tokens import b64, good_claims, jwk, jwks, mint

from authz_service.domain.refusals import Reason

_ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16),
}
_PRIMES = {
    "ES256": 2**256 - 2**224 + 2**192 + 2**96 - 1,
    "ES384": 2**384 - 2**128 - 2**96 + 2**32 - 1,
}


def psychic_signatures(now: float) -> Iterator[Attack]:
    """CVE-2022-21449 and its kin: r and s at every edge of the group, for both curves."""
    claims = good_claims(now)
    for signer, size in ((EC, 32), (EC384, 48)):
        order, prime = _ORDERS[signer.alg], _PRIMES[signer.alg]
        twin = mint(claims, signer=signer)
        edges = {"0": 0, "1": 1, "n-1": order - 1, "n": order, "n+1": order + 1, "p": prime, "max": (1 << 8 * size) - 1}
        for (r_name, r), (s_name, s) in itertools.product(edges.items(), repeat=2):
            token = mint(claims, signer=signer, signature=r.to_bytes(size) + s.to_bytes(size))
            yield Attack(f"{signer.alg}, r={r_name}, s={s_name}", Reason.TOKEN_SIGNATURE_INVALID, token, twin)
        for length in (0, 1, size, 2 * size - 1, 2 * size + 1, 4 * size):
            token = mint(claims, signer=signer, signature=bytes(length))
            yield Attack(f"{signer.alg}, {length} zeros", Reason.TOKEN_SIGNATURE_INVALID, token, twin)


def shared_secrets(now: float) -> Iterator[Attack]:
    """HS* with everything that is public as the secret."""
    claims, twin = good_claims(now), mint(good_claims(now))
    for alg, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        for name, secret in _public_secrets():
            message = mint(claims, header={"alg": alg}).rpartition(".")[0]
            token = f"{message}.{b64(hmac.digest(secret, message.encode(), digest))}"
            yield Attack(f"{alg} with {name}", Reason.TOKEN_ALGORITHM_REFUSED, token, twin)


def brought_keys(now: float, mischief: str) -> Iterator[Attack]:
    """The attacker signs with his key and says where it is to be found; the issuer may say that too, for nothing."""
    claims = good_claims(now)
    own = jwk(STRANGER)
    for member, values in {
        "jku": (f"{mischief}/jwks", f"{mischief}/jwks#/realms/users", f"{tokens.ISSUER}@{mischief}/jwks", "file:///etc/jwks"),
        "x5u": (f"{mischief}/cert.pem", "data:text/plain,x"),
        "x5c": (["MIIBszCCAVmgAwIBAgI"], []),
        "jwk": (own, {**own, "kid": "rsa-1"}, {"kty": "oct", "k": "AAAA", "kid": "rsa-1"}),
    }.items():  # fmt: skip
        for number, value in enumerate(values):
            twin = mint(claims, header={} if member == "jwk" else {member: value})
            for kid in ("rsa-1", "unknown", ...):
                token = mint(claims, signer=STRANGER, header={member: value, "kid": kid})
                said = "no kid" if kid is ... else f"kid {kid}"
                reason = Reason.TOKEN_KEY_UNKNOWN if kid == "unknown" else Reason.TOKEN_SIGNATURE_INVALID
                reason = Reason.TOKEN_MALFORMED if member == "jwk" else reason
                yield Attack(f"{member} {number}, {said}", reason, token, twin)


def named_keys(now: float, mischief: str) -> Iterator[Attack]:
    """The attacker signs with his key and names one that he hopes is looked up somewhere."""
    claims, twin = good_claims(now), mint(good_claims(now))
    for kid in (
        "../../../../dev/null", "/dev/null", "/proc/self/environ", f"{mischief}/jwks", "rsa-1' UNION SELECT 'x",
        "rsa-1;ls", "$(id)", "`id`", "%72sa-1", "rsa-1%00", "RSA-1", "rsa-1 ", " rsa-1", "rsa-1.", "rsa-1/../rsa-1",
        "0", "null", "__proto__", "constructor", "ec-1,rsa-1", "k" * 255, "\u0280sa-1",
    ):  # fmt: skip
        token = mint(claims, signer=STRANGER, header={"kid": kid})
        yield Attack(f"kid {kid[:24]!r}", Reason.TOKEN_KEY_UNKNOWN, token, twin)


def _public_secrets() -> Iterator[tuple[str, bytes]]:
    for signer in (RSA, EC):
        public = signer.key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        yield f"the PEM of {signer.kid}", pem
        yield f"the PEM of {signer.kid} without its last line break", pem.rstrip(b"\n")
        yield f"the PEM of {signer.kid} with CRLF", pem.replace(b"\n", b"\r\n")
        yield f"the DER of {signer.kid}", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        yield f"the JWK of {signer.kid}", json.dumps(jwk(signer)).encode()
        yield f"the compact JWK of {signer.kid}", json.dumps(jwk(signer), separators=(",", ":")).encode()
    yield "n in base64", str(jwk(RSA)["n"]).encode()
    yield "the key set", KEYS.encode()
    yield "a key set of one", jwks(jwk(RSA)).encode()
    yield "the kid", b"rsa-1"
    yield "nothing", b""
    yield "a zero", b"\0"
