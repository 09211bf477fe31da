"""What must fit together in a configuration whose single values are right. Not the rules of one value (`values`)."""

import re
from collections.abc import Iterator

from authz_service.config.addresses import EVERY_ADDRESS, Address
from authz_service.config.checks.egress import egress_findings, exchange_findings
from authz_service.config.checks.headers import header_findings
from authz_service.config.checks.rules import is_loopback, not_below, not_beside_sds, plain_http
from authz_service.config.checks.tokens import introspection_findings, token_findings
from authz_service.config.finding import Finding, Place
from authz_service.config.model import Config, Endpoint, Http, HttpTls, PolicyConfig, Route
from authz_service.request_form import METHODS

_LONGEST_POLICY_TIMEOUT = 0.3  # seconds
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1
_TLS: Place = ("http", "tls")
_MTLS: Place = ("proxy", "mtls")


def cross_findings(config: Config) -> Iterator[Finding]:
    """Everything that does not fit together."""
    if config.proxy.enabled:
        yield from _trusted_proxies(config.http)
        yield from _tls(config)
        yield from _mtls(config)
        yield from token_findings(config)
        yield from _policy(config)
        yield from _routes(config)
        yield from introspection_findings(config)
        yield from header_findings(config.proxy)
        if config.proxy.mode == "decision_only":
            fix = "use reverse_proxy: the sidecar receives the requests itself"
            yield Finding(("proxy", "mode"), "decision_only is not supported yet", fix)
    if config.egress.enabled:
        yield from egress_findings(config.egress)
        yield from exchange_findings(config)
    yield from _one_agent(config)
    if not config.proxy.enabled and not config.egress.enabled:
        fix = "add a proxy section (requests that arrive), an egress section (requests that leave), or both"
        yield Finding((), "neither an ingress nor an egress is enabled", fix)
    yield from _decision_log(config)
    yield from _listeners(config)
    yield from _name(config)


def default_name(config: Config) -> str:
    """The first OAuth2 client of the egress, else the package of the policy's rule; "" if there is neither."""
    targets = config.egress.targets.values() if config.egress.enabled else ()
    clients = [target.auth.client_id for target in targets if target.auth.client_id]
    query = config.proxy.authz.policy_query or ""
    return clients[0] if clients else ".".join(query.split(".")[1:-1])


def _name(config: Config) -> Iterator[Finding]:
    if (
        not config.service.name
        and not default_name(config)
        and not (config.proxy.enabled and config.proxy.authz.enabled)
    ):
        found = "is missing, and there is neither an OAuth2 client nor a policy_query to take it from"
        yield Finding(("service", "name"), found, "name the service, such as order-service")


def _trusted_proxies(http: Http) -> Iterator[Finding]:
    place: Place = ("http", "trusted_proxies")
    for index, network in enumerate(http.trusted_proxies):
        if network.endswith("/0"):
            fix = "write the addresses of your balancers only"
            yield Finding((*place, index), f"{network} is everybody, so anybody could say where he calls from", fix)
    if http.proxy_protocol and not http.trusted_proxies:
        fix = "list the addresses of your balancers in http.trusted_proxies, or remove proxy_protocol"
        yield Finding(("http", "proxy_protocol"), "but nobody is trusted to write it", fix)


def _tls(config: Config) -> Iterator[Finding]:
    tls = config.http.tls
    if not tls.enabled:
        if tls.client_auth != "none":
            found = "client certificates are asked for, but TLS is off"
            yield Finding((*_TLS, "client_auth"), found, "set http.tls.enabled: true, or client_auth: none")
        return
    if tls.sds is not None:
        yield from not_beside_sds(_TLS, tls, ("cert_file", "key_file", "client_ca_file", "crl_file"))
        return
    for key in ("cert_file", "key_file"):
        if getattr(tls, key) is None:
            yield Finding((*_TLS, key), "is missing", "name the file, or set http.tls.enabled: false for plain HTTP")
    yield from _client_certificates(tls)


def _one_agent(config: Config) -> Iterator[Finding]:
    sockets = sorted(map(str, config.sds_sockets))
    if len(sockets) > 1:
        found = f"there are {len(sockets)} agents: {', '.join(sockets)}"
        yield Finding((*_TLS, "sds"), found, "write the same socket wherever sds stands")


def _client_certificates(tls: HttpTls) -> Iterator[Finding]:
    if tls.client_auth != "none" and tls.client_ca_file is None:
        found = f"is missing, and client_auth is {tls.client_auth}"
        yield Finding(
            (*_TLS, "client_ca_file"), found, "name the file with the CAs that sign your callers' certificates"
        )
    if tls.client_auth == "none" and tls.crl_file is not None:
        found = "a revocation list, but client_auth is none"
        yield Finding((*_TLS, "crl_file"), found, "set http.tls.client_auth: require, or remove crl_file")


def _mtls(config: Config) -> Iterator[Finding]:
    tls, mtls = config.http.tls, config.proxy.mtls
    if not mtls.enabled:
        return
    if not tls.enabled:
        found = "mTLS is on, but http.tls.enabled is false"
        yield Finding((*_MTLS, "enabled"), found, "set http.tls.enabled: true, or proxy.mtls.enabled: false")
    elif tls.client_auth == "none":
        found = "none, but proxy.mtls is enabled, which needs the caller's certificate"
        yield Finding((*_TLS, "client_auth"), found, "write require (or request), or set proxy.mtls.enabled: false")
    if mtls.allow_anonymous and tls.client_auth == "require":
        fix = "write client_auth: request where callers without a certificate may pass, or remove allow_anonymous"
        yield Finding((*_MTLS, "allow_anonymous"), "nobody comes without one: client_auth is require", fix)
    if not mtls.allowed_clients:
        found = "nobody is listed, so every caller would be refused"
        fix = "list who may call, such as CN=api-gateway-client,O=MyOrg"
        yield Finding((*_MTLS, "allowed_clients"), found, fix)


def _policy(config: Config) -> Iterator[Finding]:
    authz = config.proxy.authz
    if not authz.enabled:
        return
    if authz.policy_query is None:
        fix = "name the rule that decides, such as data.order.allow; or set proxy.authz.enabled: false"
        yield Finding(("proxy", "authz", "policy_query"), "is missing", fix)
    yield from _policy_engine(config.policy)


def _policy_engine(policy: PolicyConfig) -> Iterator[Finding]:
    server: Place = ("policy", "server")
    if policy.bundle is not None:
        yield from plain_http(("policy", "bundle", "url"), policy.bundle.url)
        if policy.engine == "opa_server":
            fix = "give the bundle to that OPA, or write policy.engine: opa_embedded"
            found = "would not be read: policy.engine is opa_server"
            yield Finding(("policy", "bundle"), found, fix)
    if policy.engine not in {"opa_embedded", "opa_server"}:
        yield Finding(("policy", "engine"), "there is no such engine", "write opa_embedded or opa_server")
    elif policy.server is None:
        if policy.engine == "opa_server":
            yield Finding(server, "is missing, and policy.engine is opa_server", "say where OPA listens: server.url")
    elif policy.engine == "opa_embedded":
        fix = "write policy.engine: opa_server, or remove policy.server"
        yield Finding(server, "would not be asked: policy.engine is opa_embedded", fix)
    else:
        if policy.server.url.scheme == "https" or not is_loopback(policy.server.url.host or "localhost"):
            fix = "run OPA beside the sidecar: unix:///run/opa/opa.sock, or http://127.0.0.1:8181"
            yield Finding((*server, "url"), f"{policy.server.url} is not on this host, or asks for TLS", fix)
        if policy.server.timeout > _LONGEST_POLICY_TIMEOUT:
            fix = "write at most 300ms: Envoy asks another worker after 400ms"
            yield Finding((*server, "timeout"), "is longer than Envoy waits for a decision", fix)


def _routes(config: Config) -> Iterator[Finding]:
    yield from _upstream(config, ("proxy", "upstream"), config.proxy.upstream)
    routes = config.proxy.routes
    for index, route in enumerate(routes):
        place: Place = ("proxy", "routes", index)
        yield from _one_route_for_a_method(place, route, routes[:index])
        yield from _ignored_tokens(place, route)
        if route.upstream is not None:
            yield from _upstream(config, (*place, "upstream"), route.upstream)
        yield from not_below(place, "path", route.path.removesuffix("/**"), route.strip_prefix)


def _one_route_for_a_method(place: Place, route: Route, before: tuple[Route, ...]) -> Iterator[Finding]:
    for index, other in enumerate(before):
        both = [method for method in route.methods if method in other.methods]
        if both and route.path == other.path:
            shared = "" if both == list(METHODS) else f", and both have {', '.join(both)}"
            found = f"the same path as proxy.routes[{index}]{shared}"
            fix = "keep one, or give each its own methods"
            yield Finding((*place, "path"), found, fix)
            return


def _ignored_tokens(place: Place, route: Route) -> Iterator[Finding]:
    if not route.ignore_tokens:
        return
    if route.auth_required:
        fix = "write auth_required: false, or remove ignore_tokens"
        yield Finding((*place, "ignore_tokens"), "but a token is required", fix)
    if route.introspect:
        fix = "remove introspect, or ignore_tokens"
        yield Finding((*place, "introspect"), "no token is looked at: ignore_tokens", fix)


def _upstream(config: Config, place: Place, upstream: Endpoint) -> Iterator[Finding]:
    """A TLS upstream needs the CA and the certificate of a target (correction 10)."""
    targets = config.egress.targets if config.egress.enabled else {}
    named = [name for name, target in targets.items() if target.url == upstream]
    if upstream.scheme == "https" and not named:
        found = f"{upstream}, but no enabled egress target has this url, so its CA is unknown"
        yield Finding(place, found, "add it to egress.targets with url and tls (ca_cert, client_cert, client_key)")
    if len(named) > 1:
        yield Finding(place, f"{upstream} is the url of {len(named)} egress targets", "give each target its own url")


def _decision_log(config: Config) -> Iterator[Finding]:
    """One destination, apart from the records; a token for whoever gets the copies, and for nobody else."""
    copies, place = config.audit.opa_decision_log, ("audit", "opa_decision_log")
    if copies is None:
        return
    if (copies.path is None) == (copies.url is None):
        found = "there is neither path nor url" if copies.path is None else "there are both path and url"
        yield Finding(place, found, "write path: /a/file for JSON lines, or url: https://… for uploads")
    if copies.url is not None:
        yield from plain_http((*place, "url"), copies.url)
        if "?" in copies.url or "#" in copies.url:
            yield Finding((*place, "url"), "has a query, and /logs is added at its end", "write the URL without it")
    if copies.token is not None and _BEARER.fullmatch(copies.token.reveal()) is None:
        key = "token" if copies.token_file is None else "token_file"
        fix = "write it as the service gave it, without spaces and without Bearer"
        yield Finding((*place, key), "is no bearer token (RFC 6750)", fix)
    for key in ("token", "token_file", "ca_file"):
        if copies.url is None and getattr(copies, key) is not None:
            yield Finding((*place, key), "is for uploads, and there is no url", f"add url, or remove {key}")
            break
    taken = {"audit.path": config.audit.path, "audit.access_log": config.audit.access_log}
    for name, path in taken.items():
        if copies.path is not None and path is not None and str(copies.path) == path:
            key = name.removeprefix("audit.")
            yield Finding((*place, "path"), f"is the file of {name}", "give it a file of its own")


def _listeners(config: Config) -> Iterator[Finding]:
    if not is_loopback(config.admin.addr.host):
        found = (
            f"{config.admin.addr} is reachable from other hosts, and says how this one is configured to whoever asks"
        )
        fix = "use a loopback address, such as 127.0.0.1:9901; for kubelet and Prometheus add admin.network_addr: :9902"
        yield Finding(("admin", "addr"), found, fix)
    listeners = [(("admin", "addr"), config.admin.addr)]
    if config.admin.network_addr is not None:
        listeners.append((("admin", "network_addr"), config.admin.network_addr))
    if config.egress.enabled and isinstance(config.egress.addr, Address):
        listeners.insert(0, (("egress", "addr"), config.egress.addr))
    if config.proxy.enabled:
        listeners.insert(0, (("http", "addr"), config.http.addr))
    for index, (place, address) in enumerate(listeners):
        for other_place, other in listeners[:index]:
            same_host = address.host == other.host or bool({address.host, other.host} & {EVERY_ADDRESS, "::"})
            if address.port == other.port and same_host:
                found = f"{address} collides with {'.'.join(other_place)} ({other})"
                yield Finding(place, found, "give each listener its own port")
