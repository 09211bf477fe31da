"""`authz decide`: one request judged without a sidecar, every step printed. Nobody sees the request itself.

The case of `authz explain` with one sidecar and a real token: the same steps (`mesh.steps`), after what Envoy does
before it asks. Keys are fetched, and the issuer is asked about the token where the route asks for it: what cannot be
had is not judged.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from authz_rego.values.json_text import to_json
from authz_rego.values.value import Value
from authz_service.cli.letters import shown
from authz_service.cli.telling import header_pairs
from authz_service.cli.terminal import Terminal
from authz_service.cli.tried import tried_lines
from authz_service.config.model import Config, HttpTlsOfAgent, HttpTlsOfFiles
from authz_service.control_plane.snapshot import Snapshot, read_snapshot
from authz_service.control_plane.sources.certificates import with_lists
from authz_service.control_plane.sources.denylist import load_denylist, with_denied
from authz_service.control_plane.sources.provider_requests import endpoints, key_settings
from authz_service.domain.decision import Allow, Decision, Request, Verdict
from authz_service.domain.questions import Absent, Active, Answer, Asked
from authz_service.domain.refusals import ANSWERS, Reason, Rejected
from authz_service.domain.rules import GateRules, IssuerKeys, PolicyServer
from authz_service.envoy.received_path import received_path
from authz_service.errors import AuthzServiceError, FetchError
from authz_service.http_client import HttpClient
from authz_service.identity.certificates import Peers
from authz_service.identity.tokens import TokenVerifier
from authz_service.ingress.gate import Gate, Policy
from authz_service.ingress.route_table import RouteTable
from authz_service.mesh.client_handshake import CannotTell, load_trust, refusal
from authz_service.mesh.door import Question as RequestAsked
from authz_service.mesh.door import request_as_told
from authz_service.mesh.shown import NOTHING, Shown, shown_from
from authz_service.mesh.steps import walk
from authz_service.policy.decide.awaited import AwaitedPolicy
from authz_service.policy.decide.bounded_policy import BoundedPolicy
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.decide.opa_server import OpaServer
from authz_service.policy.decide.reads import Reads
from authz_service.trust.introspection import Introspector
from authz_service.trust.issuer_keys import fetch_key_set

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
    """Print each step and the answer; 0 when allowed, 1 when refused, 2 when it cannot be judged."""
    console = Terminal()
    snapshot = read_snapshot(config_path, environment)
    try:
        rules, peer = _after_handshake(console, snapshot, question)
        path = _path(console, snapshot.config, question)
    except Rejected as refusal:
        console.print(f"[bold red]deny[/] {ANSWERS[refusal.reason].status} {refusal.reason}, by Envoy")
        return 1
    except _NoConnection:
        console.print("[bold red]deny[/] there is no connection, and no answer")
        return 1
    revocation = snapshot.config.revocation
    rules = rules if revocation is None else with_denied(rules, load_denylist(revocation.path))
    issuers = _Issuers(snapshot.config)
    tokens = TokenVerifier(rules.issuers, time.time, issuers) if rules.issuers else None
    if tokens is not None and question.token is not None:
        for keys in _keys(console, snapshot, question.jwks):
            tokens.set_keys(keys)
        tokens.deny(rules.denials)
    peers = Peers(rules.peers, time.time) if rules.peers is not None else None
    policy: Policy | None = None
    if rules.policy is not None:
        policy = BoundedPolicy(PolicyEngine(rules.policy), rules.evaluation_budget)
    if rules.policy_server is not None:
        policy = _AskingPolicy(rules.policy_server)
    elif rules.policy_awaited:
        policy = AwaitedPolicy()
    gate = Gate(rules, peers, tokens, policy, issuers)
    headers = header_pairs(question.header_lines)
    asked = RequestAsked(question.method.upper(), question.target, question.host, NOTHING, question.token, headers)
    request = request_as_told(rules, RouteTable(rules.routes), asked, path, peer)
    request = request._replace(correlation_id=dict(headers).get("x-correlation-id", _DECISION))
    _walk(console, gate, request)
    return _answer(console, gate.decide(request, _DECISION, _DECISION))


def _answer(console: Terminal, decision: Decision) -> int:
    answer = ANSWERS[decision.reason]
    if isinstance(decision, Allow):
        console.print(f"[bold green]allow[/] {decision.reason}")
        console.print(*(f"  {shown(line)}" for line in decision.headers.decode().splitlines()))
        return 0
    console.print(f"[bold red]deny[/] {answer.status} {decision.reason}: {answer.title}")
    return 2 if answer.status == HTTPStatus.SERVICE_UNAVAILABLE else 1


class _NoConnection(Exception):  # noqa: N818 - it names what happened
    """The handshake refuses the client."""


def _certificate(question: Question) -> Shown:
    return NOTHING if question.certificate is None else shown_from(question.certificate)


def _after_handshake(console: Terminal, snapshot: Snapshot, question: Question) -> tuple[GateRules, bytes]:
    """The rules with what is revoked, and what Envoy would say of the client. Raises _NoConnection."""
    tls, rules = snapshot.config.http.tls, snapshot.rules
    if snapshot.config.is_decision_only:  # the proxy that asks has made the handshake, and says whom it met
        return rules, _certificate(question).pem
    if isinstance(tls, HttpTlsOfAgent) and tls.client_auth != "none":
        raise AuthzServiceError(
            "http.tls.sds: only the agent knows whose certificates are accepted; ask a live sidecar"
        )
    if not isinstance(tls, HttpTlsOfFiles) or tls.client_authorities is None:
        return rules, b""
    now = time.time()
    trust = load_trust(tls, tls.client_authorities, now, gate=snapshot.config.proxy.mtls.enabled)
    rules = with_lists(rules, trust.lists)
    certificate, why = _certificate(question), ""
    if not certificate.chain and tls.client_auth == "require":
        why = "client_cert_missing: client_auth is require"
    try:
        why = refusal(certificate.chain, trust, now) if certificate.chain else why
    except CannotTell as cannot:
        raise AuthzServiceError(f"{question.certificate}: {cannot}; ask a live sidecar") from cannot
    if why:
        console.print(f"[red]✗[/] handshake: {shown(why)}")
        raise _NoConnection
    told = "the certificate is accepted" if certificate.chain else "without a client certificate"
    console.print(f"[green]✓[/] handshake: {told}")
    return rules, certificate.pem


def _path(console: Terminal, config: Config, question: Question) -> str:
    """As Envoy hands it to the gate; as another proxy says it. Raises Rejected."""
    path, _, query = question.target.partition("?")
    if config.is_decision_only:
        return path
    try:
        found = received_path(path, query, escaped_slashes=any(route.encoded_slashes for route in config.proxy.routes))
    except Rejected as refused:
        console.print(f"[red]✗[/] path: {refused.reason} ({shown(refused.detail)})")
        raise
    console.print(f"[green]✓[/] path: {shown(found)}")
    return found


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


class _Issuers:
    """Asked while the command waits; once, for the gate is asked twice. Their keys were fetched before."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._known: dict[Active, Answer | None] = {}

    def require(self, question: Asked) -> Answer:
        if not isinstance(question, Active):
            return Absent()
        if question not in self._known:
            self._known[question] = asyncio.run(self._ask(question))
        answer = self._known[question]
        if answer is None:
            raise Rejected(*question.unanswered())
        return answer

    async def _ask(self, question: Active) -> Answer | None:
        endpoint = endpoints(self._config).get(question.issuer)
        if endpoint is None:
            return None
        async with aclosing(HttpClient(self._config.hosts, endpoint.ca_file)) as client:
            return await Introspector(endpoint, client.post_form).ask(question.token)


def _walk(console: Terminal, gate: Gate, request: Request) -> None:
    """The gate's steps, and what the policy was asked and tried."""
    walked = walk(gate, request, _DECISION)
    for step in walked.steps:
        if step.name == "policy" and walked.document is not None:
            console.print(f"  input: {shown(json.dumps(json.loads(to_json(walked.document)), indent=2))}")
        console.print(f"{'[green]✓[/]' if step.holds else '[red]✗[/]'} {step.name}: {shown(step.said)}")
    refused = walked.verdict is not None and walked.verdict.reason is not Reason.ALLOWED
    if refused and walked.document is not None and isinstance(gate.policy, BoundedPolicy):
        lines = tried_lines(gate.policy.explain(walked.document, time.time_ns()))
        console.print(*(f"    {shown(line)}" for line in lines))


def _keys(console: Terminal, snapshot: Snapshot, file: Path | None) -> list[IssuerKeys]:
    if file is not None:
        text = file.read_text(encoding="utf-8")
        return [IssuerKeys(issuer.issuer, text) for issuer in snapshot.config.issuers]
    return asyncio.run(_fetched_keys(console, snapshot.config))


async def _fetched_keys(console: Terminal, config: Config) -> list[IssuerKeys]:
    """Of those that can be had: a token of another issuer is not judged."""
    found = []
    for issuer in config.issuers:
        try:
            async with aclosing(HttpClient(config.hosts, issuer.ca_file)) as client:
                found.append(IssuerKeys(issuer.issuer, await fetch_key_set(key_settings(issuer, None), client.get)))
        except (FetchError, ValueError, RecursionError) as error:
            text = f"keys of {issuer.issuer}: {error}; give the issuer's keys by --jwks FILE"
            console.print(f"[yellow]![/] {shown(text)}")
    return found
