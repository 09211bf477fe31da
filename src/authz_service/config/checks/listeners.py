"""What must fit together about where callers arrive: TLS, their certificates, proxies in front, and the listeners."""

from collections.abc import Iterator

from authz_service.config.addresses import EVERY_ADDRESS, Address
from authz_service.config.checks.rules import is_loopback
from authz_service.config.finding import Finding, Place
from authz_service.config.model import Config, Http, HttpTlsOfFiles, PlainHttp

_TLS: Place = ("http", "tls")
_MTLS: Place = ("proxy", "mtls")


def ingress_findings(config: Config) -> Iterator[Finding]:
    yield from _trusted_proxies(config.http)
    yield from _tls(config.http)
    yield from _mtls(config)


def listener_findings(config: Config) -> Iterator[Finding]:
    if not is_loopback(config.admin.addr.host):
        found = (
            f"{config.admin.addr} is reachable from other hosts, and says how this one is configured to whoever asks"
        )
        fix = "use a loopback address, such as 127.0.0.1:9901; for kubelet and Prometheus add admin.network_addr: :9902"
        yield Finding(("admin", "addr"), found, fix)
    listeners: list[tuple[Place, Address]] = [(("admin", "addr"), config.admin.addr)]
    if config.admin.network_addr is not None:
        listeners.append((("admin", "network_addr"), config.admin.network_addr))
    if config.egress.enabled and isinstance(config.egress.addr, Address):
        listeners.insert(0, (("egress", "addr"), config.egress.addr))
    if config.proxy.enabled:
        listeners[:0] = config.ingress_addresses
    for index, (place, address) in enumerate(listeners):
        for other_place, other in listeners[:index]:
            same_host = address.host == other.host or bool({address.host, other.host} & {EVERY_ADDRESS, "::"})
            if address.port == other.port and same_host:
                found = f"{address} collides with {'.'.join(map(str, other_place))} ({other})"
                yield Finding(place, found, "give each listener its own port")


def _trusted_proxies(http: Http) -> Iterator[Finding]:
    place: Place = ("http", "trusted_proxies")
    for index, network in enumerate(http.trusted_proxies):
        if network.endswith("/0"):
            fix = "write the addresses of your balancers only"
            yield Finding((*place, index), f"{network} is everybody, so anybody could say where he calls from", fix)
    if http.proxy_protocol and not http.trusted_proxies:
        fix = "list the addresses of your balancers in http.trusted_proxies, or remove proxy_protocol"
        yield Finding(("http", "proxy_protocol"), "but nobody is trusted to write it", fix)


def _tls(http: Http) -> Iterator[Finding]:
    if "tls" not in http.model_fields_set:
        fix = "name cert_file and key_file, or set http.tls.enabled: false for plain HTTP"
        yield Finding(_TLS, "is missing", fix)
    elif isinstance(http.tls, PlainHttp) and http.tls.client_auth != "none":
        found = "client certificates are asked for, but TLS is off"
        yield Finding((*_TLS, "client_auth"), found, "set http.tls.enabled: true, or client_auth: none")
    elif isinstance(http.tls, HttpTlsOfFiles):
        yield from _client_certificates(http.tls)


def _client_certificates(tls: HttpTlsOfFiles) -> Iterator[Finding]:
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


def caller_findings(config: Config) -> Iterator[Finding]:
    mtls = config.proxy.mtls
    if mtls.enabled and not mtls.allowed_clients:
        found = "nobody is listed, so every caller would be refused"
        fix = "list who may call, such as CN=api-gateway-client,O=MyOrg"
        yield Finding((*_MTLS, "allowed_clients"), found, fix)
