"""What must fit together: each rule with a configuration that is right and one that differs in one thing."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.config_files import GOOD, REMOVED, TARGET, changed, load_tree, problems_of

from authz_service import headers

BY_CERTIFICATE = {f"{TARGET}.auth.client_auth": "tls_client_auth", f"{TARGET}.auth.client_secret": REMOVED}
BY_FILE = {
    f"{TARGET}.auth.client_secret": REMOVED,
    f"{TARGET}.auth.client_auth": "private_key_jwt",
    f"{TARGET}.auth.client_assertion_file": "/run/token",
}
NO_KEY = {f"{TARGET}.auth.client_auth": "private_key_jwt", f"{TARGET}.auth.client_secret": REMOVED}
BY_KEY = {**NO_KEY, f"{TARGET}.auth.client_key_file": "/a/key"}

NONE = {"type": "none"}
EXCHANGED = {f"{TARGET}.auth.type": "oauth2_token_exchange", f"{TARGET}.auth.audience": "data-service"}
DATA = "https://data-service.zone3.local:8443"

Changes = dict[str, Any]
OTHER = "https://payment-service.zone2.local:8443"
CLIENT = {**GOOD["egress"]["targets"]["data-service"]["auth"], "client_secret": "another"}
PLAIN = {"http.tls": {"enabled": "false"}, "proxy.mtls": REMOVED}


def shared(**changes: object) -> Changes:
    """A token store in Redis; REMOVED takes a key away."""
    store = {"type": "redis", "url": "redis://tokens", "encryption_key": "k" * 32} | changes
    return {"egress.token_store": {key: value for key, value in store.items() if value is not REMOVED}}


def _asked(**changes: object) -> Changes:
    whole = {"url": "https://idp/introspect", "client_id": "a", "client_secret": "b", **changes}
    section = {key: value for key, value in whole.items() if value is not REMOVED}
    return {"jwt.introspection": section, "proxy.routes.0.introspect": "true"}


ASKED = _asked()
AGENT = "unix:///run/spire/agent.sock"
BY_AGENT = {"http.tls": {"sds": AGENT, "client_auth": "require"}}
TARGET_TLS = f"{TARGET}.tls"
TARGET_BY_AGENT = {TARGET_TLS: {"sds": AGENT, "spiffe_id": "spiffe://mesh/a"}}


def _copies(**changes: object) -> Changes:
    whole = {"url": "https://logs/v1", "token": "t0ken", **changes}
    return {"audit.opa_decision_log": {key: value for key, value in whole.items() if value is not REMOVED}}


COPIES = _copies()
FILE = _copies(url=REMOVED, token=REMOVED, path="/opa.jsonl")
# at, the change that is right, the change that is wrong, a word of the remedy
RULES: list[tuple[str, Changes, Changes, str]] = [
    ("(the whole file)", {"proxy": REMOVED}, {"proxy": REMOVED, "egress": REMOVED, "service.name": "a"}, "add a proxy"),
    ("(the whole file)", {"egress.enabled": "false"}, {"egress.enabled": "false", "proxy.enabled": "false"}, "egress"),
    ("audit.opa_decision_log.path", COPIES, _copies(url=REMOVED, token=REMOVED), "such as path"),
    ("audit.opa_decision_log.path", COPIES, _copies(path="/opa.jsonl"), "remove path"),
    ("audit.opa_decision_log.url", COPIES, _copies(url="http://logs/v1"), "use https"),
    ("audit.opa_decision_log.url", _copies(url="http://127.0.0.1:1/v1"), _copies(url="https://logs/v1?a=b"), "without"),
    ("audit.opa_decision_log.token", COPIES, _copies(token="Bearer t0ken"), "without Bearer"),
    ("audit.opa_decision_log.token_file", COPIES, _copies(token_file="/a/file"), "keep one"),
    (
        "audit.opa_decision_log.token",
        FILE,
        {"audit.opa_decision_log": {"path": "/opa.jsonl", "token": "a"}},
        "remove token",
    ),
    ("audit.opa_decision_log.path", FILE, FILE | {"audit.path": "/opa.jsonl"}, "a file of its own"),
    ("audit.opa_decision_log.path", FILE, FILE | {"audit.access_log": "/opa.jsonl"}, "a file of its own"),
    ("http.tls.cert_file", {}, {"http.tls.cert_file": REMOVED}, "such as cert_file"),
    ("http.tls", PLAIN, {"http": {}, "proxy.mtls": REMOVED}, "enabled: false for plain HTTP"),
    ("http.tls.sds_ca", BY_AGENT | {"http.tls.sds_ca": "a"}, {"http.tls.sds_ca": "a"}, "remove sds_ca"),
    ("proxy.authz", {"proxy.authz": {"enabled": "false"}}, {"proxy.authz": REMOVED}, "data.order.allow"),
    (
        "egress.token_store.url",
        {"egress.token_store": {"type": "memory"}},
        shared(type="memory", encryption_key=REMOVED),
        "type",
    ),
    ("http.tls.key_file", {}, {"http.tls.key_file": REMOVED}, "such as key_file"),
    ("http.tls.client_ca_file", {}, {"http.tls.client_ca_file": REMOVED}, "name the file"),
    (
        "http.tls.client_ca_file",
        {"http.tls.client_auth": "request"},
        {"http.tls.client_auth": "request", "http.tls.client_ca_file": REMOVED},
        "name the file",
    ),
    ("http.tls.client_auth", PLAIN, PLAIN | {"http.tls.client_auth": "require"}, "http.tls.enabled: true"),
    ("proxy.mtls.enabled", PLAIN, {"http.tls": {"enabled": "false"}}, "http.tls.enabled: true"),
    ("http.tls.client_auth", {"http.tls.client_auth": "request"}, {"http.tls.client_auth": "none"}, "write require"),
    (
        "http.tls.crl_file",
        {"http.tls.crl_file": "/certs/a.crl"},
        {"http.tls.crl_file": "/certs/a.crl", "http.tls.client_auth": "none", "proxy.mtls": REMOVED},
        "client_auth: require",
    ),
    ("http.tls.cert_file", BY_AGENT, BY_AGENT | {"http.tls.cert_file": "/a.crt"}, "remove cert_file"),
    ("http.tls.client_ca_file", BY_AGENT, BY_AGENT | {"http.tls.client_ca_file": "/a.crt"}, "remove client_ca_file"),
    ("http.tls.crl_file", BY_AGENT, BY_AGENT | {"http.tls.crl_file": "/a.crl"}, "remove crl_file"),
    (f"{TARGET_TLS}.ca_cert", TARGET_BY_AGENT, TARGET_BY_AGENT | {f"{TARGET_TLS}.ca_cert": "/a.crt"}, "remove ca_cert"),
    (
        f"{TARGET_TLS}.spiffe_id",
        {TARGET_TLS: {"sds": AGENT, "server_name": "data.example"}},
        {TARGET_TLS: {"sds": AGENT}},
        "SPIFFE ID",
    ),
    (
        "http.tls.sds",
        BY_AGENT | TARGET_BY_AGENT,
        BY_AGENT | {TARGET_TLS: {"sds": "unix:///run/other.sock", "spiffe_id": "spiffe://mesh/a"}},
        "same socket",
    ),
    ("proxy.mtls.allowed_clients", {}, {"proxy.mtls.allowed_clients": []}, "list who may call"),
    (
        "proxy.mtls.allow_anonymous",
        {"http.tls.client_auth": "request", "proxy.mtls.allow_anonymous": "true"},
        {"proxy.mtls.allow_anonymous": "true"},
        "client_auth: request",
    ),
    (
        "jwt.service_tokens",
        {"jwt.service_tokens": "claim", "jwt.service_claims": {"idtyp": "app"}},
        {"jwt.service_tokens": "claim"},
        "service_claims",
    ),
    ("jwt.service_claims", {}, {"jwt.service_claims": {"idtyp": "app"}}, "service_tokens: claim"),
    (
        "jwt.service_tokens",
        {"jwt.service_tokens": "by_client", "jwt.user_clients": ["web-app"]},
        {"jwt.service_tokens": "by_client"},
        "user_clients",
    ),
    (
        "jwt.issuer",
        {"jwt.issuer": "partner.example", "jwt.jwks_file": "/keys.json"},
        {"jwt.issuer": "partner.example"},
        "jwks_file",
    ),
    (
        "jwt.jwks_file",
        {"jwt.jwks_file": "/keys.json"},
        {"jwt.jwks_file": "/keys.json", "jwt.jwks_url": "https://idp/certs"},
        "keep one",
    ),
    (
        "jwt.jwks_token_file",
        {"jwt.jwks_token_file": "/token", "jwt.jwks_url": "https://idp/certs"},
        {"jwt.jwks_token_file": "/token"},
        "jwks_url",
    ),
    (
        "jwt.issuer",
        {"jwt.issuer": "https://login.example.com/1234-tenant/v2.0"},
        {"jwt.issuer": "https://login.example.com/{tenantid}/v2.0"},
        "tenant's own id",
    ),
    ("jwt.issuer", {}, {"jwt.issuer": "https://login.example.com/<tenant>/v2.0"}, "tenant's own id"),
    ("jwt.issuer", {}, {"jwt.issuer": "https://login.example.com/*/v2.0"}, "tenant's own id"),
    ("jwt.audience", {}, {"jwt.audience": ["a", "api://{clientid}"]}, "tenant's own id"),
    (
        "proxy.auth.cookie",
        {"proxy.auth.cookie": "at"},
        {"proxy.auth.cookie": "at", "proxy.headers.pass_token": "false"},
        "pass_token: true",
    ),
    (
        "proxy.auth.websocket_protocol",
        {"proxy.auth.websocket_protocol": "bearer."},
        {"proxy.auth.websocket_protocol": "bearer.", "proxy.headers.pass_token": "false"},
        "pass_token: true",
    ),
    ("jwt.jwks_max_age", {"jwt.jwks_max_age": "2h"}, {"jwt.jwks_max_age": "59m"}, "longer"),
    ("jwt.user_clients", {}, {"jwt.user_clients": ["web-app"]}, "service_tokens: by_client"),
    (
        "jwt.issuer",
        {"jwt.issuer": "kubernetes/serviceaccount", "jwt.jwks_url": "https://idp/certs"},
        {"jwt.issuer": "kubernetes/serviceaccount"},
        "jwks_url",
    ),
    ("jwt", {"jwt": REMOVED, "proxy.auth": {"enabled": "false"}}, {"jwt": REMOVED}, "jwt.issuer"),
    (
        "jwt.issuers[1].issuer",
        {"jwt": {"issuers": [{"issuer": f"https://{name}", "audience": "a"} for name in ("one", "two")]}},
        {"jwt": {"issuers": [{"issuer": "https://one", "audience": "a"}] * 2}},
        "keep one",
    ),
    (
        "jwt.jwks_url",
        {"jwt.jwks_url": "http://127.0.0.1:8080/certs"},
        {"jwt.jwks_url": "http://idp.example.com/certs"},
        "https://",
    ),
    (
        "jwt.issuer",
        {"jwt.issuer": "http://idp", "jwt.jwks_url": "https://idp/certs"},
        {"jwt.issuer": "http://idp"},
        "https://",
    ),
    ("jwt.introspection.url", ASKED, _asked(url="http://idp/introspect"), "https://"),
    ("jwt.introspection.client_secret", ASKED, _asked(client_secret=REMOVED), "client_secret_file"),
    ("jwt.introspection.client_secret_file", ASKED, _asked(client_secret_file=__file__), "keep one"),
    ("proxy.routes[0].introspect", ASKED, {"proxy.routes.0.introspect": "true"}, "add introspection"),
    (
        "proxy.routes[0].introspect",
        ASKED,
        ASKED | {"proxy.auth": {"enabled": "false"}},
        "enable proxy.auth",
    ),
    (
        "jwt.require_binding",
        {"jwt.require_binding": "true"},
        {"jwt.require_binding": "true", "proxy.mtls": REMOVED},
        "enable proxy.mtls",
    ),
    (
        "http.limits.per_user",
        {"http.limits.per_user.requests_per_second": "5"},
        {
            "http.limits.per_user.requests_per_second": "5",
            "jwt": REMOVED,
            "proxy.auth": {"enabled": "false"},
        },
        "per_peer",
    ),
    (
        "proxy.authz.policy_query",
        {"proxy.authz": {"enabled": "false"}},
        {"proxy.authz": {"enabled": "true"}},
        "data.order.allow",
    ),
    ("policy.engine", {"policy.engine": "opa_embedded"}, {"policy.engine": "opa_remote"}, "opa_embedded, opa_server"),
    (
        "policy.server",
        {"policy": {"engine": "opa_server", "server": {"url": "unix:///run/opa.sock"}}},
        {"policy": {"engine": "opa_server"}},
        "such as server",
    ),
    (
        "policy.server",
        {"policy": {"engine": "opa_server", "server": {"url": "http://localhost:8181"}}},
        {"policy": {"server": {"url": "http://localhost:8181"}}},
        "change engine",
    ),
    (
        "policy.server.url",
        {"policy": {"engine": "opa_server", "server": {"url": "http://127.0.0.1:8181"}}},
        {"policy": {"engine": "opa_server", "server": {"url": "http://opa.example.com:8181"}}},
        "beside the sidecar",
    ),
    (
        "policy.server.url",
        {"policy": {"engine": "opa_server", "server": {"url": "http://[::1]:8181"}}},
        {"policy": {"engine": "opa_server", "server": {"url": "https://127.0.0.1:8181"}}},
        "beside the sidecar",
    ),
    (
        "policy.server.timeout",
        {"policy": {"engine": "opa_server", "server": {"url": "http://127.0.0.1:8181", "timeout": "300ms"}}},
        {"policy": {"engine": "opa_server", "server": {"url": "http://127.0.0.1:8181", "timeout": "301ms"}}},
        "at most 300ms",
    ),
    (
        "http.trusted_proxies[1]",
        {"http.trusted_proxies": ["10.0.0.0/8", "fd00::/8", "192.0.2.7"], "http.proxy_protocol": "true"},
        {"http.trusted_proxies": ["10.0.0.0/8", "::/0"]},
        "your balancers only",
    ),
    (
        "http.proxy_protocol",
        {"http.proxy_protocol": "true", "http.trusted_proxies": ["192.0.2.7"]},
        {"http.proxy_protocol": "true"},
        "http.trusted_proxies",
    ),
    ("proxy.routes[1].path", {}, {"proxy.routes.1.path": "/orders/**"}, "keep one, or give each its own methods"),
    (
        "proxy.routes[1].path",
        {"proxy.routes.1.path": "/orders/**", "proxy.routes.0.methods": ["GET"], "proxy.routes.1.methods": ["POST"]},
        {
            "proxy.routes.1.path": "/orders/**",
            "proxy.routes.0.methods": ["GET"],
            "proxy.routes.1.methods": ["POST", "GET"],
        },
        "keep one, or give each its own methods",
    ),
    (
        "proxy.routes[0].ignore_tokens",
        {"proxy.routes.0.auth_required": "false", "proxy.routes.0.ignore_tokens": "true"},
        {"proxy.routes.0.ignore_tokens": "true"},
        "write auth_required: false",
    ),
    (
        "proxy.routes[0].introspect",
        {"proxy.routes.0.auth_required": "false", "proxy.routes.0.ignore_tokens": "true"},
        {**ASKED, "proxy.routes.0.auth_required": "false", "proxy.routes.0.ignore_tokens": "true"},
        "remove introspect, or ignore_tokens",
    ),
    (
        "proxy.routes[1].strip_prefix",
        {"proxy.routes.1.strip_prefix": "/api/v1"},
        {"proxy.routes.1.strip_prefix": "/api/v"},
        "first segments",
    ),
    (
        "proxy.routes[0].upstream",
        {"proxy.routes.0.upstream": "https://DATA-service.zone3.local:8443/"},
        {"proxy.routes.0.upstream": OTHER},
        "egress.targets",
    ),
    (
        "proxy.routes[0].upstream",
        {"proxy.routes.0.upstream": "unix:///run/a.sock"},
        {"proxy.routes.0.upstream": OTHER},
        "tls",
    ),
    ("proxy.upstream", {"proxy.upstream": "http://app:9000"}, {"proxy.upstream": OTHER}, "egress.targets"),
    (
        "proxy.routes[0].upstream",
        {"proxy.routes.0.upstream": "https://data-service.zone3.local:8443"},
        {"proxy.routes.0.upstream": "https://data-service.zone3.local:8443", "egress.enabled": "false"},
        "egress.targets",
    ),
    (
        "proxy.routes[0].upstream",
        {"egress.targets.two": {"url": "http://two"}, "proxy.routes.0.upstream": "http://two"},
        {
            "egress.targets.two": {"url": "http://two"},
            "egress.targets.three": {"url": "http://two:80"},
            "proxy.routes.0.upstream": "http://two",
        },
        "its own url",
    ),
    ("egress.addr", {"egress.addr": "127.0.0.2:8080"}, {"egress.addr": ":8080"}, "loopback"),
    ("egress.addr", {"egress.addr": "[::1]:8080"}, {"egress.addr": "10.0.0.1:8080"}, "loopback"),
    (
        "egress.targets.second.auth",
        {"egress.targets.second": {"url": "http://b", "auth": {**CLIENT, "scopes": ["b"]}}},
        {"egress.targets.second": {"url": "http://b", "auth": CLIENT}},
        "the same client_auth and secret",
    ),
    ("egress.token_store.url", shared(), shared(url="tokens:6379"), "rediss://"),
    ("egress.token_store.url", shared(), shared(url=REMOVED), "rediss://"),
    (
        "egress.token_store.url",
        shared(url="rediss://tokens/0?db=1"),
        shared(url="rediss://tokens/0?ssl_cert_reqs=none"),
        "rediss:// and ca_file",
    ),
    ("egress.token_store.ca_file", shared(url="rediss://tokens", ca_file="/ca"), shared(ca_file="/ca"), "rediss"),
    ("egress.token_store.encryption_key", shared(), shared(encryption_key=REMOVED), "encryption_key_file"),
    ("egress.token_store.encryption_key", shared(), shared(encryption_key="k" * 31), "openssl"),
    ("egress.token_store.encryption_key_file", shared(), shared(encryption_key_file="/a/file"), "keep one"),
    (
        "egress.targets",
        {"egress": {"enabled": "false"}},
        {"egress": {"enabled": "true"}},
        "add a target",
    ),
    (f"{TARGET}.url", {}, {f"{TARGET}.tls": REMOVED}, "add tls"),
    (f"{TARGET}.url", {}, {f"{TARGET}.tls.enabled": "false"}, "add tls"),
    (
        f"{TARGET}.tls",
        {f"{TARGET}.tls": REMOVED, f"{TARGET}.url": "http://data"},
        {f"{TARGET}.url": "http://data"},
        "https://",
    ),
    (f"{TARGET}.tls.ca_cert", {}, {f"{TARGET}.tls.ca_cert": REMOVED}, "such as ca_cert"),
    (
        f"{TARGET}.tls.client_key",
        {f"{TARGET}.tls.client_key": REMOVED, f"{TARGET}.tls.client_cert": REMOVED},
        {f"{TARGET}.tls.client_key": REMOVED},
        "both",
    ),
    (f"{TARGET}.tls.client_cert", {}, {f"{TARGET}.tls.client_cert": REMOVED}, "both"),
    (f"{TARGET}.auth.token_url", {}, {f"{TARGET}.auth.token_url": REMOVED}, "such as token_url"),
    (f"{TARGET}.auth.client_id", {}, {f"{TARGET}.auth.client_id": REMOVED}, "such as client_id"),
    (f"{TARGET}.auth.client_secret", {}, {f"{TARGET}.auth.client_secret": REMOVED}, "client_secret_file"),
    (f"{TARGET}.auth.client_secret_file", {}, {f"{TARGET}.auth.client_secret_file": "/a/file"}, "keep one"),
    (f"{TARGET}.auth.client_key_file", BY_KEY, NO_KEY, "such as client_key_file"),
    (f"{TARGET}.auth.client_key_file", BY_FILE, {**BY_FILE, **BY_KEY}, "remove client_key_file"),
    (
        f"{TARGET}.auth.client_assertion_audience",
        BY_FILE,
        {**BY_FILE, f"{TARGET}.auth.client_assertion_audience": "x"},
        "remove client_assertion_audience",
    ),
    (f"{TARGET}.auth.client_assertion_file", {}, {f"{TARGET}.auth.client_assertion_file": "/a/file"}, "client_auth"),
    (f"{TARGET}.auth.client_cert_file", {}, {f"{TARGET}.auth.client_cert_file": "/a/file"}, "client_auth"),
    (
        f"{TARGET}.auth.params.scope",
        {f"{TARGET}.auth.params": {"resource": "https://api"}},
        {f"{TARGET}.auth.params": {"resource": "https://api", "scope": "x"}},
        "remove it",
    ),
    (f"{TARGET}.auth.client_secret", BY_KEY, {**BY_KEY, f"{TARGET}.auth.client_secret": "x"}, "client_auth"),
    (f"{TARGET}.auth.client_key_file", {}, {f"{TARGET}.auth.client_key_file": "/a/key"}, "client_auth"),
    (f"{TARGET}.auth.client_key_id", BY_KEY, {f"{TARGET}.auth.client_key_id": "1"}, "client_auth"),
    (
        f"{TARGET}.auth.client_auth",
        BY_CERTIFICATE,
        {**BY_CERTIFICATE, f"{TARGET}.tls.client_cert": REMOVED, f"{TARGET}.tls.client_key": REMOVED},
        "tls.client_cert",
    ),
    (
        f"{TARGET}.auth.token_url",
        BY_CERTIFICATE,
        {**BY_CERTIFICATE, f"{TARGET}.auth.token_url": "http://localhost:8080/token"},
        "https://",
    ),
    (
        f"{TARGET}.auth.token_url",
        {f"{TARGET}.auth.token_url": "http://localhost:8080/token"},
        {f"{TARGET}.auth.token_url": "http://idp.example.com/token"},
        "https://",
    ),
    (
        f"{TARGET}.auth.client_id",
        {f"{TARGET}.auth": NONE},
        {f"{TARGET}.auth": NONE | {"client_id": "a"}},
        "change type",
    ),
    (f"{TARGET}.auth.audience", EXCHANGED, {f"{TARGET}.auth.type": "oauth2_token_exchange"}, "needs it"),
    (f"{TARGET}.auth.type", EXCHANGED, {**EXCHANGED, "proxy": REMOVED}, "add a proxy section"),
    ("proxy.upstream", EXCHANGED, {**EXCHANGED, "proxy.upstream": DATA}, "a route of the egress"),
    (
        "proxy.routes[1].upstream",
        {f"{TARGET}.auth.audience": "a", "proxy.routes.1.upstream": DATA},
        {**EXCHANGED, "proxy.routes.1.upstream": DATA},
        "a route of the egress",
    ),
    ("egress.routes[0].target", {}, {"egress.routes.0.target": "orders"}, "data-service"),
    (
        "egress.routes[1].path_prefix",
        {"egress.routes": [{"path_prefix": path, "target": "data-service"} for path in ("/data", "/more")]},
        {"egress.routes": [{"path_prefix": "/data", "target": "data-service"}] * 2},
        "keep one",
    ),
    (
        "egress.routes[0].strip_prefix",
        {"egress.routes.0.strip_prefix": "/data"},
        {"egress.routes.0.strip_prefix": "/dat"},
        "first segments",
    ),
    ("admin.addr", {"admin.addr": "127.0.0.1:9901"}, {"admin.addr": "127.0.0.1:8080"}, "own port"),
    ("egress.addr", {"egress.addr": "unix:///run/egress.sock"}, {"egress.addr": "0.0.0.0:8080"}, "unix:///"),
    ("egress.addr", {"egress.addr": "unix:///run/egress.sock"}, {"egress.addr": "unix://egress.sock"}, "absolute"),
    (
        "egress.socket",
        {"egress.addr": "unix:///run/egress.sock", "egress.socket": {"mode": "660", "group": "app"}},
        {"egress.socket": {"mode": "660", "group": "app"}},
        "unix:///",
    ),
    (
        "egress.socket.mode",
        {"egress.addr": "unix:///run/egress.sock", "egress.socket.mode": "0660"},
        {"egress.addr": "unix:///run/egress.sock", "egress.socket.mode": "0689"},
        "octal",
    ),
    ("admin.addr", {"admin.addr": "[::1]:9901"}, {"admin.addr": ":9901"}, "admin.network_addr"),
    ("admin.addr", {"admin.addr": "localhost:9901"}, {"admin.addr": "10.0.0.7:9901"}, "loopback"),
    ("admin.network_addr", {"admin.network_addr": ":9902"}, {"admin.network_addr": ":9901"}, "own port"),
    ("admin.addr", {"http.addr": "127.0.0.2:9901"}, {"http.addr": ":9901"}, "own port"),
    ("egress.addr", {"http.addr": "127.0.0.2:8080"}, {"http.addr": ":8080"}, "own port"),
    (
        "service.name",
        {"proxy": REMOVED, f"{TARGET}.auth": {"type": "none"}, "service.name": "orders"},
        {"proxy": REMOVED, f"{TARGET}.auth": {"type": "none"}},
        "order-service",
    ),
]


@pytest.mark.parametrize(
    ("at", "right", "wrong", "remedy"), RULES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_does_not_fit_together_is_a_problem(
    tmp_path: Path, at: str, right: Changes, wrong: Changes, remedy: str
) -> None:
    """The right configuration loads; the wrong one is refused for this reason only."""
    load_tree(tmp_path, changed(right))

    (problem,) = problems_of(tmp_path, wrong)

    assert problem.at == at
    assert remedy in problem.fix


@pytest.mark.parametrize("key", ["proxy", "egress"])
def test_what_is_off_is_not_judged(tmp_path: Path, key: str) -> None:
    """A section that is off may hold what would be wrong if it were on."""
    wrong = {"proxy.asked_by": {"edge": {"protocol": "authzen", "addr": ":9191"}}, "egress.addr": ":8080"}
    at = {problem.at for problem in problems_of(tmp_path, wrong)}
    at_when_off = {problem.at for problem in problems_of(tmp_path, wrong | {f"{key}.enabled": "false"})}

    assert at == {"proxy.asked_by", "egress.addr"}
    assert at_when_off == {other for other in at if not other.startswith(key)}


TAKEN = [
    "Host", "Content-Length", "Transfer-Encoding", "Connection", "TE", "Authorization", "Cookie", "X-Forwarded-For",
    headers.CORRELATION_ID, headers.PEER_CERT, *(f"{prefix}anything" for prefix in headers.STRIPPED_PREFIXES),
    "X_Authz_Peer_Cert", "hOST",
]  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("key", ["inject_user_id", "inject_claims.email"])
def test_a_claim_cannot_be_written_into_a_header_with_a_meaning_of_its_own(tmp_path: Path, key: str, name: str) -> None:
    assert not problems_of(tmp_path, {f"proxy.headers.{key}": "X-User-Email"})

    (problem,) = problems_of(tmp_path, {f"proxy.headers.{key}": name})

    assert problem.at == f"proxy.headers.{key}"
    assert "not free" in problem.found


@pytest.mark.parametrize("name", ["X-User-ID", "x-user-id", "X_User_ID"])
def test_a_header_is_injected_once_in_whatever_spelling(tmp_path: Path, name: str) -> None:
    assert not problems_of(tmp_path, {"proxy.headers.inject_claims": {"email": "X-User-Email"}})

    (problem,) = problems_of(tmp_path, {"proxy.headers.inject_claims": {"email": name}})

    assert problem.at == "proxy.headers.inject_claims.email"
    assert "already" in problem.found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("authorization", "credentials"),
        ("Cookie", "credentials"),
        ("Proxy-Authorization", "credentials"),
        ("X-Access-Token", "credentials"),
        ("X-User-ID", "never has a value"),
        (headers.PEER_CERT, "never has a value"),
        (headers.STRIPPED[0], "never has a value"),
        ("x-user-context", "listed already"),
    ],
)
def test_what_is_extracted_is_recorded_so_it_is_no_credential(tmp_path: Path, name: str, found: str) -> None:
    """Also refused: what could never have a value, because a caller's own is removed first."""
    base = {"proxy.auth.header": "X-Access-Token"}
    assert not problems_of(tmp_path, base | {"proxy.headers.extract": ["X-User-Context", "X-Tenant"]})

    (problem,) = problems_of(tmp_path, base | {"proxy.headers.extract": ["X-User-Context", name]})

    assert problem.at == "proxy.headers.extract[1]"
    assert found in problem.found


@pytest.mark.parametrize("name", ["Host", "X-Authz-Token", headers.STRIPPED[0], headers.CORRELATION_ID])
def test_a_token_arrives_in_a_header_that_reaches_us(tmp_path: Path, name: str) -> None:
    assert not problems_of(tmp_path, {"proxy.auth.header": "X-Access-Token"})

    (problem,) = problems_of(tmp_path, {"proxy.auth.header": name})

    assert problem.at == "proxy.auth.header"
