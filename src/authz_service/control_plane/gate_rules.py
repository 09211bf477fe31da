"""From the user's configuration to what a decision worker is told: plain values, no secret. Pure."""

from __future__ import annotations

from authz_service.config.model import AskedPolicy, Config
from authz_service.domain.rules import (
    ClientRule,
    ExchangeRules,
    GateRules,
    HeaderRules,
    IssuerRules,
    PeerRules,
    PolicyServer,
    PolicySource,
    RouteRules,
)
from authz_service.envoy.paths import StatePaths
from authz_service.errors import ConfigProblems, Problem
from authz_service.identity.certificates import parse_client_rule


def gate_rules(
    config: Config, policy: PolicySource | None, revision: str, *, cached_in_envoy: bool = False
) -> GateRules:
    """Raises ConfigProblems when an allowed client cannot be read."""
    proxy = config.proxy
    candidate = config.asked_policy.candidate if config.asked_policy is not None else None
    return GateRules(
        revision=revision,
        tag=config.tag,
        evaluation_budget=config.policy.evaluation_budget,
        service=config.service.name,
        zone=config.service.zone,
        peers=_peers(config) if proxy.mtls.enabled else None,
        issuers=_issuers(config) if proxy.auth.enabled else (),
        policy=policy,
        policy_server=_policy_server(config),
        policy_awaited=config.asked_policy is not None and config.policy_bundle is not None and policy is None,
        remember=0.0 if config.asked_policy is None else config.asked_policy.remember,
        shadow=config.asked_policy is not None and config.asked_policy.mode == "shadow",
        headers=_headers(config),
        routes=_routes(config),
        exchanges=_exchanges(config),
        evaluated_for=config.evaluated_for,
        callers_elsewhere=config.is_decision_only,
        audit_path=config.audit.path,
        audit_required=config.audit.on_failure == "deny",
        copies=config.audit.opa_decision_log is not None or candidate is not None,
        copied_percent=candidate.percent if candidate is not None and config.audit.opa_decision_log is None else 100,
        audit_chain=str(StatePaths(config.runtime.state_dir).audit_chain),
        cached_in_envoy=cached_in_envoy,
    )


def _policy_server(config: Config) -> PolicyServer | None:
    authz = config.asked_policy
    if authz is None or not isinstance(config.policy, AskedPolicy):
        return None
    server = config.policy.server
    place = server.url
    carried = config.proxy.headers.from_policy
    return PolicyServer(authz.policy_query, server.timeout, place.socket, place.host, place.port, carried)


def _peers(config: Config) -> PeerRules:
    mtls = config.proxy.mtls
    rules: list[ClientRule] = []
    problems: list[Problem] = []
    for index, text in enumerate(mtls.allowed_clients):
        try:
            rules.append(parse_client_rule(text))
        except ValueError as error:
            fix = 'write a subject such as "CN=api-gateway-client,O=MyOrg", a SPIFFE ID, or dns: and a name'
            problems.append(Problem(f"proxy.mtls.allowed_clients[{index}]", f"{text!r}: {error}", fix))
    if problems:
        raise ConfigProblems(problems)
    return PeerRules(
        required=_is_certificate_asked_for(config) or not mtls.allow_anonymous,
        allowed=tuple(rules),
        bind_service_tokens=mtls.bind_service_tokens,
        bindings=tuple((name, client) for name, clients in sorted(mtls.bindings.items()) for client in clients),
    )


def _is_certificate_asked_for(config: Config) -> bool:
    """By our own listener. With other people's proxies, `http.tls` says who may ask, and nothing of callers."""
    return config.http.tls.client_auth == "require" and not config.is_decision_only


def _issuers(config: Config) -> tuple[IssuerRules, ...]:
    return tuple(
        IssuerRules(
            issuer=issuer.issuer,
            audiences=issuer.audience,
            audience_claim=issuer.audience_claim,
            algorithms=issuer.algorithms,
            leeway=issuer.leeway,
            types=issuer.types,
            required_claims=issuer.required_claims,
            require_binding=issuer.require_binding,
            binding_grace=issuer.binding_grace,
            service_tokens=issuer.service_tokens,
            service_claims=tuple(sorted(issuer.service_claims.items())),
            user_clients=issuer.user_clients,
            client_claim=issuer.client_claim or "",
        )
        for issuer in config.issuers
    )


def _exchanges(config: Config) -> tuple[ExchangeRules, ...]:
    if not config.egress.enabled:
        return ()
    targets = config.egress.targets
    return tuple(
        ExchangeRules(route.path_prefix, route.target, targets[route.target].tag)
        for route in config.egress.routes
        if targets[route.target].auth.exchanges
    )


def _headers(config: Config) -> HeaderRules:
    headers, auth = config.proxy.headers, config.proxy.auth
    user_id = () if headers.inject_user_id is None else (("sub", headers.inject_user_id),)
    paths = ((path, name) for name, path in headers.inject_paths.items())
    return HeaderRules(
        pass_token=headers.pass_token,
        inject=(*user_id, *headers.inject_claims.items(), *paths),
        cut=headers.too_long == "cut",
        extract=headers.extract,
        auth_header=auth.header,
        auth_scheme=auth.scheme,
        auth_cookie=auth.cookie or "",
        auth_websocket_protocol=auth.websocket_protocol or "",
        auth_over_tls=config.is_decision_only or config.http.tls.enabled,
        auth_origins=config.proxy.cors.allow_origins if config.proxy.cors.allow_credentials else (),
        user_key=config.http.limits.per_user is not None,
        from_policy=headers.from_policy,
    )


def _routes(config: Config) -> tuple[RouteRules, ...]:
    targets = {target.url: name for name, target in config.egress.targets.items()}
    if not config.proxy.routes:
        # Without routes there is one, which Envoy does not name (envoy.routes).
        return (RouteRules(name="", auth_required=True, methods=(), downstream=""),)
    return tuple(
        RouteRules(
            name=route.path,
            auth_required=route.auth_required,
            methods=route.methods,
            downstream="" if route.upstream is None else targets.get(route.upstream, str(route.upstream)),
            introspect=route.introspect,
            ignore_tokens=route.ignore_tokens,
            encoded_slashes=route.encoded_slashes,
        )
        for route in config.proxy.routes
    )
