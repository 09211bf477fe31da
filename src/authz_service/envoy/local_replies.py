"""The answers that Envoy gives by itself, in the gate's own form (RFC 9457). Not when it gives them."""

from authz_service import headers
from authz_service.domain.refusals import ANSWERS, Reason
from authz_service.envoy.messages import Json, Message, extension, set_header
from authz_service.envoy.stream_watch import NO_LONGER_ALLOWED, NOBODY_COULD_TELL
from authz_service.request_form import METHODS

_CONTENT_TYPE = "application/problem+json"
_RETRY_AFTER = {
    Reason.DECISION_UNAVAILABLE: "1",
    Reason.EGRESS_TOKEN_UNAVAILABLE: "5",
    Reason.UPSTREAM_UNAVAILABLE: "1",
    Reason.OVERLOADED: "1",
    Reason.RATE_LIMITED: "1",
}


def local_replies() -> Message:
    """The first mapper that fits decides; the last one fits everything.

    %RESPONSE_CODE_DETAILS% stays out of the bodies: it names addresses and TLS errors.
    """
    mappers: list[Json] = [
        _verbatim(_both(_from_gate(), _status("EQ", headers.UNAVAILABLE_STATUS)), status=503),
        _verbatim(_both(_from_gate(), _status("LE", 499))),
        # The gate allowed it, and with what it adds the request is above Envoy's limits of headers (SECURITY T16).
        _problem(_both(_from_gate(), _because("ext_authz_invalid")), Reason.HEADERS_TOO_LARGE),
        _problem(_from_gate(), Reason.DECISION_UNAVAILABLE),
        _problem(_because(NO_LONGER_ALLOWED), Reason.NO_LONGER_ALLOWED),
        _problem(_because(NOBODY_COULD_TELL), Reason.DECISION_UNAVAILABLE),
        # The credential injector is the only other one that says 401; a target's own 401 is no local reply.
        _problem(_status("EQ", 401), Reason.EGRESS_TOKEN_UNAVAILABLE),
        _problem(_both(_status("EQ", 403), _because("direct_response")), Reason.BROWSER_REFUSED),
        _problem(_status("EQ", 404), Reason.ROUTE_NOT_FOUND),
        _problem(_status("EQ", 405), Reason.METHOD_NOT_ALLOWED),
        _problem(_status("EQ", 408), Reason.REQUEST_TIMEOUT),
        _problem(_status("EQ", 413), Reason.REQUEST_TOO_LARGE),
        _problem(_status("EQ", 426), Reason.PROTOCOL_UNSUPPORTED),
        _problem(_status("EQ", 429), Reason.RATE_LIMITED),
        _problem(_status("EQ", 431), Reason.HEADERS_TOO_LARGE),
        _problem(_both(_status("EQ", 400), _because("path_normalization_failed")), Reason.PATH_REFUSED),
        _problem(_both(_status("EQ", 400), _because("direct_response")), Reason.PATH_REFUSED),
        # A service may answer what it likes to an offer (RFC 9110 §7.8). Passed on, the caller had a tunnel to it.
        _problem(_because("websocket_handshake_unsuccessful"), Reason.UPSTREAM_ERROR),
        _problem(_status("LE", 499), Reason.REQUEST_INVALID),
        _problem(_status("EQ", 501), Reason.REQUEST_INVALID),  # a Transfer-Encoding that Envoy does not know
        _problem(_because("overload"), Reason.OVERLOADED),
        _problem(_flagged("UO"), Reason.OVERLOADED),
        _problem(_status("EQ", 503), Reason.UPSTREAM_UNAVAILABLE),
        _problem(_status("EQ", 504), Reason.UPSTREAM_TIMEOUT),
        _problem(_status("GE", 500), Reason.UPSTREAM_ERROR),
    ]
    return {"mappers": mappers}


def _problem(when: Message, reason: Reason) -> Message:
    answer = ANSWERS[reason]
    mapper: Message = {
        "filter": when,
        "status_code": answer.status,
        "body_format_override": {
            "json_format": {
                "title": answer.title,
                "status": answer.status,
                "reason": reason.value,
                "correlation_id": f"%REQ({headers.CORRELATION_ID.upper()})%",
            },
            "content_type": _CONTENT_TYPE,
        },
    }
    if reason in _RETRY_AFTER:
        mapper["headers_to_add"] = [set_header("retry-after", _RETRY_AFTER[reason])]
    if reason is Reason.METHOD_NOT_ALLOWED:
        mapper["headers_to_add"] = [set_header("allow", ", ".join(METHODS))]  # RFC 9110 §15.5.6
    return mapper


def _verbatim(when: Message, status: int | None = None) -> Message:
    """The gate's own body."""
    body: Message = {
        "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
        "content_type": _CONTENT_TYPE,
    }
    mapper: Message = {"filter": when, "body_format_override": body}
    return mapper if status is None else {**mapper, "status_code": status}


def _from_gate() -> Message:
    return _flagged("UAEX")


def _flagged(flag: str) -> Message:
    return {"response_flag_filter": {"flags": [flag]}}


def _status(comparison: str, code: int) -> Message:
    value: Message = {"default_value": code, "runtime_key": "unused"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}


def _because(details: str) -> Message:
    return {
        "extension_filter": extension(
            "envoy.access_loggers.extension_filters.cel",
            "extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            expression=f"response.code_details == '{details}'",
        )
    }


def _both(first: Message, second: Message) -> Message:
    return {"and_filter": {"filters": [first, second]}}
