"""What must fit together in the `egress` section. Not the rules of one value (`values`)."""

from collections.abc import Iterator
from importlib.util import find_spec

from authz_service.config.addresses import UnixAddress
from authz_service.config.checks.rules import is_loopback, not_below, not_beside_sds, one_secret, plain_http, repeated
from authz_service.config.finding import Finding, Place
from authz_service.config.model import Config, Egress, EgressSocket, Endpoint, Target, TargetAuth, TargetTls, TokenStore

_OUR_FIELDS = frozenset(
    {"grant_type", "scope", "audience", "client_id", "client_secret", "client_assertion", "client_assertion_type"}
    | {"subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type"}
)
_REDIS_SCHEMES = ("redis", "rediss", "unix")


def egress_findings(egress: Egress) -> Iterator[Finding]:
    yield from _door(egress)
    yield from _one_client_one_secret(egress)
    if egress.token_store.type == "redis":
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
    known: dict[object, tuple[str, TargetAuth]] = {}
    for name, target in egress.targets.items():
        auth = target.auth
        if not auth.has_own_token:
            continue
        params = tuple(sorted(auth.params.items()))
        key = (auth.token_url, auth.client_id, tuple(sorted(auth.scopes)), auth.audience, params)
        first, before = known.setdefault(key, (name, auth))
        ours, theirs = (
            (one.client_auth, one.client_secret and one.client_secret.reveal(), one.client_secret_file, one.proof_files)
            for one in (auth, before)
        )
        if ours != theirs:
            place: Place = ("egress", "targets", name, "auth")
            found = f"the same client asks for the same token as egress.targets.{first}, but proves itself otherwise"
            yield Finding(place, found, "give both the same client_auth and secret, or scopes of their own")


def _shared_store(place: Place, store: TokenStore) -> Iterator[Finding]:
    if find_spec("redis") is None:
        fix = "install authz-service[redis], or use {type: memory}"
        yield Finding((*place, "type"), "the Python package redis is not installed", fix)
    scheme = store.url.reveal().partition("://")[0] if store.url is not None else ""
    if scheme not in _REDIS_SCHEMES:
        found = "is missing" if store.url is None else "is not an address of Redis"
        fix = "write redis://host:6379/0, rediss://host:6379/0 for TLS, or unix:///a/socket"
        yield Finding((*place, "url"), found, fix)
    elif store.url is not None and "ssl_" in store.url.reveal().partition("?")[2]:
        fix = "leave TLS to rediss:// and ca_file"
        yield Finding((*place, "url"), "it would change how Redis' certificate is checked (ssl_…)", fix)
    if store.ca_file is not None and scheme != "rediss":
        fix = "write rediss:// in the url, or remove ca_file"
        yield Finding((*place, "ca_file"), "there is a CA, but no TLS", fix)
    if store.encryption_key is None and store.encryption_key_file is None:
        fix = "write encryption_key: ${A_VARIABLE}, or encryption_key_file: /a/file"
        yield Finding((*place, "encryption_key"), "is missing", fix)


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
    if scheme == "https" and not tls.enabled:
        found = f"{target.url}, but the target has no tls section that is enabled"
        yield Finding((*place, "url"), found, "add tls with ca_cert (and client_cert, client_key for mTLS)")
    if scheme != "https" and tls.enabled:
        found = f"TLS is on, but the url is {target.url}"
        yield Finding((*place, "tls"), found, "write https:// in the url, or remove the tls section")
    if tls.enabled:
        yield from _tls((*place, "tls"), tls)
    yield from _auth((*place, "auth"), target.auth)
    if target.auth.type != "none":
        yield from _client_auth((*place, "auth"), target)


def _tls(place: Place, tls: TargetTls) -> Iterator[Finding]:
    if tls.sds is not None:
        yield from not_beside_sds(place, tls, ("client_cert", "client_key", "ca_cert"))
        if tls.spiffe_id is None and tls.server_name is None:
            fix = "write the target's SPIFFE ID, or the DNS name in its certificate as server_name"
            yield Finding((*place, "spiffe_id"), "is missing, and certificates come from sds", fix)
        return
    if tls.ca_cert is None:
        fix = "name the file with the CAs that sign the target's certificate"
        yield Finding((*place, "ca_cert"), "is missing", fix)
    for key, other in (("client_cert", "client_key"), ("client_key", "client_cert")):
        if getattr(tls, key) is None and getattr(tls, other) is not None:
            yield Finding((*place, key), f"is missing, and {other} is there", f"name both files, or remove {other}")


def _auth(place: Place, auth: TargetAuth) -> Iterator[Finding]:
    if auth.type == "none":
        yield from _unused_auth(place, auth)
        return
    for key in ("token_url", "client_id", *(("audience",) if auth.exchanges else ())):
        if getattr(auth, key) is None:
            yield Finding((*place, key), "is missing", f"{auth.type} needs it")
    if auth.token_url is not None:
        yield from plain_http((*place, "token_url"), auth.token_url)
    yield from _params(place, auth)


def _client_auth(place: Place, target: Target) -> Iterator[Finding]:
    """Each way of proving who we are needs its own thing, and another's beside it is a mistake."""
    auth, tls = target.auth, target.tls
    by_secret = auth.client_auth in {"client_secret_basic", "client_secret_post"}
    if by_secret:
        yield from one_secret(place, auth.client_secret, auth.client_secret_file)
    if auth.client_auth == "private_key_jwt":
        yield from _assertion(place, auth)
    if auth.client_auth == "tls_client_auth" and (tls.client_cert is None or tls.client_key is None):
        found = "tls_client_auth, but the target has no certificate to show"
        yield Finding(
            (*place, "client_auth"),
            found,
            "name tls.client_cert and tls.client_key of the target; what sds hands out is Envoy's alone",
        )
    if auth.client_auth == "tls_client_auth" and (auth.token_url or "").startswith("http:"):
        yield Finding((*place, "token_url"), "plain HTTP shows no certificate", "use https://")
    wrong = [] if by_secret else ["client_secret", "client_secret_file"]
    if auth.client_auth != "private_key_jwt":
        wrong += ["client_key_file", "client_key_id", "client_cert_file", "client_assertion_file"]
        wrong += ["client_assertion_audience"]
    for key in wrong:
        if getattr(auth, key) is not None:
            yield Finding((*place, key), f"is not used with {auth.client_auth}", "remove it")


def _assertion(place: Place, auth: TargetAuth) -> Iterator[Finding]:
    """Signed by us, or by somebody else."""
    if auth.client_key_file is None and auth.client_assertion_file is None:
        fix = "private_key_jwt signs with it; or name a client_assertion_file that somebody else renews"
        yield Finding((*place, "client_key_file"), "is missing", fix)
    if auth.client_assertion_file is None:
        return
    for key in ("client_key_file", "client_key_id", "client_cert_file", "client_assertion_audience"):
        if getattr(auth, key) is not None:
            yield Finding((*place, key), "is not used with client_assertion_file", "keep one of both")


def _params(place: Place, auth: TargetAuth) -> Iterator[Finding]:
    """What we say ourselves, nobody else says in the same form."""
    for name in auth.params:
        if name in _OUR_FIELDS:
            fix = "remove it: the other keys of auth say it"
            yield Finding((*place, "params", name), "a field that is ours", fix)


def _unused_auth(place: Place, auth: TargetAuth) -> Iterator[Finding]:
    """Credentials beside `none` are a mistake that would only show as somebody else's 401."""
    for key in ("token_url", "client_id", "client_secret", "client_secret_file", "client_key_file"):
        if getattr(auth, key) is not None:
            found = f"none, but there is a {key}"
            fix = "write type: oauth2_client_credentials or oauth2_token_exchange, or remove the credentials"
            yield Finding((*place, "type"), found, fix)
            return


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
