"""The token endpoint's decisions with Keycloak's errors: what a client may have. Who it is: `client_authentication`."""

from collections.abc import Mapping
from typing import NamedTuple

from authz_devkit.identity_provider.client_authentication import (
    authenticate_client,
    equal,
    require_introspecting_client,
)
from authz_devkit.identity_provider.client_certificates import thumbprint
from authz_devkit.identity_provider.oauth import Answer, Call, Context, OAuthError
from authz_realm.claims import (
    OPENID,
    Grant,
    Stamp,
    UnknownScope,
    access_claims,
    access_lifetime,
    id_claims,
    refresh_claims,
    requested_scopes,
    scope_text,
    select_scopes,
)
from authz_realm.mappers import Claims
from authz_realm.realm import Client, Realm, User

# What Keycloak 26 writes before an access token's id: the kind of session, of token and of grant.
_PASSWORD = "onrtro"  # noqa: S105 - no password
_CLIENT_CREDENTIALS = "trrtcc"
_REFRESH = "onrtrt"
_EXCHANGE, _EXCHANGE_OF_A_SERVICE = "ntrtte", "trrtte"

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - RFC 8693, no password
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - as above


def issue_token(context: Context, call: Call) -> Answer:
    """The token endpoint. Raises OAuthError; the order of the checks is Keycloak's."""
    _require_enabled(context.realm)
    grant_type = call.form.get("grant_type")
    if grant_type is None:
        raise OAuthError(400, "invalid_request", "Missing form parameter: grant_type")
    decide = _GRANTS.get(grant_type)
    if decide is None:
        raise OAuthError(400, "unsupported_grant_type", "Unsupported grant_type")
    client = authenticate_client(context, call)
    if client.bearer_only:
        raise OAuthError(400, "invalid_client", "Bearer-only not allowed")
    if call.duplicated:
        raise OAuthError(400, "invalid_request", "duplicated parameter")
    return _tokens(context, _bound(decide(context, client, call), call.certificate))


def _bound(grant: Grant, certificate: bytes | None) -> Grant:
    """To the client's certificate (RFC 8705 §3), if the realm's file says so."""
    if grant.client.attributes.get("tls.client.certificate.bound.access.tokens") != "true":
        return grant
    if certificate is None:
        raise OAuthError(400, "invalid_request", "Client Certification missing for MTLS HoK Token Binding")
    return grant._replace(bound_to=thumbprint(certificate))


def introspect(context: Context, call: Call) -> Answer:
    """RFC 7662: what a token of this realm says, as long as it is worth something, to those whom it is for."""
    _require_enabled(context.realm)
    client = require_introspecting_client(context, call)
    if client.public_client:
        raise OAuthError(403, "invalid_request", "Client not allowed.")
    if call.duplicated:
        raise OAuthError(400, "invalid_request", "duplicated parameter")
    token = call.form.get("token")
    if token is None:
        raise OAuthError(400, "invalid_request", "Token not provided.")
    claims = context.keys.read(token)
    if claims is None or not _is_active(context, claims) or not _is_for(client, claims):
        return {"active": False}
    # The session of a client that speaks for itself is gone, and what only the session knew.
    return {
        **{name: value for name, value in claims.items() if name not in {"clientHost", "clientAddress"}},
        "client_id": claims.get("azp"),
        "username": claims.get("preferred_username"),
        "token_type": claims.get("typ"),
        "active": True,
    }


def revoke(context: Context, call: Call) -> None:
    """RFC 7009: the client takes back its own access token, or with a refresh token the whole session."""
    _require_enabled(context.realm)
    client = authenticate_client(context, call)
    if call.duplicated:
        raise OAuthError(400, "invalid_request", "duplicated parameter")
    token = call.form.get("token")
    if token is None:
        raise OAuthError(400, "invalid_request", "Token not provided")
    access, refresh = context.keys.read(token), context.keys.read_refresh(token)
    claims = access or refresh
    if claims is None or claims.get("iss") != context.issuer or not _is_fresh(context, claims):
        return  # RFC 7009 §2.2: nothing is left to take back
    if claims.get("azp") != client.client_id:
        raise OAuthError(400, "invalid_token", "Unmatching clients")
    if access is not None:
        context.revoked.add(str(access["jti"]), float(str(access["exp"])))
    else:
        context.revoked.add(str(claims["sid"]), context.now() + context.realm.sso_session_idle_timeout)


def _require_enabled(realm: Realm) -> None:
    """Of the rest, keys and discovery too, a disabled realm goes on answering."""
    if not realm.enabled:
        raise OAuthError(403, "access_denied", "Realm not enabled")


def _password(context: Context, client: Client, call: Call) -> Grant:
    if not client.direct_access_grants_enabled:
        raise OAuthError(400, "unauthorized_client", "Client not allowed for direct access grants")
    names = _requested_scopes(client, call)
    username = call.form.get("username")
    if username is None:
        raise OAuthError(401, "invalid_request", "Missing parameter: username")
    user = context.realm.find_user(username)
    if user is None or user.password is None or not equal(call.form.get("password", ""), user.password):
        raise OAuthError(400, "invalid_grant", "Invalid user credentials")
    if not user.enabled:
        raise OAuthError(400, "invalid_grant", "Account disabled")
    if not (user.email and user.first_name and user.last_name):
        raise OAuthError(400, "invalid_grant", "Account is not fully set up")
    return _grant(context, client, user, names, _Session(_PASSWORD, context.new_id()))


def _client_credentials(context: Context, client: Client, call: Call) -> Grant:
    if client.public_client:
        raise OAuthError(401, "unauthorized_client", "Public client not allowed to retrieve service account")
    if not client.service_accounts_enabled:
        raise OAuthError(401, "unauthorized_client", "Client not enabled to retrieve service account")
    account = context.realm.find_service_account(client)
    assert account is not None  # `load_realms` gives one to each such client
    if not account.enabled:
        raise OAuthError(401, "invalid_request", f"User '{account.username}' disabled")
    names = _requested_scopes(client, call)
    notes = {"client_id": client.client_id, "clientHost": call.address, "clientAddress": call.address}
    return _grant(context, client, account, names, _Session(_CLIENT_CREDENTIALS, notes=notes))


def _refresh(context: Context, client: Client, call: Call) -> Grant:
    token = call.form.get("refresh_token")
    if token is None:
        raise OAuthError(400, "invalid_request", "No refresh token")
    narrowed = _requested_scopes(client, call)
    claims = context.keys.read_refresh(token)
    if claims is None or claims.get("iss") != context.issuer:
        raise OAuthError(400, "invalid_grant", "Invalid refresh token")
    if not _is_fresh(context, claims) or context.revoked.covers(claims):
        raise OAuthError(400, "invalid_grant", "Token is not active")
    if claims.get("azp") != client.client_id:
        raise OAuthError(400, "invalid_grant", "Invalid refresh token. Token client and authorized client don't match")
    user = context.realm.find_user_by_id(str(claims.get("sub")))
    if user is None or not user.enabled:
        raise OAuthError(400, "invalid_grant", "Invalid refresh token" if user is None else "User disabled")
    names = [name for name in str(claims.get("scope")).split(" ") if not narrowed or name in narrowed]
    return _grant(context, client, user, names, _Session(_REFRESH, str(claims.get("sid"))))


def _exchange(context: Context, client: Client, call: Call) -> Grant:
    """RFC 8693 as Keycloak's "standard token exchange" does it: a token for the client, or its own, for one by it."""
    if client.public_client or client.attributes.get("standard.token.exchange.enabled") != "true":
        raise OAuthError(400, "invalid_request", "Standard token exchange is not enabled for the requested client")
    claims = _require_subject(context, call.form)
    if claims.get("azp") != client.client_id and not _is_for(client, claims):
        raise OAuthError(403, "access_denied", "Client is not within the token audience")
    audience = call.form.get("audience")
    if audience is not None:
        wanted = context.realm.find_client(audience)
        if wanted is None or not wanted.enabled:
            raise OAuthError(400, "invalid_client", "Audience not found" if wanted is None else "Client disabled")
    names = _requested_scopes(client, call)
    user = context.realm.find_user_by_id(str(claims["sub"]))
    assert user is not None  # the subject is active
    session = claims.get("sid")
    kind = _EXCHANGE if session is not None else _EXCHANGE_OF_A_SERVICE
    grant = _grant(context, client, user, names, _Session(kind, None if session is None else str(session)))
    return grant._replace(exchanged=True, audience=audience)


def _require_subject(context: Context, form: Mapping[str, str]) -> Claims:
    """The claims of the token that shall be exchanged."""
    for name in ("requested_subject", "subject_issuer"):
        if name in form:
            raise OAuthError(400, "invalid_request", f"Parameter '{name}' is not supported for standard token exchange")
    for name in ("subject_token", "subject_token_type"):
        if name not in form:
            raise OAuthError(400, "invalid_request", f"Parameter '{name}' required for standard token exchange")
    if form["subject_token_type"] != ACCESS_TOKEN:
        raise OAuthError(400, "invalid_request", "Parameter 'subject_token' supports access tokens only")
    claims = context.keys.read(form["subject_token"])
    if claims is None or claims.get("typ") != "Bearer" or not _is_active(context, claims):
        raise OAuthError(400, "invalid_request", "Invalid token")
    if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise OAuthError(400, "invalid_request", "requested_token_type unsupported")
    return claims


_GRANTS = {
    "password": _password,
    "client_credentials": _client_credentials,
    "refresh_token": _refresh,
    TOKEN_EXCHANGE: _exchange,
}


def _tokens(context: Context, grant: Grant) -> Answer:
    stamp = Stamp(context.issuer, int(context.now()), context.new_id())
    claims = access_claims(grant, stamp)
    if grant.audience is not None and "aud" not in claims:
        raise OAuthError(400, "invalid_request", f"Requested audience not available: {grant.audience}")
    access_token = context.keys.sign(claims)
    answer: Answer = {
        "access_token": access_token,
        "expires_in": access_lifetime(grant),
        "refresh_expires_in": 0,
        "token_type": "Bearer",
        "not-before-policy": 0,
        "scope": scope_text(grant),
    }
    if grant.session_id is not None:
        answer["session_state"] = grant.session_id
    if grant.exchanged:
        answer["issued_token_type"] = ACCESS_TOKEN
    elif grant.session_id is not None:
        answer["refresh_expires_in"] = grant.realm.sso_session_idle_timeout
        answer["refresh_token"] = context.keys.sign_refresh(refresh_claims(grant, stamp))
    if grant.openid:
        answer["id_token"] = context.keys.sign(
            id_claims(grant, stamp._replace(token_id=context.new_id()), access_token)
        )
    return answer


class _Session(NamedTuple):
    kind: str
    id: str | None = None
    notes: Mapping[str, str] = {}


def _grant(context: Context, client: Client, user: User, names: list[str], session: _Session) -> Grant:
    scopes = select_scopes(context.realm, client, user, names)
    return Grant(context.realm, client, user, scopes, OPENID in names, session.id, session.kind, session.notes)


def _requested_scopes(client: Client, call: Call) -> list[str]:
    try:
        return requested_scopes(client, call.form.get("scope"))
    except UnknownScope as unknown:
        raise OAuthError(400, "invalid_scope", f"Invalid scopes: {unknown}") from unknown


def _is_for(client: Client, claims: Claims) -> bool:
    audience = claims.get("aud")
    return client.client_id in (audience if isinstance(audience, list) else [audience])


def _is_active(context: Context, claims: Claims) -> bool:
    user = context.realm.find_user_by_id(str(claims.get("sub")))
    client = context.realm.find_client(str(claims.get("azp")))
    still_there = user is not None and user.enabled and client is not None and client.enabled
    ours = claims.get("iss") == context.issuer and not context.revoked.covers(claims)
    return still_there and ours and _is_fresh(context, claims)


def _is_fresh(context: Context, claims: Claims) -> bool:
    expires = claims.get("exp")
    return isinstance(expires, int) and expires > context.now()
