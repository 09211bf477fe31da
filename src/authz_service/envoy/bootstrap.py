"""What Envoy is told once, at its start: where its configuration is, who may ask it, when it has had enough."""

from authz_service.config.model import Config
from authz_service.envoy.messages import Json, Message, extension, file_source, message
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.tls import AGENT_CLUSTER

_HEAP = 256 << 20
_MONITORS = "envoy.resource_monitors"
_ADMIN_PATHS = ("/ready", "/certs", "/healthcheck/fail", "/quitquitquit")
_ADMIN_PREFIXES = ("/stats", "/listeners", "/clusters", "/config_dump", "/drain_listeners")


def bootstrap(config: Config, paths: StatePaths) -> Message:
    """The admin interface is a Unix socket: no port of the host ends in it."""
    allowed: list[Json] = [{"exact": path} for path in _ADMIN_PATHS]
    allowed += [{"prefix": prefix} for prefix in _ADMIN_PREFIXES]
    name = config.service.name or "authz"
    return {
        "node": {"id": name, "cluster": name},
        "admin": {"address": {"pipe": {"path": str(paths.admin_socket), "mode": 0o600}}, "allow_paths": allowed},
        "dynamic_resources": {
            "lds_config": file_source(str(paths.listeners)),
            "cds_config": file_source(str(paths.clusters)),
        },
        **_agent(config),
        "layered_runtime": {
            "layers": [
                {"name": "static", "static_layer": _runtime(config)},
                {"name": "admin", "admin_layer": {}},
            ]
        },
        "overload_manager": _overload(config),
    }


def _agent(config: Config) -> Message:
    """Secrets over gRPC come only from a cluster that Envoy has from its start on."""
    http2 = message(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": {}},
    )
    clusters: list[Json] = [
        {
            "name": AGENT_CLUSTER,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": AGENT_CLUSTER,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": place.socket}}}}]}],
            },
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        }
        for place in config.sds_sockets
    ]
    return {"static_resources": {"clusters": clusters}} if clusters else {}


def _runtime(config: Config) -> Message:
    """Each door has its own limit, so that a flood from outside leaves the service its egress."""
    limit: Message = {"connection_limit": config.http.max_connections}
    runtime: Message = {
        "re2": {"max_program_size": {"error_level": 1000}},
        "envoy": {"resource_limits": {"listener": {"ingress": limit, "egress": limit}}},
        # Who asks on HTTP/2 and takes it back at once (CVE-2023-44487) is cut off after 100 streams, and no connection
        # brings more than eight requests at a time: 1,000 such connections took 326 MiB without these, and 90 with.
        "overload": {"premature_reset_total_stream_count": 100},
        "http": {"max_requests_per_io_cycle": 8},
    }
    if config.tracing:
        runtime["tracing"] = {"opentelemetry": {"flush_interval_ms": 1000, "min_flush_spans": 64}}
    return runtime


def _overload(config: Config) -> Message:
    heap = f"{_MONITORS}.fixed_heap"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            extension(heap, "extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=_HEAP),
            extension(
                f"{_MONITORS}.global_downstream_max_connections",
                "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=2 * config.http.max_connections,
            ),
        ],
        "actions": [
            {
                "name": f"envoy.overload_actions.{action}",
                "triggers": [{"name": heap, "threshold": {"value": threshold}}],
            }
            for action, threshold in (("shrink_heap", 0.9), ("stop_accepting_requests", 0.98))
        ],
    }
