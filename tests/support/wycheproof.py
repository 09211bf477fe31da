"""The JWS vectors of C2SP/wycheproof (tests/vectors), and their forgeries carried over to claims of ours."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from functools import cache
from hashlib import sha256, sha384, sha512
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, RSAKey
from tests.support.tokens import Signer, b64

FILE = Path(__file__).resolve().parents[1] / "vectors" / "wycheproof_json_web_signature.json"


class Group(NamedTuple):
    """Vectors of one key."""

    number: int
    name: str
    published: dict[str, Any]  # the JWK to verify with; for a shared secret the secret itself
    private: dict[str, Any]

    @property
    def issuer(self) -> str:
        return f"https://wycheproof.example/{self.number}"


class Vector(NamedTuple):
    """One test of the file."""

    group: Group
    id: int
    comment: str
    valid: bool
    jws: str

    @property
    def name(self) -> str:
        return f"tcId {self.id} ({self.group.name}: {self.comment})"


@cache
def vectors() -> tuple[Vector, ...]:
    """All of them, in the file's order."""
    return tuple(_read(json.loads(FILE.read_text())))


def _read(document: dict[str, Any]) -> Iterator[Vector]:
    for number, one in enumerate(document["groups"]):
        group = Group(number, one["comment"], one.get("public", one["private"]), one["private"])
        for id_, comment, result, jws in one["tests"]:
            yield Vector(group, id_, comment, result == "valid", jws)


def signer(group: Group) -> Signer | None:
    """Signs with the group's private key and its own algorithm; None for a shared secret."""
    jwk = group.private
    if jwk["kty"] == "oct":
        return None
    numbers = {name: value for name, value in jwk.items() if name not in {"alg", "use", "key_ops", "kid"}}
    key = (RSAKey if jwk["kty"] == "RSA" else ECKey).import_key(numbers).private_key
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return Signer(jwk["kid"], _algorithm(group), key)


def _algorithm(group: Group) -> str:
    named = str(group.private.get("alg", "RS256" if group.private["kty"] == "RSA" else "ES256"))
    return {"ES521": "ES512"}.get(named, named)  # the file's word for P-521


def carried_over(vector: Vector, claims: bytes) -> str | None:
    """The vector's header and signature with these claims; None where the vector has no three segments.

    A signature of RSA with PKCS #1 is opened by the public exponent; the hash in it becomes the hash of our message,
    the malformed padding stays, and the private key closes it again: the same forgery, for a token of ours.
    """
    segments = vector.jws.split(".")
    if len(segments) != 3:
        return None
    message = f"{segments[0]}.{b64(claims)}"
    try:
        old = urlsafe_b64decode(segments[2] + "==")
    except ValueError:
        return f"{message}.{segments[2]}"
    own = signer(vector.group)
    if own is not None and isinstance(own.key, rsa.RSAPrivateKey):
        opened = _rehashed(old, own.key, f"{segments[0]}.{segments[1]}".encode(), message.encode())
        if opened is not None:
            return f"{message}.{b64(opened)}"
    return f"{message}.{segments[2]}"


def _rehashed(signature: bytes, key: rsa.RSAPrivateKey, old: bytes, new: bytes) -> bytes | None:
    numbers = key.private_numbers()
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    size = (n.bit_length() + 7) // 8
    opened = pow(int.from_bytes(signature), e, n).to_bytes(size)
    for digest in (sha256, sha384, sha512):
        was, becomes = digest(old).digest(), digest(new).digest()
        if was in opened:
            return pow(int.from_bytes(opened.replace(was, becomes)) % n, numbers.d, n).to_bytes(size)
    return None
