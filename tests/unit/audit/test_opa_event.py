"""A decision as an event of OPA's decision logs: what is in it, and what never is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from authz_service.audit.opa_event import KEPT_CLAIMS, OpaEvent, opa_event
from authz_service.audit.record import AuditRecord

INSTANCE = {"id": "7a9c", "app": "authz-service"}
SECRET = "do-not-tell"
RECORD = AuditRecord(
    time="2026-01-15T10:30:00.123Z", level="info", service="order-service", zone="zone2", event="access",
    decision="allow", reason="allowed", reasons=("is a customer",), decision_id="d1", correlation_id="c1",
    method="GET", path="/orders/1", route="/orders/**", mtls_client="api-gateway-client", mtls_fingerprint="ab",
    user_id="u1", user_name="john", calling_service="web-app", user_context="u1", downstream="", remote="10.0.0.7",
    revision="r1", duration_us=250,
)  # fmt: skip
INPUT = {
    "mtls": {"verified": True, "subject": {"CN": "api-gateway-client"}, "san": {"uri": [], "dns": []}},
    "token": {"sub": "u1", "realm_access": {"roles": ["customer"]}},
    "request": {"method": "GET", "path": "/orders/1", "segments": ["orders", "1"], "query": {}, "host": "order"},
    "headers": {"X-Correlation-ID": "c1"},
    "route": "/orders/**",
    "decision_id": "d1",
}


def event(asked: object = INPUT, **changes: object) -> dict[str, Any]:
    record = msgspec.structs.replace(RECORD, **changes)
    found: dict[str, Any] = json.loads(
        opa_event("data.order.allow", msgspec.json.encode(record), json.dumps(asked).encode(), INSTANCE)
    )
    return found


def test_an_event_is_the_decision_in_opas_words() -> None:
    """Ids, answer, rule and input; nothing erased, and so no word of it."""
    assert event() == {
        "labels": {**INSTANCE, "service": "order-service", "zone": "zone2"},
        "decision_id": "d1",
        "bundles": {"authz-service": {"revision": "r1"}},
        "path": "order/allow",
        "input": INPUT,
        "result": {"allow": True, "reason": "allowed", "reasons": ["is a customer"]},
        "requested_by": "10.0.0.7",
        "timestamp": "2026-01-15T10:30:00.123Z",
        "metrics": {"timer_server_handler_ns": 250_000},
        "custom": {"correlation_id": "c1"},
    }


def test_a_refusal_is_one_and_says_what_the_policy_added() -> None:
    """The same with another answer."""
    found = event(decision="deny", reason="policy_denied", policy_audit={"rule": 7})

    assert found["result"] == {
        "allow": False, "reason": "policy_denied", "reasons": ["is a customer"], "audit": {"rule": 7}
    }  # fmt: skip


def test_shadow_and_shortened_records_are_marked() -> None:
    """Beside the others, which are not."""
    assert event(shadow=True, truncated=True)["custom"] == {"correlation_id": "c1", "shadow": True, "truncated": True}


@pytest.mark.parametrize(
    ("part", "member", "erased"),
    [
        ("token", {"email": SECRET}, "/input/token/email"),
        ("token", {"https://a/~b": SECRET}, "/input/token/https:~1~1a~1~0b"),
        ("headers", {"X-User-Context": SECRET}, "/input/headers/X-User-Context"),
        ("headers", {"Authorization": f"Bearer {SECRET}"}, "/input/headers/Authorization"),
        ("request", {"query": {"access_token": [SECRET]}}, "/input/request/query"),
    ],
)
def test_what_is_not_known_to_be_harmless_is_taken_out_and_named(
    part: str, member: dict[str, object], erased: str
) -> None:
    """The rest of the input stays as it was."""
    asked = {**INPUT, part: {**INPUT[part], **member}}  # type: ignore[dict-item]

    found = event(asked)
    assert found["erased"] == [erased]
    assert SECRET not in json.dumps(found)
    assert found["input"]["token"] == INPUT["token"]
    assert found["input"]["headers"] == INPUT["headers"]
    assert found["input"]["mtls"] == INPUT["mtls"]


def test_an_input_that_was_too_large_is_erased_as_a_whole() -> None:
    found = event(None)

    assert "input" not in found
    assert found["erased"] == ["/input"]


def test_without_a_policy_there_is_no_path() -> None:
    found = json.loads(opa_event("", msgspec.json.encode(RECORD), b"{}", INSTANCE))

    assert "path" not in found
    assert found["input"] == {}


@pytest.mark.parametrize(("record", "document"), [(b"{}", b"{}"), (b"[", b"{}"), (msgspec.json.encode(RECORD), b"{")])
def test_what_is_no_record_is_said_to_be_none(record: bytes, document: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        opa_event("", record, document, INSTANCE)


def test_no_claim_that_names_a_person_is_kept_but_the_one_in_the_audit_record() -> None:
    """`user_name` has `preferred_username` already."""
    assert not KEPT_CLAIMS & {"email", "name", "given_name", "family_name", "phone_number", "address", "nonce", "cnf"}
    assert {"labels", "decision_id", "result", "input", "path", "erased"} <= set(OpaEvent.__struct_fields__)
