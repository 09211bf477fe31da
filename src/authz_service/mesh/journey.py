"""One request through the mesh: every hop that the configurations determine, up to the first no.

A hop is what one sidecar does: let a request out (an egress route), or let one in (its gate) and perhaps send it on (a
route to another sidecar). What a service does of itself nobody here knows: the journey ends where it is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from authz_service import headers as header_names
from authz_service.domain.decision import Allow, Decision
from authz_service.domain.refusals import ANSWERS, Reason, Rejected
from authz_service.envoy.received_path import received_path
from authz_service.envoy.routes import path_sent
from authz_service.errors import RenderError
from authz_service.mesh.asked import AskedFor, entry_of, find_sidecar, token_of
from authz_service.mesh.cause import find_cause
from authz_service.mesh.door import TLS_REFUSED, Answered, Door, Question, Unjudged
from authz_service.mesh.hop import Hop, Journey
from authz_service.mesh.mint import Mint
from authz_service.mesh.model import Call, Mesh, Sidecar
from authz_service.mesh.remedies import Case, remedy
from authz_service.mesh.shown import NOTHING, Shown, shown_from, shown_on
from authz_service.mesh.steps import Step
from authz_service.mesh.target_certificate import why_not_trusted
from authz_service.mesh.target_token import TokenInHand, target_token
from authz_service.policy.decide.bounded_policy import PolicyTooLong

_LONGEST = 16  # hops: a mesh whose routes lead in a circle


@dataclass(frozen=True, slots=True)
class _Leg:
    """A request between two sidecars."""

    method: str
    target: str
    host: str
    shown: Shown
    token: TokenInHand
    headers: tuple[tuple[str, str], ...]
    call: Call | None  # whose it is; None: from outside


class Travel:
    """Follows requests through one mesh. Doors are built when they are first come to."""

    def __init__(self, mesh: Mesh, now: Callable[[], float]) -> None:
        self._mesh, self._now = mesh, now
        self._mint = Mint(now)
        self._doors: dict[str, Door] = {}

    def follow(self, asked: AskedFor) -> Journey:
        """Raises Unjudged where the question itself cannot be understood; what stops on the way is in the journey."""
        hops: list[Hop] = []
        try:
            leg, sidecar = self._first(asked, hops)
            return self._onward(leg, sidecar, asked, hops)
        except _Stopped:
            return Journey(tuple(hops), "refused")
        except (Unjudged, PolicyTooLong) as unknown:
            if not hops:
                raise
            return Journey(tuple(hops), "unknown", str(unknown))

    def _first(self, asked: AskedFor, hops: list[Hop]) -> tuple[_Leg, Sidecar]:
        if asked.source:
            return self._out(find_sidecar(self._mesh, asked.source), asked, hops)
        sidecar = entry_of(self._mesh, asked)
        token = token_of(self._mesh, asked, sidecar, self._mint)
        shown = NOTHING if asked.certificate is None else shown_from(asked.certificate)
        host = asked.host or min(sorted(name for name in sidecar.names if "." in name), default=sidecar.name)
        return _Leg(asked.method, asked.target, host, shown, token, asked.headers, None), sidecar

    def _onward(self, leg: _Leg, sidecar: Sidecar, asked: AskedFor, hops: list[Hop]) -> Journey:
        while len(hops) < _LONGEST:
            hop, answered = self._in(leg, sidecar, asked, hops)
            call = self._doors[sidecar.name].next_call(self._mesh.calls_of(sidecar), answered.path, leg.method)
            if call is None:
                onward = tuple(
                    f"{one.base} → {one.destination.name if one.destination else one.url}"
                    for one in self._mesh.calls_of(sidecar)
                    if not one.of_ingress
                )
                return Journey(tuple(hops), "allowed", reached=sidecar.config.service.name, onward=onward)
            path = _sent(call, answered.path)
            query = leg.target.partition("?")[2]
            target = f"{path}?{query}" if query else path
            leg = self._leg(call, leg, hop, target, headers_after(leg.headers, answered.decision))
            if call.destination is None:
                self._require_outside(call)
                hop.lines.append(Step("next", None, f"leaves the mesh: {call.url}{path}"))
                return Journey(tuple(hops), "allowed", reached=str(call.url))
            sidecar = call.destination
        raise Unjudged("the routes lead in a circle")

    def _in(self, leg: _Leg, sidecar: Sidecar, asked: AskedFor, hops: list[Hop]) -> tuple[Hop, Answered]:
        if leg.call is not None:
            why = why_not_trusted(leg.call, sidecar, self._now())
            if why:  # it is the caller that ends this handshake
                self._stop(hops[-1], TLS_REFUSED, why, leg, leg.call.source)
        hop = Hop(sidecar.name, "in", leg.method, leg.target, leg.shown.name, leg.token.said)
        hops.append(hop)
        door = self.door(sidecar, asked.keys)
        answered = door.ask(Question(leg.method, leg.target, leg.host, leg.shown, leg.token.text, leg.headers))
        _tell(hop, sidecar, answered, leg)
        if answered.reason:
            if answered.document is not None and answered.reason.startswith("policy"):
                explained = door.explain_policy(answered.document)
                source = door.rules.policy
                if explained is not None and source is not None:
                    hop.tried = explained.tried
                    hop.cause = find_cause(hop.tried, source.query, answered.path.split("/")[1:])
                folder = sidecar.find_file(sidecar.config.policy.path)
                hop.policies = "" if folder is None else str(self._mesh.spot_of(folder))
            self._stop(hop, answered.reason, answered.detail, leg, sidecar, answered)
        return hop, answered

    def _stop(
        self, hop: Hop, reason: str, detail: str, leg: _Leg, sidecar: Sidecar, answered: Answered | None = None
    ) -> None:
        hop.reason, hop.detail = reason, detail
        hop.status = 0 if reason == TLS_REFUSED else ANSWERS[Reason(reason)].status
        hop.spot, hop.fix = remedy(Case(self._mesh, sidecar, hop, leg.token.principal, leg.call, answered))
        if hop.direction == "out" or answered is None:
            hop.lines.append(Step("handshake" if reason == TLS_REFUSED else "target", False, detail or reason))
        raise _Stopped

    def _out(self, sidecar: Sidecar, asked: AskedFor, hops: list[Hop]) -> tuple[_Leg, Sidecar]:
        """Through the egress of a service."""
        hop = Hop(sidecar.name, "out", asked.method, asked.target, "", "")
        hops.append(hop)
        path, _, query = asked.target.partition("?")
        user = token_of(self._mesh, asked, sidecar, self._mint)
        start = _Leg(asked.method, asked.target, "localhost", NOTHING, user, asked.headers, None)
        try:
            path = received_path(path, query, escaped_slashes=not sidecar.config.egress.strict)
        except Rejected as refused:
            self._stop(hop, refused.reason, refused.detail, start, sidecar)
        found = [one for one in self._mesh.calls_of(sidecar) if not one.of_ingress and _is_below(path, one.base)]
        if not found:
            ways = ", ".join(one.base for one in self._mesh.calls_of(sidecar) if not one.of_ingress) or "none"
            self._stop(
                hop, Reason.ROUTE_NOT_FOUND, f"no route of the egress has {path}; there are: {ways}", start, sidecar
            )
        call = max(found, key=lambda one: len(one.base))
        sent = _sent(call, path)
        said = f"{call.base} ({sidecar.spot(*call.place)}) → {call.url}{sent}"
        hop.lines.append(Step("route", True, said))
        leg = self._leg(call, start, hop, f"{sent}?{query}" if query else sent, asked.headers)
        if call.destination is None:
            self._require_outside(call)
            raise Unjudged(f"{call.url} is not of this mesh")
        return leg, call.destination

    def _leg(self, call: Call, before: _Leg, hop: Hop, target: str, headers: tuple[tuple[str, str], ...]) -> _Leg:
        """The request that a sidecar sends: with which certificate and token. Raises _Stopped."""
        hop.sends = call
        try:
            token = target_token(self._mesh, call, before.token, self._mint)
        except Rejected as refused:
            self._stop(hop, refused.reason, refused.detail, before, call.source)
        shown = shown_on(call)
        said = f"{call.url} with certificate {shown.name}{' (not here)' if shown.assumed else ''}, token: {token.said}"
        hop.lines.append(Step("next", True, said))
        return _Leg(before.method, target, call.url.authority, shown, token, headers, call)

    def _require_outside(self, call: Call) -> None:
        """Raises Unjudged where it is a sidecar of the mesh that cannot be read."""
        broken = self._mesh.find_broken(call.url)
        if broken:
            raise Unjudged(f"{broken}, where {call.url} leads to, cannot be used: its sidecar would not start")

    def door(self, sidecar: Sidecar, keys: Sequence[dict[str, object]] = ()) -> Door:
        """Raises Unjudged where the sidecar could not start."""
        door = self._doors.get(sidecar.name)
        if door is None:
            door = self._doors[sidecar.name] = Door(sidecar, self._mint, self._now, keys)
        return door


class _Stopped(Exception):  # noqa: N818 - never leaves this file
    """The hop says why."""


def _is_below(path: str, base: str) -> bool:
    return base in {"/", path} or path.startswith(f"{base}/")


def _sent(call: Call, path: str) -> str:
    """Raises Unjudged where the route cannot be."""
    try:
        return path_sent(call.base, call.strip_prefix, path)
    except RenderError as error:
        place = call.source.spot(*call.place, "strip_prefix")
        raise Unjudged(f"{call.source.name} would not start: {error} ({place})") from error


def headers_after(before: tuple[tuple[str, str], ...], decision: Decision | None) -> tuple[tuple[str, str], ...]:
    """What goes on: the caller's own, but for those that the gate set or removed."""
    found = dict(before)
    lines = decision.headers if isinstance(decision, Allow) else b""
    for line in lines.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(": ")
        if name == header_names.REMOVE:
            for gone in value.split(","):
                found.pop(gone, None)
        else:
            found[name] = value
    return tuple(found.items())


def _tell(hop: Hop, sidecar: Sidecar, answered: Answered, leg: _Leg) -> None:
    """The gate's steps as far as it came, in its order."""
    hop.lines += [Step("handshake", None, note) for note in answered.notes]
    if answered.reason == TLS_REFUSED:
        hop.lines.append(Step("handshake", False, answered.detail))
        return
    if not answered.notes and sidecar.config.http.tls.enabled:
        said = f"certificate {leg.shown.name}" if leg.shown.chain else "without a client certificate"
        hop.lines.append(Step("handshake", True, said))
    if answered.decision is None:
        hop.lines.append(Step("path", False, f"{answered.reason} ({answered.detail})"))
        return
    hop.lines += answered.steps
    if isinstance(answered.decision, Allow):
        hop.headers = answered.decision.headers.decode("utf-8", "replace")
