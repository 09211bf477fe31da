"""`authz check --online`: what only the network knows, each thing tried once, by the code that `run` uses.

Nothing is changed anywhere: keys, tokens and bundles are fetched and forgotten, targets see a handshake and no request.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from authz_service.cli.target_handshake import look_up, reach
from authz_service.config.addresses import Endpoint, split_url
from authz_service.config.model import Config, DecisionLogService, JwtIssuer, OAuth2, PolicyBundle, TokensInRedis
from authz_service.control_plane.event_loop import ControlLoop
from authz_service.control_plane.gate_rules import gate_rules
from authz_service.control_plane.sources.policy_bundle import is_signed_by_a_key_of
from authz_service.control_plane.sources.provider_requests import (
    endpoints,
    exchange_requests,
    key_settings,
    token_request,
)
from authz_service.control_plane.sources.target_tokens import store_settings
from authz_service.credentials.oauth2 import TokenRequest, cache_key, fetch_token
from authz_service.domain.questions import Found
from authz_service.domain.rules import PolicyServer
from authz_service.envoy.upstreams import all_upstreams
from authz_service.errors import AuthzServiceError, ConfigProblems, FetchError, Problem
from authz_service.http_client import HttpClient, without_query
from authz_service.identity.key_set import read_key_set
from authz_service.policy.decide.opa_server import health_problem
from authz_service.policy.sources.bundle import MAX_BYTES, read_bundle
from authz_service.trust.introspection import IntrospectionEndpoint, Introspector
from authz_service.trust.issuer_keys import fetch_key_set

if TYPE_CHECKING:
    from authz_service.credentials.shared_tokens import StoreSettings

_PATIENCE = 5.0  # seconds for what has no limit of its own in the configuration
_AT_ONCE = 8  # so that nobody is found late because we are busy with all the others
_REACHABLE = "see that the address, `hosts` and the CA file are right, that it runs, and that this host may connect"
_INVENTED = "authz-check-online"  # a token that nobody gave out


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing to try."""

    name: str
    ask: Callable[[], Awaitable[str]]  # what was found; raises AuthzServiceError


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    found: str
    error: AuthzServiceError | None = None

    def require(self) -> str:
        if self.error is not None:
            raise self.error
        return self.found


def try_all(config: Config) -> list[Outcome]:
    """Some at the same time; none of them is waited for beyond its own limit, which begins when it is its turn."""
    with asyncio.Runner(loop_factory=ControlLoop) as runner:
        return runner.run(_all(list(_attempts(config))))


async def _all(attempts: list[Attempt]) -> list[Outcome]:
    turns = asyncio.Semaphore(_AT_ONCE)
    return list(await asyncio.gather(*(_tried(attempt, turns) for attempt in attempts)))


async def _tried(attempt: Attempt, turns: asyncio.Semaphore) -> Outcome:
    async with turns:
        try:
            return Outcome(attempt.name, await attempt.ask())
        except AuthzServiceError as error:
            return Outcome(attempt.name, "", error)


def _attempts(config: Config) -> Iterator[Attempt]:
    if config.proxy.enabled and config.proxy.auth.enabled:
        for issuer in config.issuers:
            yield Attempt(f"keys of {issuer.issuer}", partial(_keys, config, issuer))
        for endpoint in endpoints(config).values():
            yield Attempt(f"introspection at {without_query(endpoint.url)}", partial(_introspection, config, endpoint))
    if config.asked_policy is not None:
        yield from _of_the_policies(config)
    if config.egress.enabled:
        yield from _of_the_egress(config)
    for upstream in all_upstreams(config):
        if upstream.target is None:
            yield Attempt(f"name of {upstream.endpoint}", partial(look_up, "proxy", upstream.endpoint, config.hosts))
    if isinstance(config.audit.opa_decision_log, DecisionLogService):
        yield _name(config, "audit.opa_decision_log.url", config.audit.opa_decision_log.url)
    if config.tracing is not None:
        yield _name(config, "tracing.otlp_url", config.tracing.otlp_url)


def _of_the_policies(config: Config) -> Iterator[Attempt]:
    rules = gate_rules(config, None, "").policy_server
    if rules is not None:
        yield Attempt("OPA", partial(_opa, rules))
    if config.policy_bundle is not None:
        yield Attempt("policy bundle", partial(_bundle, config, config.policy_bundle))


def _of_the_egress(config: Config) -> Iterator[Attempt]:
    shared: dict[object, tuple[TokenRequest, list[str]]] = {}
    for name, target in config.egress.targets.items():
        if isinstance(target.auth, OAuth2) and target.auth.has_own_token:
            request = token_request(target.auth, target.tls)
            shared.setdefault(cache_key(request), (request, []))[1].append(name)
    for request, names in shared.values():
        yield Attempt(f"token for {', '.join(names)}", partial(_token, config, names[0], request))
    for name, request in exchange_requests(config).values():
        yield Attempt(f"token endpoint for {name}", partial(_token_endpoint, config, name, request))
    for name, target in config.egress.targets.items():
        yield Attempt(f"target {name}", partial(reach, f"egress.targets.{name}", target, config.hosts))
    if isinstance(config.egress.token_store, TokensInRedis):
        from authz_service.credentials import shared_tokens  # Redis' client is imported by those who share

        yield Attempt("Redis", partial(_redis, shared_tokens.reach, config.egress.token_store))


def _name(config: Config, at: str, url: str) -> Attempt:
    scheme, host, port, _ = split_url(url)
    return Attempt(f"name of {host}", partial(look_up, at, Endpoint(scheme, host, port), config.hosts))


async def _keys(config: Config, issuer: JwtIssuer) -> str:
    at = f"jwt, issuer {issuer.issuer}"
    with _blamed(at, _REACHABLE):
        async with _client(config, issuer.ca_file) as client:
            text = await fetch_key_set(key_settings(issuer, None), client.get)
        usable, left_out = read_key_set(text)
    fix = "ask the issuer for keys that are strong, and write their algorithms into jwt.algorithms"
    if not usable:
        raise _problem(at, "; ".join(["the key set has no usable key", *left_out]), fix)
    algorithms = {name for keys in usable.values() for key in keys for name in key.algorithms}
    if not algorithms & set(issuer.algorithms):
        raise _problem(at, f"its keys are for {' '.join(sorted(algorithms))}, which jwt.algorithms does not take", fix)
    count = sum(map(len, usable.values()))
    return f"{count} key{'s' if count > 1 else ''}{''.join(f'; left out: {one}' for one in left_out)}"


async def _introspection(config: Config, endpoint: IntrospectionEndpoint) -> str:
    at = f"jwt, introspection of {endpoint.issuer}"
    async with _client(config, endpoint.ca_file) as client:
        asked = Introspector(endpoint, client.post_form, Counter())
        answer = await asked.ask(_INVENTED)
    if answer is None:
        raise _problem(at, asked.last_error, f"see that client_id and its secret are right; {_REACHABLE}")
    if isinstance(answer, Found):
        raise _problem(at, "says that an invented token is active", "give the address of an introspection endpoint")
    return "answers"


async def _token(config: Config, name: str, request: TokenRequest) -> str:
    with _blamed(f"egress.targets.{name}.auth", f"mend what is said here; else {_REACHABLE}"):
        async with _client(config, request.ca_file, request.timeout, request.client_pair) as client:
            token = await fetch_token(client.post_form, request, time.time)
    scopes = f", scopes {' '.join(token.scopes)}" if token.scopes else ""
    return f"for {token.lifetime:.0f} s{scopes}"


async def _token_endpoint(config: Config, name: str, request: TokenRequest) -> str:
    """A GET, which no token endpoint takes for a question (RFC 6749 §3.2)."""
    with _blamed(f"egress.targets.{name}.auth", _REACHABLE):
        async with _client(config, request.ca_file, request.timeout, request.client_pair) as client:
            answer = await client.get(request.token_url)
    return f"answers (HTTP {answer.status}); an exchange needs a user's token, and is not tried"


async def _redis(reach: Callable[[StoreSettings], Awaitable[None]], store: TokensInRedis) -> str:
    fix = "see that token_store.url, its user and password and ca_file are right, and that this host may connect"
    try:
        with _blamed("egress.token_store", fix):
            async with asyncio.timeout(_PATIENCE):
                await reach(store_settings(store))
    except TimeoutError as error:
        raise _problem("egress.token_store", f"Redis: no answer within {_PATIENCE:g} s", fix) from error
    return "answers"


async def _opa(rules: PolicyServer) -> str:
    if problem := await health_problem(rules, _PATIENCE):
        raise _problem("policy.server.url", problem, "start OPA there, and see that its bundles arrive")
    return "ready"


async def _bundle(config: Config, bundle: PolicyBundle) -> str:
    with _blamed("policy.bundle", _REACHABLE):
        async with _client(config, bundle.ca_file, 30) as client:
            answer = await client.get(bundle.url, {"Accept": "application/gzip"}, largest=MAX_BYTES)
            if answer.status != 200:
                raise FetchError(f"{without_query(bundle.url)}: answers HTTP {answer.status}")
    found = read_bundle(answer.body, partial(is_signed_by_a_key_of, bundle), bundle.scope)
    count = len(found.files)
    return f"signed, {count} file{'s' if count != 1 else ''}"


def _client(
    config: Config, ca_file: Path | None, patience: float = _PATIENCE, client_pair: tuple[Path, Path] | None = None
) -> aclosing[HttpClient]:
    return aclosing(HttpClient(config.hosts, ca_file, patience, client_pair))


@contextmanager
def _blamed(at: str, fix: str) -> Iterator[None]:
    """What a call of ours says, with the place in the configuration and the remedy."""
    try:
        yield
    except (FetchError, ValueError, RecursionError) as error:
        raise _problem(at, str(error) or type(error).__name__, fix) from error


def _problem(at: str, found: str, fix: str) -> ConfigProblems:
    return ConfigProblems([Problem(at, found, fix)])
