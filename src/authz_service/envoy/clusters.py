"""How Envoy connects to what stands behind it: workers, the service, targets, the trace collector. Not when."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from authz_service.config.model import Config, Endpoint, NoTls
from authz_service.envoy import secrets, tls
from authz_service.envoy.filters import DECISION_CLUSTER, EXCHANGE_CLUSTER, inject_token
from authz_service.envoy.messages import Json, Message, extension, message, seconds
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.routes import exchanges
from authz_service.envoy.upstreams import Upstream, all_upstreams, stat_names
from authz_service.errors import RenderError

TRACES_CLUSTER = "traces"

_CLUSTER = "config.cluster.v3.Cluster"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_BUFFER = 32768
# The doors are what bounds the load. The default of 3 retries at a time made a worker's death visible (Envoy fact 8).
_LEAST_CONNECTIONS = 1024
_HTTP2: Message = {
    "max_concurrent_streams": 100,
    "initial_stream_window_size": 256 << 10,
    "initial_connection_window_size": 1 << 20,
    "allow_connect": True,  # WebSocket over HTTP/2 (RFC 8441)
    "connection_keepalive": {"interval": "30s", "timeout": "5s"},
}
# uvicorn and Node close an idle connection after 5 s: let go first, or a request meets a closing connection.
_NEIGHBOUR_IDLE = "4s"
# A service that is down refuses at once. One whose backlog is full answers nothing, and the kernel asks again after 1 s
# and 3 s (RFC 6298 §2): given up after 1 s, a crowd at the door was 503 for who stood behind it.
_NEIGHBOUR_CONNECT = "4s"
_SPARE_CONNECTIONS = 64
_EXCHANGES = 256  # requests at a time that wait for a token


def clusters(config: Config, paths: StatePaths) -> list[Message]:
    asked = config.proxy.enabled and not config.is_decision_only
    found = [_workers(DECISION_CLUSTER, _breakers(config), config, paths)] if asked else []
    if exchanges(config):
        found.append(_workers(EXCHANGE_CLUSTER, _at_most(_EXCHANGES), config, paths))
    names = stat_names(config)
    found += [
        _target(upstream, config, paths) if upstream.target else _neighbour(upstream, config, names)
        for upstream in all_upstreams(config)
    ]
    if config.tracing:
        found.append(_traces(config.tracing.otlp_url, config))
    return found


def _workers(name: str, breakers: Message, config: Config, paths: StatePaths) -> Message:
    """One endpoint per worker; the last one stands by for the filter's retry.

    Two that take turns find their caches cold: with one of them asked, Python and Envoy need less processor
    time (docs/decisions/envoy-rendering-choices.md). No outlier detection: it would leave a worker out for a second
    after it is back, and then the other one's death is felt. A dead worker costs nothing but a second try, one that
    hangs is the watchdog's.
    """
    workers: list[Message] = [
        {"address": {"pipe": {"path": str(paths.worker_socket(i))}}} for i in range(config.runtime.decision_workers)
    ]
    asked, standby = workers[:-1] or workers, workers[1:][-1:]
    return message(
        _CLUSTER,
        name=name,
        type="STATIC",
        connect_timeout="0.25s",
        lb_policy="ROUND_ROBIN",
        load_assignment=_endpoints(name, asked, standby),
        circuit_breakers=breakers,
        typed_extension_protocol_options=_http(
            {"explicit_http_config": {"http_protocol_options": {}}}, idle="30s", max_response_headers_kb=96
        ),
    )


def _neighbour(upstream: Upstream, config: Config, names: Mapping[str, str]) -> Message:
    """The service beside us, without TLS.

    Trailers stay off for HTTP/1.1: a request trailer `x-user-id` would be read as a header by many services.
    """
    named: Message = {"alt_stat_name": names[upstream.cluster]} if upstream.cluster in names else {}
    return _reaching(
        upstream.endpoint,
        config,
        _at_most(config.http.limits.concurrent_requests or config.http.max_connections),
        name=upstream.cluster,
        **named,
        connect_timeout=_NEIGHBOUR_CONNECT,
        typed_extension_protocol_options=_http(_protocol(upstream), idle=_NEIGHBOUR_IDLE),
    )


def _protocol(upstream: Upstream) -> Message:
    http1: Message = {"http_protocol_options": {}}
    http2: Message = {"http2_protocol_options": _HTTP2}
    if upstream.speaks_by_agreement:
        return {"auto_config": {**http1, **http2}}
    return {"explicit_http_config": http2 if upstream.speaks_http2 else http1}


def _target(upstream: Upstream, config: Config, paths: StatePaths) -> Message:
    """Another service, with our credentials. The token belongs to the cluster, so it cannot go anywhere else."""
    target = upstream.target
    assert target is not None
    shared: Message = {
        "connect_timeout": seconds(target.connect_timeout),
        "outlier_detection": {
            "enforcing_consecutive_5xx": 0,
            "consecutive_gateway_failure": 5,
            "enforcing_consecutive_gateway_failure": 100,
            "interval": "2s",
            "base_ejection_time": "2s",
            "max_ejection_percent": 50,
        },
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_time": 30, "keepalive_interval": 10, "keepalive_probes": 3}
        },
    }
    if not isinstance(target.tls, NoTls):
        shared["transport_socket"] = tls.target_tls(upstream.target_name, target.url.host, target.tls, paths)
    own_token = tls.secret_source(secrets.target_token(upstream.target_name), paths)
    token = [inject_token(own_token)] if target.auth.has_own_token else []
    return _reaching(
        upstream.endpoint,
        config,
        _breakers(config),
        name=upstream.cluster,
        **shared,
        typed_extension_protocol_options=_http(
            _protocol(upstream), idle=seconds(target.idle_timeout), filters=token, max_connection_duration="600s"
        ),
    )


def _at_most(requests: int) -> Message:
    """503 for the next one, at once: with connections to spare it finds one, and no room; without, it would wait."""
    limit: Json = {
        "max_connections": requests + _SPARE_CONNECTIONS,
        "max_pending_requests": requests + _SPARE_CONNECTIONS,
        "max_requests": requests,
        "max_retries": 1024,
    }
    return {"thresholds": [limit]}


def _traces(url: str, config: Config) -> Message:
    parts = urlsplit(url)
    if parts.scheme != "http":
        raise RenderError("tracing.otlp_url: only http:// is supported; let a collector beside the sidecar speak TLS")
    collector = Endpoint("http", parts.hostname or "", parts.port or 80)
    return _reaching(
        collector,
        config,
        _breakers(config),
        name=TRACES_CLUSTER,
        typed_extension_protocol_options=_http(
            {"explicit_http_config": {"http_protocol_options": {}}}, idle=_NEIGHBOUR_IDLE
        ),
    )


def _reaching(endpoint: Endpoint, config: Config, breakers: Message, /, *, name: str, **fields: Json) -> Message:
    """`hosts` stands in for DNS; TLS names and certificate checks stay on the name."""
    address = config.hosts.get(endpoint.host, endpoint.host)
    host: Message = {"address": _address(endpoint, address)}
    if address != endpoint.host:
        host["hostname"] = endpoint.host
    by_name = endpoint.scheme != "unix" and not tls.is_ip(address)
    # If it waited, Envoy would open no door, not even the ingress, before DNS has answered (SECURITY T34): 132 s.
    lookup: Message = {"dns_lookup_family": "V4_PREFERRED", "wait_for_warm_on_init": False} if by_name else {}
    fields = {"connect_timeout": "1s", **fields}
    return message(
        _CLUSTER,
        name=name,
        type="STRICT_DNS" if by_name else "STATIC",
        load_assignment=_endpoints(name, [host]),
        circuit_breakers=breakers,
        per_connection_buffer_limit_bytes=_BUFFER,
        **lookup,
        **fields,
    )


def _breakers(config: Config) -> Message:
    """Above what the doors let in."""
    most = max(_LEAST_CONNECTIONS, config.http.max_connections)
    limits = {"max_connections": most, "max_pending_requests": most, "max_requests": 4 * most, "max_retries": most}
    return {"thresholds": [limits]}


def _endpoints(cluster: str, endpoints: list[Message], standby: Sequence[Message] = ()) -> Message:
    """`standby` is asked in a retry only, or when Envoy holds the others to be unhealthy."""
    levels = [endpoints, standby] if standby else [endpoints]
    return {
        "cluster_name": cluster,
        "endpoints": [
            {**({"priority": level} if level else {}), "lb_endpoints": [{"endpoint": endpoint} for endpoint in those]}
            for level, those in enumerate(levels)
        ],
    }


def _address(endpoint: Endpoint, host: str) -> Message:
    if endpoint.scheme == "unix":
        return {"pipe": {"path": endpoint.socket}}
    return {"socket_address": {"address": host, "port_value": endpoint.port}}


def _http(protocol: Message, *, idle: str, filters: list[Message] | None = None, **limits: Json) -> Message:
    chain: Message = {}
    if filters:
        codec = extension(
            "envoy.filters.http.upstream_codec", "extensions.filters.http.upstream_codec.v3.UpstreamCodec"
        )
        chain["http_filters"] = [*filters, codec]
    options = message(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        **protocol,
        **chain,
        common_http_protocol_options={"idle_timeout": idle, **limits},
    )
    return {_HTTP_OPTIONS: options}
