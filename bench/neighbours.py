"""Who stands around the sidecars in a measurement, in one Envoy: callers with client certificates, and services.

`wrk` cannot present a client certificate, so it speaks to a caller here, which forwards with the gateway's own rendered
cluster (mutual TLS, HTTP/2 by ALPN). A service here answers at once, or calls through its sidecar's egress. The
processor time of this Envoy is nobody's cost and counted apart.
"""

from __future__ import annotations

from authz_service.envoy.messages import Message, extension, message

CHAIN = "x-bench-chain"
_MAX_BODY = 1 << 20
ORDER = '{"id":"42","status":"created","items":[{"product":"book","quantity":2}],"total":"39.80"}'
INVENTORY = '{"id":"7","product":"book","in_stock":1000,"reserved":2}'


def bootstrap(listeners: list[Message], clusters: list[Message]) -> Message:
    return {
        "node": {"id": "neighbours", "cluster": "neighbours"},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }


def listener(host: str, port: int, routes: list[Message]) -> Message:
    connections = extension(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="neighbour",
        generate_request_id=False,
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        # A service reads its request before it answers; a direct response alone would end the connection at each POST.
        http_filters=[
            extension(
                "envoy.filters.http.buffer", "extensions.filters.http.buffer.v3.Buffer", max_request_bytes=_MAX_BODY
            ),
            extension("envoy.filters.http.router", "extensions.filters.http.router.v3.Router"),
        ],
    )
    return {"address": _address(host, port), "filter_chains": [{"filters": [connections]}]}


def forwards(cluster: str) -> Message:
    return {"match": {"prefix": "/"}, "route": {"cluster": cluster}}


def calls_data(egress: str) -> Message:
    """What the order service does for an order: it calls the data service by its sidecar's own address.

    Only for requests of the whole chain: where one hop is measured, the service answers at once.
    """
    return {
        "match": {"prefix": "/", "headers": [{"name": CHAIN, "present_match": True}]},
        "route": {"cluster": egress, "prefix_rewrite": "/data/", "host_rewrite_literal": "localhost"},
    }


def answers(body: str) -> Message:
    return {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": body}},
        "response_headers_to_add": [{"header": {"key": "content-type", "value": "application/json"}}],
    }


def plain_cluster(name: str, host: str, port: int) -> Message:
    endpoint: Message = {"endpoint": {"address": _address(host, port)}}
    return {
        "name": name,
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": message(
                "extensions.upstreams.http.v3.HttpProtocolOptions", explicit_http_config={"http_protocol_options": {}}
            )
        },
    }


def renamed(cluster: Message, name: str) -> Message:
    """A rendered cluster under another name, for static resources."""
    assignment = cluster["load_assignment"]
    assert isinstance(assignment, dict)
    rest = {key: value for key, value in cluster.items() if key != "@type"}
    return {**rest, "name": name, "load_assignment": {**assignment, "cluster_name": name}}


def _address(host: str, port: int) -> Message:
    return {"socket_address": {"address": host, "port_value": port}}
