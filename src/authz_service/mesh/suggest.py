"""What a mesh grants and nobody used in some time, by the audit records of that time. Suggests; changes nothing.

A role or scope counts as used when a recorded request would be refused without it, by the policies of the mesh. Of
services without a record nothing is said.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from authz_rego.values.json_text import from_json
from authz_service.domain.refusals import Reason
from authz_service.mesh.model import Call, Mesh, Sidecar
from authz_service.mesh.realm_file import Principal
from authz_service.mesh.replay import Policies
from authz_service.mesh.spot import Spot
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.decide.time_limit import TimeLimit, TooLong

Claims: TypeAlias = Mapping[str, object]
_PATHS = 50  # of one route, method, client and principal; more say nothing new
_A_WHILE = 300  # seconds that a token is taken to live


class Used(msgspec.Struct, frozen=True):
    """What is read of a record."""

    event: str = ""
    decision: str = ""
    service: str = ""
    time: str = ""
    method: str = ""
    path: str = ""
    route: str = ""
    mtls_client: str = ""
    user_name: str = ""
    user_id: str = ""
    calling_service: str = ""


class Suggestion(msgspec.Struct, frozen=True):
    kind: str  # client | route | methods | egress_route | principal | role | scope
    service: str  # or the realm's file
    what: str
    why: str
    file: str
    line: int
    keep: tuple[str, ...] = ()  # of `methods`: those that were used


class _Asked(NamedTuple):
    """Requests of one kind: whose, at which service, through which route."""

    service: str
    method: str
    route: str
    client: str
    principal: str


class Usage:
    """`take` every record, then ask what it leaves `unused`."""

    def __init__(self) -> None:
        self.records = 0
        self.first = self.last = ""
        self.services: Counter[str] = Counter()
        self._paths: dict[_Asked, dict[str, None]] = {}

    def take(self, used: Used) -> None:
        self.records += 1
        self.first = min(self.first or used.time, used.time)
        self.last = max(self.last, used.time)
        self.services[used.service] += 1
        if used.event != "access" or used.decision != "allow":
            return
        service_account = used.user_name.startswith("service-account-")
        principal = used.calling_service if service_account or not used.user_name else used.user_name
        asked = _Asked(used.service, used.method, used.route, used.mtls_client, principal)
        paths = self._paths.setdefault(asked, {})
        if len(paths) < _PATHS:
            paths[used.path] = None

    def unused(self, mesh: Mesh, policies: Policies, now: float) -> list[Suggestion]:
        found: list[Suggestion] = []
        for sidecar in mesh.sidecars.values():
            if sidecar.config.service.name in self.services:
                found += self._clients(sidecar)
                found += self._routes(sidecar)
        for sidecar in mesh.sidecars.values():
            found += self._egress_routes(mesh, sidecar)
        return [*found, *_Needs(self, mesh, policies, now).suggestions()]

    def at(self, service: str) -> list[_Asked]:
        return [asked for asked in self._paths if asked.service == service]

    def by(self, names: set[str]) -> Iterator[tuple[_Asked, str]]:
        for asked, paths in self._paths.items():
            if asked.principal in names:
                yield from ((asked, path) for path in paths)

    def _clients(self, sidecar: Sidecar) -> Iterator[Suggestion]:
        mtls = sidecar.config.proxy.mtls
        if not mtls.enabled:
            return
        seen = {asked.client for asked in self.at(sidecar.config.service.name)}
        for number, client in enumerate(mtls.allowed_clients):
            if client.startswith("dns:") or any(_may_be(client, name) for name in seen):
                continue
            spot = sidecar.spot("proxy", "mtls", "allowed_clients", number)
            yield _suggestion("client", sidecar.name, client, "no allowed request came with it", spot)

    def _routes(self, sidecar: Sidecar) -> Iterator[Suggestion]:
        asked = self.at(sidecar.config.service.name)
        for number, route in enumerate(sidecar.config.proxy.routes):
            used = {one.method for one in asked if one.route == route.path and one.method in route.methods}
            spot = sidecar.spot("proxy", "routes", number)
            if not used:
                yield _suggestion("route", sidecar.name, route.path, "no allowed request took it", spot)
                continue
            more = [method for method in route.methods if method not in used]
            if more:
                at = ("proxy", "routes", number, "methods")
                spot = sidecar.spot(*at) if sidecar.is_written(*at) else spot
                why = f"no allowed request of {route.path} had {', '.join(more)}"
                kept = tuple(method for method in route.methods if method in used)
                what = f"{route.path}: {', '.join(more)}"
                yield Suggestion("methods", sidecar.name, what, why, spot.file, spot.line, kept)

    def _egress_routes(self, mesh: Mesh, sidecar: Sidecar) -> Iterator[Suggestion]:
        """Requests that leave have no record, but where they arrive they have."""
        for call in mesh.calls_of(sidecar):
            if call.of_ingress or call.destination is None:
                continue
            service = call.destination.config.service.name
            if service in self.services and not any(_came_by(call, sidecar, one) for one in self._arrived(service)):
                why = f"{service} has no allowed request of {sidecar.config.service.name}"
                yield _suggestion("egress_route", sidecar.name, call.base, why, sidecar.spot(*call.place))

    def _arrived(self, service: str) -> Iterator[tuple[_Asked, str]]:
        for asked in self.at(service):
            yield from ((asked, path) for path in self._paths[asked])


class _Needs:
    """Which roles and scopes the recorded requests needed: each is taken away, and the policy is asked again."""

    def __init__(self, usage: Usage, mesh: Mesh, policies: Policies, now: float) -> None:
        self._usage, self._mesh, self._policies, self._now = usage, mesh, policies, now
        self._limit = TimeLimit()
        self._engines: dict[str, PolicyEngine | None] = {}

    def suggestions(self) -> Iterator[Suggestion]:
        for principal in self._mesh.principals:
            if not self._is_told_of_everywhere(principal.issuer):
                continue
            names = {*principal.alike, principal.name, principal.client if principal.kind == "service" else ""}
            asked = list(self._usage.by(names - {""}))
            grants = [grant for grant in _grants(principal.claims) if not self._carries_more(principal, grant)]
            if grants and not asked:
                who = ", ".join(principal.alike or (principal.name,))
                yield _suggestion("principal", "", who, "no allowed request carried their token", principal.spot)
            for grant in grants if asked else ():
                if self._is_unneeded(principal, asked, grant.without):
                    why = f"each recorded request of {principal.name} would be allowed without it"
                    yield _suggestion(grant.kind, principal.name, grant.name, why, principal.spot)

    def _is_told_of_everywhere(self, issuer: str) -> bool:
        """Whether each service that takes such tokens has records: what was needed elsewhere nobody knows here."""
        takers = [
            sidecar.config.service.name
            for sidecar in self._mesh.sidecars.values()
            if issuer in {one.issuer for one in sidecar.config.issuers}
        ]
        return bool(takers) and all(name in self._usage.services for name in takers)

    def _carries_more(self, principal: Principal, grant: _Grant) -> bool:
        """A scope that brings an audience or other claims is needed for these, too: nothing is said of it."""
        if grant.kind != "scope":
            return False
        file = self._mesh.realm_of(principal.issuer)
        scope = None if file is None else file.realm.find_scope(grant.name)
        return file is not None and (scope is None or bool(scope.protocol_mappers))

    def _is_unneeded(self, principal: Principal, asked: list[tuple[_Asked, str]], without: Claims) -> bool:
        """Of what cannot be decided anew nothing is said."""
        for one, path in asked:
            if self._allows(one, path, principal.claims) is not True or self._allows(one, path, without) is not True:
                return False
        return True

    def _allows(self, asked: _Asked, path: str, claims: Claims) -> bool | None:
        engine = self._engine(asked.service)
        if engine is None:
            return None
        document = from_json(msgspec.json.encode(self._document(asked, path, claims)))
        try:
            with self._limit.of(1.0):
                return engine.evaluate(document).reason is Reason.ALLOWED
        except TooLong:
            return None

    def _engine(self, service: str) -> PolicyEngine | None:
        if service not in self._engines:
            source = self._policies(service, "")
            self._engines[service] = None if source is None else PolicyEngine(source, lambda: int(self._now * 1e9))
        return self._engines[service]

    def _document(self, asked: _Asked, path: str, claims: Claims) -> dict[str, object]:
        token = {**claims, "iat": int(self._now), "exp": int(self._now) + _A_WHILE}
        segments = [] if path == "/" else path.split("/")[1:]
        request = {"method": asked.method, "path": path, "segments": segments, "query": {}, "host": ""}
        return {
            "mtls": self._peer(asked),
            "token": token,
            "request": request,
            "headers": {},
            "route": asked.route,
            "decision_id": "",
        }

    def _peer(self, asked: _Asked) -> dict[str, object]:
        """As the configuration names the client."""
        allowed = [
            client
            for sidecar in self._mesh.sidecars.values()
            if sidecar.config.service.name == asked.service
            for client in sidecar.config.proxy.mtls.allowed_clients
            if _may_be(client, asked.client)
        ]
        client = allowed[0] if allowed and asked.client else ""
        is_uri = client.startswith("spiffe://")
        subject = {} if is_uri else dict(part.split("=", 1) for part in client.split(",") if "=" in part)
        subject |= {"CN": asked.client} if is_uri and not asked.client.startswith("spiffe://") else {}
        return {
            "verified": bool(client),
            "subject": subject,
            "san": {"uri": [client] if is_uri else [], "dns": []},
            "fingerprint_sha256": "",
        }


class _Grant(NamedTuple):
    kind: str  # role | scope
    name: str
    without: Claims  # the token's claims, if it had it not


def _grants(claims: Claims) -> Iterator[_Grant]:
    for place in _role_lists(claims):
        roles = _at(claims, place)
        for role in roles if isinstance(roles, list) else ():
            without = copy.deepcopy(dict(claims))
            kept = _at(without, place)
            assert isinstance(kept, list)
            kept.remove(role)
            yield _Grant("role", f"{place[1]}: {role}" if len(place) == 3 else str(role), without)
    scope = claims.get("scope")
    for word in scope.split() if isinstance(scope, str) else ():
        rest = " ".join(other for other in str(scope).split() if other != word)
        if word not in {"openid", "profile", "email"}:
            yield _Grant("scope", word, {**claims, "scope": rest})


def _role_lists(claims: Claims) -> list[tuple[str, ...]]:
    clients = claims.get("resource_access")
    owners = list(clients) if isinstance(clients, dict) else []
    return [("realm_access", "roles"), *(("resource_access", owner, "roles") for owner in owners), ("permissions",)]


def _at(value: object, place: tuple[str, ...]) -> object:
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _may_be(client: str, shown: str) -> bool:
    """Whether a certificate whose record says `shown` is this allowed client; its CN comes before its URI there."""
    if client.startswith("spiffe://"):
        return shown in {client, client.rpartition("/")[2], f"{client.rpartition('/')[2]}-client"}
    return f"CN={shown}" in client.split(",")


def _came_by(call: Call, sidecar: Sidecar, arrived: tuple[_Asked, str]) -> bool:
    asked, path = arrived
    shown = asked.client
    names = {shown, shown.rpartition("/")[2].removesuffix("-client"), asked.principal}
    beginning = call.arrives_as.rstrip("/")
    is_below = path == call.arrives_as or path.startswith(f"{beginning}/")
    return is_below and bool(names & {sidecar.config.service.name, sidecar.name})


def _suggestion(kind: str, service: str, what: str, why: str, spot: Spot) -> Suggestion:
    return Suggestion(kind, service, what, why, spot.file, spot.line)
