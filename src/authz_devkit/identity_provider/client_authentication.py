"""Who the client is: by its secret, by a JWT that it signed, or by its certificate, as its realm's file says.

Not what it may have (`grants`). Each refusal is Keycloak's.
"""

import base64
import binascii
import hmac
from urllib.parse import unquote_plus

from authz_devkit.identity_provider import client_assertions, client_certificates
from authz_devkit.identity_provider.oauth import Call, Context, OAuthError
from authz_realm.realm import BY_CERTIFICATE, BY_SIGNED_JWT, Client

_BAD_CLIENT = "Invalid client or Invalid client credentials"


def authenticate_client(context: Context, call: Call) -> Client:
    """A public client only names itself. Raises OAuthError."""
    name, secret = _basic_credentials(call.authorization)
    name = call.form.get("client_id", name)
    realm = context.realm
    client = client_assertions.find_client(realm, call.form) if name is None else realm.find_client(name)
    if client is None or not client.enabled:
        raise OAuthError(401, "invalid_client", _BAD_CLIENT)
    if client.public_client:
        return client
    if client.client_authenticator_type == BY_SIGNED_JWT:
        client_assertions.require_assertion(context, client, call.form)
    elif client.client_authenticator_type == BY_CERTIFICATE:
        if "client_id" not in call.form:
            raise OAuthError(400, "invalid_client", "Missing client_id parameter")
        if not client_certificates.is_of(client, call.certificate):
            raise OAuthError(401, "invalid_client", _BAD_CLIENT)
    else:
        secret = call.form.get("client_secret", secret)
        if secret is None or client.secret is None or not equal(secret, client.secret):
            raise OAuthError(401, "unauthorized_client", _BAD_CLIENT)
    return client


def require_introspecting_client(context: Context, call: Call) -> Client:
    """The same in the words of the introspection endpoint."""
    try:
        return authenticate_client(context, call)
    except OAuthError as refusal:
        if refusal.status == 400:  # of a signed JWT: it says what is wrong with it
            raise
        known = refusal.body["error"] == "unauthorized_client"
        raise OAuthError(401, "invalid_client", "Client authentication failed." if known else _BAD_CLIENT) from refusal


def equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _basic_credentials(authorization: str | None) -> tuple[str | None, str | None]:
    """RFC 6749 §2.3.1: both halves are form-encoded before base64."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        name, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return (unquote_plus(name), unquote_plus(secret)) if colon else (None, None)
