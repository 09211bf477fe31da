"""The token that a sidecar sends with a call: the user's, passed on; its own, as the realm would give it; or one that
the user's is exchanged for. Raises Rejected where there is none, with the reason that the caller would get.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from authz_realm.claims import UnknownScope
from authz_realm.realm import Client
from authz_service.config.model import OAuth2
from authz_service.domain.refusals import Reason, Rejected
from authz_service.mesh.door import Unjudged
from authz_service.mesh.mint import Mint
from authz_service.mesh.model import Call, Mesh
from authz_service.mesh.principals import scopes_lacking, service_account, token_claims
from authz_service.mesh.realm_file import Principal, RealmFile


@dataclass(frozen=True, slots=True)
class TokenInHand:
    """A token on its way, and whose it is as far as that is known."""

    text: str | None
    principal: Principal | None
    said: str
    claims: Mapping[str, object] | None = None

    @classmethod
    def of(cls, principal: Principal, text: str) -> TokenInHand:
        audience = principal.claims.get("aud", "nobody")
        named = audience if isinstance(audience, str) else ", ".join(map(str, audience))  # type: ignore[call-overload]
        kind = "service" if principal.kind == "service" else "user"
        return cls(text, principal, f"{kind} {principal.name}, aud {named}", principal.claims)


def target_token(mesh: Mesh, call: Call, before: TokenInHand, mint: Mint) -> TokenInHand:
    """Raises Rejected, or Unjudged where no file says what the provider would answer."""
    auth = call.target.auth
    if not isinstance(auth, OAuth2):
        passed = not call.of_ingress or call.source.config.proxy.headers.pass_token
        return before if passed else TokenInHand(None, None, "none (pass_token is false)")
    realm = mesh.realm_of(auth.token_url)
    if auth.exchanges:
        return _exchanged(call, auth, before, realm, mint)
    if realm is None:
        return _declared(mesh, call, auth, mint)
    issuer = auth.token_url.partition("/protocol/")[0]
    client = realm.realm.find_client(auth.client_id)
    at = f"{realm.spot}"
    if client is None:
        raise _none(f"{at}: the realm {realm.realm.realm} has no client {auth.client_id}")
    if not may_ask(client, auth):
        raise _none(f"{at}: the client {auth.client_id} has no service account (serviceAccountsEnabled)")
    principal = service_account(realm, issuer, auth.client_id, auth.scopes)
    if principal is None:
        lacking = ", ".join(scopes_lacking(client, auth.scopes))
        raise _none(f"{at}: the client {auth.client_id} may not ask for {lacking} (invalid_scope)")
    return TokenInHand.of(principal, mint.token(principal.claims, realm.realm.default_signature_algorithm))


def may_ask(client: Client, auth: OAuth2) -> bool:
    """Whether the realm lets it have a token in this way, whatever is in it."""
    if auth.exchanges:
        return client.attributes.get("standard.token.exchange.enabled") == "true"
    return client.enabled and client.service_accounts_enabled


def _declared(mesh: Mesh, call: Call, auth: OAuth2, mint: Mint) -> TokenInHand:
    found = [one for one in mesh.principals if one.kind == "service" and one.client == auth.client_id]
    if not found:
        what = f"{call.source.name}: no realm file is here for {auth.token_url}, and mesh.yaml names no principal"
        raise Unjudged(f"{what} with client {auth.client_id}")
    destination = call.destination
    issuers = () if destination is None else destination.config.issuers
    algorithm = next((one.algorithms[0] for one in issuers if one.issuer == found[0].issuer), "RS256")
    return TokenInHand.of(found[0], mint.token(found[0].claims, algorithm))


def _exchanged(call: Call, auth: OAuth2, before: TokenInHand, realm: RealmFile | None, mint: Mint) -> TokenInHand:
    """As Keycloak's standard token exchange: the user stays, the client and the audience change."""
    if before.text is None:
        raise Rejected(Reason.TOKEN_MISSING, "the service has to send the user's token, which is exchanged")
    if before.claims is None or realm is None:
        raise Unjudged(f"{call.source.name}: what {auth.token_url} makes of the user's token is not in these files")
    client = realm.realm.find_client(auth.client_id)
    user = realm.realm.find_user_by_id(str(before.claims.get("sub")))
    if client is None or not may_ask(client, auth):
        raise _none(f"{realm.spot}: the client {auth.client_id} may not exchange tokens")
    audience = before.claims.get("aud", [])
    holders = [audience] if isinstance(audience, str) else audience
    if client.client_id not in [*holders, before.claims.get("azp")]:  # type: ignore[misc]
        raise Rejected(Reason.TOKEN_EXCHANGE_DENIED, f"the user's token is not for {client.client_id}")
    if user is None:
        raise Rejected(Reason.TOKEN_NOT_EXCHANGEABLE, "the realm has no such user")
    issuer = str(before.claims.get("iss"))
    try:
        claims = token_claims(realm.realm, client, user, auth.scopes, issuer, auth)
    except UnknownScope as unknown:
        raise Rejected(Reason.TOKEN_EXCHANGE_DENIED, f"scope {unknown} (invalid_scope)") from unknown
    if auth.audience is not None and "aud" not in claims:
        raise Rejected(Reason.TOKEN_EXCHANGE_DENIED, f"the token would not be for {auth.audience}")
    principal = Principal(user.username, "user", issuer, claims, realm.spot, client.client_id)
    return TokenInHand.of(principal, mint.token(claims, realm.realm.default_signature_algorithm))


def _none(detail: str) -> Rejected:
    return Rejected(Reason.EGRESS_TOKEN_UNAVAILABLE, detail)
