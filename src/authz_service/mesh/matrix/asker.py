"""Asks the doors of a mesh, from one sidecar on to where the request ends. What a cell of the matrix says is this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from authz_service.domain.refusals import Rejected
from authz_service.domain.signatures import PrivateKey
from authz_service.envoy.routes import path_sent
from authz_service.mesh.door import TLS_REFUSED, Door, Question, Unjudged
from authz_service.mesh.journey import headers_after
from authz_service.mesh.mint import Mint
from authz_service.mesh.model import Call, Mesh, Sidecar
from authz_service.mesh.realm_file import Principal
from authz_service.mesh.shown import Shown, shown_on
from authz_service.mesh.target_certificate import why_not_trusted
from authz_service.mesh.target_token import TokenInHand, target_token
from authz_service.policy.vetting.checks import Compiled

_LONGEST = 16


class Said(NamedTuple):
    """The first no, and whose; "" when the service is reached."""

    reason: str
    by: str

    @property
    def allowed(self) -> bool:
        return not self.reason


class Asker:
    """At one time. Doors, certificates and tokens are made once."""

    def __init__(
        self,
        mesh: Mesh,
        now: Callable[[], float],
        policies: Mapping[str, Compiled | None],
        keys: dict[str, PrivateKey],
    ) -> None:
        """`keys`: what tokens are signed with, for all times alike."""
        self.mesh, self._now, self.policies = mesh, now, policies
        self.mint = Mint(now, keys)
        self._doors: dict[str, Door] = {}
        self._handshakes: dict[tuple[str, Shown], str] = {}
        self._shown: dict[Call, Shown] = {}

    def door(self, sidecar: Sidecar) -> Door:
        """Raises Unjudged."""
        door = self._doors.get(sidecar.name)
        if door is None:
            policy = self.policies.get(sidecar.name)
            door = self._doors[sidecar.name] = Door(sidecar, self.mint, self._now, compiled_policy=policy)
        return door

    def token(self, principal: Principal) -> TokenInHand:
        realm = self.mesh.realm_of(principal.issuer)
        algorithm = "" if realm is None else realm.realm.default_signature_algorithm
        if not algorithm:
            issuers = [one for each in self.mesh.sidecars.values() for one in each.config.issuers]
            algorithm = next((one.algorithms[0] for one in issuers if one.issuer == principal.issuer), "ES256")
        return TokenInHand.of(principal, self.mint.token(principal.claims, algorithm))

    def ask(  # noqa: PLR0913 - a request has many parts
        self,
        sidecar: Sidecar,
        shown: Shown,
        token: TokenInHand,
        method: str,
        target: str,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        hops: int = 0,
    ) -> Said:
        """Over all hops that the configurations determine. Raises Unjudged."""
        why = self.handshake(sidecar, shown)
        if why:
            return Said(TLS_REFUSED, sidecar.name)
        door = self.door(sidecar)
        path, _, query = target.partition("?")
        try:
            path = door.received(path, query)
        except Rejected as refused:
            return Said(refused.reason, sidecar.name)
        question = Question(method, target, sidecar.config.service.name or "localhost", shown, token.text, headers)
        reason, decision = door.judge(question, path)
        if reason:
            return Said(reason, sidecar.name)
        call = door.next_call(self.mesh.calls_of(sidecar), path, method)
        if call is not None and self.mesh.find_broken(call.url) and call.destination is None:
            raise Unjudged(f"{self.mesh.find_broken(call.url)}, where {call.url} leads to, cannot be used")
        if call is None or call.destination is None:
            return Said("", call.target_name if call is not None else sidecar.name)
        if hops >= _LONGEST:
            raise Unjudged("the routes lead in a circle")
        sent = path_sent(call.base, call.strip_prefix, path)
        return self.send(
            call, token, method, f"{sent}?{query}" if query else sent, headers_after(headers, decision), hops
        )

    def send(
        self,
        call: Call,
        token: TokenInHand,
        method: str,
        target: str,
        headers: tuple[tuple[str, str], ...],
        hops: int,
    ) -> Said:
        assert call.destination is not None
        try:
            onward = target_token(self.mesh, call, token, self.mint)
        except Rejected as refused:
            return Said(refused.reason, call.source.name)
        if why_not_trusted(call, call.destination, self._now()):
            return Said(TLS_REFUSED, call.source.name)
        return self.ask(call.destination, self.shown(call), onward, method, target, headers, hops=hops + 1)

    def shown(self, call: Call) -> Shown:
        """Raises AuthzServiceError."""
        if call not in self._shown:
            self._shown[call] = shown_on(call)
        return self._shown[call]

    def handshake(self, sidecar: Sidecar, shown: Shown) -> str:
        key = (sidecar.name, shown)
        if key not in self._handshakes:
            self._handshakes[key] = self.door(sidecar).handshake(shown)[0]
        return self._handshakes[key]
