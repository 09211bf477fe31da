"""What users' tokens were exchanged for: per user and per target, and no longer than both tokens live."""

import pytest
from tests.support.tokens import a_subject

from authz_service.domain.refusals import ExchangeNeeded, Reason, Rejected
from authz_service.egress import exchanged_tokens as product
from authz_service.egress.exchanged_tokens import ExchangedTokens

NOW = 1_000_000.0
ANN, BOB = a_subject(NOW + 300), a_subject(NOW + 300, sub="bob")


class Memory:
    def __init__(self) -> None:
        self.time = 0.0
        self.exchanged = ExchangedTokens(lambda: NOW + self.time, lambda: self.time)

    def learn(self, token: str, found: str, lifetime: float = 300.0, target: str = "data", asked_at: float = 0) -> None:
        self.exchanged.learn(target, token, asked_at, found, lifetime)

    def knows(self, token: str, target: str = "data") -> str | None:
        """None: it would have to be exchanged."""
        try:
            return self.exchanged.require(target, f"Bearer {token}")
        except ExchangeNeeded:
            return None


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_a_token_is_for_its_user_and_its_target_alone(memory: Memory) -> None:
    memory.learn(ANN, "for-ann")

    assert memory.knows(ANN) == "for-ann"
    assert memory.knows(BOB) is None
    assert memory.knows(ANN, "audit") is None


def test_who_has_it_exchanged_hears_which_one_and_nobody_reads_it(memory: Memory) -> None:
    with pytest.raises(ExchangeNeeded) as needed:
        memory.exchanged.require("data", f"Bearer {ANN}")
    assert (needed.value.target, needed.value.token) == ("data", ANN)
    assert ANN not in repr(needed.value)


@pytest.mark.parametrize(
    ("subject_lives", "lifetime", "asked_at", "used_for"),
    [(300, 100, 0, 90), (100, 300, 0, 90), (300, 20, 0, 15), (4, 300, 0, 3), (300, 100, -50, 40)],
)
def test_it_is_used_until_shortly_before_the_first_of_both_ends(
    memory: Memory, subject_lives: float, lifetime: float, asked_at: float, used_for: float
) -> None:
    token = a_subject(NOW + subject_lives)
    memory.learn(token, "new", lifetime, asked_at=asked_at)

    memory.time = used_for - 0.1
    assert memory.knows(token) == "new"
    memory.time = used_for + 0.1
    assert memory.knows(token) is None


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
    with pytest.raises(ExchangeNeeded):
        memory.exchanged.require("data", f"Bearer {ANN}")
    with pytest.raises(Rejected) as refusal:
        memory.exchanged.require("data", authorization)
    assert refusal.value.reason is reason


def test_a_refusal_is_remembered_for_a_moment(memory: Memory) -> None:
    memory.exchanged.learn_refusal("data", ANN, "access_denied")

    with pytest.raises(Rejected) as refusal:
        memory.knows(ANN)
    assert refusal.value.reason is Reason.TOKEN_EXCHANGE_DENIED
    assert "access_denied" in refusal.value.detail
    assert memory.knows(BOB) is None
    memory.time = product.REFUSED_FOR
    assert memory.knows(ANN) is None


def test_a_token_that_ended_while_it_was_exchanged_is_refused(memory: Memory) -> None:
    """The answer is no error of ours."""
    token = a_subject(NOW + 5)
    memory.time = 6.0
    memory.learn(token, "new")

    with pytest.raises(Rejected) as refusal:
        memory.knows(token)
    assert refusal.value.reason is Reason.TOKEN_EXPIRED


def test_the_memory_is_bounded_and_the_oldest_goes_first(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "MAX_REMEMBERED", 2)
    eve = a_subject(NOW + 300, sub="eve")
    for token in (ANN, BOB, ANN, eve):
        memory.learn(token, f"for-{token}")

    assert [memory.knows(token) is not None for token in (ANN, BOB, eve)] == [True, False, True]
