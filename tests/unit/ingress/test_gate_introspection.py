"""Where a route asks the issuer about its tokens: only about good ones, and its no is a refusal."""

import pytest
from msgspec.structs import replace
from tests.support.decisions import AllAsked, gate, keys, request, rules
from tests.support.tokens import ISSUER, NOW, good_claims, mint

from authz_service.domain.decision import Allow, Deny
from authz_service.domain.questions import Absent, Active, Answers, Found, NotReady
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import GateRules, RouteRules
from authz_service.identity.tokens import TokenVerifier
from authz_service.ingress.gate import Gate

ASKING = RouteRules("", auth_required=True, methods=(), downstream="order", introspect=True)


def asking_rules(**changes: object) -> GateRules:
    return rules(routes=(ASKING,), **changes)


def asking_gate(given: GateRules) -> tuple[Gate, Answers]:
    answers = Answers(lambda: NOW)
    return gate(given, known=answers), answers


def test_the_gate_asks_about_a_good_token_on_a_route_that_wants_it() -> None:
    """Again when it was answered, it decides; another route's requests wait for nobody."""
    subject, answers = asking_gate(asking_rules())
    with pytest.raises(NotReady) as missing:
        subject.decide(request(), "d", "c")
    question = missing.value.question
    assert isinstance(question, Active)
    assert question == Active(ISSUER, str(request().authorization).removeprefix("Bearer "))
    answers.learn(question, Found(holds=5.0), NOW)
    assert subject.decide(request(), "d", "c").reason is Reason.ALLOWED

    answers.learn(question, Absent(holds=5.0), NOW)
    refused = subject.decide(request(), "d", "c")
    assert (type(refused), refused.reason) == (Deny, Reason.TOKEN_INACTIVE)
    assert isinstance(gate(rules()).decide(request(), "d", "c"), Allow)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("x", Reason.TOKEN_MALFORMED),
        (mint(good_claims(NOW, exp=NOW - 100)), Reason.TOKEN_EXPIRED),
        (mint(good_claims(NOW, cnf={"x5t#S256": "a" * 43})), Reason.TOKEN_CLAIMS_INVALID),
        (mint(good_claims(NOW, cnf={"x5t#S256": "A" * 43})), Reason.TOKEN_BINDING_MISMATCH),
        (mint(header={"kid": "new"}), Reason.TOKEN_KEY_UNKNOWN),
    ],
)
def test_nobody_is_asked_about_a_token_that_is_refused_anyway(token: str, reason: Reason) -> None:
    """Strangers cannot make us ask."""
    subject = gate(asking_rules(), known=AllAsked())
    refused = subject.decide(request(authorization=f"Bearer {token}"), "d", "c")

    assert refused.reason is reason


def test_a_public_route_asks_only_about_a_token_that_was_sent() -> None:
    subject, _ = asking_gate(replace(asking_rules(policy=None), routes=(replace(ASKING, auth_required=False),)))

    assert isinstance(subject.decide(request(authorization=None), "d", "c"), Allow)
    with pytest.raises(NotReady):
        subject.decide(request(), "d", "c")


def test_without_somebody_who_asks_there_is_no_gate() -> None:
    """It would be an open door."""
    given = replace(asking_rules(), peers=None, policy=None)
    tokens = TokenVerifier(given.issuers, lambda: NOW, AllAsked())
    tokens.set_keys(keys())

    with pytest.raises(ValueError, match="introspected"):
        Gate(given, None, tokens, None)
    Gate(replace(given, routes=(replace(ASKING, introspect=False),)), None, tokens, None)
