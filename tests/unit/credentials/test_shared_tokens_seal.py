"""What lies in Redis says nothing without the key, and cannot be changed or moved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fake_clock import EPOCH, FakeClock, async_test

from authz_service.credentials.oauth2 import Token, TokenRequest
from authz_service.credentials.shared_tokens import Seal, SharedTokens, StoreSettings, entry_name
from authz_service.domain.secret import Secret

KEY = Secret("k" * 32)
TOKEN = Token(Secret("eyJ.the-token.sig"), 300.0, ("a", "b"))
REQUEST = TokenRequest("https://idp/token", "order-service", Secret("s"), ("b", "a"), "data")


def test_what_was_closed_is_opened_by_the_same_key_under_the_same_name_only() -> None:
    sealed = Seal(KEY).close("name", TOKEN, EPOCH)

    assert Seal(KEY).open("name", sealed) == (TOKEN, EPOCH)
    assert Seal(Secret("x" * 32)).open("name", sealed) is None
    assert Seal(KEY).open("another", sealed) is None
    assert b"the-token" not in sealed
    assert Seal(KEY).close("name", TOKEN, EPOCH) != sealed  # a nonce of its own each time


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_one_changed_byte_is_enough(place: int, change: int) -> None:
    sealed = bytearray(Seal(KEY).close("name", TOKEN, EPOCH))
    sealed[place % len(sealed)] ^= change

    assert Seal(KEY).open("name", bytes(sealed)) is None


@given(st.binary(max_size=200))
def test_whatever_lies_there_is_no_token(found: bytes) -> None:
    assert Seal(KEY).open("name", found) is None


@pytest.mark.parametrize(
    "change",
    [{"client_id": "payment-service"}, {"token_url": "https://idp/other"}, {"scopes": ("a",)}, {"audience": ""}],
    ids=lambda change: next(iter(change)),
)
def test_requests_for_different_tokens_have_different_names(change: dict[str, object]) -> None:
    """The order of scopes and the secret make no difference; the name tells none of it."""
    assert entry_name(REQUEST) == entry_name(replace(REQUEST, scopes=("a", "b"), client_secret=Secret("t")))
    assert entry_name(REQUEST) != entry_name(replace(REQUEST, **change))  # type: ignore[arg-type]
    assert "order-service" not in entry_name(REQUEST)


class OneEntry:
    """Redis with one token in it, put there so many seconds ago, by the clock of whoever did."""

    def __init__(self, clock: FakeClock, age: float, *, prolonged: float = 0.0, ahead: float = 0.0) -> None:
        self._left = TOKEN.lifetime - age + prolonged
        self._ends_at = clock.now() + TOKEN.lifetime - age + ahead

    async def get(self, name: str) -> bytes:
        return Seal(KEY).close(name, TOKEN, self._ends_at)

    async def pttl(self, name: str) -> float:
        del name
        return self._left * 1000


@async_test
async def test_what_a_target_refused_is_passed_over() -> None:
    """Whatever was put there before; what another replica fetched since is good, and so is all while nobody refuses."""
    clock = FakeClock()
    store = SharedTokens(StoreSettings(Secret("redis://nowhere"), KEY), _nobody_asks, clock)

    async def found(age: float) -> bool:
        store._redis = OneEntry(clock, age)  # type: ignore[assignment]
        return await store._find("name", REQUEST) is not None

    assert await found(age=10)
    store.pass_over_older()
    assert not await found(age=10)
    await clock.advance(20)
    assert await found(age=10)
    assert not await found(age=25)


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        ({"age": 10}, 290),
        ({"age": 10, "prolonged": 10_000}, 290),  # EXPIRE, by whoever can write to Redis
        ({"age": 301, "prolonged": 10_000}, None),
        ({"age": 10, "ahead": 1000}, 290),  # a replica whose clock is wrong
        ({"age": 10, "ahead": -1000}, None),  # we had better ask ourselves
    ],
)
@async_test
async def test_an_entry_ends_when_both_say_so_at_the_latest(entry: dict[str, float], left: float | None) -> None:
    """What is sealed, and Redis."""
    clock = FakeClock()
    store = SharedTokens(StoreSettings(Secret("redis://nowhere"), KEY), _nobody_asks, clock)
    store._redis = OneEntry(clock, **entry)  # type: ignore[assignment]

    found = await store._find("name", replace(REQUEST, refresh_before_expiry=1.0))

    assert (found and found.lifetime) == left


async def _nobody_asks(request: TokenRequest) -> Token:
    raise AssertionError(request)
