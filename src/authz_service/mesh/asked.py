"""What is asked about a request, and what its words mean in a mesh: which sidecar, whose token. Follows no request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from authz_service.control_plane.gate_rules import gate_rules
from authz_service.ingress.route_table import RouteTable
from authz_service.mesh.door import Unjudged
from authz_service.mesh.mint import Mint
from authz_service.mesh.model import Mesh, Sidecar
from authz_service.mesh.realm_file import Principal
from authz_service.mesh.target_token import TokenInHand

_MOST_NAMES = 20


class AskedFor(NamedTuple):
    """What the command line says about the request."""

    method: str
    target: str  # path and query
    principal: str = ""  # whose token it carries
    claims: Mapping[str, object] | None = None
    token: str | None = None
    source: str = ""  # the service that sends it, through its egress
    at: str = ""  # the sidecar that it comes to
    certificate: Path | None = None
    headers: tuple[tuple[str, str], ...] = ()  # lower-case names
    keys: tuple[dict[str, object], ...] = ()  # of the issuers, for a real token
    host: str = ""


def find_sidecar(mesh: Mesh, name: str) -> Sidecar:
    """By its own name, or one by which others reach it. Raises Unjudged."""
    found = mesh.sidecars.get(name) or next((one for one in mesh.sidecars.values() if name.lower() in one.names), None)
    if found is None:
        raise Unjudged(f"there is no service {name}; there are {', '.join(mesh.sidecars) or 'none'}")
    return found


def entry_of(mesh: Mesh, asked: AskedFor) -> Sidecar:
    """Whom a request from outside comes to. Raises Unjudged where that is not told."""
    if asked.at:
        return find_sidecar(mesh, asked.at)
    entries = mesh.entries()
    if len(entries) > 1:
        path = asked.target.partition("?")[0].split("/")[1:]
        fitting = [one for one in entries if _routes(one).find(path) != "-"]
        entries = fitting or entries
    if len(entries) != 1:
        names = ", ".join(one.name for one in entries or mesh.sidecars.values())
        raise Unjudged(f"which sidecar does it come to? Say --at with one of: {names}")
    entry = entries[0]
    if mesh.broken and entry.config.http.tls.client_auth == "require":
        unread = ", ".join(mesh.broken.values())
        raise Unjudged(f"which sidecar does it come to? {unread} cannot be read; say --at")
    return entry


def token_of(mesh: Mesh, asked: AskedFor, sidecar: Sidecar, mint: Mint) -> TokenInHand:
    """What the request carries: given, made of claims, or made for somebody. Raises Unjudged."""
    if asked.token is not None:
        return TokenInHand(asked.token, None, "the one that was given")
    issuers = sidecar.config.issuers
    algorithms = issuers[0].algorithms if issuers else ("ES256",)
    if asked.claims is not None:
        claims = {"iss": issuers[0].issuer, **asked.claims} if issuers else dict(asked.claims)
        return TokenInHand(mint.token(claims, algorithms[0]), None, "the claims that were given", claims)
    if not asked.principal:
        return TokenInHand(None, None, "none")
    principal = _principal(mesh, asked.principal, sidecar)
    realm = mesh.realm_of(principal.issuer)
    algorithm = algorithms[0] if realm is None else realm.realm.default_signature_algorithm
    return TokenInHand.of(principal, mint.token(principal.claims, algorithm))


def _principal(mesh: Mesh, name: str, sidecar: Sidecar) -> Principal:
    """A user by any of his realms and clients, the one first whose token is for this sidecar; else a service."""
    wanted, _, client = name.partition("@client=")
    found = mesh.principals_of(wanted)
    if client:
        found = [one for one in found if one.client == client]
    accepted = {name for issuer in sidecar.config.issuers for name in issuer.audience}
    for one in found:
        audience = one.claims.get("aud", [])
        if accepted & set([audience] if isinstance(audience, str) else map(str, audience)):  # type: ignore[call-overload]
            return one
    if found:
        return found[0]
    refused = next((one for one in mesh.no_tokens if one.client == wanted), None)
    if refused is not None:
        raise Unjudged(f"{wanted} gets no token: {refused.why} ({refused.spot})")
    known = list(dict.fromkeys(each for one in mesh.principals for each in (one.alike or (one.name,))))
    names = ", ".join(known[:_MOST_NAMES]) + (", …" if len(known) > _MOST_NAMES else "")
    raise Unjudged(f"nobody is called {wanted}; there are: {names or 'none (no realm file, no mesh.yaml: principals)'}")


def _routes(sidecar: Sidecar) -> RouteTable:
    return RouteTable(gate_rules(sidecar.config, None, "").routes)
