"""Recorded decisions, decided anew: which verdicts are another one now, and what cannot be known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest
from tests.support.decision_events import event, request

from authz_service.domain.rules import PolicySource
from authz_service.mesh.decision_event import Recorded
from authz_service.mesh.replay import Flips, Replay, Verdicts

POLICY = """package order

default allow := false

allow if may

may if {
	input.request.method == "GET"
	input.request.segments[0] == "orders"
}

may if {
	input.request.method == "POST"
	input.token.exp > time.now_ns() / 1000000000
	"customer" in input.token.realm_access.roles
}
"""
ORDER = PolicySource("data.order.allow", (("order.rego", POLICY),))


def replayed(events: Iterable[Mapping[str, Any]], source: PolicySource = ORDER, **options: float) -> Verdicts:
    replay = Replay(lambda service, _: source if service == "order-service" else None, **options)
    for one in events:
        replay.take(msgspec.json.decode(json.dumps(one), type=Recorded))
    return replay.verdicts()


def changed(policy: str) -> PolicySource:
    return PolicySource("data.order.allow", (("order.rego", policy),))


def test_the_same_policy_decides_the_same() -> None:
    """As of then: the token of the record has ended since. A record of the contrary flips."""
    post: dict[str, Any] = {"input__request": request("POST", "orders")}
    alike = [event(), event(**post), event("policy_denied", roles=(), **post)]

    assert (replayed(alike).alike, replayed(alike).flips) == (3, ())
    ended: dict[str, Any] = {**post, "timestamp": "2026-11-18T12:00:00.000Z"}
    assert [one.becomes for one in replayed([event(**ended)]).flips] == ["policy_denied"]


@pytest.mark.parametrize(
    ("recorded", "gained", "lost"),
    [
        (event("policy_denied"), True, False),
        (event("policy_undefined"), True, False),
        (event("policy_denied", result__allow=True, custom__shadow=True), True, False),
        (event(input__request=request("DELETE", "orders")), False, True),
        (event("policy_undefined", input__request=request("DELETE", "orders")), False, False),
        (event(result={"allow": False, "reason": "policy_denied"}), True, False),
        (event(result=False), True, False),
    ],
)
def test_a_flip_is_gained_or_lost_or_another_refusal(recorded: dict[str, Any], *, gained: bool, lost: bool) -> None:
    """In shadow mode too, where the answer was not the policy's; OPA's own events have the bare value."""
    (flip,) = replayed([recorded]).flips

    assert (flip.gained, flip.lost) == (gained, lost)


def test_flips_are_grouped_by_rule_and_principal() -> None:
    """The body that let it through, or the line at which the one that came furthest stopped."""
    denied = [
        event("policy_denied"),
        event("policy_denied"),
        event("policy_denied", input__token__preferred_username="mary"),
    ]
    lost = event(roles=(), input__request=request("POST", "orders"), input__token={"azp": "batch", "exp": 1795001000})
    found = replayed([*denied, lost]).flips

    said = [(one.count, one.principal, one.client, one.rule, one.place, one.line) for one in found]
    gateway = "api-gateway-client"
    assert said == [
        (2, "john", gateway, "data.order.may", "order.rego:7", ""),
        (1, "mary", gateway, "data.order.may", "order.rego:7", ""),
        (1, "batch", gateway, "data.order.may", "order.rego:15", '"customer" in input.token.realm_access.roles'),
    ]
    assert [example.correlation_id for example in found[0].examples] == ["req-1", "req-1"]
    assert (found[0].examples[0].method, found[0].examples[0].path) == ("GET", "/orders/1")


@pytest.mark.parametrize(
    ("recorded", "why"),
    [
        (event("token_expired"), "decided before a policy was asked"),
        (event(path=""), "decided before a policy was asked"),
        (event(erased=["/input"]), "its input is not in the log"),
        (event(labels={"service": "stock"}), "no policies for stock here"),
        (event(labels={}), "no policies for a service without a name here"),
        (event(timestamp="yesterday"), "its time is none"),
        (event(result={"allow": True, "reason": "because"}), "its answer is none that we know"),
        (event(result=None), "its answer is none that we know"),
    ],
)
def test_what_cannot_be_decided_anew_is_counted_with_its_reason(recorded: dict[str, Any], why: str) -> None:
    """And does not count as decided; a good one beside it does."""
    found = replayed([recorded, event()])

    assert (found.records, found.judged, found.passed_over) == (2, 1, {why: 1})


def test_what_the_log_leaves_out_makes_a_verdict_unsure() -> None:
    """Where the policy can read it; what it never reads does not."""
    by_plan = changed('package order\n\nallow if input.headers["X-Plan"] == "gold"\n')
    lacking: dict[str, Any] = {"erased": ["/input/headers/X-Plan", "/input/token/email"]}
    found = replayed([event(**lacking), event()], by_plan)

    assert found.lacking == {"/input/headers/X-Plan": 1}
    assert [(one.count, one.unsure) for one in found.flips] == [(2, 1)]
    assert replayed([event(**lacking)]).lacking == {}
    all_of_it = changed("package order\n\nallow if input == {}\n")
    assert set(replayed([event(**lacking)], all_of_it).lacking) == set(lacking["erased"])


@pytest.mark.ended_by_signal
def test_a_policy_that_loops_or_fails_is_told_and_the_next_record_is_decided() -> None:
    """Each in its own word; the command goes on."""
    loops = changed(
        'package order\n\nallow if input.request.method == "GET"\n\n'
        'allow if {\n\tinput.request.method == "POST"\n'
        "\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta * b == 0\n}\n"
    )
    post: dict[str, Any] = {"input__request": request("POST", "orders")}
    found = replayed([event(**post), event()], loops, budget=0.2)

    assert [(one.becomes, one.lost) for one in found.flips] == [("policy_timeout", True)]
    assert found.alike == 1
    two_values = changed("package order\n\nallow := true\n\nallow := input.token.sub\n")
    assert [one.becomes for one in replayed([event()], two_values).flips] == ["policy_error"]


def test_order_does_not_matter_and_the_span_is_told() -> None:
    late = event(timestamp="2026-11-18T10:00:01.000Z")
    found = replayed([late, event()])

    assert (found.first, found.last) == ("2026-11-18T10:00:00.000Z", "2026-11-18T10:00:01.000Z")


def test_every_member_of_flips_is_there() -> None:
    """So that a record of it can be compared as a whole."""
    (flip,) = replayed([event("policy_denied")]).flips

    assert msgspec.convert(msgspec.to_builtins(flip), Flips) == flip
