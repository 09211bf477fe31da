"""The claims of a token whose signature is verified: their types, and whether they are for us and for now.

Rego orders values of different types (`"x" > 5` is true), and claims become headers: so types are checked here, once,
for every claim that somebody will rely on.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple, TypeGuard

from authz_rego.values.number import Number, float64
from authz_rego.values.value import Value
from authz_service.domain.decision import Claims
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import IssuerRules
from authz_service.identity.service_tokens import CLIENT_CLAIMS, client_of, is_service, require_subject
from authz_service.identity.token_binding import bound_certificate

_MAX_NAME_LENGTH = 255  # OpenID Connect Core §2 on `sub`
_END_OF_TIME = 253402300799  # 9999-12-31T23:59:59Z; what lies beyond is milliseconds taken for seconds
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAMES = ("sub", *CLIENT_CLAIMS, "preferred_username", "email")  # optional, but what they must be when present
# Null or empty, they are as good as absent: nobody is let in for them, and their headers are removed.
_AUDIENCE = frozenset({"aud"})
_OPTIONAL = (*_NAMES, "scope", "realm_access", "resource_access")


class TimedClaims(NamedTuple):
    """Claims, and the moment before which they are not valid."""

    claims: Claims
    not_before: float  # the later of `nbf` and `iat`, minus leeway


def require_claims(payload: dict[str, Value], rules: IssuerRules, now: float) -> TimedClaims:
    """Raises Rejected. `payload` must carry the issuer's signature and its `iss` must be the issuer's."""
    _require_bearer_token(payload)
    _require_text(payload)
    payload = _without_empty(payload)
    certificate = bound_certificate(payload, required=rules.require_binding)
    for name in rules.required_claims:
        if payload.get(name) is None:
            raise _invalid(f"{name} is missing, and jwt.required_claims names it")
    for name in _NAMES:
        if name in payload:
            _require_name(name, payload[name])
    service = is_service(payload, rules)
    require_subject(payload, service=service)
    if "scope" in payload:
        payload["scope"] = _scope_text(payload["scope"])
    _require_roles(payload)
    for claim in {rules.audience_claim, *_AUDIENCE.intersection(payload)}:
        _require_audience(claim, payload.get(claim), rules.audiences)
    expires_at = _require_time(payload, "exp") + rules.leeway
    if now >= expires_at:
        raise Rejected(Reason.TOKEN_EXPIRED, f"expired {now - expires_at:.0f} s ago")
    not_before = max(_require_time(payload, "nbf", 0), _require_time(payload, "iat", 0)) - rules.leeway
    if now < not_before:
        raise Rejected(Reason.TOKEN_NOT_YET_VALID, f"valid in {not_before - now:.0f} s")
    client = client_of(payload, rules)
    return TimedClaims(Claims(payload, rules.issuer, expires_at, certificate, service, client), not_before)


def _require_bearer_token(payload: dict[str, Value]) -> None:
    if (
        payload.get("typ", "Bearer") != "Bearer"
    ):  # Keycloak writes ID, Refresh, Offline, Logout, DPoP into its other tokens
        raise Rejected(Reason.TOKEN_TYPE_REFUSED, "the claim typ is not Bearer")


def _without_empty(payload: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in payload.items() if name not in _OPTIONAL or value not in (None, "")}


def _scope_text(scope: object) -> str:
    """A list is what a string would be (RFC 8693 §4.2): policies and headers see one form."""
    if isinstance(scope, str):
        return scope
    if not _is_list_of_strings(scope) or not all(name and not any(map(str.isspace, name)) for name in scope):
        raise _invalid("scope is neither a string nor a list of words")
    return " ".join(scope)


def _require_name(claim: str, value: object) -> None:
    # Spaces at the ends vanish in a header: " admin" would become "admin" on the way to the service.
    if not (
        isinstance(value, str) and 0 < len(value) <= _MAX_NAME_LENGTH and value.isprintable() and value == value.strip()
    ):
        raise _invalid(f"{claim} is not a printable string of 1 to {_MAX_NAME_LENGTH} characters")


def _require_roles(payload: dict[str, Value]) -> None:
    resources = payload.get("resource_access", {})
    if not isinstance(resources, dict):
        raise _invalid("resource_access is not an object")
    _require_role_lists("realm_access", [payload.get("realm_access", {})])
    _require_role_lists("resource_access", resources.values())


def _require_role_lists(claim: str, holders: Iterable[object]) -> None:
    for holder in holders:
        if holder is None:
            continue
        if not isinstance(holder, dict) or not _is_list_of_strings(holder.get("roles") or []):
            raise _invalid(f"{claim} has roles that are not a list of strings")


def _require_audience(claim: str, audience: object, accepted: tuple[str, ...]) -> None:
    found = [audience] if isinstance(audience, str) else audience
    if found is None:
        raise Rejected(Reason.TOKEN_AUDIENCE_REFUSED, f"{claim} is missing")
    if not _is_list_of_strings(found):
        raise _invalid(f"{claim} is neither a string nor a list of strings")
    if not any(name in accepted for name in found):
        raise Rejected(Reason.TOKEN_AUDIENCE_REFUSED, f"{claim} does not name this service")


def _require_time(payload: dict[str, Value], claim: str, default: int | None = None) -> float:
    seconds = seconds_of(payload.get(claim, default))
    if seconds is None or not 0 <= seconds <= _END_OF_TIME:
        raise _invalid(f"{claim} is not a time in seconds")
    return seconds


def seconds_of(value: Value) -> float | None:
    """A number of seconds (RFC 7519 §2, NumericDate); None for what is no number."""
    # A bool is an int to Python.
    return float64(value) if type(value) is int or type(value) is Number else None


def _require_text(value: Value) -> None:
    """What is half of a surrogate pair has no UTF-8, and no place in a policy's input (RFC 7493 §2.1)."""
    kind = type(value)
    if kind is str:
        if not value.isascii() and _SURROGATE.search(value):
            raise _invalid("half of a surrogate pair")
    elif kind is list:
        for member in value:
            _require_text(member)
    elif kind is dict:
        for name, member in value.items():
            _require_text(name)
            _require_text(member)


def _is_list_of_strings(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _invalid(detail: str) -> Rejected:
    return Rejected(Reason.TOKEN_CLAIMS_INVALID, detail)
