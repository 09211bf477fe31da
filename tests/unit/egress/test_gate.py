"""What a user's token is exchanged for: only a fresh token in the one form is asked about, and a no is a refusal."""

import pytest
from tests.support.tokens import a_subject

from authz_service.domain.decision import Allow, Decision, Deny
from authz_service.domain.questions import Absent, Answer, Answers, Exchange, Found, NotReady
from authz_service.domain.refusals import EXCHANGE_REFUSALS, Reason
from authz_service.domain.rules import ExchangeRules
from authz_service.egress.gate import EgressGate
from authz_service.headers import EGRESS_AUTHORIZATION

NOW = 1_000_000.0
ANN, BOB = a_subject(NOW + 300), a_subject(NOW + 300, sub="bob")


class Memory:
    def __init__(self) -> None:
        self.time = 0.0
        self.answers = Answers(lambda: self.time)
        exchanges = (ExchangeRules("/data", "data-service", "data"), ExchangeRules("/audit", "audit-service", "audit"))
        self.gate = EgressGate(exchanges, self.answers, lambda: NOW + self.time)

    def learn(self, token: str, answer: Answer) -> None:
        self.answers.learn(Exchange("data", token), answer, self.time)

    def decide(self, authorization: str | None, route: str = "/data") -> Decision:
        return self.gate.decide(self.gate.exchange_for(route), authorization)

    def shows(self, token: str, route: str = "/data") -> str | None:
        """None: it would have to be exchanged."""
        try:
            decision = self.decide(f"Bearer {token}", route)
        except NotReady:
            return None
        assert isinstance(decision, Allow)
        name, _, value = decision.headers.decode().removesuffix("\r\n").partition(": Bearer ")
        assert name == EGRESS_AUTHORIZATION
        return value


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_a_token_is_for_its_user_and_its_target_alone(memory: Memory) -> None:
    memory.learn(ANN, Found("for-ann", 300.0))

    assert memory.shows(ANN) == "for-ann"
    assert memory.shows(BOB) is None
    assert memory.shows(ANN, "/audit") is None


def test_who_has_it_exchanged_hears_which_one_and_how_long_it_lives(memory: Memory) -> None:
    memory.time = 100.0
    with pytest.raises(NotReady) as missing:
        memory.decide(f"Bearer {ANN}")
    assert missing.value.question == Exchange("data", ANN, 200.0)


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, Reason.TOKEN_MISSING),
        ("", Reason.TOKEN_MISSING),
        ("Basic eA==", Reason.TOKEN_MISSING),
        (f"Bearer {ANN},Bearer {BOB}", Reason.TOKEN_MALFORMED),
        ("Bearer opaque", Reason.TOKEN_MALFORMED),
        (f"Bearer {ANN}.x", Reason.TOKEN_MALFORMED),
        (f"Bearer {ANN}\xff", Reason.TOKEN_MALFORMED),
        (f"Bearer {a_subject(NOW + 300, pad='x' * 17_000)}", Reason.TOKEN_TOO_LONG),
        (f"Bearer {a_subject(NOW)}", Reason.TOKEN_EXPIRED),
        (f"Bearer {a_subject(...)}", Reason.TOKEN_CLAIMS_INVALID),
        (f"Bearer {a_subject(True)}", Reason.TOKEN_CLAIMS_INVALID),
        (f"Bearer {a_subject(str(NOW + 9))}", Reason.TOKEN_CLAIMS_INVALID),
    ],
)
def test_what_is_not_one_fresh_token_is_refused_unasked(
    memory: Memory, authorization: str | None, reason: Reason
) -> None:
    with pytest.raises(NotReady):
        memory.decide(f"Bearer {ANN}")
    assert memory.decide(authorization).reason is reason


@pytest.mark.parametrize(("code", "reason"), EXCHANGE_REFUSALS.items())
def test_what_the_provider_does_not_exchange_is_refused(memory: Memory, code: str, reason: Reason) -> None:
    memory.learn(ANN, Absent(code, 3.0))

    refused = memory.decide(f"Bearer {ANN}")
    assert refused == Deny(reason, f"the identity provider says {code}")
    assert memory.shows(BOB) is None


def test_a_token_that_ended_while_it_was_exchanged_is_refused(memory: Memory) -> None:
    """The answer is no error of ours."""
    token = a_subject(NOW + 5)
    memory.learn(token, Found("new", 3.75))
    memory.time = 6.0

    assert memory.decide(f"Bearer {token}") == Deny(Reason.TOKEN_EXPIRED)


def test_a_route_of_another_configuration_gets_nothing(memory: Memory) -> None:
    """Its target may be another one."""
    assert memory.decide(f"Bearer {ANN}", "/other").reason is Reason.DECISION_UNAVAILABLE
