"""Routes: names that stay apart, the most specific path first, nothing forwarded that is not drawn."""

from typing import Any

import pytest
from tests.support.rendering import a_config, anything, case

from authz_service import headers
from authz_service.envoy.routes import (
    APP_ROUTE,
    NOT_FOUND_ROUTE,
    egress_routes,
    ingress_routes,
)
from authz_service.errors import RenderError

_TLS = {"client_cert": "c", "client_key": "k", "ca_cert": "a"}


def _routes(paths: list[Any], **proxy: Any) -> list[dict[str, Any]]:
    routes = [path if isinstance(path, dict) else {"path": path} for path in paths]
    found: list[dict[str, Any]] = next(anything(ingress_routes(a_config(proxy={"routes": routes, **proxy})), "routes"))
    return found


def _path_of(route: dict[str, Any]) -> str:
    """A route's name without the tag of its configuration."""
    return str(route["name"]).rpartition("|")[2]


def test_a_route_is_named_as_it_is_written() -> None:
    """The gate finds a route's rules by its name: two routes of one name would share one's rules."""
    paths = ["/a-/b/**", "/a/-b/**", "/a/b", "/a/b/**", "/-", "/"]

    names = [_path_of(route) for route in _routes(paths)]

    assert set(names) == {*paths, NOT_FOUND_ROUTE}


def test_the_most_specific_path_comes_first_and_the_404_last() -> None:
    """Envoy takes the first that matches; the order in the file must not open a door."""
    names = [_path_of(route) for route in _routes(["/**", "/a/**", "/a/b/c/**", "/a/b"])]

    assert list(dict.fromkeys(names)) == ["/a/b", "/a/b/c/**", "/a/**", "/**", NOT_FOUND_ROUTE]


def test_routes_of_one_path_have_one_name_and_their_own_methods() -> None:
    """Whatever else comes to that path is shown to the gate under its name; it never falls to a less specific route."""
    routes = _routes(
        [
            {"path": "/a/**", "methods": ["GET", "HEAD"], "upstream": "http://127.0.0.1:1"},
            {"path": "/**"},
            {"path": "/a/**", "methods": ["POST"]},
        ]
    )

    assert [_path_of(route) for route in routes] == ["/a/**", "/a/**", "/a/**", "/**", NOT_FOUND_ROUTE]
    assert [list(anything(route["match"], "regex")) for route in routes[:3]] == [["GET|HEAD"], ["POST"], []]
    assert [route.get("route", {}).get("cluster") for route in routes[:3]] == ["http://127.0.0.1:1", "app", None]
    assert (
        routes[2]["route"]
        == routes[-1]["route"]
        == {
            "cluster_header": headers.NOWHERE,
            "cluster_not_found_response_code": "NOT_FOUND",
        }
    )
    assert headers.is_stripped(headers.NOWHERE)


def test_without_routes_everything_goes_to_the_service() -> None:
    """DESIGN §4; whatever a caller says about its content."""
    (only,) = _routes([])

    assert (only["name"], only["match"], only["route"]["cluster"]) == (APP_ROUTE, {"prefix": "/"}, "app")


@pytest.mark.parametrize(("upstream", "speaks"), [("h2c://127.0.0.1:9000", True), ("http://127.0.0.1:9000", False)])
def test_grpc_has_a_route_where_the_configuration_says_http2(upstream: str, speaks: bool) -> None:
    """SECURITY T30: timed by its own header. No content type of a caller's chooses the protocol."""
    routes = _routes([{"path": "/a/**", "upstream": upstream}])[:-1]

    assert [route for route in routes if "grpc" in route["match"]] == routes[: int(speaks)]
    assert {route["route"]["cluster"] for route in routes} == {"app" if not speaks else upstream}


def test_methods_are_the_gates_business() -> None:
    """It answers 405 and records it; Envoy would say 404."""
    assert "POST" not in str(_routes([{"path": "/a/**", "methods": ["POST"]}]))


@pytest.mark.parametrize(
    ("path", "strip", "rewrite"),
    [
        ("/data/**", "/data", {"regex_rewrite": {"pattern": {"regex": "^/data/?"}, "substitution": "/"}}),
        ("/v1.0/**", "/v1.0", {"regex_rewrite": {"pattern": {"regex": r"^/v1\.0/?"}, "substitution": "/"}}),
        ("/api/v1/orders/**", "/api/v1", {"prefix_rewrite": "/orders"}),
        ("/api/orders", "/api", {"prefix_rewrite": "/orders"}),
        ("/api/**", None, {}),
    ],
)
def test_a_prefix_is_stripped(path: str, strip: str | None, rewrite: dict[str, Any]) -> None:
    """Whole segments; special characters of regular expressions stand for themselves."""
    for route in _routes([{"path": path, "strip_prefix": strip}])[:-1]:
        found = {key: value for key, value in route["route"].items() if key.endswith("rewrite")}
        assert found == rewrite


def test_a_prefix_that_is_not_there_cannot_be_stripped() -> None:
    """`/da` is no segment of `/data`; config refuses it, and so does the rendering."""
    with pytest.raises(RenderError):
        _routes([{"path": "/data/**", "strip_prefix": "/da"}])


def _first_byte_timeouts(config: Any, path_timeout: dict[str, Any]) -> list[Any]:
    routes = ingress_routes(a_config(**config, proxy={"routes": [{"path": "/a/**", **path_timeout}]}))
    return list(anything(routes, "per_try_timeout"))


def test_timeouts_end_with_the_first_byte_of_the_answer() -> None:
    """Envoy's route timeout would cut streams, so it is off everywhere; gRPC has its own."""
    assert set(anything(ingress_routes(case("everything")), "timeout")) == {"0s"}
    assert set(anything(egress_routes(case("everything")), "timeout")) == {"0s"}
    assert _first_byte_timeouts({}, {}) == ["15s"]
    assert _first_byte_timeouts({}, {"timeout": 0.5}) == ["0.5s"]
    assert _first_byte_timeouts({}, {"timeout": 0}) == []


def test_an_upstream_that_is_a_target_uses_the_target() -> None:
    """DESIGN §3, row 10: its cluster, its name, its retries, its timeout."""
    target = {"url": "https://orders.internal:8443", "tls": _TLS, "timeout": 3, "retries": {"attempts": 1}}
    routes = [{"path": "/o/**", "upstream": "https://ORDERS.internal:8443/"}]
    config = a_config(proxy={"routes": routes}, egress={"targets": {"orders": target}})
    found: list[dict[str, Any]] = next(anything(ingress_routes(config), "routes"))

    assert {route["route"]["cluster"] for route in found[:-1]} == {"target_orders"}
    assert {route["route"]["host_rewrite_literal"] for route in found[:-1]} == {"orders.internal:8443"}
    assert found[-2]["route"]["retry_policy"]["per_try_timeout"] == "3s"
    assert [route["route"]["retry_policy"]["num_retries"] for route in found[:-1]] == [1, 1, 1]


def test_only_safe_methods_are_repeated_after_a_cut() -> None:
    """`reset` means that the target may have acted."""
    routes = next(anything(egress_routes(case("order-service")), "routes"))
    repeated = [
        route for route in routes if "reset" in route.get("route", {}).get("retry_policy", {}).get("retry_on", "")
    ]

    (safe,) = repeated
    assert list(anything(safe["match"], "regex")) == ["GET|HEAD|OPTIONS"]
    assert not list(anything(egress_routes(a_config(egress=_NO_RETRIES)), "retry_on"))


_NO_RETRIES = {
    "targets": {"t": {"url": "http://127.0.0.1:1", "retries": {"attempts": 0}}},
    "routes": [{"path_prefix": "/t", "target": "t"}],
}


def test_the_egress_answers_to_its_own_names_only() -> None:
    """A name that somebody's DNS points at us is a browser's."""
    own, others = next(anything(egress_routes(case("everything")), "virtual_hosts"))

    assert own["domains"] == ["127.0.0.1", "127.0.0.2", "[::1]", "localhost"]
    assert others["domains"] == ["*"]
    assert [route["direct_response"]["status"] for route in others["routes"]] == [403]
    refusals = [route["name"] for route in own["routes"][:6]]
    assert refusals == ["browser", "browser", "method", "path", "path", "path"]
