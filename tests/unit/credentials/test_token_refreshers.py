"""Who shares a token, and what a change of configuration does to tokens in use."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.fake_clock import FakeClock, async_test

from authz_service.credentials.oauth2 import Token, TokenRequest
from authz_service.credentials.token_refreshers import Subscription, TokenRefreshers
from authz_service.domain.secret import Secret
from authz_service.errors import FetchError

REQUEST = TokenRequest("https://idp.example/token", "order-service", Secret("s3cret"), ("read", "write"))


class Mesh:
    """A provider that names each token after its client, and the proxies that hear them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[TokenRequest] = []
        self.down = False
        self.takes = 0.0
        self.heard: dict[str, list[str | None]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self.refreshers = TokenRefreshers(self._fetch, self.clock)

    async def _fetch(self, request: TokenRequest) -> Token:
        self.asked.append(request)
        number = len(self.asked)
        await self.clock.sleep(self.takes)
        if self.down:
            raise FetchError("down")
        return Token(Secret(f"{request.client_id}-{number}"), 300.0, request.scopes)

    def wants(self, target: str, request: TokenRequest) -> Subscription:
        """The publisher of a target stays the same over updates."""
        heard = self.heard.setdefault(target, [])
        first = self._subscriptions.setdefault(target, Subscription(target, request, heard.append))
        return replace(first, request=request)

    async def update(self, **wanted: TokenRequest) -> None:
        change = asyncio.create_task(self.refreshers.update([self.wants(*item) for item in wanted.items()]))
        await self.clock.advance(0)
        while not change.done():
            await self.clock.advance(0.5)
        await change


@async_test
async def test_targets_with_equal_keys_share_one_token() -> None:
    """Scopes in any order are the same scopes."""
    mesh = Mesh()
    await mesh.update(one=REQUEST, two=replace(REQUEST, scopes=("write", "read")))

    assert len(mesh.asked) == 1
    assert mesh.heard == {"one": [None, "order-service-1"], "two": [None, "order-service-1"]}
    assert [state.targets for state in mesh.refreshers.states()] == [("one", "two")]
    await mesh.refreshers.stop()


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, token_url="https://other.example/token"),
        replace(REQUEST, client_id="payment-service"),
        replace(REQUEST, scopes=("read",)),
        replace(REQUEST, scopes=("read", "write", "admin")),
        replace(REQUEST, audience="data-service"),
        replace(REQUEST, bound_to="5e88"),
    ],
)
@async_test
async def test_one_difference_in_the_key_means_another_token(other: TokenRequest) -> None:
    """A token goes only to its target, with only its scopes."""
    mesh = Mesh()
    await mesh.update(one=REQUEST, two=other)

    assert len(mesh.asked) == 2
    assert mesh.heard["one"][-1] != mesh.heard["two"][-1]
    await mesh.refreshers.stop()


@async_test
async def test_a_reload_keeps_the_tokens_whose_key_stays() -> None:
    """No new request, no new publication; a target that joins hears the token at once."""
    mesh = Mesh()
    await mesh.update(one=REQUEST)
    await mesh.update(one=replace(REQUEST, client_secret=Secret("rotated")), two=REQUEST)

    assert len(mesh.asked) == 1
    assert mesh.heard == {"one": [None, "order-service-1"], "two": ["order-service-1"]}
    await mesh.refreshers.stop()


@async_test
async def test_a_new_secret_is_used_from_the_next_refresh_on() -> None:
    mesh = Mesh()
    await mesh.update(one=REQUEST)
    await mesh.update(one=replace(REQUEST, client_secret=Secret("rotated")))
    await mesh.clock.advance(250)

    assert [request.client_secret.reveal() for request in mesh.asked] == ["s3cret", "rotated"]
    await mesh.refreshers.stop()


@async_test
async def test_a_target_that_moves_to_another_key_is_never_without_a_token() -> None:
    """Make before break: the old token serves until the new one is there, and never comes back."""
    mesh = Mesh()
    await mesh.update(one=REQUEST)
    mesh.takes = 2.0
    await mesh.update(one=replace(REQUEST, client_id="renamed"))
    await mesh.clock.advance(1000)

    assert mesh.heard["one"][:3] == [None, "order-service-1", "renamed-2"]
    assert None not in mesh.heard["one"][1:]
    assert not [token for token in mesh.heard["one"][2:] if token and token.startswith("order-service")]
    await mesh.refreshers.stop()


@async_test
async def test_a_target_that_moves_to_a_key_without_a_token_loses_the_old_one() -> None:
    """The old token is not what the configuration says any more."""
    mesh = Mesh()
    await mesh.update(one=REQUEST)
    mesh.down = True
    await mesh.update(one=replace(REQUEST, scopes=("read",)))

    assert mesh.heard["one"] == [None, "order-service-1", None]
    await mesh.refreshers.stop()


@async_test
async def test_a_target_that_is_gone_loses_its_token_and_nobody_refreshes_it() -> None:
    """The others keep theirs."""
    mesh = Mesh()
    await mesh.update(one=REQUEST, two=replace(REQUEST, client_id="payment-service"))
    await mesh.update(two=replace(REQUEST, client_id="payment-service"))
    await mesh.clock.advance(1000)

    assert mesh.heard["one"] == [None, "order-service-1", None]
    assert None not in mesh.heard["two"][1:]
    assert {request.client_id for request in mesh.asked[2:]} == {"payment-service"}
    await mesh.refreshers.stop()


@async_test
async def test_after_stop_nothing_is_asked_and_what_is_published_stays() -> None:
    """The proxy may still be finishing requests. (No task is left behind: the decorator looks.)"""
    mesh = Mesh()
    await mesh.update(one=REQUEST)
    await mesh.refreshers.stop()
    await mesh.clock.advance(1000)

    assert len(mesh.asked) == 1
    assert mesh.heard["one"] == [None, "order-service-1"]


@async_test
async def test_stopping_in_the_middle_of_a_request_leaves_nothing_behind() -> None:
    mesh = Mesh()
    mesh.takes = 1e6
    await mesh.refreshers.update([mesh.wants("one", REQUEST)])
    await mesh.clock.advance(1)
    assert len(mesh.asked) == 1
    await mesh.refreshers.stop()


@async_test
async def test_a_late_answer_for_the_old_key_does_not_come_back_over_the_new_token() -> None:
    """Two targets move; while one old refresher is being stopped, the other's refresh arrives."""
    clock, stopping = FakeClock(), asyncio.Event()
    heard: dict[str, list[str | None]] = {"one": [], "two": []}
    asked: list[str] = []

    async def fetch(request: TokenRequest) -> Token:
        asked.append(request.client_id)
        if asked.count(request.client_id) > 1:
            try:
                await stopping.wait()
            except asyncio.CancelledError:
                stopping.set()
                raise
        return Token(Secret(f"{request.client_id}-{asked.count(request.client_id)}"), 300.0, ())

    def wanted(age: str) -> list[Subscription]:
        clients = {target: replace(REQUEST, client_id=f"{age}-{target}") for target in heard}
        return [Subscription(target, clients[target], heard[target].append) for target in heard]

    refreshers = TokenRefreshers(fetch, clock)
    await refreshers.update(wanted("old"))
    await clock.advance(250)
    assert asked == ["old-one", "old-two", "old-one", "old-two"]
    await refreshers.update(wanted("new"))
    await clock.advance(0)

    assert [tokens[-1] for tokens in heard.values()] == ["new-one-1", "new-two-1"]
    await refreshers.stop()
