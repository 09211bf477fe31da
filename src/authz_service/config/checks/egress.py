"""What must fit together in the `egress` section. Not the rules of one value (`values`)."""

from collections.abc import Iterator
from importlib.util import find_spec

from authz_service.config.addresses import UnixAddress
from authz_service.config.checks.rules import is_loopback, long_enough, not_below, plain_http, repeated
from authz_service.config.finding import Finding, Place
from authz_service.config.model import (
    ByCertificate,
    Config,
    Egress,
    EgressSocket,
    Endpoint,
    NoTls,
    OAuth2,
    Target,
    TargetTls,
    TargetTlsOfAgent,
    TargetTlsOfFiles,
    TokensInRedis,
)

_OUR_FIELDS = frozenset(
    {"grant_type", "scope", "audience", "client_id", "client_secret", "client_assertion", "client_assertion_type"}
    | {"subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type"}
)
_PROOF = {"client_auth", "client_secret", "client_secret_file"} | {
    "client_key_file",
    "client_cert_file",
    "client_assertion_file",
}
_REDIS_SCHEMES = ("redis", "rediss", "unix")


def egress_findings(egress: Egress) -> Iterator[Finding]:
    yield from _door(egress)
    yield from _one_client_one_secret(egress)
    if isinstance(egress.token_store, TokensInRedis):
        yield from _shared_store(("egress", "token_store"), egress.token_store)
    if not egress.targets:
        found = "no target, so there is nothing to call"
        yield Finding(("egress", "targets"), found, "add a target, or set egress.enabled: false")
    for name, target in egress.targets.items():
        yield from _target(("egress", "targets", name), target)
    yield from _routes(egress)


def exchange_findings(config: Config) -> Iterator[Finding]:
    """Users' tokens are exchanged by the decision workers, on the routes of the egress: nowhere else."""
    ways: dict[Place, Endpoint | None] = {("proxy", "upstream"): config.proxy.upstream} if config.proxy.enabled else {}
    ways |= {("proxy", "routes", n, "upstream"): route.upstream for n, route in enumerate(config.proxy.routes)}
    for name, target in config.egress.targets.items():
        place: Place = ("egress", "targets", name, "auth", "type")
        if not target.auth.exchanges:
            continue
        if not config.proxy.enabled:
            found = "oauth2_token_exchange, and there is no ingress that a user's token could come in by"
            yield Finding(place, found, "add a proxy section, or use oauth2_client_credentials")
        for way, upstream in ways.items():
            if upstream == target.url:
                found = f"the target {name} wants an exchanged token, which only the egress gives"
                fix = "let the service call it by a route of the egress, or use another auth.type"
                yield Finding(way, found, fix)


def _one_client_one_secret(egress: Egress) -> Iterator[Finding]:
    """Targets that ask for the same token share it, so only one of their secrets is ever sent."""
    known: dict[object, tuple[str, OAuth2]] = {}
    for name, target in egress.targets.items():
        auth = target.auth
        if not isinstance(auth, OAuth2) or not auth.has_own_token:
            continue
        params = tuple(sorted(auth.params.items()))
        key = (auth.token_url, auth.client_id, tuple(sorted(auth.scopes)), auth.audience, params)
        first, before = known.setdefault(key, (name, auth))
        ours, theirs = (one.model_dump(include=_PROOF, mode="python") for one in (auth, before))
        if ours != theirs:
            place: Place = ("egress", "targets", name, "auth")
            found = f"the same client asks for the same token as egress.targets.{first}, but proves itself otherwise"
            yield Finding(place, found, "give both the same client_auth and secret, or scopes of their own")


def _shared_store(place: Place, store: TokensInRedis) -> Iterator[Finding]:
    if find_spec("redis") is None:
        fix = "install authz-service[redis], or use {type: memory}"
        yield Finding((*place, "type"), "the Python package redis is not installed", fix)
    scheme = store.url.reveal().partition("://")[0]
    if scheme not in _REDIS_SCHEMES:
        fix = "write redis://host:6379/0, rediss://host:6379/0 for TLS, or unix:///a/socket"
        yield Finding((*place, "url"), "is not an address of Redis", fix)
    elif "ssl_" in store.url.reveal().partition("?")[2]:
        fix = "leave TLS to rediss:// and ca_file"
        yield Finding((*place, "url"), "it would change how Redis' certificate is checked (ssl_…)", fix)
    if store.ca_file is not None and scheme != "rediss":
        fix = "write rediss:// in the url, or remove ca_file"
        yield Finding((*place, "ca_file"), "there is a CA, but no TLS", fix)
    yield from long_enough(place, store, "encryption_key")


def _door(egress: Egress) -> Iterator[Finding]:
    place: Place = ("egress", "addr")
    if isinstance(egress.addr, UnixAddress):
        return
    if not is_loopback(egress.addr.host):
        found = (
            f"{egress.addr} is reachable from other hosts, and whoever connects calls with this service's credentials"
        )
        yield Finding(place, found, "use a loopback address, such as 127.0.0.1:8080, or unix:///run/egress.sock")
    if egress.socket != EgressSocket():
        found = f"permissions of a Unix socket, but egress.addr is {egress.addr}"
        fix = "write egress.addr: unix:///run/egress.sock, or remove egress.socket"
        yield Finding(("egress", "socket"), found, fix)


def _target(place: Place, target: Target) -> Iterator[Finding]:
    scheme, tls = target.url.scheme, target.tls
    if scheme == "https" and isinstance(tls, NoTls):
        found = f"{target.url}, but the target has no tls section that is enabled"
        yield Finding((*place, "url"), found, "add tls with ca_cert (and client_cert, client_key for mTLS)")
    if scheme != "https" and not isinstance(tls, NoTls):
        found = f"TLS is on, but the url is {target.url}"
        yield Finding((*place, "tls"), found, "write https:// in the url, or remove the tls section")
    yield from _tls((*place, "tls"), tls)
    if isinstance(target.auth, OAuth2):
        yield from _auth((*place, "auth"), target.auth, tls)


def _tls(place: Place, tls: TargetTls) -> Iterator[Finding]:
    if isinstance(tls, TargetTlsOfAgent) and tls.spiffe_id is None and tls.server_name is None:
        fix = "write the target's SPIFFE ID, or the DNS name in its certificate as server_name"
        yield Finding((*place, "spiffe_id"), "is missing, and certificates come from sds", fix)
    for key, other in (("client_cert", "client_key"), ("client_key", "client_cert")):
        if isinstance(tls, TargetTlsOfFiles) and getattr(tls, key) is None and getattr(tls, other) is not None:
            yield Finding((*place, key), f"is missing, and {other} is there", f"name both files, or remove {other}")


def _auth(place: Place, auth: OAuth2, tls: TargetTls) -> Iterator[Finding]:
    if auth.exchanges and auth.audience is None:
        yield Finding((*place, "audience"), "is missing", f"{auth.type} needs it")
    yield from plain_http((*place, "token_url"), auth.token_url)
    yield from _params(place, auth)
    if isinstance(auth, ByCertificate):
        if not isinstance(tls, TargetTlsOfFiles) or tls.client_pair is None:
            found = "tls_client_auth, but the target has no certificate to show"
            fix = "name tls.client_cert and tls.client_key of the target; what sds hands out is Envoy's alone"
            yield Finding((*place, "client_auth"), found, fix)
        if auth.token_url.startswith("http:"):
            yield Finding((*place, "token_url"), "plain HTTP shows no certificate", "use https://")


def _params(place: Place, auth: OAuth2) -> Iterator[Finding]:
    """What we say ourselves, nobody else says in the same form."""
    for name in auth.params:
        if name in _OUR_FIELDS:
            fix = "remove it: the other keys of auth say it"
            yield Finding((*place, "params", name), "a field that is ours", fix)


def _routes(egress: Egress) -> Iterator[Finding]:
    for index, first in repeated(route.path_prefix for route in egress.routes):
        found = f"the same prefix as egress.routes[{first}]"
        yield Finding(("egress", "routes", index, "path_prefix"), found, "keep one")
    for index, route in enumerate(egress.routes):
        place: Place = ("egress", "routes", index)
        if route.target not in egress.targets:
            known = ", ".join(sorted(egress.targets)) or "none"
            found = "there is no target of this name"
            yield Finding((*place, "target"), found, f"name one of egress.targets: {known}")
        yield from not_below(place, "path_prefix", route.path_prefix, route.strip_prefix)
