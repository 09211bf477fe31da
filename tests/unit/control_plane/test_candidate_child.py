"""The candidate policy's process, without its process: what it says of a decision that was made."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tests.support.audit_trails import record
from tests.support.decision_events import event

from authz_service.audit.record import AuditRecord
from authz_service.control_plane.candidate.child import Judge
from authz_service.control_plane.candidate.messages import Outcome, Setup
from authz_service.control_protocol import Copy
from authz_service.domain.rules import PolicySource
from authz_service.domain.sampling import is_sampled

POLICY = """package order

result := {"allow": allow, "reasons": ["because"], "audit": {"n": 1}}

default allow := false

allow if input.request.method == "GET"

allow if {
	input.request.method == "POST"
	some a in numbers.range(1, 5000)
	some b in numbers.range(1, 5000)
	a * b == 0
}
"""


def outcome(
    made: AuditRecord, *, percent: int = 100, policy: str = POLICY, rule: str = "data.order.result", **asked: Any
) -> Outcome:
    judge = Judge(Setup(PolicySource("data.order.result", (("order.rego", policy),)), 0.1, percent))
    document = event(**asked)["input"]
    return judge.outcome(Copy(rule, msgspec.Raw(msgspec.json.encode(made)), msgspec.Raw(json.dumps(document).encode())))


POST = {"input__request__method": "POST"}
DELETE = {"input__request__method": "DELETE"}


@pytest.mark.parametrize(
    ("reason", "asked", "result", "says"),
    [
        ("allowed", {}, "alike", ""),
        ("policy_denied", {}, "gained", "allowed"),
        ("allowed", DELETE, "lost", "policy_denied"),
        ("policy_denied", DELETE, "alike", ""),
        ("policy_undefined", DELETE, "other", "policy_denied"),
        ("allowed", POST, "lost", "policy_timeout"),
        ("token_expired", {}, "skipped", ""),
        ("decision_failed", {}, "skipped", ""),
    ],
)
def test_a_verdict_is_compared_with_the_one_that_was_given(
    reason: str, asked: dict[str, Any], result: str, says: str
) -> None:
    """Another one has a record, in the shape of the decision's, that says so."""
    made = record("order-service", reason=reason, decision="allow" if reason == "allowed" else "deny")
    found = outcome(made, **asked)

    assert found.result == result
    if not says:
        assert found.line == ""
        return
    told = msgspec.json.decode(found.line, type=AuditRecord)
    assert (told.event, told.reason, told.decision_id) == ("candidate", says, made.decision_id)
    assert told.decision == ("allow" if says == "allowed" else "deny")
    assert told.reasons == (() if says == "policy_timeout" else ("because",))


def test_what_cannot_be_decided_is_skipped() -> None:
    """No record, no input, no policy that was asked, a record that was cut."""
    judge = Judge(Setup(PolicySource("data.order.result", (("order.rego", POLICY),)), 0.1, 100))
    good = msgspec.Raw(msgspec.json.encode(record("order-service")))
    document = msgspec.Raw(json.dumps(event()["input"]).encode())

    assert judge.outcome(Copy("data.order.result", good, document)).result == "alike"
    for copy in (
        Copy("data.order.result", msgspec.Raw(b"no record"), document),
        Copy("data.order.result", good, msgspec.Raw(b"null")),
        Copy("", good, document),
        Copy("data.order.result", msgspec.Raw(msgspec.json.encode(record("order-service", truncated=True))), document),
    ):
        assert judge.outcome(copy).result == "skipped"


@pytest.mark.parametrize("percent", [1, 10, 50, 99, 100])
def test_a_sample_is_about_as_large_as_it_is_asked_for(percent: int) -> None:
    """Of ids that are spread evenly; the same ones each time, and what is no id of ours is not left out."""
    ids = [f"{number * 429493:08x}{'0' * 24}" for number in range(10_000)]
    kept = sum(is_sampled(one, percent) for one in ids)

    assert abs(kept - percent * 100) <= 150
    assert is_sampled("no id", percent)
