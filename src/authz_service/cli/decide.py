"""`authz decide`: one request through the gate, offline, every step printed.

The steps are the gate's own; nothing is sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from authz_rego.values.json_text import to_json
from authz_rego.values.value import Value
from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.cli.tried import tried_lines
from authz_service.domain.decision import Claims, Peer, Request, Verdict
from authz_service.domain.refusals import ANSWERS, KeyMissing, Reason, Rejected
from authz_service.domain.rules import IssuerKeys, PolicyServer
from authz_service.errors import FetchError, KeysUnavailable
from authz_service.http_client import HttpClient, without_query
from authz_service.identity.certificates import Peers
from authz_service.identity.tokens import TokenVerifier
from authz_service.ingress.gate import Gate, Policy
from authz_service.ingress.route_table import RouteTable
from authz_service.policy.awaited import AwaitedPolicy
from authz_service.policy.engine import PolicyEngine
from authz_service.policy.opa_server import OpaServer
from authz_service.policy.reads import Reads
from authz_service.supervisor.desired import Desired, read_desired
from authz_service.supervisor.served_denylist import load_denylist, with_denied

_T = TypeVar("_T")
_DECISION = "offline"


@dataclass(frozen=True, slots=True)
class Question:
    """What the command line says about the request."""

    method: str
    target: str  # path and query
    host: str
    certificate: Path | None
    token: str | None
    jwks: Path | None
    header_lines: tuple[str, ...]


def explain(config_path: Path, environment: Mapping[str, str], question: Question) -> int:
    """Print each step and the answer; 0 when allowed, 1 when refused."""
    console = Terminal()
    desired = read_desired(config_path, environment)
    revocation = desired.config.revocation
    rules = desired.rules if revocation is None else with_denied(desired.rules, load_denylist(revocation.path))
    tokens = TokenVerifier(rules.issuers, time.time) if rules.issuers else None
    if tokens is not None and question.token is not None:
        for keys in _keys(desired, question.jwks):
            tokens.set_keys(keys)
        tokens.deny(rules.denials)
    peers = Peers(rules.peers, time.time) if rules.peers is not None else None
    policy: Policy | None = PolicyEngine(rules.policy) if rules.policy is not None else None
    if rules.policy_server is not None:
        policy = _AskingPolicy(rules.policy_server)
    elif rules.policy_awaited:
        policy = AwaitedPolicy()
    gate = Gate(rules, peers, tokens, policy, _CountedAsActive(console))
    request = _request(desired, question)
    _walk(console, gate, request)
    decision = gate.decide(request, _DECISION, _DECISION, final=True)
    answer = ANSWERS[decision.reason]
    if decision.allowed:
        console.print(f"[bold green]allow[/] {decision.reason}")
        for line in decision.headers.decode().splitlines():
            console.print(f"  {shown(line)}")
        return 0
    console.print(f"[bold red]deny[/] {answer.status} {decision.reason}: {answer.title}")
    return 1


class _AskingPolicy:
    """OPA, asked while the command waits."""

    reads: Reads = None

    def __init__(self, rules: PolicyServer) -> None:
        self._rules = rules

    def evaluate(self, document: Value) -> Verdict:
        async def ask() -> Verdict:
            server = OpaServer(self._rules)
            await server.fetch(to_json(document))
            server.close()
            return server.evaluate(document)

        return asyncio.run(ask())


class _CountedAsActive:
    """Nothing is asked offline."""

    def __init__(self, console: Terminal) -> None:
        self._console = console
        self._told = False

    def require_active(self, token: str, claims: Claims) -> None:
        del token
        if not self._told:
            text = f"introspection: {claims.issuer} is not asked, the token counts as active"
            self._console.print(f"[yellow]![/] {shown(text)}")
        self._told = True


def _walk(console: Terminal, gate: Gate, request: Request) -> None:
    """The gate's steps, one by one, until one refuses."""

    def step(name: str, take: Callable[[], _T], show: Callable[[_T], str]) -> _T:
        try:
            value = take()
        except Rejected as refusal:
            detail = f" ({refusal.detail})" if refusal.detail else ""
            console.print(f"[red]✗[/] {name}: {refusal.reason}{shown(detail)}")
            raise
        except (KeyMissing, KeysUnavailable) as missing:
            console.print(f"[red]✗[/] {name}: {shown(str(missing))}")
            raise
        console.print(f"[green]✓[/] {name}: {shown(show(value))}")
        return value

    try:
        peer = step("peer", lambda: gate.require_peer(request), _peer_text)
        route, segments = step(
            "form",
            lambda: gate.require_form(request),
            lambda found: f"route {found[0].name or '(the only one)'}, segments {found[1]}",
        )
        claims = step("token", lambda: gate.require_claims(request, peer, route, final=True), _claims_text)
        document = gate.policy_input(request, peer, claims, segments, _DECISION, request.correlation_id)
        console.print(f"  input: {shown(json.dumps(json.loads(to_json(document)), indent=2))}")
        verdict = gate.evaluate(document)
    except (Rejected, KeyMissing, KeysUnavailable):
        return
    console.print(
        f"{'[green]✓[/]' if verdict.reason is Reason.ALLOWED else '[red]✗[/]'} policy: {shown(_verdict_text(verdict))}"
    )
    if verdict.reason is not Reason.ALLOWED and isinstance(gate.policy, PolicyEngine):
        for line in tried_lines(gate.policy.query.explain(document, now_ns=time.time_ns())):
            console.print(f"    {shown(line)}")


def _peer_text(peer: Peer) -> str:
    name = peer.name
    return f"{name}, fingerprint {peer.fingerprint[:16]}…" if name else "no client certificate is asked for"


def _claims_text(claims: Claims) -> str:
    if not claims.values:
        return "none is needed, none was sent"
    kind = "a service" if claims.is_service else "a user"
    return f"sub {claims.values.get('sub')}, {kind}, client {claims.client or '-'}, issued by {claims.issuer}"


def _verdict_text(verdict: Verdict) -> str:
    reasons = f": {'; '.join(verdict.reasons)}" if verdict.reasons else ""
    if verdict.step_up is None:
        return f"{verdict.reason}{reasons}"
    acr_values, max_age = verdict.step_up
    age = "any age" if max_age is None else f"at most {max_age} s ago"
    return f"{verdict.reason}{reasons} (wants a sign-in with acr {acr_values or 'of any value'}, {age})"


def _request(desired: Desired, question: Question) -> Request:
    path, _, query = question.target.partition("?")
    pem = question.certificate.read_text(encoding="ascii") if question.certificate is not None else ""
    found = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in question.header_lines)
    }
    scheme = desired.rules.headers.auth_scheme
    return Request(
        method=question.method.upper(),
        path=path,
        query=query,
        host=question.host,
        route=RouteTable(desired.rules.routes).find(path.split("/")[1:]),
        peer=quote(pem, safe="").encode("ascii"),
        authorization=None if question.token is None else f"{scheme} {question.token}",
        correlation_id=found.get("x-correlation-id", _DECISION),
        extracted={n: found[n] for n in (name.lower() for name in desired.rules.headers.extract) if n in found},
        remote="127.0.0.1",
    )


def _keys(desired: Desired, file: Path | None) -> list[IssuerKeys]:
    if file is not None:
        text = file.read_text(encoding="utf-8")
        return [IssuerKeys(issuer.issuer, text) for issuer in desired.config.issuers]
    try:
        return asyncio.run(_fetched_keys(desired))
    except FetchError as error:
        raise FetchError(f"{error}; give the issuer's keys by --jwks FILE") from error


async def _fetched_keys(desired: Desired) -> list[IssuerKeys]:
    found = []
    for issuer in desired.config.issuers:
        client = HttpClient(desired.config.hosts, issuer.ca_file)
        try:
            url = issuer.jwks_url or f"{issuer.issuer}/protocol/openid-connect/certs"
            answer = await client.get(url)
            if answer.status != 200:
                raise FetchError(f"{without_query(url)}: answers HTTP {answer.status}")
            found.append(IssuerKeys(issuer.issuer, answer.body.decode()))
        finally:
            await client.aclose()
    return found
