"""What a user's token is exchanged for: only a fresh token in the one form is asked about, and a no is a refusal."""

import pytest
from tests.support.tokens import a_subject

from authz_service.domain.questions import Absent, Answer, Answers, Exchange, Found, NotReady
from authz_service.domain.refusals import EXCHANGE_REFUSALS, Reason, Rejected
from authz_service.egress.exchanged_tokens import ExchangedTokens

NOW = 1_000_000.0
ANN, BOB = a_subject(NOW + 300), a_subject(NOW + 300, sub="bob")


class Memory:
    def __init__(self) -> None:
        self.time = 0.0
        self.answers = Answers(lambda: self.time)
        self.exchanged = ExchangedTokens(lambda: NOW + self.time, self.answers)

    def learn(self, token: str, answer: Answer) -> None:
        self.answers.learn(Exchange("data", token), answer, self.time)

    def knows(self, token: str, target: str = "data") -> str | None:
        """None: it would have to be exchanged."""
        try:
            return self.exchanged.require(target, f"Bearer {token}")
        except NotReady:
            return None


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_a_token_is_for_its_user_and_its_target_alone(memory: Memory) -> None:
    memory.learn(ANN, Found("for-ann", 300.0))

    assert memory.knows(ANN) == "for-ann"
    assert memory.knows(BOB) is None
    assert memory.knows(ANN, "audit") is None


def test_who_has_it_exchanged_hears_which_one_and_how_long_it_lives(memory: Memory) -> None:
    memory.time = 100.0
    with pytest.raises(NotReady) as missing:
        memory.exchanged.require("data", f"Bearer {ANN}")
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
        memory.exchanged.require("data", f"Bearer {ANN}")
    with pytest.raises(Rejected) as refusal:
        memory.exchanged.require("data", authorization)
    assert refusal.value.reason is reason


@pytest.mark.parametrize(("code", "reason"), EXCHANGE_REFUSALS.items())
def test_what_the_provider_does_not_exchange_is_refused(memory: Memory, code: str, reason: Reason) -> None:
    memory.learn(ANN, Absent(code, 3.0))

    with pytest.raises(Rejected) as refusal:
        memory.knows(ANN)
    assert refusal.value.reason is reason
    assert code in refusal.value.detail
    assert memory.knows(BOB) is None


def test_a_token_that_ended_while_it_was_exchanged_is_refused(memory: Memory) -> None:
    """The answer is no error of ours."""
    token = a_subject(NOW + 5)
    memory.learn(token, Found("new", 3.75))
    memory.time = 6.0

    with pytest.raises(Rejected) as refusal:
        memory.knows(token)
    assert refusal.value.reason is Reason.TOKEN_EXPIRED
