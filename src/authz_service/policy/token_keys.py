"""The keys that a policy names for a token, and how both are written (RFC 7515, 7517). Not the issuers' own."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

Json: TypeAlias = dict[str, object]

ALGORITHMS = {f"{kind}{size}" for kind in ("RS", "PS", "ES", "HS") for size in (256, 384, 512)} | {"EdDSA"}
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*={0,2}", re.ASCII)
_PEM_END = re.compile(r"-----END [A-Z0-9 ]+-----[ \t]*\n?")
_MAX_DEPTH = 64


class BuiltinError(ValueError):
    """What OPA calls an error of a builtin; here it refuses the request."""


class Key(NamedTuple):
    key: PublicKeyTypes | bytes
    kid: str = ""
    alg: str = ""


@lru_cache(maxsize=16)  # a policy has few of them, and uses them on every request
def keys_in(text: str) -> tuple[Key, ...]:
    if "-----BEGIN" in text:
        return (Key(_from_pem(text)),)
    document = json_object(text.encode())
    listed = document.get("keys", [document])
    if not isinstance(listed, list):
        raise BuiltinError("keys: must be a list")
    return tuple(
        _from_jwk(each) for each in listed if not isinstance(each, dict) or each.get("alg", "RS256") in ALGORITHMS
    )


def _from_pem(text: str) -> PublicKeyTypes:
    """Exactly one block."""
    end = _PEM_END.search(text)
    if end is None or end.end() != len(text):
        raise BuiltinError("not one PEM block")
    try:
        if "-----BEGIN CERTIFICATE-----" in text:
            return x509.load_pem_x509_certificate(text.encode()).public_key()
        if "-----BEGIN PUBLIC KEY-----" in text:
            return load_pem_public_key(text.encode())
    except UnsupportedAlgorithm as error:
        raise BuiltinError("the key's algorithm is not supported") from error
    raise BuiltinError("neither a certificate nor a public key")


def _from_jwk(jwk: object) -> Key:
    if not isinstance(jwk, dict):
        raise BuiltinError("a key must be an object")
    values = {name: value for name, value in jwk.items() if isinstance(value, str)}
    try:
        key = _jwk_key(values)
    except KeyError as missing:
        raise BuiltinError(f"a key without {missing}") from missing
    return Key(key, values.get("kid", ""), values.get("alg", ""))


def _jwk_key(jwk: Mapping[str, str]) -> PublicKeyTypes | bytes:
    kind = jwk["kty"]
    if kind == "RSA":
        return rsa.RSAPublicNumbers(_whole(jwk["e"]), _whole(jwk["n"])).public_key()
    if kind == "EC" and jwk["crv"] in _CURVES:
        return ec.EllipticCurvePublicNumbers(_whole(jwk["x"]), _whole(jwk["y"]), _CURVES[jwk["crv"]]).public_key()
    if kind == "OKP" and jwk["crv"] == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(base64url(jwk["x"]))
    if kind == "oct":
        return base64url(jwk["k"])
    raise BuiltinError("a key of an unknown kind")


def _whole(text: str) -> int:
    return int.from_bytes(base64url(text), "big")


def require_text(value: object) -> str:
    if not isinstance(value, str):
        raise BuiltinError("must be a string")
    return value


def base64url(text: str) -> bytes:
    """base64url with padding or without, as OPA takes it."""
    if not _BASE64URL.fullmatch(text):
        raise BuiltinError("not base64url")
    return base64.urlsafe_b64decode(text if text.endswith("=") else text + "=" * (-len(text) % 4))


def json_object(raw: bytes) -> Json:
    """A JSON object; of equal names the last one counts."""
    try:
        found = json.loads(raw.decode(), parse_constant=_refuse)
    except RecursionError:
        raise BuiltinError("nested too deeply") from None
    if not isinstance(found, dict):
        raise BuiltinError("must be a JSON object")
    _require_shallow(found, _MAX_DEPTH)
    return found


def _refuse(constant: str) -> None:
    raise BuiltinError(f"{constant} is not JSON")


def _require_shallow(value: object, levels: int) -> None:
    if not isinstance(value, dict | list):
        return
    if levels == 0:
        raise BuiltinError("nested too deeply")
    for each in value.values() if isinstance(value, dict) else value:
        _require_shallow(each, levels - 1)
