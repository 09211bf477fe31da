"""Which request goes where, by path. Not what is checked before: methods and permissions are the gate's."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import cast

from authz_service import headers, request_form
from authz_service.config.addresses import DEFAULT_PORTS
from authz_service.config.model import Address, Config, Route, UnixAddress
from authz_service.envoy import upstreams
from authz_service.envoy.cors import cors_policy
from authz_service.envoy.filters import not_asked, previous_hosts
from authz_service.envoy.messages import Json, Message, message, seconds, set_header
from authz_service.envoy.upstreams import Upstream
from authz_service.errors import RenderError

APP_ROUTE = "app"  # the only route when proxy.routes is absent
NOT_FOUND_ROUTE = "-"

# A connection that could not be made carried nothing; HTTP/2 says so of a refused stream (RFC 9113 §8.7).
_RETRY_ANY = "connect-failure,refused-stream"
_RETRY_SAFE = "connect-failure,refused-stream,reset"
# A neighbour's Envoy that was killed is back after 0.15 s, on a busy machine after 1 s. Six waits, each a random part
# of 0.05, 0.1, 0.2, 0.4, 0.8 and 1.6 s, outlast the first but for one time in 10,000.
_PATIENCE: Message = {"base_interval": "0.05s", "max_interval": "2s"}


# What the worker gave, or nothing: what the service sent does not leave in any case, not even over a connection that
# was accepted before tokens were exchanged, by a listener that asks nobody. Done once, so that a retry has it too.
_SHOW_EXCHANGED: Message = {
    "request_headers_to_remove": [headers.AUTHORIZATION],
    "request_headers_to_add": [set_header(headers.AUTHORIZATION, f"%REQ({headers.EGRESS_AUTHORIZATION.upper()})%")],
}


def ingress_routes(config: Config) -> Message:
    """The longest path wins, wherever it stands. What matches nothing is shown to the gate too, then answered 404."""
    found: list[Message] = []
    by_path = groupby(sorted(config.proxy.routes, key=_specific_first), key=lambda route: route.path)
    for path, routes in ((path, list(routes)) for path, routes in by_path):
        base = _base(path)
        match: Message = _below(base) if path.endswith("/**") else {"path": base}
        # Judged by the rules of the revision that routed it: a reload changes routes and rules one after the other.
        name = f"{config.tag}{headers.ROUTE_SEPARATOR}{path}"
        for route in routes:
            found += _forward(
                name,
                match if len(routes) == 1 else {**match, "headers": [_method_is(route.methods)]},
                upstreams.of_ingress(config, route.upstream),
                _rewrite(base, route.strip_prefix),
                route.timeout,
                config,
            )
        if len(routes) > 1:
            found.append(_nowhere(name, match))
    if config.proxy.routes:
        found.append(_nowhere(NOT_FOUND_ROUTE, {"prefix": "/"}))
    else:
        found += _forward(APP_ROUTE, {"prefix": "/"}, upstreams.of_ingress(config, None), {}, None, config)
    return _configuration("ingress", [{"name": "all", "domains": ["*"], "routes": found, **cors_policy(config)}])


def exchanges(config: Config) -> bool:
    """Whether a route of the egress leads to a target that wants users' tokens exchanged."""
    return any(config.egress.targets[route.target].auth.exchanges for route in config.egress.routes)


def egress_routes(config: Config) -> Message:
    """Only for programs on this host that call us by our own address: never for a browser (SECURITY T12)."""
    asked: list[Message] = []
    door = config.egress.addr
    found = _no_browser(door) if isinstance(door, Address) else []
    # TRACE would show the service the token that it is not given (RFC 9110 §9.3.8).
    found.append(
        _answer("method", {"prefix": "/", "headers": [{**_method_is(request_form.METHODS), "invert_match": True}]}, 405)
    )
    if config.egress.strict:
        found += _no_two_readings()
    for route in sorted(config.egress.routes, key=lambda route: -len(route.path_prefix)):
        target = config.egress.targets[route.target]
        exchanged = target.auth.exchanges
        forward = _forward(
            # As an ingress route: the worker gives a token for the target of this very configuration.
            f"{config.tag}{headers.ROUTE_SEPARATOR}{route.path_prefix}" if exchanged else route.path_prefix,
            _below(route.path_prefix),
            upstreams.of_target(route.target, target),
            _rewrite(route.path_prefix, route.strip_prefix),
            route.timeout,
            config,
        )
        if exchanged:
            forward = [route | _SHOW_EXCHANGED for route in forward]
            asked += forward
        found += forward
    found.append(_answer(NOT_FOUND_ROUTE, {"prefix": "/"}, 404))
    # Whatever else leaves, or is answered at once, costs no question. It says so even where nothing is exchanged: an
    # older listener, which drains, may still ask.
    found = [route if route in asked else _unasked(route) for route in found]
    # A name that somebody's DNS points at us (rebinding) makes a browser's request look like the page's own.
    others = _unasked(_answer("browser", {"prefix": "/"}, 403))
    return _configuration(
        "egress",
        [
            {
                "name": "own",
                "domains": sorted(_own_names(door)),
                "routes": found,
                "request_headers_to_remove": [headers.EGRESS_AUTHORIZATION],  # after the route's own changes
            },
            {"name": "others", "domains": ["*"], "routes": [others]},
        ],
    )


def _own_names(door: Address | UnixAddress) -> set[str]:
    names = {"localhost", "127.0.0.1", "[::1]"}
    if isinstance(door, Address):
        names.add(f"[{door.host}]" if ":" in door.host else door.host)
    return names


def _no_browser(door: Address) -> list[Message]:
    """No page of another origin. Clients of WebSocket that are no browsers name the place that they call themselves."""
    port = "" if door.port == DEFAULT_PORTS["http"] else f":{door.port}"
    own = "|".join(sorted(map(re.escape, _own_names(door))))
    page: list[Json] = [
        {"name": "origin", "present_match": True},
        {"name": "origin", "string_match": {"safe_regex": {"regex": f"http://(?:{own}){port}"}}, "invert_match": True},
    ]
    fetched: list[Json] = [{"name": "sec-fetch-site", "present_match": True}]
    return [_answer("browser", {"prefix": "/", "headers": matched}, 403) for matched in (page, fetched)]


def _no_two_readings() -> list[Message]:
    """SECURITY T13, where no Python is asked."""
    badly_encoded: Message = {
        "name": ":path",
        "string_match": {"safe_regex": {"regex": request_form.WELL_ENCODED}},
        "invert_match": True,
    }
    ambiguous: list[Message] = [{"prefix": "/", "headers": [badly_encoded]}]
    ambiguous += [{"safe_regex": {"regex": one}} for one in (request_form.HIDDEN_DELIMITER, request_form.DOT_SEGMENT)]
    return [_answer("path", match, 400) for match in ambiguous]


def _forward(
    name: str, match: Message, upstream: Upstream, rewrite: Message, timeout: float | None, config: Config
) -> list[Message]:
    """First gRPC, where HTTP/2 is spoken, timed by its own header; then methods that may be repeated; then all
    others.
    """
    to: Message = {"timeout": "0s", **rewrite}
    attempts, repeated, default_timeout = 0, request_form.SAFE_METHODS, config.http.timeouts.request
    if upstream.target is not None:
        to["host_rewrite_literal"] = upstream.endpoint.authority
        retries = upstream.target.retries
        attempts, default_timeout = retries.attempts, upstream.target.timeout
        if retries.methods == "idempotent":
            repeated = request_form.IDEMPOTENT_METHODS
    if timeout is None:
        timeout = default_timeout
    to["cluster"] = upstream.cluster
    found: list[Message] = []
    if upstream.speaks_http2:
        grpc: Message = {
            **to,
            "max_stream_duration": {"grpc_timeout_header_max": "0s"},
            **_retry(_RETRY_ANY, attempts, 0),
        }
        found.append({"name": name, "match": {**match, "grpc": {}}, "route": grpc})
    if attempts:
        safe = {**to, **_retry(_RETRY_SAFE, attempts, timeout)}
        matched = [*cast("list[Json]", match.get("headers", [])), _method_is(repeated)]
        found.append({"name": name, "match": {**match, "headers": matched}, "route": safe})
    found.append({"name": name, "match": match, "route": {**to, **_retry(_RETRY_ANY, attempts, timeout)}})
    return found


def _retry(conditions: str, attempts: int, timeout: float) -> Message:
    """`per_try_timeout` ends when the answer begins, and begins when the request is sent: streams of any length pass.

    Envoy's route timeout would also count the body, so it stays off.
    """
    policy: dict[str, Json] = {"num_retries": attempts}
    if timeout:
        policy["per_try_timeout"] = seconds(timeout)
    if attempts:
        policy |= {
            "retry_on": conditions,
            "retry_back_off": _PATIENCE,
            **previous_hosts(),
        }
    return {"retry_policy": policy} if timeout or attempts else {}


def _rewrite(base: str, strip_prefix: str | None) -> Message:
    if strip_prefix is None:
        return {}
    if base == strip_prefix:  # prefix_rewrite "/" would give "//x"
        return {"regex_rewrite": {"pattern": {"regex": f"^{re.escape(base)}/?"}, "substitution": "/"}}
    if not base.startswith(f"{strip_prefix}/"):
        raise RenderError(f"strip_prefix {strip_prefix} is not the beginning of {base}")
    return {"prefix_rewrite": base.removeprefix(strip_prefix)}


def path_sent(base: str, strip_prefix: str | None, path: str) -> str:
    """What Envoy makes of a path that such a route forwards, for whoever follows a request without Envoy."""
    match _rewrite(base, strip_prefix):
        case {"prefix_rewrite": str(instead)}:
            return instead + path[len(base) :]
        case {"regex_rewrite": {"pattern": {"regex": str(pattern)}, "substitution": str(instead)}}:
            return re.sub(pattern, instead, path, count=1)
    return path


def _method_is(methods: Sequence[str]) -> Message:
    return {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(methods)}}}


def _specific_first(route: Route) -> tuple[bool, int, str]:
    return route.path.endswith("/**"), -len(route.path), route.path


def _below(base: str) -> Message:
    return {"prefix": "/"} if base == "/" else {"path_separated_prefix": base}


def _base(path: str) -> str:
    return path.removesuffix("/**") or "/"


def _unasked(route: Message) -> Message:
    return {**route, "typed_per_filter_config": not_asked()}


def _nowhere(name: str, match: Message) -> Message:
    """For what the gate refuses: to the cluster that a header names which nobody can send, so to none.

    An answer of the route's own (`_answer`) would do, but then Envoy answers no preflight there, and lets no page read
    the refusal.
    """
    route: Message = {"cluster_header": headers.NOWHERE, "cluster_not_found_response_code": "NOT_FOUND"}
    return {"name": name, "match": match, "route": route}


def _answer(name: str, match: Message, status: int) -> Message:
    """The body is made by `local_replies`."""
    return {"name": name, "match": match, "direct_response": {"status": status}}


def _configuration(name: str, hosts: list[Message]) -> Message:
    return message("config.route.v3.RouteConfiguration", name=name, validate_clusters=True, virtual_hosts=hosts)
