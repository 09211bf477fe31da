"""Envoy's own log of requests and of connections, as JSON lines. Not the audit: these lines can be lost."""

from authz_service import headers
from authz_service.envoy.messages import Json, Message, extension

_CONNECTION = {
    "remote": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "peer": "%DOWNSTREAM_PEER_SUBJECT%",
    "peer_fingerprint": "%DOWNSTREAM_PEER_FINGERPRINT_256%",
    "tls_version": "%DOWNSTREAM_TLS_VERSION%",
}
_REQUEST = {
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ:PATH)%",  # without the query, it may hold secrets; never X-Envoy-Original-Path (SECURITY T5)
    "protocol": "%PROTOCOL%",
    "route": "%ROUTE_NAME%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "upstream": "%UPSTREAM_HOST%",
    "upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "correlation_id": f"%REQ({headers.CORRELATION_ID.upper()})%",
    "trace_id": "%TRACE_ID%",
}


def request_log(destination: str, service: str, event: str) -> Message:
    """One line for each request of a listener. `destination` is a path, or "-" for standard output."""
    # What the service beside us says in X-Forwarded-For is not where it is.
    direct = {"remote": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"} if event == "egress" else {}
    return _log(destination, service, event, {**_REQUEST, **_CONNECTION, **direct})


def connection_log(destination: str, service: str) -> Message:
    """One line for each connection, refused handshakes too: no other log has them."""
    failure = {"tls_failure": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"}
    return _log(destination, service, "connection", {**_CONNECTION, **failure})


def _log(destination: str, service: str, event: str, fields: dict[str, str]) -> Message:
    line: dict[str, Json] = {"time": "%START_TIME%", "service": service, "event": event, **fields}
    log_format: Message = {"json_format": line}
    if destination == "-":
        return extension(
            "envoy.access_loggers.stdout",
            "extensions.access_loggers.stream.v3.StdoutAccessLog",
            log_format=log_format,
        )
    return extension(
        "envoy.access_loggers.file",
        "extensions.access_loggers.file.v3.FileAccessLog",
        path=destination,
        log_format=log_format,
    )
