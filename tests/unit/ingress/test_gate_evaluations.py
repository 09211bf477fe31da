"""AuthZEN's question at the gate: the policy alone is asked, by who was configured for it, and hears what he said."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.support.decisions import gate, policy, rules

from authz_service import headers
from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Allow, Decision, Deny
from authz_service.domain.refusals import Reason
from authz_service.ext_authz import wire
from authz_service.ingress.gate import Gate

POLICY = policy(
    """package p
import rego.v1
default allow := false
allow if {
    input.asked_by == "wiki"
    input.subject.id == "alice"
    input.action.name == "read"
    not input.mtls
    not input.token
    not input.request
}
""",
    "data.p.allow",
)
GOOD = {
    "subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}, "resource": {"type": "page", "id": "1"},
    "context": {},
}  # fmt: skip


def decided(document: object = GOOD, asker: str = "wiki", *, of: Gate | None = None) -> Decision:
    found = {headers.EVALUATION.encode(): json.dumps(document).encode()}
    request = wire.read_evaluation(f"{headers.EVALUATION_PATH}{asker}".encode(), found)
    return (of or evaluating()).decide(request, "d1", "c1")


def evaluating(**changes: object) -> Gate:
    source = msgspec.structs.replace(POLICY, evaluated=True)
    return gate(rules(**{"policy": source, "evaluated_for": ("wiki", "other"), **changes}))


def test_the_policy_decides_what_it_is_told() -> None:
    """The sidecar's own rules about certificates and tokens are about callers, of whom there is none."""
    decision = decided()

    assert isinstance(decision, Allow)
    assert (decision.claims.values, decision.headers) == ({"sub": "alice"}, b"")
    denied = decided({**GOOD, "subject": {"type": "user", "id": "bob"}})
    assert (type(denied), denied.reason) == (Deny, Reason.POLICY_DENIED)
    assert decided(asker="other").reason is Reason.POLICY_DENIED


def test_only_who_is_configured_for_it_is_answered() -> None:
    """Not the listeners of other protocols, nor a sidecar that has none."""
    assert decided(asker="edge").reason is Reason.ROUTE_NOT_FOUND
    assert decided(of=evaluating(evaluated_for=())).reason is Reason.ROUTE_NOT_FOUND


def test_without_a_policy_there_is_no_permit() -> None:
    """A gate whose authorisation is off lets in who is known: here nobody is."""
    decision = decided(of=evaluating(policy=None))

    assert (type(decision), decision.reason) == (Deny, Reason.ROUTE_NOT_FOUND)


@pytest.mark.parametrize(
    "document",
    [
        {**GOOD, "asked_by": "wiki"}, {**GOOD, "mtls": {"verified": True}}, {**GOOD, "token": {"sub": "root"}}, [], "x",
        {key: value for key, value in GOOD.items() if key != "context"}, {**GOOD, "subject": {"type": "user"}},
        {**GOOD, "subject": "alice"},
    ],
)  # fmt: skip
def test_what_the_door_does_not_write_is_refused(document: object) -> None:
    """Nothing that an asker says stands in the place of what we say."""
    decision = decided(document)

    assert (type(decision), decision.reason) == (Deny, Reason.REQUEST_INVALID)


def test_shadow_mode_records_and_permits() -> None:
    decision = decided({**GOOD, "action": {"name": "write"}}, of=evaluating(shadow=True))

    assert (type(decision), decision.reason) == (Allow, Reason.POLICY_DENIED)


def test_a_question_about_a_request_is_none_about_an_evaluation() -> None:
    """Whatever headers it has: only the path tells."""
    found = {headers.EVALUATION.encode(): json.dumps(GOOD).encode(), b"host": b"x"}
    request = wire.read_request(b"GET", b"/check-0123abcd/evaluate/wiki", found, (), None)

    assert (request.evaluation, wire.is_evaluation(b"/check-0123abcd/evaluate/wiki")) == ("", False)
    assert evaluating().decide(request, "d1", "c1").reason is Reason.CLIENT_CERT_MISSING


def test_its_record_names_action_and_resource() -> None:
    """What cannot be read has neither, and is refused."""
    found = {headers.EVALUATION.encode(): json.dumps(GOOD).encode()}
    request = wire.read_evaluation(b"/evaluate/wiki", found)

    assert (request.method, request.path, request.route) == ("read", "page/1", "wiki")
    assert wire.read_evaluation(b"/evaluate/wiki", {})[:2] == ("", "/")
    assert evaluating().decide(wire.read_evaluation(b"/evaluate/wiki", {}), "d", "c").reason is Reason.REQUEST_INVALID


def test_the_document_for_another_reader_is_the_policys_own() -> None:
    """What a candidate policy is asked is what the policy was asked."""
    found = {headers.EVALUATION.encode(): json.dumps(GOOD).encode()}
    request = wire.read_evaluation(f"{headers.EVALUATION_PATH}wiki".encode(), found)

    document = evaluating().policy_input(request, NO_PEER, NO_CLAIMS, [], "d1", "c1")

    assert isinstance(document, dict)
    assert document["subject"] == GOOD["subject"]
    assert document["asked_by"] == "wiki"
