"""The matrix as values: for every sidecar, whose request comes how far. Not how it is shown (`cli.matrix`).

A caller is a certificate and whose token comes with it. Where an answer hangs on what nobody knows (an id, a header,
the time), it is asked with other values too, and the cell says what makes the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from msgspec import Struct

from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.signatures import PrivateKey
from authz_service.errors import AuthzServiceError
from authz_service.mesh.door import TLS_REFUSED
from authz_service.mesh.ground import Ground
from authz_service.mesh.matrix.asker import Asker, Said
from authz_service.mesh.matrix.certificates import Way, certificates
from authz_service.mesh.matrix.resources import ID, OTHER, Asked, Reads, is_served, reads, resources
from authz_service.mesh.model import Mesh, Sidecar
from authz_service.mesh.realm_file import Principal
from authz_service.mesh.target_token import TokenInHand

Answer = Literal["allow", "deny", "if"]
_ID = "5f0c9e6a"  # an id that is nobody's
_OTHER = "something-else"
_GIVEN = "given"  # the value of a header that is sent
_HOURS = (6.0, 12.0, 18.0, 84.0)  # other times that are tried, from now
# What is refused before the policy is asked is refused on every path; but for the form of the request.
_OF_THE_CALLER = "token_"
ANYBODY = "anybody"
NO_TOKEN = "without a token"  # noqa: S105 - a word for a row


class Cell(Struct, frozen=True):
    """`reason` and `by` say who refuses, or with "if" who would; `conditions` what an "if" hangs on."""

    method: str
    path: str
    answer: Answer
    reason: str = ""
    by: str = ""
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    certificate: str  # its subject or URI; "none"
    assumed: bool  # the certificate's file is not here
    principal: str
    kind: str  # user | service | nobody
    client: str  # whom the token is issued to, if that is another; or its scopes, where there are several tokens
    alike: tuple[str, ...]  # users for whom everything is the same

    @property
    def key(self) -> tuple[str, str, str]:
        return self.certificate, self.principal, self.client


@dataclass(frozen=True, slots=True)
class Row:
    caller: Caller
    cells: tuple[Cell, ...]
    refused: str = ""  # the reason, where it is the same for every request


@dataclass(frozen=True, slots=True)
class SidecarTable:
    name: str
    file: str
    zone: str
    columns: tuple[Asked, ...]
    rows: tuple[Row, ...]
    unjudged: str = ""  # why there is nothing to say of it
    elsewhere: str = ""  # what is said to whoever asks for a path of no route

    def find(self, key: tuple[str, str, str], asked: Asked) -> Cell | None:
        """The answer for one caller; refused ones have one for every path."""
        for row in self.rows:
            if row.caller.key == key or (row.caller.principal == ANYBODY and row.caller.certificate == key[0]):
                if row.refused:
                    # The route is looked for before the token, and after the certificate.
                    unserved = self.elsewhere if asked.path == f"/{OTHER}" and row.caller.principal != ANYBODY else ""
                    return Cell(asked.method, asked.path, "deny", unserved or row.refused, self.name)
                return next((cell for cell in row.cells if (cell.method, cell.path) == asked), None)
        return None


@dataclass(frozen=True, slots=True)
class Matrix:
    sidecars: tuple[SidecarTable, ...]

    def find(self, name: str) -> SidecarTable | None:
        return next((one for one in self.sidecars if one.name == name), None)


class MatrixMaker:
    """Of one mesh, at one time."""

    def __init__(self, mesh: Mesh, now: float, more: Mapping[str, tuple[Asked, ...]] | None = None) -> None:
        """`more`: by sidecar, what else is to be asked: what another mesh is compared by."""
        self._mesh, self._more = mesh, more or {}
        self._ground = Ground(mesh, now)
        self._policies = self._ground.compiled
        keys: dict[str, PrivateKey] = {}
        self.asker = Asker(mesh, lambda: now, self._policies, keys)
        self._later = [Asker(mesh, partial(_at, now + hours * 3600), self._policies, keys) for hours in _HOURS]
        self._ways = list(certificates(self._ground))
        self._principals = list(self._tokens())
        names = [principal.name for principal in mesh.principals if principal.kind == "service"]
        self._several = [one for one in mesh.principals if one.kind == "service" and names.count(one.name) > 1]

    def make(self) -> Matrix:
        """Those whose configuration cannot be read have a table that says so."""
        unread = "its configuration cannot be used: the sidecar would not start"
        broken = [SidecarTable(name, file, "", (), (), unread) for name, file in self._mesh.broken.items()]
        return Matrix((*(self._table(sidecar) for sidecar in self._ground.served), *broken))

    def _tokens(self) -> Iterator[tuple[Principal | None, TokenInHand]]:
        yield None, TokenInHand(None, None, "none")
        for principal in self._mesh.principals:
            yield principal, self.asker.token(principal)

    def _table(self, sidecar: Sidecar) -> SidecarTable:
        zone = sidecar.config.service.zone
        read = self._ground.policy(sidecar)
        if read is not None and read.problems:
            problems = "; ".join(map(str, read.problems))
            return SidecarTable(sidecar.name, sidecar.shown, zone, (), (), problems)
        policy = self._policies.get(sidecar.name)
        try:
            columns = resources(self._mesh, sidecar, policy)
            columns = list(dict.fromkeys((*columns, *self._more.get(sidecar.name, ()))))
            rows = tuple(self._rows(sidecar, columns, self._reads_on_the_way(sidecar)))
        except AuthzServiceError as unknown:
            return SidecarTable(sidecar.name, sidecar.shown, zone, (), (), str(unknown))
        elsewhere = "" if is_served(sidecar, f"/{OTHER}") else Reason.ROUTE_NOT_FOUND
        return SidecarTable(sidecar.name, sidecar.shown, zone, tuple(columns), rows, elsewhere=elsewhere)

    def _reads_on_the_way(self, sidecar: Sidecar) -> Reads:
        """What its own policy reads, and those that a request is sent on to."""
        seen, waiting = [], [sidecar]
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.append(one)
            calls = self._mesh.calls_of(one)
            waiting += [call.destination for call in calls if call.of_ingress and call.destination is not None]
        found = [reads(one, self._policies.get(one.name)) for one in seen]
        return Reads(
            tuple(dict.fromkeys(name for one in found for name in one.headers)),
            tuple(dict.fromkeys(name for one in found for name in one.own_names)),
            any(one.time for one in found),
        )

    def _rows(self, sidecar: Sidecar, columns: list[Asked], read: Reads) -> Iterator[Row]:
        tls = sidecar.config.http.tls
        asks = sidecar.config.is_decision_only or (tls.enabled and tls.client_auth != "none")
        for way in self._ways if asks else self._ways[:1]:
            refused = self._certificate_refusal(sidecar, way)
            if refused:
                yield Row(Caller(way.name, way.shown.assumed, ANYBODY, "", "", ()), (), refused)
                continue
            for principal, token in self._principals:
                yield self._row(sidecar, way, (principal, token), columns, read)
            yield from self._without_token(way)

    def _without_token(self, way: Way) -> Iterator[Row]:
        """Services whose realm refuses them the token that they ask for: they send nothing."""
        for one in self._mesh.no_tokens:
            others = any(each.name == one.client for each in self._mesh.principals)
            told = " ".join(one.scopes) if others else ""
            caller = Caller(way.name, way.shown.assumed, one.client, "service", told, ())
            yield Row(caller, (), f"no token ({one.error})")

    def _certificate_refusal(self, sidecar: Sidecar, way: Way) -> str:
        """What is said to whoever shows it, whatever his token."""
        if self.asker.handshake(sidecar, way.shown):
            return TLS_REFUSED
        try:
            self.asker.door(sidecar).require_peer(way.shown)
        except Rejected as refused:
            return refused.reason
        return ""

    def _row(
        self,
        sidecar: Sidecar,
        way: Way,
        whose: tuple[Principal | None, TokenInHand],
        columns: list[Asked],
        read: Reads,
    ) -> Row:
        principal, token = whose
        caller = _caller(way, principal, self._several)
        refused = self._whole_refusal(sidecar, way, token)
        if refused:
            return Row(caller, (), refused)
        cells = (self._cell(sidecar, way, token, asked, read) for asked in columns)
        return Row(caller, tuple(cells))

    def _whole_refusal(self, sidecar: Sidecar, way: Way, token: TokenInHand) -> str:
        """What is said to this caller before anybody looks at the path; only where every route wants a token."""
        routes = sidecar.config.proxy.routes
        if any(not route.auth_required or route.ignore_tokens for route in routes):
            return ""
        path = _filled(routes[0].path.removesuffix("/**") or "/", _ID) if routes else f"/{_OTHER}"
        method = routes[0].methods[0] if routes else "GET"
        said = self.asker.ask(sidecar, way.shown, token, method, path)
        first = said.by == sidecar.name and said.reason.startswith(_OF_THE_CALLER)
        return said.reason if first else ""

    def _cell(self, sidecar: Sidecar, way: Way, token: TokenInHand, asked: Asked, read: Reads) -> Cell:
        ask = partial(self._ask, sidecar, way, token, asked)
        usual = ask(_Guess())
        conditions = []
        for words, guess in self._guesses(asked, token, read):
            other = ask(guess)
            if other.allowed != usual.allowed:
                conditions.append(f"{'unless' if usual.allowed else 'if'} {words}")
                usual = usual if usual.reason else other
        for asker in self._later if read.time else ():
            other = self._ask(sidecar, way, token, asked, _Guess(), asker)
            # A certificate that has ended by then says nothing about the policy.
            if other.allowed != usual.allowed and other.reason.startswith(("", "policy_")[usual.allowed]):
                conditions.append("at some times only")
                break
        if conditions:
            return Cell(*asked, "if", usual.reason, usual.by, tuple(dict.fromkeys(conditions)))
        return Cell(*asked, "deny" if usual.reason else "allow", usual.reason, usual.by if usual.reason else "")

    def _guesses(self, asked: Asked, token: TokenInHand, read: Reads) -> Iterator[tuple[str, _Guess]]:
        claims = token.claims or {}
        if ID in asked.path:
            for name in read.own_names:
                value = claims.get(name)
                if isinstance(value, str) and value.isprintable() and "/" not in value:
                    yield f"{ID} is the caller's own {name}", _Guess(identity=value)
        for header in read.headers:
            yield f"{header} is sent", _Guess(headers=((header.lower(), _GIVEN),))

    def _ask(
        self,
        sidecar: Sidecar,
        way: Way,
        token: TokenInHand,
        asked: Asked,
        guess: _Guess,
        asker: Asker | None = None,
    ) -> Said:
        path = _filled(asked.path, guess.identity)
        if asker is not None and token.principal is not None:
            token = asker.token(token.principal)
        return (asker or self.asker).ask(sidecar, way.shown, token, asked.method, path, guess.headers)


class _Guess(NamedTuple):
    identity: str = _ID
    headers: tuple[tuple[str, str], ...] = ()


def _at(time: float) -> float:
    return time


def _filled(path: str, identity: str) -> str:
    return path.replace(ID, identity).replace(OTHER, _OTHER)


def _caller(way: Way, principal: Principal | None, several: Sequence[Principal]) -> Caller:
    """`several`: those of whom there is more than one token, so that the scopes tell which it is."""
    if principal is None:
        return Caller(way.name, way.shown.assumed, NO_TOKEN, "nobody", "", ())
    told = "" if principal.client == principal.name else principal.client
    if principal in several:
        told = str(principal.claims.get("scope"))
    return Caller(way.name, way.shown.assumed, principal.name, principal.kind, told, principal.alike)
