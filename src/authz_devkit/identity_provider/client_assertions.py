"""A client's proof by a JWT that it signed (RFC 7523 §3), with Keycloak's rules and words. Not other proofs."""

import binascii
import json
from collections.abc import Mapping
from typing import NoReturn

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeyParameters, KeySet, RSAKey
from joserfc.util import json_b64decode

from authz_devkit.identity_provider.oauth import Context, OAuthError
from authz_realm.mappers import Claims
from authz_realm.realm import BY_SIGNED_JWT, Client, Realm

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")

_FAILED = "Client authentication with signed JWT failed: "
_LONGEST = 60  # seconds since it was issued, or until it ends where it does not say when it was issued
_SKEW = 15  # seconds that the client's clock may be ahead

_Part = dict[str, object]
_PublicKey = RSAKey | ECKey


def find_client(realm: Realm, form: Mapping[str, str]) -> Client | None:
    """Of those who prove themselves so: who says that he signed it. Nothing of it is verified."""
    parts = _parts(form.get("client_assertion", ""))
    if form.get("client_assertion_type") != ASSERTION_TYPE or parts is None:
        return None
    subject = parts[1].get("sub")
    client = realm.find_client(subject) if isinstance(subject, str) and subject == parts[1].get("iss") else None
    return client if client is not None and client.client_authenticator_type == BY_SIGNED_JWT else None


def require_assertion(context: Context, client: Client, form: Mapping[str, str]) -> None:
    """Raises OAuthError; else the assertion is used up."""
    kind, assertion = form.get("client_assertion_type"), form.get("client_assertion")
    if kind is None:
        _refuse("Parameter client_assertion_type is missing")
    if kind != ASSERTION_TYPE:
        _refuse(f"Parameter client_assertion_type has value '{kind}' but expected is '{ASSERTION_TYPE}'")
    if assertion is None:
        _refuse("client_assertion parameter missing")
    parts = _parts(assertion)
    if parts is None:
        _refuse(f"{_FAILED}java.lang.IllegalArgumentException: Parsing error")
    if {parts[1].get("sub"), parts[1].get("iss")} != {client.client_id}:
        _refuse("client_id parameter does not match authenticated client")
    claims = _verified(client, assertion, parts[0])
    _require_audience(context.issuer, claims.get("aud"))
    expires = _require_time(claims, context.now())
    _require_first_use(context, client, claims, expires)


def _verified(client: Client, assertion: str, head: _Part) -> Claims:
    """Signed by one of the client's own keys."""
    algorithm, kid = head.get("alg"), head.get("kid")
    if algorithm not in ALGORITHMS or algorithm != client.attributes.get("token.endpoint.auth.signing.alg", algorithm):
        _refuse("Invalid signature algorithm")
    keys = [key for key in _keys(client) if kid is None or key.kid == kid]
    if not keys:
        _refuse("Unable to load public key")
    for key in keys:
        try:
            return dict(jwt.decode(assertion, key, algorithms=[str(algorithm)]).claims)
        except (JoseError, ValueError):
            continue
    raise OAuthError(400, "invalid_client", f"{_FAILED}Signature on JWT token failed validation")


def _keys(client: Client) -> list[_PublicKey]:
    """None when what the realm's file says is no key."""
    attributes = client.attributes
    try:
        if attributes.get("use.jwks.string") == "true":
            found = KeySet.import_key_set(json.loads(attributes.get("jwks.string", "")))
            return [key for key in found.keys if isinstance(key, RSAKey | ECKey)]
        pem = f"-----BEGIN PUBLIC KEY-----\n{attributes['jwt.credential.public.key']}\n-----END PUBLIC KEY-----\n"
        named: KeyParameters = {"kid": attributes["jwt.credential.kid"]} if "jwt.credential.kid" in attributes else {}
        return [RSAKey.import_key(pem, named)]  # Keycloak reads no other kind here
    except (JoseError, ValueError, KeyError, TypeError):
        return []


def _require_audience(issuer: str, audience: object) -> None:
    """Ours, and nobody's beside us: else another provider could show it to us (RFC 7523 §3, no. 3)."""
    audiences = audience if isinstance(audience, list) else [audience]
    if len(audiences) > 1:
        _refuse("Multiple audiences not allowed")
    token = f"{issuer}/protocol/openid-connect/token"
    if not audiences or audiences[0] not in {issuer, token, f"{token}/introspect"}:
        _refuse("Invalid token audience")


def _require_time(claims: Claims, now: float) -> float:
    """When it ends."""
    expires, starts, issued = (claims.get(name) for name in ("exp", "nbf", "iat"))
    if not isinstance(expires, int | float):
        _refuse("Token exp claim is required")
    if expires <= now or (isinstance(starts, int | float) and starts > now):
        _refuse("Token is not active")
    if not isinstance(issued, int | float):
        if expires > now + _LONGEST:
            _refuse("Token expiration is too far in the future and iat claim not present in token")
    elif issued > now + _SKEW:
        _refuse("Token was issued in the future")
    elif issued < now - _LONGEST - _SKEW:
        _refuse("Token was issued too far in the past to be used now")
    return expires


def _require_first_use(context: Context, client: Client, claims: Claims, expires: float) -> None:
    number = claims.get("jti")
    if not isinstance(number, str):
        _refuse("Token jti claim is required")
    proof = f"{client.client_id} {number}"
    if context.used_proofs.covers({"jti": proof}):
        _refuse("Token reuse detected")
    context.used_proofs.add(proof, expires)


def _parts(assertion: str) -> tuple[_Part, _Part] | None:
    """Header and claims of what has the form of a signed JWT."""
    try:
        head, claims, _ = assertion.split(".")
        found = [json_b64decode(part.encode()) for part in (head, claims)]
    except (ValueError, binascii.Error, RecursionError):
        return None
    return (found[0], found[1]) if all(isinstance(part, dict) for part in found) else None


def _refuse(description: str) -> NoReturn:
    raise OAuthError(400, "invalid_client", description)
