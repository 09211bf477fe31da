"""What must fit together about tokens: issuers, their keys, and how they are asked. Not the rules of one value."""

import re
from collections.abc import Iterator

from authz_service.config.checks.rules import plain_http, repeated
from authz_service.config.finding import Finding, Place
from authz_service.config.model import Config, JwtIssuer
from authz_service.config.values import http_url

_MTLS: Place = ("proxy", "mtls")
_PLACEHOLDER = re.compile(r"\{[^}]*\}|<[^>]*>|\*")  # as documents of providers print them


def token_findings(config: Config) -> Iterator[Finding]:
    if config.http.limits.per_user is not None and not config.proxy.auth.enabled:
        found = "a limit for each user, but proxy.auth is off, so nobody is known"
        fix = "set proxy.auth.enabled: true, or limit each caller with per_peer"
        yield Finding(("http", "limits", "per_user"), found, fix)
    if config.proxy.auth.enabled and config.jwt is None:
        fix = "say whose tokens are accepted: jwt.issuer and jwt.audience; or set proxy.auth.enabled: false"
        yield Finding(("jwt",), "is missing, and proxy.auth is enabled", fix)
    issuers = config.issuers
    for index, first in repeated(issuer.issuer for issuer in issuers):
        found = f"the same issuer as jwt.issuers[{first}]"
        yield Finding(("jwt", "issuers", index, "issuer"), found, "keep one")
    for index, issuer in enumerate(issuers):
        place: Place = ("jwt", "issuers", index)
        for key, texts in (("issuer", (issuer.issuer,)), ("audience", issuer.audience)):
            if _PLACEHOLDER.search(" ".join(texts)):
                fix = "write what stands in the tokens there, such as the tenant's own id"
                yield Finding((*place, key), "a placeholder is left, which no token has", fix)
        yield from _fetched_keys(place, issuer)
        if issuer.jwks_max_age < issuer.jwks_refresh_interval:
            found, fix = "is shorter than jwks_refresh_interval", "write a longer time, such as 1d"
            yield Finding((*place, "jwks_max_age"), found, fix)
        if issuer.introspection is not None:
            yield from plain_http((*place, "introspection", "url"), issuer.introspection.url)
        yield from _service_tokens(place, issuer)
        if issuer.require_binding and config.proxy.auth.enabled and not config.proxy.mtls.enabled:
            found = "tokens must be bound to the caller's certificate, but proxy.mtls is off: all would be refused"
            fix = "enable proxy.mtls where callers show certificates, or remove require_binding"
            yield Finding((*place, "require_binding"), found, fix)


def _fetched_keys(place: Place, issuer: JwtIssuer) -> Iterator[Finding]:
    """Keys fetched without TLS could be anybody's (RFC 8725 §3.10, ASVS 12.3)."""
    if issuer.jwks_token_file is not None and issuer.jwks_url is None:
        found, fix = "would be sent to nobody", "say who wants it, jwks_url; or remove jwks_token_file"
        yield Finding((*place, "jwks_token_file"), found, fix)
    if issuer.jwks_file is not None:
        if issuer.jwks_url is not None:
            found = "there are both jwks_file and jwks_url"
            yield Finding((*place, "jwks_file"), found, "keep one")
        return
    if issuer.jwks_url is not None:
        yield from plain_http((*place, "jwks_url"), issuer.jwks_url)
        return
    try:
        http_url(issuer.issuer)
    except ValueError:
        fix = "say where its keys are, jwks_url or jwks_file; or write the issuer as an URL, below which they are found"
        yield Finding((*place, "issuer"), "is no URL, so its keys cannot be found", fix)
    else:
        yield from plain_http((*place, "issuer"), issuer.issuer)


def _service_tokens(place: Place, issuer: JwtIssuer) -> Iterator[Finding]:
    if issuer.service_tokens == "claim" and not issuer.service_claims:
        fix = "say which claim has which value, such as service_claims: {idtyp: app}"
        yield Finding((*place, "service_tokens"), "no service_claims: every token would be a user's", fix)
    if issuer.service_tokens != "claim" and issuer.service_claims:
        fix = "write service_tokens: claim, or remove service_claims"
        yield Finding((*place, "service_claims"), "would not be looked at", fix)
    if issuer.service_tokens == "by_client" and not issuer.user_clients:
        fix = "name the clients through which users sign in, such as user_clients: [web-app]; or write all"
        yield Finding((*place, "service_tokens"), "no user_clients: no token would be a user's", fix)
    if issuer.service_tokens != "by_client" and issuer.user_clients:
        fix = "write service_tokens: by_client, or remove user_clients"
        yield Finding((*place, "user_clients"), "would not be looked at", fix)


def introspection_findings(config: Config) -> Iterator[Finding]:
    """A token of any issuer can arrive at any route."""
    unasked = [index for index, issuer in enumerate(config.issuers) if issuer.introspection is None]
    for number, route in enumerate(config.proxy.routes):
        if not route.introspect:
            continue
        place: Place = ("proxy", "routes", number, "introspect")
        if not config.proxy.auth.enabled:
            fix = "enable proxy.auth, or remove introspect"
            yield Finding(place, "no token is looked at: proxy.auth is off", fix)
        for index in unasked:
            found = f"nobody can be asked about tokens of {config.issuers[index].issuer}"
            yield Finding(place, found, "add introspection with url, client_id and a secret to this issuer")
