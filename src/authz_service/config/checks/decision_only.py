"""What must fit together where other people's proxies ask (`proxy.mode: decision_only`). Not the rules of one value."""

from collections.abc import Iterator

from authz_service.config.checks.rules import is_loopback
from authz_service.config.finding import Finding, Place
from authz_service.config.model import AskedBy, Config, HttpTlsOfFiles, UnixAddress
from authz_service.config.sections.section import Section

_MODE: Place = ("proxy", "mode")
_ASKED_BY: Place = ("proxy", "asked_by")
_TLS: Place = ("http", "tls")
_FORWARD_AUTH = ("auth_request", "forward_auth")
_OF_PROTOCOL = {"path_prefix": ("ext_authz_http",), "url": ("authzen",)}
# What an Envoy of ours does with the requests that it forwards, and the key that says so.
_FORWARDING: dict[Place, tuple[str, ...]] = {
    ("http",): ("addr", "max_body_bytes", "trusted_proxies", "proxy_protocol", "limits", "timeouts"),
    ("proxy",): ("upstream", "cors"),
    ("audit",): ("access_log",),
}
_FORWARDING_OF_ROUTE = ("upstream", "strip_prefix", "timeout")


def decision_only_findings(config: Config) -> Iterator[Finding]:
    yield from _forwarding(config)
    if not config.proxy.asked_by:
        fix = "say who asks, and where: proxy.asked_by: {edge: {protocol: ext_authz_grpc, addr: 127.0.0.1:9191}}"
        yield Finding(_ASKED_BY, "is missing, and proxy.mode is decision_only: nobody could ask", fix)
    for name, asker in config.proxy.asked_by.items():
        place: Place = (*_ASKED_BY, name)
        yield from _who_may_ask(place, asker)
        yield from _of_protocol(place, asker)
        yield from _said(place, asker)
        yield from _callers_certificates(place, config, asker)
        yield from _enforced(place, config, asker)
    yield from _tls(config)
    yield from _one_socket_each(config)


def reverse_proxy_findings(config: Config) -> Iterator[Finding]:
    if config.proxy.asked_by:
        fix = "write proxy.mode: decision_only, or remove it"
        yield Finding(_ASKED_BY, "nobody is listened to: proxy.mode is reverse_proxy", fix)


def _forwarding(config: Config) -> Iterator[Finding]:
    """A key that would protect nothing is refused: who wrote it relies on it."""
    found = "is for requests that we forward, and proxy.mode is decision_only"
    fix = "remove it, and set it up at the proxy that asks"
    for place, keys in _FORWARDING.items():
        section: Section = getattr(config, str(place[0]))
        for key in keys:
            if key in section.model_fields_set:
                yield Finding((*place, key), found, fix)
    for index, route in enumerate(config.proxy.routes):
        for key in _FORWARDING_OF_ROUTE:
            if key in route.model_fields_set:
                yield Finding(("proxy", "routes", index, key), found, fix)


def _who_may_ask(place: Place, asker: AskedBy) -> Iterator[Finding]:
    """Whoever may ask speaks for others: whom he names is believed."""
    is_socket = isinstance(asker.addr, UnixAddress)
    if not isinstance(asker.addr, UnixAddress) and not is_loopback(asker.addr.host) and not asker.allowed_clients:
        fix = "list who may ask in allowed_clients, such as CN=edge-proxy,O=MyOrg; or use a loopback address"
        found = f"{asker.addr} is reachable from other hosts, and whoever asks there is believed"
        yield Finding((*place, "addr"), found, fix)
    if is_socket and asker.allowed_clients:
        fix = "say by socket_mode who may connect, or use an address and a port"
        yield Finding((*place, "allowed_clients"), "certificates are not shown at a Unix socket", fix)
    if not is_socket and "socket_mode" in asker.model_fields_set:
        fix = "write addr: unix:///run/authz/edge.sock, or remove socket_mode"
        yield Finding((*place, "socket_mode"), f"permissions of a Unix socket, but addr is {asker.addr}", fix)


def _of_protocol(place: Place, asker: AskedBy) -> Iterator[Finding]:
    for key, protocols in _OF_PROTOCOL.items():
        if getattr(asker, key) is not None and asker.protocol not in protocols:
            yield Finding((*place, key), f"is for {protocols[0]}, and protocol is {asker.protocol}", "remove it")
    if asker.url is not None and not asker.url.startswith("https://"):
        fix = "write https://, a host, and no path, such as https://pdp.zone1.example"
        yield Finding((*place, "url"), "is no https:// address (AuthZEN §9.1)", fix)


def _said(place: Place, asker: AskedBy) -> Iterator[Finding]:
    said = asker.headers.model_fields_set
    unread: set[str] = set()
    if asker.protocol not in _FORWARD_AUTH:
        unread |= said & {"method", "uri", "host"}
    if asker.protocol == "ext_authz_grpc":
        unread |= said & {"client_verify", "remote"}
    if asker.protocol == "authzen":
        unread |= said
    for key in sorted(unread):
        found = f"is not read: {asker.protocol} says it in its own way, or not at all"
        yield Finding((*place, "headers", key), found, "remove it")
    if asker.headers.client_verify is not None and asker.headers.client_certificate is None:
        fix = "name the header with the certificate, or remove client_verify"
        yield Finding((*place, "headers", "client_verify"), "there is no certificate that it is about", fix)
    names: dict[str, str] = {}
    for key in type(asker.headers).model_fields:
        name = getattr(asker.headers, key)
        if name is not None and names.setdefault(name.lower(), key) != key:
            fix = "give each fact its own header"
            yield Finding((*place, "headers", key), f"{name} is {names[name.lower()]} already", fix)


def _callers_certificates(place: Place, config: Config, asker: AskedBy) -> Iterator[Finding]:
    if not config.proxy.mtls.enabled or config.proxy.mtls.allow_anonymous:
        return
    if asker.headers.client_certificate is None and asker.protocol not in {"ext_authz_grpc", "authzen"}:
        found = "is missing, and proxy.mtls is enabled: every caller would be refused"
        fix = "name the header in which the proxy says who calls, such as X-SSL-Client-Cert"
        yield Finding((*place, "headers", "client_certificate"), found, fix)


def _enforced(place: Place, config: Config, asker: AskedBy) -> Iterator[Finding]:
    if asker.protocol in _FORWARD_AUTH and not config.proxy.headers.pass_token:
        fix = "let the proxy take it away, and write proxy.headers.pass_token: true"
        found = f"no answer of ours can take the token away: {asker.protocol} only adds"
        yield Finding(("proxy", "headers", "pass_token"), found, fix)
    if asker.protocol == "authzen" and config.asked_policy is None:
        fix = "set proxy.authz.enabled: true, or remove this listener"
        yield Finding((*place, "protocol"), "authzen asks the policy, and proxy.authz is off", fix)


def _tls(config: Config) -> Iterator[Finding]:
    """`http.tls` is that of the listeners with `allowed_clients`, and of nobody else."""
    tls, is_there = config.http.tls, "tls" in config.http.model_fields_set
    if not any(asker.allowed_clients for asker in config.proxy.asked_by.values()):
        if is_there:
            fix = "remove it, or list who may ask in allowed_clients of a listener"
            yield Finding(_TLS, "no listener of proxy.asked_by speaks TLS", fix)
    elif not is_there or not isinstance(tls, HttpTlsOfFiles):
        found = "are no files of ours" if is_there else "is missing"
        fix = "name cert_file and key_file of ours, and the client_ca_file of who asks"
        yield Finding(_TLS, f"{found}, and proxy.asked_by has allowed_clients", fix)
    elif tls.client_ca_file is None or tls.client_auth != "require":
        fix = "write client_auth: require, and name the client_ca_file of who asks"
        yield Finding((*_TLS, "client_auth"), "who may ask is known by his certificate, and it is not asked for", fix)


def _one_socket_each(config: Config) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for name, asker in config.proxy.asked_by.items():
        if isinstance(asker.addr, UnixAddress) and first.setdefault(asker.addr.path, name) != name:
            found = f"{asker.addr} is that of proxy.asked_by.{first[asker.addr.path]}"
            yield Finding((*_ASKED_BY, name, "addr"), found, "give each listener its own socket")
