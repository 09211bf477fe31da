"""The two listeners: what both must refuse, what the ingress tells the gate, what each configuration key changes."""

from typing import Any

import pytest
from tests.support.rendering import CASES, PATHS, a_config, anything, rendered

from authz_service import headers
from authz_service.envoy.filters import owned_headers
from authz_service.envoy.messages import Message
from authz_service.envoy.resources import render

HARDENING: dict[str, object] = {
    "normalize_path": True,
    "merge_slashes": False,
    "path_with_escaped_slashes_action": "REJECT_REQUEST",
    "strip_trailing_host_dot": True,
    "forward_client_cert_details": "SANITIZE",
    "headers_with_underscores_action": "REJECT_REQUEST",
    "max_headers_count": 100,
    "max_request_headers_kb": 32,
    "accept_http_10": False,
    "enable_trailers": False,
    "http1_safe_max_connection_duration": True,
    "proxy_100_continue": True,
    "enable_reuse_port": False,
}


@pytest.mark.parametrize("key", HARDENING)
@pytest.mark.parametrize("name", CASES)
def test_every_door_is_hardened(name: str, key: str) -> None:
    """ENVOY.md §5, §6: none may be lost in a refactoring."""
    for listener in rendered(name).listeners:
        assert list(anything(listener, key)) == [HARDENING[key]]


@pytest.mark.parametrize("name", CASES)
def test_only_the_ingress_says_where_a_request_came_from(name: str) -> None:
    """A caller's `X-Forwarded-For` is no address of his; the service's own is left alone."""
    for listener in rendered(name).listeners:
        assert list(anything(listener, "use_remote_address")) == [listener["name"] == "ingress"]


def test_the_egress_may_be_a_private_unix_socket() -> None:
    """Mode 0600 unless somebody says otherwise; our own names are then those of loopback."""
    targets = {"open": {"url": "http://127.0.0.1:9000"}}
    routes = [{"path_prefix": "/open", "target": "open"}]
    egress = {"addr": "unix:///run/egress.sock", "targets": targets, "routes": routes}
    for more, mode in (({}, 0o600), ({"socket": {"mode": "0660"}}, 0o660)):
        resources = render(a_config(egress={**egress, **more}), PATHS)
        assert resources.listeners[1]["address"] == {"pipe": {"path": "/run/egress.sock", "mode": mode}}
        assert next(anything(resources.routes["egress"], "domains")) == ["127.0.0.1", "[::1]", "localhost"]


def _ingress(**sections: Any) -> Message:
    return render(a_config(**sections), PATHS).listeners[0]


def _tls(client_auth: str) -> dict[str, Any]:
    files = {"cert_file": "c", "key_file": "k", "client_ca_file": "a"}
    return {"http": {"tls": {**files, "client_auth": client_auth}}}


def _removed(listener: Message) -> set[str]:
    (mutations,) = [found for found in anything(listener, "mutations") if isinstance(found, list)]
    return {mutation["remove"] for mutation in mutations if "remove" in mutation}


def test_every_owned_header_is_removed_in_both_spellings() -> None:
    """SECURITY T4: many services read `_` as `-`."""
    wanted = {"inject_user_id": "X-User-ID", "inject_claims": {"email": "X_User_Email"}}
    config = a_config(proxy={"headers": wanted})

    assert owned_headers(config) == ("x-user-id", "x_user_email")
    removed = _removed(render(config, PATHS).listeners[0])
    assert removed >= {"x-user-id", "x_user_email", "x-user-email", *headers.STRIPPED}


@pytest.mark.parametrize("name", CASES)
def test_the_prefixes_are_removed_at_every_door(name: str) -> None:
    """The egress too: what it forwards arrives at somebody's ingress."""
    for listener in rendered(name).listeners:
        prefixes = [matcher["prefix"] for matcher in anything(listener, "key_matcher") if "prefix" in matcher]
        of_certificates = headers.CERTIFICATE_PREFIXES if listener["name"] == "ingress" else ()
        assert prefixes == [*headers.STRIPPED_PREFIXES, *of_certificates]


@pytest.mark.parametrize(
    ("name", "stripped"),
    [
        *((name, True) for name in ("X-Forwarded-Host", "x_forwarded_port", "x-forwarded-user", "x-forwarded-")),
        *(
            (f"x-forwarded-{name}", True)
            for name in ("f", "fo", "fork", "p", "prot", "protocol", "client-cert", "xfor")
        ),
        *((name, True) for name in ("client-cert", "ssl-client-verify", "x-ssl-client-s-dn", "true-client-ip")),
        *(
            (name, False)
            for name in ("x-forwarded-for", "X-Forwarded-Proto", "x-forwarded", "x-forward-host", "x-other")
        ),
    ],
)
def test_a_name_is_known_to_be_stripped(name: str, stripped: bool) -> None:
    """What the configuration is told, and what Envoy does, is of one list."""
    assert headers.is_stripped(name) is stripped


@pytest.mark.parametrize(("client_auth", "removed"), [("none", True), ("request", True), ("require", False)])
def test_a_strangers_forwarded_for_is_removed(client_auth: str, removed: bool) -> None:
    """A verified peer's is kept."""
    assert ("x-forwarded-for" in _removed(_ingress(**_tls(client_auth)))) is removed


def _told(listener: Message) -> list[str]:
    return [header["key"] for header in next(anything(listener, "headers_to_add"))]


@pytest.mark.parametrize(("client_auth", "told"), [("none", False), ("request", True), ("require", True)])
def test_the_certificate_is_told_where_there_can_be_one(client_auth: str, told: bool) -> None:
    """A fact costs CPU on both sides."""
    assert (headers.PEER_CERT in _told(_ingress(**_tls(client_auth)))) is told


def test_the_route_is_told_where_there_is_more_than_one() -> None:
    """Without proxy.routes there is one."""
    assert headers.ROUTE not in _told(_ingress())
    assert headers.ROUTE in _told(_ingress(proxy={"routes": [{"path": "/a"}]}))


@pytest.mark.parametrize(
    ("client_auth", "asked", "required"), [("none", False, False), ("request", True, False), ("require", True, True)]
)
def test_client_certificates(client_auth: str, asked: bool, required: bool) -> None:
    """http.tls.client_auth."""
    listener = _ingress(**_tls(client_auth))

    assert list(anything(listener, "require_client_certificate")) == [required]
    assert bool(list(anything(listener, "validation_context_sds_secret_config"))) is asked
    assert set(anything(listener, "disable_stateless_session_resumption")) == {True}
    assert set(anything(listener, "disable_stateful_session_resumption")) == {True}


def test_the_oldest_version_is_configured() -> None:
    """http.tls.min_version; towards targets always 1.2 at least."""
    config = _tls("none")
    config["http"]["tls"]["min_version"] = "1.3"

    assert list(anything(_ingress(**config), "tls_minimum_protocol_version")) == ["TLSv1_3"]
    assert list(anything(_ingress(**_tls("none")), "tls_minimum_protocol_version")) == ["TLSv1_2"]


def test_the_access_log_is_off_by_default() -> None:
    """audit.access_log: a file, or "-"; with it each refused handshake has its line too."""
    assert not list(anything(_ingress(), "access_log"))
    assert not list(anything(_ingress(audit={"access_log": "/dev/null"}), "access_log"))
    to_file = _ingress(audit={"access_log": "/log"})
    events = {line["event"] for line in anything(to_file, "json_format") if "event" in line}
    assert events == {"ingress", "connection"}
    assert "stdout" in str(list(anything(_ingress(audit={"access_log": "-"}), "access_log")))


def test_the_gate_stands_before_every_way_in() -> None:
    """Also for connections that are upgraded: they have no chain of their own."""
    (chain,) = anything(_ingress(), "http_filters")

    assert [one["name"] for one in chain][-4:] == [
        "envoy.filters.http.set_filter_state",  # reads the token, which the next may remove
        "envoy.filters.http.ext_authz",
        "envoy.filters.http.wasm",  # watches what the gate allowed
        "envoy.filters.http.router",
    ]
    assert list(anything(_ingress(), "upgrade_configs")) == [[{"upgrade_type": "websocket"}]]


def test_without_an_ingress_there_is_no_gate() -> None:
    """And without egress.routes no egress."""
    only_egress, only_ingress = rendered("egress_only"), rendered("gateway")

    assert [listener["name"] for listener in only_egress.listeners] == ["egress"]
    assert "decision" not in {cluster["name"] for cluster in only_egress.clusters}
    assert [listener["name"] for listener in only_ingress.listeners] == ["ingress"]
    assert "target_order-service" in {cluster["name"] for cluster in only_ingress.clusters}
