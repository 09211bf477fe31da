"""The builtins that we supply answer as OPA does: its own cases, and ours, with what the real OPA said to each."""

import base64
import json
from itertools import groupby

import pytest
from tests.support.builtin_calls import Call, our_answer, recorded

from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicySource
from authz_service.policy.added_builtins import added_builtins
from authz_service.policy.builtins import ADDED
from authz_service.policy.engine import PolicyEngine
from authz_service.policy.static_checks import unevaluated_problems

CALLS = recorded().calls
# Ours fails and refuses the request, where OPA has a value (docs/policies.md).
STRICTER = {
    "net.cidr_contains_matches - OPA: netcidrcontainsmatches/sets of tuples": "arrays in a set do not reach a builtin",
    "net.cidr_contains_matches - a number": "OPA finds nothing in a number",
    "net.cidr_merge - OPA: netcidrmerge/cidr merge ip and subnets": "OPA takes 192.0.2.112 for 192.0.2.0/24",
    "net.cidr_merge - OPA: netcidrmerge/cidr merge ip addresses": "OPA takes 192.0.128.0 for 192.0.128.0/24",
    "net.cidr_merge - networks #2": "OPA takes 10.0.0.1 for 10.0.0.0/8",
    "net.cidr_merge - IPv4 as IPv6": "both, or neither",
    "net.cidr_intersects - IPv4 as IPv6": "both, or neither",
    "io.jwt.decode - not UTF-8": "OPA replaces what is not text",
}


def name_of(call: Call) -> str:
    return f"{call.builtin} - {call.note}"


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_each_call_is_answered_as_opa_answers_it(call: Call) -> None:
    """OPA has undefined where we have an error; a token that cannot be read is, for us, not verified."""
    try:
        answer = our_answer(call)
    except RuntimeError:
        assert not call.answer or name_of(call) in STRICTER
        return
    assert name_of(call) not in STRICTER
    if call.answer:
        assert answer == call.answer
    else:
        assert answer == [[False, {}, {}]] if call.builtin == "io.jwt.decode_verify" else [False]
        assert call.builtin.startswith(("io.jwt.verify_", "io.jwt.decode_verify"))


def test_each_builtin_has_its_yes_and_its_no() -> None:
    """In the record: what it answers when all is right, and when it is not."""
    assert ADDED == {name: added.arity for name, added in added_builtins().items()} == dict.fromkeys(ADDED) | ADDED
    for name, calls in groupby(sorted(CALLS, key=name_of), key=lambda call: call.builtin):
        answers = {json.dumps(call.answer) for call in calls}
        assert len(answers) > 1, name
    assert {call.builtin for call in CALLS} == ADDED.keys()


def engine(text: str, **data: object) -> PolicyEngine:
    return PolicyEngine(PolicySource("data.p.allow", (("p.rego", f"package p\n{text}"),), json.dumps(data)))


def test_an_error_refuses_the_request() -> None:
    """Under `not` too; the good twin decides."""
    policy = engine("allow if not crypto.sha256(input.route) == data.digest", digest="x")

    assert policy.evaluate('{"route": "a"}').reason is Reason.ALLOWED
    assert policy.evaluate('{"route": 1}').reason is Reason.POLICY_ERROR


def test_without_a_time_the_token_s_times_are_now_s() -> None:
    """The clock is the caller's, in seconds; OPA counts nanoseconds."""
    call = next(call for call in CALLS if call.note == "expired at this very moment")
    token, secret = call.arguments[0], call.arguments[1]["secret"]
    for now, valid in ((1499999999.0, True), (1500000000.0, False)):
        answer = added_builtins(iter([now]).__next__)["io.jwt.decode_verify"].call(token, {"secret": secret})
        assert isinstance(answer, tuple)
        assert answer[0] is valid


def test_the_clock_of_a_policy_is_the_present() -> None:
    """A token of 2033 is valid, one of 2017 is not."""
    for note, valid in (("HS256 all right", True), ("expired at this very moment", False)):
        call = next(call for call in CALLS if call.note == note)
        constraints = {name: value for name, value in call.arguments[1].items() if name != "time"}
        policy = engine("allow := io.jwt.decode_verify(data.t, data.c)[0]", t=call.arguments[0], c=constraints)
        assert json.loads(policy.ask("{}")) is valid


@pytest.mark.parametrize("depth", [60, 70, 5_000, 100_000])
def test_a_deep_payload_is_refused_without_harm(depth: int) -> None:
    """Above 64 levels, as everywhere."""
    call = next(call for call in CALLS if call.builtin == "io.jwt.decode" and call.answer)
    payload = base64.urlsafe_b64encode(b'{"a":' + b"[" * depth + b"]" * depth + b"}").decode().rstrip("=")
    token = ".".join([call.arguments[0].split(".")[0], payload, ""])
    policy = engine("allow if io.jwt.decode(input.route)[1].a")

    expected = Reason.ALLOWED if depth < 64 else Reason.POLICY_ERROR
    assert policy.evaluate(json.dumps({"route": token})).reason is expected


def test_the_old_form_is_refused_for_them() -> None:
    """The result as last argument; the engine has it for its own builtins only."""

    def found(text: str) -> list[str]:
        source = PolicySource("data.p.allow", (("p.rego", f"package p\n{text}"),))
        return [problem.found for problem in unevaluated_problems(source, print)[0]]

    assert found('allow if { crypto.sha256("a", x); x == "b" }') == ["`crypto.sha256` takes 1 arguments, not 2"]
    assert (
        found('allow if { x := crypto.sha256("a"); x == "b" }') == found('allow if { upper("a", x); x == "A" }') == []
    )
