"""The table of local replies. What Envoy makes of it: tests/integration/envoy."""

from typing import Any

from tests.support.rendering import anything

from authz_service.domain.refusals import ANSWERS, Reason
from authz_service.envoy.local_replies import local_replies


def _mappers() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next(anything(local_replies(), "mappers"))
    return found


def _bodies() -> list[dict[str, Any]]:
    return list(anything(local_replies(), "json_format"))


def test_each_reply_agrees_with_the_one_table_of_answers() -> None:
    """Status and title are never written twice."""
    for mapper in _mappers():
        for body in anything(mapper, "json_format"):
            answer = ANSWERS[Reason(body["reason"])]
            assert (mapper["status_code"], body["status"], body["title"]) == (
                answer.status,
                answer.status,
                answer.title,
            )


def test_every_reason_that_only_envoy_can_have_is_there() -> None:
    """The others are the gate's."""
    assert {body["reason"] for body in _bodies()} == {
        *("request_invalid", "path_refused", "browser_refused", "route_not_found", "request_too_large"),
        *("headers_too_large", "request_timeout", "protocol_unsupported", "decision_unavailable"),
        *("egress_token_unavailable", "upstream_unavailable", "upstream_timeout", "upstream_error", "overloaded"),
        *("rate_limited", "method_not_allowed", "no_longer_allowed"),
    }


def test_nothing_about_the_inside_is_said() -> None:
    """%RESPONSE_CODE_DETAILS% holds addresses and TLS errors."""
    operators = {value for body in _bodies() for value in body.values() if "%" in str(value)}

    assert operators == {"%REQ(X-CORRELATION-ID)%"}


def test_every_status_from_400_on_is_covered() -> None:
    """The last rules leave nothing to Envoy's own text."""
    plain = [
        mapper["filter"]["status_code_filter"]["comparison"]
        for mapper in _mappers()
        if "status_code_filter" in mapper["filter"]
    ]
    bounds = {(rule["op"], rule["value"]["default_value"]) for rule in plain}

    assert {("LE", 499), ("GE", 500)} <= bounds


def test_503_and_429_say_when_to_come_back() -> None:
    """Except the gate's own, which says it itself."""
    for mapper in _mappers():
        if mapper.get("status_code") in {429, 503} and "json_format" in mapper["body_format_override"]:
            assert [one["header"]["key"] for one in mapper["headers_to_add"]] == ["retry-after"]
