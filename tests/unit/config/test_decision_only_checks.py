"""Where other people's proxies ask: each rule with a configuration that is right and one that differs in one thing."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.config_files import GOOD, REMOVED, changed, load_tree, problems_of

from authz_service.config.restart import restart_needed

Changes = dict[str, Any]
EDGE = "proxy.asked_by.edge"
TLS = GOOD["http"]["tls"]
BASE: Changes = {
    "http": REMOVED,
    "proxy.mode": "decision_only",
    "proxy.asked_by": {"edge": {"protocol": "ext_authz_grpc", "addr": "127.0.0.1:9191"}},
}
BY_HEADERS = {f"{EDGE}.headers.client_certificate": "X-Client-Cert"}
NGINX = {f"{EDGE}.protocol": "auth_request", **BY_HEADERS}
HTTP = {f"{EDGE}.protocol": "ext_authz_http", **BY_HEADERS}
AUTHZEN = {f"{EDGE}.protocol": "authzen"}
MUTUAL = {"http": {"tls": TLS}, f"{EDGE}.allowed_clients": ["CN=edge,O=MyOrg"]}
# at, the change that is right, the change that is wrong, a word of the remedy
RULES: list[tuple[str, Changes, Changes, str]] = [
    ("proxy.asked_by", {}, {"proxy.asked_by": {}}, "proxy.asked_by: {edge"),
    ("http.addr", {}, {"http.addr": ":8443"}, "at the proxy that asks"),
    ("http.limits", {}, {"http.limits": {}}, "at the proxy"),
    ("http.trusted_proxies", {}, {"http.trusted_proxies": ["10.0.0.0/8"]}, "at the proxy"),
    ("proxy.upstream", {}, {"proxy.upstream": "http://127.0.0.1:9000"}, "at the proxy"),
    ("proxy.cors", {}, {"proxy.cors": {"allow_origins": ["https://a.example"]}}, "at the proxy"),
    ("proxy.routes[0].strip_prefix", {}, {"proxy.routes.0.strip_prefix": "/orders"}, "at the proxy"),
    ("audit.access_log", {}, {"audit.access_log": "/dev/null"}, "at the proxy"),
    (f"{EDGE}.addr", {f"{EDGE}.addr": "[::1]:9191"}, {f"{EDGE}.addr": ":9191"}, "allowed_clients"),
    (f"{EDGE}.addr", {**MUTUAL, f"{EDGE}.addr": ":9191"}, {f"{EDGE}.addr": "10.0.0.1:9191"}, "allowed_clients"),
    (f"{EDGE}.allowed_clients", MUTUAL, {**MUTUAL, f"{EDGE}.addr": "unix:///run/a.sock"}, "socket_mode"),
    (
        f"{EDGE}.socket_mode",
        {f"{EDGE}.addr": "unix:///run/a.sock", f"{EDGE}.socket_mode": "0660"},
        {f"{EDGE}.socket_mode": "0660"},
        "unix:///",
    ),
    (f"{EDGE}.path_prefix", {**HTTP, f"{EDGE}.path_prefix": "/check"}, {f"{EDGE}.path_prefix": "/check"}, "remove"),
    (f"{EDGE}.url", {**AUTHZEN, f"{EDGE}.url": "https://pdp"}, {f"{EDGE}.url": "https://pdp"}, "remove"),
    (f"{EDGE}.url", {**AUTHZEN, f"{EDGE}.url": "https://pdp"}, {**AUTHZEN, f"{EDGE}.url": "http://pdp"}, "https://"),
    (f"{EDGE}.headers.method", {**NGINX, f"{EDGE}.headers.method": "X-M"}, {f"{EDGE}.headers.method": "X-M"}, "remove"),
    (f"{EDGE}.headers.remote", {**NGINX, f"{EDGE}.headers.remote": "X-R"}, {f"{EDGE}.headers.remote": "X-R"}, "remove"),
    (f"{EDGE}.headers.remote", {}, {**AUTHZEN, f"{EDGE}.headers.remote": "X-R"}, "remove"),
    (
        f"{EDGE}.headers.client_verify",
        {**NGINX, f"{EDGE}.headers.client_verify": "X-V"},
        {
            **NGINX,
            f"{EDGE}.headers": {"client_verify": "X-V"},
            "proxy.mtls.allow_anonymous": "true",
        },
        "client_verify",
    ),
    (
        f"{EDGE}.headers.client_certificate",
        {**NGINX, f"{EDGE}.headers.host": "X-H"},
        {**NGINX, f"{EDGE}.headers.host": "x-client-cert"},
        "own header",
    ),
    (f"{EDGE}.headers.client_certificate", NGINX, {f"{EDGE}.protocol": "auth_request"}, "X-SSL-Client-Cert"),
    (
        f"{EDGE}.headers.client_certificate",
        {f"{EDGE}.protocol": "ext_authz_http", "proxy.mtls": REMOVED},
        {f"{EDGE}.protocol": "ext_authz_http"},
        "X-SSL-Client-Cert",
    ),
    ("proxy.headers.pass_token", {"proxy.headers.pass_token": "false"}, {**NGINX, "proxy.headers.pass_token": "false"},
     "let the proxy"),
    (f"{EDGE}.protocol", AUTHZEN, {**AUTHZEN, "proxy.authz": {"enabled": "false"}}, "proxy.authz.enabled"),
    ("http.tls", {}, {"http": {"tls": TLS}}, "allowed_clients"),
    ("http.tls", MUTUAL, {**MUTUAL, "http": REMOVED}, "cert_file"),
    ("http.tls.client_auth", MUTUAL, {**MUTUAL, "http": {"tls": {**TLS, "client_auth": "request"}}}, "require"),
    ("http.tls.client_auth", MUTUAL, {**MUTUAL, "http": {"tls": {**TLS, "client_auth": REMOVED}}}, "require"),
    ("http.tls.client_auth", MUTUAL, {**MUTUAL, "http": {"tls": {**TLS, "client_ca_file": REMOVED}}}, "client_ca_file"),
    ("http.tls", MUTUAL, {**MUTUAL, "http": {"tls": {**TLS, "enabled": "false"}}}, "cert_file"),
    ("http.tls", MUTUAL, {**MUTUAL, "http": {"tls": {"client_auth": "require", "sds": "unix:///a.sock"}}}, "cert_file"),
    (
        "proxy.asked_by.other.addr",
        {"proxy.asked_by.other": {"protocol": "authzen", "addr": "127.0.0.1:9192"}},
        {"proxy.asked_by.other": {"protocol": "authzen", "addr": "127.0.0.1:9191"}},
        "its own port",
    ),
    (
        "proxy.asked_by.other.addr",
        {f"{EDGE}.addr": "unix:///a.sock", "proxy.asked_by.other": {"protocol": "authzen", "addr": "unix:///b.sock"}},
        {f"{EDGE}.addr": "unix:///a.sock", "proxy.asked_by.other": {"protocol": "authzen", "addr": "unix:///a.sock"}},
        "its own socket",
    ),
    ("proxy.mtls.allowed_clients", {}, {"proxy.mtls.allowed_clients": []}, "list who may call"),
]  # fmt: skip


def _with(changes: Changes) -> Changes:
    return {**BASE, **{path: _kept(value) for path, value in changes.items()}}


def _kept(value: Any) -> Any:
    """Without what is taken away below the changed key, where `changed` does not look."""
    if not isinstance(value, dict):
        return value
    return {key: _kept(inner) for key, inner in value.items() if inner is not REMOVED}


@pytest.mark.parametrize(("at", "right", "wrong", "remedy"), RULES, ids=[f"{rule[0]}-{rule[3]}" for rule in RULES])
def test_what_does_not_fit_together_is_a_problem(
    tmp_path: Path, at: str, right: Changes, wrong: Changes, remedy: str
) -> None:
    """The right configuration loads; the wrong one is refused for this reason only."""
    load_tree(tmp_path, changed(_with(right)))

    (problem,) = problems_of(tmp_path, _with(wrong))

    assert problem.at == at
    assert remedy in problem.fix


def test_nobody_is_asked_where_we_forward(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {"proxy.asked_by": BASE["proxy.asked_by"]})

    assert (problem.at, "decision_only" in problem.fix) == ("proxy.asked_by", True)


@pytest.mark.parametrize(
    ("change", "needs"),
    [
        ({"proxy.mode": "reverse_proxy", "proxy.asked_by": {}, "http": GOOD["http"]}, ("proxy.asked_by", "proxy.mode")),
        ({f"{EDGE}.addr": "127.0.0.1:9192"}, ("proxy.asked_by",)),
        ({f"{EDGE}.protocol": "authzen"}, ("proxy.asked_by",)),
        ({"egress.enabled": "false", "service.name": "order-service"}, ("egress.enabled",)),
        (MUTUAL, ()),
        ({"proxy.routes": REMOVED}, ()),
    ],
)
def test_what_was_opened_once_needs_a_restart(tmp_path: Path, change: Changes, needs: tuple[str, ...]) -> None:
    """Who may ask, and what about, is taken over at once."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before, after = load_tree(tmp_path / "a", changed(_with({}))), load_tree(tmp_path / "b", changed(_with(change)))

    assert restart_needed(before, after) == needs
