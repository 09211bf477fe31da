"""The form of a token (RFC 7515, RFC 7519), read strictly before anything in it is believed. No signature, no claim."""

from typing import NamedTuple, TypeGuard

from authz_rego.values.value import Value
from authz_service.domain import base64url
from authz_service.domain.refusals import Reason, Rejected
from authz_service.identity.strict_json import decode_object

MAX_TOKEN_LENGTH = 16 * 1024
_MAX_KID_LENGTH = 256
# A key brought along by the token itself, and extensions that change what is signed or how it is read. `jku`, `x5u`,
# `x5c` and `x5t` only say where a key would be: some issuers write them (UAA), and nobody here looks at them.
_REFUSED_MEMBERS = frozenset({"crit", "zip", "b64", "jwk"})


class UnverifiedToken(NamedTuple):
    """A well-formed token of which nothing is proven yet."""

    algorithm: str
    kid: str | None
    media_type: str  # `typ` as `plain_media_type` gives it; absent counts as "jwt"
    payload: dict[str, Value]
    signing_input: bytes
    signature: bytes


def decode(token: str) -> UnverifiedToken:
    """Raises Rejected."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise Rejected(Reason.TOKEN_TOO_LONG, f"longer than {MAX_TOKEN_LENGTH} bytes")
    try:
        encoded_header, encoded_payload, encoded_signature = _require_three_parts(token.encode("ascii"))
        header = decode_object(base64url.decode(encoded_header).decode())
        payload = decode_object(base64url.decode(encoded_payload).decode())
        signature = base64url.decode(encoded_signature)
    except UnicodeError:
        raise Rejected(Reason.TOKEN_MALFORMED, "not ASCII outside or not UTF-8 inside") from None
    except ValueError as error:
        raise Rejected(Reason.TOKEN_MALFORMED, str(error)) from None
    algorithm, kid, media_type = _require_header(header)
    return UnverifiedToken(algorithm, kid, media_type, payload, encoded_header + b"." + encoded_payload, signature)


def _require_three_parts(token: bytes) -> list[bytes]:
    parts = token.split(b".")
    if len(parts) != 3:
        raise ValueError("not a JWT: it has not three parts with dots between them")
    return parts


def plain_media_type(typ: str) -> str:
    """`typ` in lower case, without the prefix that RFC 7515 §4.1.9 lets a sender omit."""
    return typ.lower().removeprefix("application/")


def _require_header(header: dict[str, Value]) -> tuple[str, str | None, str]:
    refused = _REFUSED_MEMBERS.intersection(header)
    if refused:
        raise Rejected(Reason.TOKEN_MALFORMED, f"header members that are never accepted: {', '.join(sorted(refused))}")
    algorithm, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str):
        raise Rejected(Reason.TOKEN_ALGORITHM_REFUSED, "alg is missing or not a string")
    if not isinstance(typ, str):
        raise Rejected(Reason.TOKEN_TYPE_REFUSED, "typ is not a string")
    if "kid" not in header:
        return algorithm, None, plain_media_type(typ)
    if not is_kid(kid):
        raise Rejected(Reason.TOKEN_MALFORMED, f"kid is not a printable string of 1 to {_MAX_KID_LENGTH} characters")
    return algorithm, kid, plain_media_type(typ)


def is_kid(value: object) -> TypeGuard[str]:
    """Whether this can name a key, in a token and in a key set alike."""
    return isinstance(value, str) and 0 < len(value) <= _MAX_KID_LENGTH and value.isprintable()
