"""The two doors: ingress for callers, egress for the service itself, both hardened alike. Not what lies behind them."""

from collections.abc import Sequence
from pathlib import Path

from authz_service import headers
from authz_service.config.model import Address, Config, Egress, PlainHttp, Tracing, UnixAddress
from authz_service.envoy import access_log, decision_cache, filters, limits, local_replies, stream_watch, tls
from authz_service.envoy.clusters import TRACES_CLUSTER
from authz_service.envoy.cors import cors_filter
from authz_service.envoy.messages import Json, Message, extension, file_source, message, seconds
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.proxies import HANDSHAKE, proxies_before_us
from authz_service.envoy.routes import exchanges

_BUFFER = 32768
_IGNORED_UPGRADES: list[Json] = [
    {"prefix": "TLS/", "ignore_case": True},
    {"prefix": "HTTP/", "ignore_case": True},
    {"exact": "h2c", "ignore_case": True},
]
_HTTP2: Message = {
    "max_concurrent_streams": 100,
    "initial_stream_window_size": 256 << 10,
    "initial_connection_window_size": 1 << 20,
    "allow_connect": True,  # WebSocket over HTTP/2 (RFC 8441)
    "connection_keepalive": {"interval": "30s", "timeout": "10s", "connection_idle_interval": "10s"},
    # What is wrong with one stream ends that one, not its neighbours.
    "override_stream_error_on_invalid_http_message": True,
}


def has_ingress(config: Config) -> bool:
    return config.proxy.enabled and config.proxy.mode == "reverse_proxy"


def has_egress(config: Config) -> bool:
    return config.egress.enabled and bool(config.egress.routes)


def ingress_listener(config: Config, paths: StatePaths, cache: Path | None) -> Message:
    """`cache`: the library of the decision cache."""
    http, proxies = config.http, proxies_before_us(config)
    known = [] if cache is None else [decision_cache.repeat(config, paths, cache)]
    chains = [_ingress_chain(config, paths, known, proxies.ignored, forwarded=headers.FORWARDED_KEPT)]
    if proxies.believed:
        trusted = _ingress_chain(config, paths, known, proxies.believed, forwarded=headers.FORWARDED_TRUSTED)
        chains = [{**trusted, "filter_chain_match": proxies.match}, *chains]
    elif proxies.match:
        chains = [{**chains[0], "filter_chain_match": proxies.match}]  # who fits none is not served
    log = config.audit.access_log
    extra: Message = {"access_log": [access_log.connection_log(log, config.service.name)]} if log else {}
    return _listener("ingress", _ip(http.addr), chains, {**extra, **proxies.of_listener})


def _ingress_chain(
    config: Config, paths: StatePaths, known: Sequence[Message], from_where: Message, *, forwarded: Sequence[str]
) -> Message:
    """`known`: who may answer in the gate's place. `forwarded`: which of X-Forwarded-* are left; `from_where`: how the
    caller's address is found.
    """
    removed = [*headers.STRIPPED, *filters.owned_headers(config)]
    if config.http.tls.client_auth != "require" and forwarded != headers.FORWARDED_TRUSTED:
        removed.append(headers.FORWARDED_FOR)  # a stranger's word on where the request came from
    prefixes = (*headers.STRIPPED_PREFIXES, *headers.CERTIFICATE_PREFIXES)
    connections = _connections(
        config,
        paths,
        name="ingress",
        http_filters=[
            *filters.correlation(),
            filters.no_trailers(),
            filters.websocket_key(),
            *cors_filter(config),
            *limits.per_peer(config),
            filters.body_limit(config.http.max_body_bytes),
            *stream_watch.note_question(config),
            *known,
            filters.ask_the_gate(config, unless_known=bool(known)),
            *limits.per_user(config),
            *stream_watch.watch(config),
            filters.router(),
        ],
        of_its_own={
            **from_where,
            **_escaped_slashes(
                kept=any(route.encoded_slashes for route in config.proxy.routes)
            ),  # the gate knows where
            "early_header_mutation_extensions": [filters.early_removal(removed, prefixes, forwarded)],
        },
    )
    chain: Message = {"filters": [*stream_watch.note_peer(config), connections]}
    if not isinstance(config.http.tls, PlainHttp):
        chain["transport_socket"] = tls.ingress_tls(config.http.tls, paths)
        chain["transport_socket_connect_timeout"] = HANDSHAKE
    return chain


def egress_listener(config: Config, paths: StatePaths) -> Message:
    """No gate here: the service beside us is trusted with its own targets, and with nothing else. Only where a target
    wants users' tokens exchanged, somebody is asked for what they are exchanged for.
    """
    exchange = [filters.ask_for_exchange()] if exchanges(config) else []
    connections = _connections(
        config,
        paths,
        name="egress",
        http_filters=[*filters.correlation(), *exchange, filters.router()],
        trusting=not config.egress.strict,
        of_its_own={
            "early_header_mutation_extensions": [filters.early_removal((), headers.STRIPPED_PREFIXES)],
            "use_remote_address": False,  # else it would write X-Forwarded-Proto anew: the service's own to say
            "skip_xff_append": True,
            **_escaped_slashes(kept=not config.egress.strict),
            "strip_any_host_port": True,
        },
    )
    return _listener("egress", _egress_address(config.egress), [{"filters": [connections]}], {})


def _egress_address(egress: Egress) -> Message:
    """The socket's owner and group are the control plane's to set (control_plane/preflight/egress_socket.py)."""
    if isinstance(egress.addr, UnixAddress):
        return {"pipe": {"path": egress.addr.path, "mode": egress.socket.mode}}
    return _ip(egress.addr)


def _ip(address: Address) -> Message:
    both: Message = {"ipv4_compat": True} if address.host == "::" else {}
    return {"socket_address": {"address": address.host, "port_value": address.port, **both}}


def _listener(name: str, address: Message, chains: Sequence[Message], extra: Message) -> Message:
    """Without SO_REUSEPORT a second sidecar on the same port is refused instead of sharing it (SECURITY T22)."""
    return message(
        "config.listener.v3.Listener",
        name=name,
        stat_prefix=name,  # else its statistics are named by its address
        address=address,
        enable_reuse_port=False,
        per_connection_buffer_limit_bytes=_BUFFER,
        filter_chains=chains,
        **extra,
    )


def _connections(
    config: Config,
    paths: StatePaths,
    *,
    name: str,
    http_filters: Sequence[Message],
    of_its_own: Message,
    trusting: bool = False,
) -> Message:
    """Every setting was measured (tests/integration/envoy): slow, large, old, odd and forged requests end here."""
    optional: dict[str, Json] = {}
    if config.audit.access_log:
        optional["access_log"] = [access_log.request_log(config.audit.access_log, config.service.name, name)]
    if config.tracing:
        optional["tracing"] = _tracing(config.tracing, config.service.name)
    return extension(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        codec_type="AUTO",
        rds={"route_config_name": name, "config_source": file_source(str(paths.routes(name)))},
        http_filters=http_filters,
        local_reply_config=local_replies.local_replies(),
        upgrade_configs=[{"upgrade_type": "websocket"}],
        normalize_path=True,
        merge_slashes=False,  # `/a//b` is another resource than `/a/b` (SECURITY T31): the gate refuses it
        strip_trailing_host_dot=True,
        server_header_transformation="PASS_THROUGH",
        forward_client_cert_details="SANITIZE",
        # Only tracing reads x-request-id; our own number is the correlation id.
        generate_request_id=config.tracing is not None,
        request_headers_timeout=seconds(config.http.timeouts.headers),
        request_timeout="0s",
        stream_idle_timeout=seconds(config.http.timeouts.idle),
        drain_timeout=seconds(config.runtime.drain),
        delayed_close_timeout="0.5s",
        max_request_headers_kb=32,
        common_http_protocol_options={
            "idle_timeout": "300s",
            "max_connection_duration": "900s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "ALLOW" if trusting else "REJECT_REQUEST",
        },
        http_protocol_options={
            "accept_http_10": trusting,
            **({"default_host_for_http_10": "localhost"} if trusting else {}),
            "enable_trailers": False,
            # Else 400: Apache's HttpClient 5.4 and newer offers TLS/1.2 (RFC 9110 §7.8: it may be ignored).
            "ignore_http_11_upgrade": _IGNORED_UPGRADES,
        },
        http2_protocol_options=_HTTP2,
        http1_safe_max_connection_duration=True,
        proxy_100_continue=True,
        **optional,
        **of_its_own,
    )


def _escaped_slashes(*, kept: bool) -> Message:
    return {"path_with_escaped_slashes_action": "KEEP_UNCHANGED" if kept else "REJECT_REQUEST"}


def _tracing(tracing: Tracing, service: str) -> Message:
    provider = extension(
        "envoy.tracers.opentelemetry",
        "config.trace.v3.OpenTelemetryConfig",
        service_name=service,
        http_service={"http_uri": {"uri": tracing.otlp_url, "cluster": TRACES_CLUSTER, "timeout": "1s"}},
    )
    correlation: Message = {
        "tag": "correlation_id",
        "request_header": {"name": headers.CORRELATION_ID},
    }
    return {
        "random_sampling": {"value": tracing.sampling},
        "client_sampling": {"value": 100},
        "overall_sampling": {"value": 100},
        "custom_tags": [correlation],
        "provider": provider,
    }
