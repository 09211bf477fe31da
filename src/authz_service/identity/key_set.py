"""An issuer's JWKS (RFC 7517) reduced to the keys that may verify a token. Not where it comes from."""

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from authz_service.domain import base64url
from authz_service.domain.signatures import Key, PublicKey, algorithms_for
from authz_service.domain.strong_keys import rsa_weakness, weakness_of
from authz_service.identity.strict_json import decode_object
from authz_service.identity.strict_jwt import is_kid

_CURVES = {"P-256": SECP256R1(), "P-384": SECP384R1(), "P-521": SECP521R1()}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeySet(NamedTuple):
    """What a document has."""

    usable: dict[str, tuple[Key, ...]]  # by kid ("" for those without)
    left_out: tuple[str, ...]  # which others there are that might have been meant, and why they are not taken


def read_key_set(jwks_text: str) -> KeySet:
    """The keys to verify with. Raises ValueError when the document itself is no key set.

    A key that cannot be used is left out, so that one odd key does not lock out an issuer: one that is not for
    signatures, of another type, weak, malformed, or with its private half in public. One key that stands there twice is
    one; different ones of one name are all there, for whoever can to try those that fit.
    """
    entries = decode_object(jwks_text).get("keys")
    if not isinstance(entries, list):
        raise ValueError("a key set has a list `keys`")  # noqa: TRY004 - the document's fault, not the caller's
    keys: dict[str, tuple[Key, ...]] = {}
    left_out: list[str] = []
    for number, entry in enumerate(entries):
        try:
            key = _usable_key(entry)
        except ValueError as error:
            left_out.append(f"{_name_of(entry, number)}: {error}")
            continue
        if key is None:
            continue
        same = [one for one in keys.get(key.kid, ()) if one.public == key.public]
        others = tuple(one for one in keys.get(key.kid, ()) if one not in same)
        algorithms = key.algorithms.union(*(one.algorithms for one in same))
        keys[key.kid] = (*others, Key(key.kid, algorithms, key.public))
    return KeySet(keys, tuple(left_out))


def usable_keys(jwks_text: str) -> dict[str, tuple[Key, ...]]:
    """Of `read_key_set`."""
    return read_key_set(jwks_text).usable


def _usable_key(entry: object) -> Key | None:
    """None for one that is for something else; raises ValueError, which says why, for one that is not fit for it."""
    if not isinstance(entry, dict):
        raise ValueError("is not an object")  # noqa: TRY004 - the document's fault, not the caller's
    if not _is_for_signatures(entry):
        return None
    if shown := _PRIVATE_MEMBERS.intersection(entry):
        raise ValueError(f"shows what must stay secret ({', '.join(sorted(shown))})")
    kid = entry.get("kid", "")
    if "kid" in entry and not is_kid(kid):
        raise ValueError("its kid is not a printable string of 1 to 256 characters")
    public = _public_key(entry)
    if weakness := weakness_of(public):
        raise ValueError(weakness)
    algorithms = algorithms_for(public)
    if "alg" in entry:
        algorithms = algorithms.intersection([entry["alg"]] if isinstance(entry["alg"], str) else [])
    if not algorithms:
        raise ValueError(f"its alg {entry.get('alg')!r:.40} does not go with its type")
    return Key(kid, algorithms, public)


def _name_of(entry: object, number: int) -> str:
    kid = entry.get("kid") if isinstance(entry, dict) else None
    return f"key {number + 1}" if kid is None else f"key {number + 1}, kid {kid!r:.80}"


def _is_for_signatures(entry: dict[str, object]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _public_key(entry: dict[str, object]) -> PublicKey:
    match entry.get("kty"), entry.get("crv"):
        case "RSA", _:
            modulus, exponent = int.from_bytes(_octets(entry, "n")), int.from_bytes(_octets(entry, "e"))
            if weakness := rsa_weakness(modulus, exponent):
                raise ValueError(weakness)
            return RSAPublicNumbers(exponent, modulus).public_key()
        case "EC", str(name) if name in _CURVES:
            curve = _CURVES[name]
            x, y = _octets(entry, "x"), _octets(entry, "y")
            if {len(x), len(y)} != {(curve.key_size + 7) // 8}:  # RFC 7518 §6.2.1.2: full length
                raise ValueError("a coordinate of another length")
            return EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
        case "OKP", "Ed25519":
            return Ed25519PublicKey.from_public_bytes(_octets(entry, "x"))
    raise ValueError("a key of another type or curve")


def _octets(entry: dict[str, object], member: str) -> bytes:
    value = entry.get(member)
    if not isinstance(value, str):
        raise ValueError(f"{member} is not a string")  # noqa: TRY004 - the key's fault, not the caller's
    return base64url.decode(value.encode())
