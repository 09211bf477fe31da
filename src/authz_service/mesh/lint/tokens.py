"""Tokens: do they reach the sidecar that judges them, with its issuer and audience. Whether there are any: `realms`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from authz_service.config.model import JwtIssuer
from authz_service.domain.decision import NO_CLAIMS
from authz_service.domain.refusals import Rejected
from authz_service.domain.rules import PeerRules
from authz_service.identity.client_binding import require_same_client
from authz_service.mesh.ground import Ground
from authz_service.mesh.lint.rule import Found, named
from authz_service.mesh.model import Call, Sidecar
from authz_service.mesh.principals import service_account, token_claims
from authz_service.mesh.realm_file import Principal, RealmFile, realm_name
from authz_service.mesh.spot import Spot


def passed_audience(ground: Ground) -> Iterator[Found]:
    """The user's token goes on: both sidecars want to be its audience."""
    for call, sidecar in ground.arrows:
        if not _passes_on(call):
            continue
        for theirs, ours in _same_issuer(call.source, sidecar):
            lacking = [one for one in _accepted_at(ground, call.source, theirs) if not _names(one, ours)]
            if lacking:
                client = lacking[0].client or "its client"
                who = named(lacking)
                mapper = f"an audience mapper for {ours.audience[0]} in the realm {realm_name(ours.issuer)}"
                yield Found(
                    _audience_spot(sidecar, ours),
                    f"{sidecar.name} wants aud {' or '.join(ours.audience)}",
                    f"give {client} {mapper}, or correct jwt.audience",
                    _audience_spot(call.source, theirs),
                    f"{call.source.name} passes on tokens (of {who}) with aud {_audience(lacking[0])}",
                )


def passed_issuer(ground: Ground) -> Iterator[Found]:
    for call, sidecar in ground.arrows:
        theirs, ours = call.source.config.issuers, sidecar.config.issuers
        if _passes_on(call) and theirs and ours and not list(_same_issuer(call.source, sidecar)):
            yield Found(
                sidecar.spot("jwt", "issuers", 0, "issuer"),
                f"{sidecar.name} accepts tokens of {', '.join(one.issuer for one in ours)}",
                "accept the same issuer, or fetch or exchange a token for this target (auth.type)",
                call.source.spot("jwt", "issuers", 0, "issuer"),
                f"{call.source.name} passes on tokens of {', '.join(one.issuer for one in theirs)}",
            )


def token_stays_behind(ground: Ground) -> Iterator[Found]:
    for call, sidecar in ground.arrows:
        wants = sidecar.config.proxy.auth.enabled and all(r.auth_required for r in sidecar.config.proxy.routes)
        takes_away = call.target.auth.type == "none" and not call.source.config.proxy.headers.pass_token
        if call.of_ingress and wants and takes_away:
            yield Found(
                call.source.spot("proxy", "headers", "pass_token"),
                f"{call.source.name} takes the user's token away",
                "write pass_token: true, or an auth.type for the target",
                sidecar.spot("jwt"),
                f"{sidecar.name} wants a token on every route",
            )


def own_issuer(ground: Ground) -> Iterator[Found]:
    """A service's own token is of the issuer that the target accepts."""
    for call, sidecar in ground.arrows:
        name = realm_name(call.token_url)
        ours = [issuer.issuer for issuer in sidecar.config.issuers]
        if name and ours and all(realm_name(one) != name for one in ours):
            yield Found(
                sidecar.spot("jwt", "issuers", 0, "issuer"),
                f"{sidecar.name} accepts tokens of {', '.join(ours)}",
                "fetch the token from the realm that the target accepts",
                call.source.spot(*call.target_place, "auth", "token_url"),
                f"{call.source.name} fetches its token from the realm {name}",
            )


def own_audience(ground: Ground) -> Iterator[Found]:
    for call, sidecar in ground.arrows:
        realm = ground.mesh.realm_of(call.token_url)
        issuer = _issuer_of_realm(sidecar, call)
        if realm is None or issuer is None or call.target.auth.exchanges:
            continue
        principal = service_account(realm, issuer.issuer, call.client_id or "", call.scopes)
        if principal is not None and not _names(principal, issuer):
            yield _lacks_audience(call, sidecar, issuer, realm, f"aud {_audience(principal)}")
        elif principal is None and not _is_anybodys_audience(realm, issuer):
            yield _lacks_audience(call, sidecar, issuer, realm, "no client, role or mapper of that name")


def _lacks_audience(call: Call, sidecar: Sidecar, issuer: JwtIssuer, realm: RealmFile, has: str) -> Found:
    return Found(
        _audience_spot(sidecar, issuer),
        f"{sidecar.name} wants aud {' or '.join(issuer.audience)}",
        f"correct jwt.audience, or add the client {issuer.audience[0]} and a mapper that puts it into tokens of "
        f"{call.client_id}",
        realm.spot,
        f"the token of {call.client_id} has {has}",
    )


def _is_anybodys_audience(realm: RealmFile, issuer: JwtIssuer) -> bool:
    return any(f'"{name}"' in realm.text for name in issuer.audience)


def audience_of_nobody(ground: Ground) -> Iterator[Found]:
    """At any sidecar, called by another or from outside; what is said of an arrow already is not said again."""
    told = {found.spot for rule in (passed_audience, own_audience) for found in rule(ground)}
    for sidecar in ground.served if ground.mesh.principals else ():
        for issuer in sidecar.config.issuers if sidecar.config.proxy.auth.enabled else ():
            spot = _audience_spot(sidecar, issuer)
            known = [one for one in ground.principals(sidecar) if one.issuer == issuer.issuer]
            if not known or spot in told or _gets_exchanged_tokens(ground, sidecar, issuer):
                continue
            if not any(_names(one, issuer) or _could_name(ground, one, issuer) for one in known):
                audiences = ", ".join(dict.fromkeys(_audience(one) for one in known))
                yield Found(
                    spot,
                    f"{sidecar.name} wants aud {' or '.join(issuer.audience)}",
                    f"correct jwt.audience, or add an audience mapper for {issuer.audience[0]}",
                    known[0].spot,
                    f"the tokens of {named(known)} have aud {audiences}",
                )


def _gets_exchanged_tokens(ground: Ground, sidecar: Sidecar, issuer: JwtIssuer) -> bool:
    """Whose audience is asked for by the exchange."""
    calls = [call for call, destination in ground.arrows if destination is sidecar and call.target.auth.exchanges]
    return any(realm_name(call.token_url) == realm_name(issuer.issuer) for call in calls)


def _could_name(ground: Ground, principal: Principal, issuer: JwtIssuer) -> bool:
    """With the optional scopes of its client, which a user may ask for."""
    realm = ground.mesh.realm_of(principal.issuer)
    client = None if realm is None else realm.realm.find_client(principal.client)
    if realm is None or client is None:
        return False
    is_user = principal.kind == "user"
    account = realm.realm.find_user(principal.name) if is_user else realm.realm.find_service_account(client)
    optional = client.optional_client_scopes or ()
    if account is None or not optional:
        return False
    claims = token_claims(realm.realm, client, account, optional, principal.issuer)
    return _names(replace(principal, claims=claims), issuer)


def binding(ground: Ground) -> Iterator[Found]:
    """The service's own token comes with a certificate of another name."""
    for call, sidecar in ground.arrows:
        peer, mtls = ground.peer(call), sidecar.config.proxy.mtls
        client = call.client_id
        bound = mtls.enabled and mtls.bind_service_tokens
        if peer is None or client is None or call.target.auth.exchanges or not bound:
            continue
        owners = tuple((owner, one) for owner, clients in mtls.bindings.items() for one in clients)
        try:
            require_same_client(
                peer, NO_CLAIMS._replace(is_service=True, client=client), PeerRules(True, (), True, owners)
            )
        except Rejected:
            yield Found(
                call.source.spot(*call.target_place, "auth", "client_id"),
                f"{call.source.name} shows the token of {client}",
                f"name the certificate {client}-client, or write proxy.mtls.bindings at {sidecar.name}",
                sidecar.spot("proxy", "mtls"),
                f"{sidecar.name} takes it only with that client's certificate; shown is {peer.name}",
            )


def _passes_on(call: Call) -> bool:
    return call.of_ingress and call.target.auth.type == "none" and call.source.config.proxy.headers.pass_token


def _same_issuer(source: Sidecar, sidecar: Sidecar) -> Iterator[tuple[JwtIssuer, JwtIssuer]]:
    for theirs in source.config.issuers:
        for ours in sidecar.config.issuers:
            if theirs.issuer == ours.issuer:
                yield theirs, ours


def _accepted_at(ground: Ground, source: Sidecar, issuer: JwtIssuer) -> list[Principal]:
    known = [one for one in ground.principals(source) if one.issuer == issuer.issuer and one.kind == "user"]
    return [one for one in known if _names(one, issuer)]


def _names(principal: Principal, issuer: JwtIssuer) -> bool:
    claim = principal.claims.get(issuer.audience_claim)
    found = [claim] if isinstance(claim, str) else claim
    return isinstance(found, list | tuple) and any(name in issuer.audience for name in found)


def _audience_spot(sidecar: Sidecar, issuer: JwtIssuer) -> Spot:
    return sidecar.spot("jwt", "issuers", sidecar.config.issuers.index(issuer), "audience")


def _audience(principal: Principal) -> str:
    claim = principal.claims.get("aud", "none")
    return claim if isinstance(claim, str) else ", ".join(map(str, claim)) if isinstance(claim, list) else str(claim)


def _issuer_of_realm(sidecar: Sidecar, call: Call) -> JwtIssuer | None:
    name = realm_name(call.token_url)
    return next((one for one in sidecar.config.issuers if realm_name(one.issuer) == name), None)
