"""For each reason of a refusal: the place to look at, and what to do, with the values that disagree."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from authz_rego.explain import Tried
from authz_service.domain.refusals import ANSWERS, Reason
from authz_service.mesh.cause import unstripped
from authz_service.mesh.client_handshake import UNKNOWN_AUTHORITY
from authz_service.mesh.door import Answered
from authz_service.mesh.hop import Hop
from authz_service.mesh.model import Call, Mesh, Sidecar, file_of
from authz_service.mesh.principals import scopes_lacking
from authz_service.mesh.realm_file import Principal
from authz_service.mesh.shown import shown_on
from authz_service.mesh.spot import Spot
from authz_service.mesh.target_certificate import NOT_IN_CA_CERT
from authz_service.mesh.target_token import may_ask

_ROLE = re.compile(r'"([^"]+)" in input\.token\.([A-Za-z0-9_.]+)')


class Case(NamedTuple):
    """A refusal, and what is known of it."""

    mesh: Mesh
    sidecar: Sidecar
    hop: Hop
    principal: Principal | None
    call: Call | None
    answered: Answered | None

    @property
    def whose(self) -> str:
        return "the token" if self.principal is None else f"the token of {self.principal.name}"

    @property
    def realm_file(self) -> str:
        realm = None if self.principal is None else self.mesh.realm_of(self.principal.issuer)
        return "the identity provider" if realm is None else realm.spot.file


_Advice = tuple[Spot | None, str]


def remedy(case: Case) -> _Advice:
    """Where, and what."""
    return _ADVICE.get(case.hop.reason, _by_name)(case)


def _handshake(case: Case) -> _Advice:
    if case.hop.sends is not None:
        return _trust_in_target(case.hop.sends, case.hop.detail)
    call, sidecar = case.call, case.sidecar
    spot = sidecar.spot("http", "tls", "client_ca_file")
    ours = file_of(sidecar.config.http.tls, "client_ca_file")
    if call is None:
        return spot, f"show a certificate by an authority of {ours} (--cert FILE, or --from the service that calls)"
    shown = call.source.spot(*call.target_place, "tls", "client_cert")
    own = file_of(call.target.tls, "client_cert")
    if own is None:
        return spot, f"show a certificate by an authority of {ours}: write client_cert at the target ({shown})"
    if UNKNOWN_AUTHORITY not in case.hop.detail:
        return shown, f"issue {own} anew, for client authentication: {case.hop.detail}"
    return spot, _the_stranger(_signer(call), own, f"have {own} ({shown}) signed by an authority of {ours}", case)


def _the_stranger(signer: str, own: Path, to_sign: str, case: Case) -> str:
    """By the names of the zone: of a certificate and the authorities that it is held against, the one of another zone
    is to be corrected. The other way would let that zone in.
    """
    zone, ours = case.sidecar.config.service.zone, file_of(case.sidecar.config.http.tls, "client_ca_file")
    to_name = f"name the authority that signed {own.name} ({signer or 'its issuer'}) in client_ca_file"
    if ours is not None and zone:
        name = re.compile(rf"(?<![a-z0-9]){re.escape(zone)}(?![a-z0-9])", re.IGNORECASE)
        signed, believed = (bool(name.search(text)) for text in (signer, ours.name))
        if signed and not believed:
            return f"{to_name}: {case.sidecar.name} is of {zone}, and {ours.name} is not {zone}'s"
        if believed and not signed:
            return f"{to_sign}: it is {zone}'s, and who calls {case.sidecar.name} shows one of {zone}"
    return f"{to_name}, if {case.sidecar.name} is to believe whomever it signs, or {to_sign}"


def _trust_in_target(call: Call, detail: str) -> _Advice:
    url = call.source.spot(*call.target_place, "url")
    if NOT_IN_CA_CERT not in detail:
        return url, "write a name that the certificate has in url or tls.server_name, or issue one with the host of url"
    fix = "name the authority that signed that certificate in ca_cert, or correct url, if it leads elsewhere"
    return call.source.spot(*call.target_place, "tls", "ca_cert"), f"{fix} ({url})"


def _signer(call: Call) -> str:
    """Of the certificate that is shown, the last of its chain: whom the other side would have to know."""
    shown = shown_on(call)
    return "" if shown.assumed or not shown.chain else shown.chain[-1].issuer.rfc4514_string()


def _client(case: Case) -> _Advice:
    allowed = ", ".join(case.sidecar.config.proxy.mtls.allowed_clients)
    fix = f"{case.hop.certificate} is not among {allowed}: add it, or issue the certificate with one of these names"
    return case.sidecar.spot("proxy", "mtls", "allowed_clients"), fix


def _token_missing(case: Case) -> _Advice:
    spot = _route_spot(case, "auth_required") or case.sidecar.spot("jwt")
    if case.call is not None and case.call.target.auth.type == "none" and case.call.of_ingress:
        source = case.call.source
        return source.spot("proxy", "headers", "pass_token"), "write pass_token: true, so that the user's token goes on"
    return spot, "send a token: --as USER, --claims FILE or --token TOKEN says whose"


def _issuer(case: Case) -> _Advice:
    ours = " or ".join(issuer.issuer for issuer in case.sidecar.config.issuers)
    given = "" if case.principal is None else f" by {case.principal.issuer}"
    return _issuer_spot(case, "issuer"), f"{case.whose} is issued{given}; accepted is {ours}"


def _audience(case: Case) -> _Advice:
    ours = " or ".join(name for issuer in case.sidecar.config.issuers for name in issuer.audience)
    claims = {} if case.principal is None else case.principal.claims
    has = claims.get("aud", "none")
    client = "its client" if case.principal is None or not case.principal.client else case.principal.client
    return _issuer_spot(case, "audience"), (
        f"{case.whose} has aud {has}, and {ours} is wanted: give {client} an audience mapper for {ours} in "
        f"{case.realm_file}, or correct jwt.audience"
    )


def _binding(case: Case) -> _Advice:
    spot = case.sidecar.spot("proxy", "mtls", "bindings")
    return spot, (
        f"{case.hop.certificate} may present the token of the client that it is named after only: use that service's "
        "own client_id, or say whose certificate it is in proxy.mtls.bindings"
    )


def _policy(case: Case) -> _Advice:
    cause = case.hop.cause
    if cause is None:
        return case.sidecar.spot("proxy", "authz", "policy_query"), "no rule allows it: write one that does"
    spot = Spot(f"{case.hop.policies}/{cause.stopped.file}", cause.stopped.row)
    role = _ROLE.search(cause.line)
    if role is not None and case.principal is not None:
        what = "role" if "role" in role[2] else role[2]
        return spot, f"give {case.principal.name} the {what} {role[1]} in {case.realm_file}, or change {cause.rule}"
    wants = f"{cause.rule} wants `{cause.line}`, which does not hold: "
    return spot, wants + (_strip(case, cause) or "send what it asks for, or change the rule")


def _strip(case: Case, cause: Tried) -> str:
    """Where the path would be what the rule wants, without its beginning."""
    call = case.call
    path = "" if case.answered is None else case.answered.path
    prefix = unstripped(cause, path.split("/")[1:])
    if call is None or not prefix:
        return ""
    whole = f"{call.strip_prefix or ''}{prefix}"
    if call.base != whole and not call.base.startswith(f"{whole}/"):
        return ""
    way = call.source.spot(*call.place)
    return f"the path arrives as {path}: write strip_prefix: {whole} at the route that leads here ({way})"


def _route(case: Case) -> _Advice:
    if case.hop.direction == "out":
        return case.sidecar.spot("egress", "routes"), "call one of these paths, or add a route to egress.routes"
    known = ", ".join(route.path for route in case.sidecar.config.proxy.routes)
    fix = f"the routes are {known}: call one of them, or add one"
    if case.call is not None:
        way = case.call.source.spot(*case.call.place)
        fix += f"; or correct strip_prefix of the route that leads here ({way})"
    return case.sidecar.spot("proxy", "routes"), fix


def _method(case: Case) -> _Advice:
    return _route_spot(case, "methods"), "use a method that the route has, or add this one to its methods"


def _egress_token(case: Case) -> _Advice:
    """At the target that is called, not at the first with a client."""
    call = case.hop.sends
    auth = None if call is None else call.oauth2
    if call is None or auth is None:
        return _by_name(case)
    place = (*call.target_place, "auth")
    realm = case.mesh.realm_of(auth.token_url)
    if realm is None:
        return call.source.spot(*place), "make client and scopes the same at the provider and in the target's auth"
    file, client = realm.spot.file, realm.realm.find_client(auth.client_id)
    if client is None:
        return call.source.spot(*place, "client_id"), f"name a client of {file}, or add {auth.client_id} there"
    lacking = ", ".join(scopes_lacking(client, auth.scopes))
    if lacking and may_ask(client, auth):
        what = f"take {lacking} out of scopes, or give it to {auth.client_id} in {file} (optionalClientScopes)"
        return call.source.spot(*place, "scopes"), what
    kind = "token exchange" if auth.exchanges else "the service account"
    return call.source.spot(*place, "client_id"), f"enable {kind} of {auth.client_id} in {file}, or name another client"


def _exchange(case: Case) -> _Advice:
    """Of a scope the files say more than the page of reasons."""
    call = case.hop.sends
    if call is None or "invalid_scope" in case.hop.detail:
        return _egress_token(case)
    return call.source.spot(*call.target_place, "auth"), _by_name(case)[1]


def _by_name(case: Case) -> _Advice:
    """The reason says it itself."""
    title = ANSWERS[Reason(case.hop.reason)].title
    return case.sidecar.spot("proxy"), f"{title}; the page of reasons says what to do about {case.hop.reason}"


def _issuer_spot(case: Case, key: str) -> Spot:
    return case.sidecar.spot("jwt", "issuers", 0, key)


def _route_spot(case: Case, key: str) -> Spot | None:
    answered = case.answered
    path = "" if answered is None else answered.path
    for number, route in enumerate(case.sidecar.config.proxy.routes):
        base = route.path.removesuffix("/**")
        if path == base or (route.path.endswith("/**") and path.startswith(f"{base}/")):
            return case.sidecar.spot("proxy", "routes", number, key)
    return case.sidecar.spot("proxy")


_ADVICE: dict[str, Callable[[Case], _Advice]] = {
    "tls_refused": _handshake,
    Reason.CLIENT_NOT_ALLOWED: _client,
    Reason.CLIENT_CERT_MISSING: _handshake,
    Reason.TOKEN_MISSING: _token_missing,
    Reason.TOKEN_ISSUER_REFUSED: _issuer,
    Reason.TOKEN_AUDIENCE_REFUSED: _audience,
    Reason.TOKEN_CLIENT_MISMATCH: _binding,
    Reason.POLICY_DENIED: _policy,
    Reason.POLICY_UNDEFINED: _policy,
    Reason.POLICY_ERROR: _policy,
    Reason.ROUTE_NOT_FOUND: _route,
    Reason.METHOD_NOT_ALLOWED: _method,
    Reason.EGRESS_TOKEN_UNAVAILABLE: _egress_token,
    Reason.TOKEN_EXCHANGE_DENIED: _exchange,
}
