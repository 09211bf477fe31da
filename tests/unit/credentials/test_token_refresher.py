"""When a token is asked for, kept, handed on and withdrawn: one refresher, time in our hands."""

import logging
from collections.abc import Iterable
from dataclasses import replace

import pytest
from tests.support.fake_clock import FakeClock, async_test

from authz_service.credentials.oauth2 import Token, TokenRequest, refusal
from authz_service.credentials.token_refresher import FIRST_DOUBT, SHORTEST_PAUSE, TokenRefresher
from authz_service.domain.secret import Secret
from authz_service.errors import CertificateProblems, FetchError, Problem
from authz_service.http_client import Response

REQUEST = TokenRequest("https://idp.example/token", "order-service", Secret("s3cret"), ("read",))


class Provider:
    """Answers from a list, the last one for ever; remembers when it was asked, and how many at once."""

    def __init__(self, clock: FakeClock, answers: Iterable[float | Exception], takes: float = 0.0) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.takes = takes
        self.asked: list[float] = []
        self.secrets: list[str] = []
        self.under_way = 0
        self.most_under_way = 0

    async def __call__(self, request: TokenRequest) -> Token:
        self.asked.append(self.clock.steady())
        self.secrets.append(request.client_secret.reveal())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.takes:
                await self.clock.sleep(self.takes)
        finally:
            self.under_way -= 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Token(Secret(f"token-{len(self.asked)}"), answer, request.scopes)

    @property
    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.asked, self.asked[1:], strict=False)]


class Proxy:
    """What Envoy would see, and since when."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.heard: list[tuple[float, str | None]] = []
        self.fails = False

    def __call__(self, token: str | None) -> None:
        if self.fails:
            raise OSError("no space left")
        self.heard.append((self.clock.steady(), token))

    @property
    def tokens(self) -> list[str | None]:
        return [token for _, token in self.heard]

    @property
    def now_has(self) -> str | None:
        return self.tokens[-1]

    def heard_at(self, token: str | None) -> float:
        """When it heard this last."""
        return max(moment for moment, heard in self.heard if heard == token)


DOWN = FetchError("connection refused")


async def begin(clock: FakeClock, provider: Provider, *, early: float = 60.0) -> tuple[TokenRefresher, Proxy]:
    request = replace(REQUEST, refresh_before_expiry=early)
    refresher, proxy = TokenRefresher(request, provider, clock), Proxy(clock)
    refresher.serve({"data-service": proxy})
    refresher.start()
    await clock.advance(0)
    return refresher, proxy


@async_test
async def test_the_first_token_is_published_as_soon_as_it_arrives() -> None:
    """Before it there is a plain None, so that the proxy knows that it has none."""
    clock = FakeClock()
    refresher, proxy = await begin(clock, Provider(clock, [300.0]))

    assert proxy.tokens == [None, "token-1"]
    assert refresher.state().state == "fresh"
    await refresher.stop()


@pytest.mark.parametrize(
    ("chance", "lifetime", "pause"),
    [
        (0.5, 300.0, 240.0),  # refresh_before_expiry is 60 s
        (0.0, 300.0, 246.0),  # ±10 % of those 60
        (0.999999, 300.0, 234.0),
        (0.5, 120.0, 60.0),
        (0.5, 60.0, 30.0),  # shorter than twice 60: at half of its life
        (0.5, 10.0, 5.0),
        (0.5, 1.0, SHORTEST_PAUSE),  # never a busy loop
        (0.5, 0.01, SHORTEST_PAUSE),
    ],
)
@async_test
async def test_it_is_renewed_in_time_and_never_in_a_busy_loop(chance: float, lifetime: float, pause: float) -> None:
    """Refreshed `refresh_before_expiry` before the end, with jitter, or at half life; the first time before that."""
    clock = FakeClock(chance)
    provider = Provider(clock, [lifetime])
    refresher, _ = await begin(clock, provider)
    await clock.advance(3 * pause + 0.5)

    first = max(SHORTEST_PAUSE, pause * (0.2 + 0.8 * chance))
    assert provider.pauses[:3] == pytest.approx([first, pause, pause], rel=1e-4)
    await refresher.stop()


@async_test
async def test_renewal_leaves_no_moment_without_a_token() -> None:
    """A hundred lives: every publication after the first is another token, never None."""
    clock = FakeClock()
    refresher, proxy = await begin(clock, Provider(clock, [300.0], takes=2.0))
    await clock.advance(24_000)

    assert len(proxy.tokens) > 90
    assert None not in proxy.tokens[1:]
    await refresher.stop()


@async_test
async def test_there_is_never_more_than_one_request_under_way() -> None:
    """Even when an answer takes longer than the token lives."""
    clock = FakeClock()
    provider = Provider(clock, [3.0], takes=7.0)
    refresher, _ = await begin(clock, provider)
    await clock.advance(200)

    assert len(provider.asked) > 10
    assert provider.most_under_way == 1
    await refresher.stop()


@async_test
async def test_a_valid_token_serves_while_the_provider_is_down_and_not_a_moment_longer() -> None:
    """It is withdrawn exactly at its expiry: not at the first failure, not after."""
    clock = FakeClock()
    refresher, proxy = await begin(clock, Provider(clock, [300.0, DOWN]))
    obtained = clock.steady()

    await clock.advance(299.9)
    assert proxy.tokens == [None, "token-1"]
    assert refresher.state().state == "stale"
    assert "connection refused" in refresher.state().last_error

    await clock.advance(200)
    assert proxy.tokens == [None, "token-1", None]
    assert proxy.heard_at(None) == pytest.approx(obtained + 300.0)
    assert refresher.state().state == "missing"
    await refresher.stop()


@async_test
async def test_a_slow_answer_does_not_delay_the_withdrawal() -> None:
    """The provider hangs over the moment of expiry."""
    clock = FakeClock()
    provider = Provider(clock, [300.0])
    refresher, proxy = await begin(clock, provider)
    obtained, provider.takes, provider.answers = clock.steady(), 1e6, [DOWN]

    await clock.advance(400)

    assert proxy.now_has is None
    assert proxy.heard_at(None) == pytest.approx(obtained + 300.0)
    await refresher.stop()


@async_test
async def test_the_lifetime_counts_from_the_moment_of_asking() -> None:
    """The provider started to count before the answer reached us; what is dead on arrival is not published."""
    clock = FakeClock()
    asked = clock.steady()
    provider = Provider(clock, [30.0, DOWN], takes=10.0)
    refresher, proxy = await begin(clock, provider)
    await clock.advance(100)
    assert proxy.tokens == [None, "token-1", None]
    assert proxy.heard_at("token-1") == pytest.approx(asked + 10.0)
    assert proxy.heard_at(None) == pytest.approx(asked + 30.0)
    await refresher.stop()

    dead = Provider(clock, [5.0], takes=10.0)
    refresher, proxy = await begin(clock, dead)
    await clock.advance(100)
    assert proxy.tokens == [None]
    assert "expired before" in refresher.state().last_error
    await refresher.stop()


@async_test
async def test_failures_back_off_from_half_a_second_to_five_without_a_token() -> None:
    """Growing pauses, and never above 5 s while every request waits for us."""
    clock = FakeClock(chance=0.999999)
    provider = Provider(clock, [DOWN])
    refresher, _ = await begin(clock, provider)
    await clock.advance(60)

    assert provider.pauses[:4] == pytest.approx([0.5, 1.0, 2.0, 4.0], rel=1e-3)
    assert provider.pauses[4:] == pytest.approx([5.0] * len(provider.pauses[4:]), rel=1e-3)
    await refresher.stop()


@async_test
async def test_failures_back_off_to_thirty_seconds_while_a_token_is_valid() -> None:
    """And one more attempt comes five seconds before its end."""
    clock = FakeClock(chance=0.999999)
    provider = Provider(clock, [3600.0, DOWN])
    refresher, _ = await begin(clock, provider, early=300.0)
    obtained = clock.steady()
    await clock.advance(3599)

    assert max(provider.pauses[1:]) == pytest.approx(30.0, rel=1e-3)
    assert any(asked == pytest.approx(obtained + 3595.0) for asked in provider.asked)
    await refresher.stop()


@pytest.mark.parametrize("down_for", [1.0, 20.0, 299.0, 301.0, 1000.0, 5000.0])
@async_test
async def test_a_token_is_back_within_five_seconds_after_the_provider_is(down_for: float) -> None:
    """However long it was down."""
    clock = FakeClock(chance=0.999999)
    provider = Provider(clock, [300.0, DOWN])
    refresher, proxy = await begin(clock, provider)
    await clock.advance(300.0 + down_for)
    assert proxy.now_has is None

    provider.answers = [300.0]
    await clock.advance(5.0)

    assert proxy.now_has is not None
    assert refresher.state().state == "fresh"
    await refresher.stop()


@async_test
async def test_a_provider_that_hangs_is_asked_again_soon() -> None:
    """Five seconds without an answer are wait enough: else a token would be back ten seconds after the provider."""
    clock = FakeClock(chance=0.999999)
    provider = Provider(clock, [30.0, DOWN])
    refresher, proxy = await begin(clock, provider)
    provider.takes = 5.0
    await clock.advance(200.0)

    assert proxy.now_has is None
    assert max(provider.pauses[-5:]) <= 5.5
    assert provider.most_under_way == 1
    await refresher.stop()


@pytest.mark.parametrize(("named", "pause"), [(60.0, 60.0), (86_400.0, 300.0), (0.0, 0.25), (None, 0.25)])
@async_test
async def test_retry_after_is_obeyed_within_five_minutes(named: float | None, pause: float) -> None:
    """429 with Retry-After; a day is not waited, and zero does not undercut our own back-off."""
    clock = FakeClock(chance=0.0)
    provider = Provider(clock, [FetchError("HTTP 429", retry_after=named), 300.0])
    refresher, proxy = await begin(clock, provider)
    await clock.advance(400)

    assert provider.pauses[0] == pytest.approx(pause)
    assert proxy.now_has is not None
    await refresher.stop()


@async_test
async def test_retry_after_does_not_reach_beyond_the_token_in_hand() -> None:
    """One attempt is made while it is still valid, whatever the provider asks for."""
    clock = FakeClock(chance=0.0)
    provider = Provider(clock, [100.0, FetchError("HTTP 503", retry_after=250.0), 300.0])
    refresher, proxy = await begin(clock, provider)
    await clock.advance(200)

    assert None not in proxy.tokens[1:]
    assert provider.asked[2] - provider.asked[0] == pytest.approx(95.0)
    await refresher.stop()


@async_test
async def test_a_proxy_that_could_not_take_the_news_gets_them_later() -> None:
    """A full disk for a moment: neither a new token nor its withdrawal is lost, and the provider is not asked again."""
    clock = FakeClock()
    provider = Provider(clock, [300.0, DOWN])
    refresher, proxy = TokenRefresher(REQUEST, provider, clock), Proxy(clock)
    other = Proxy(clock)
    proxy.fails = True
    refresher.serve({"one": proxy, "two": other})
    refresher.start()
    await clock.advance(5)
    assert (proxy.tokens, other.now_has, len(provider.asked)) == ([], "token-1", 1)

    proxy.fails = False
    await clock.advance(1)
    assert proxy.now_has == "token-1"

    await clock.advance(290)
    proxy.fails = True
    await clock.advance(10)
    assert (proxy.now_has, other.now_has) == ("token-1", None)
    proxy.fails = False
    await clock.advance(1)
    assert proxy.now_has is None
    await refresher.stop()


@async_test
async def test_an_unforeseen_error_does_not_end_the_refresher(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the next attempt comes."""
    clock = FakeClock()
    refresher, proxy = await begin(clock, Provider(clock, [ZeroDivisionError("bug"), 300.0]))
    await clock.advance(1)

    assert proxy.now_has == "token-2"
    assert [record.message for record in caplog.records if record.exc_info] == ["token_refresh_broken"]
    await refresher.stop()


@async_test
async def test_a_ca_file_that_cannot_be_read_is_told_as_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """An operator's mistake, not a bug of ours: its text in the state, no traceback in the log."""
    clock = FakeClock()
    problems = CertificateProblems([Problem(at="ca_file", found="No such file", fix="give one", file="ca.crt")])
    refresher, _ = await begin(clock, Provider(clock, [problems]))

    assert "ca.crt" in refresher.state().last_error
    assert not [record for record in caplog.records if record.exc_info]
    await refresher.stop()


@async_test
async def test_a_new_secret_is_tried_at_once_when_the_old_one_is_refused() -> None:
    """And does not cost a token that is good."""
    clock = FakeClock(chance=0.999999)
    provider = Provider(clock, [FetchError("invalid_client")])
    refresher, proxy = await begin(clock, provider)
    await clock.advance(60)
    provider.answers = [300.0]
    before = len(provider.asked)

    await refresher.ask_with(TokenRequest(REQUEST.token_url, "order-service", Secret("new"), ("read",)))
    await clock.advance(0)
    assert (provider.secrets[before:], proxy.now_has) == (["new"], f"token-{before + 1}")

    await refresher.ask_with(TokenRequest(REQUEST.token_url, "order-service", Secret("newer"), ("read",)))
    await clock.advance(0)
    assert len(provider.asked) == before + 1
    await refresher.stop()


@pytest.mark.parametrize("lifetime", [None, 3600.0])
@async_test
async def test_who_is_refused_for_good_asks_less_and_less(lifetime: float | None) -> None:
    """With a token in hand and without: a wrong secret was asked with 23,000 times a day. An outage is no refusal."""
    for answer, longest in ((FetchError("invalid_client", permanent=True), 300.0), (DOWN, 30.0)):
        clock = FakeClock(chance=0.999999)
        provider = Provider(clock, [answer] if lifetime is None else [lifetime, answer])
        refresher, _ = await begin(clock, provider)
        await clock.advance(7200)

        assert max(provider.pauses[1:]) <= longest + 1
        assert (len(provider.asked) < 40) == (answer is not DOWN)
        await refresher.stop()


@async_test
async def test_after_a_refusal_another_key_is_tried_at_once_and_soon_again() -> None:
    """The provider may hear of it a moment later than we do; the same key is no news."""
    clock = FakeClock(chance=0.999999)
    provider = Provider(clock, [FetchError("invalid_client", permanent=True)])
    refresher, proxy = await begin(clock, provider)
    await clock.advance(7200)
    before = len(provider.asked)

    await refresher.ask_with(replace(REQUEST, refresh_before_expiry=60.0))
    await clock.advance(1)
    assert len(provider.asked) == before

    await refresher.ask_with(replace(REQUEST, assertion_digest="another"))
    await clock.advance(0)
    assert len(provider.asked) == before + 1
    provider.answers = [300.0]
    await clock.advance(1)
    assert proxy.now_has is not None
    await refresher.stop()


@async_test
async def test_the_state_and_the_log_tell_everything_but_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """Times are of the wall clock."""
    caplog.set_level(logging.DEBUG)
    clock = FakeClock()
    refresher, _ = await begin(clock, Provider(clock, [300.0, FetchError("idp: invalid_client")]))
    state = refresher.state()
    await clock.advance(400)

    assert state.targets == ("data-service",)
    assert (state.obtained_at, state.expires_at) == (clock.now() - 400, clock.now() - 100)
    assert state.next_refresh_at == clock.now() - 400 + 0.6 * 240  # the first, scattered
    assert state.scopes == ("read",)
    told = repr(state) + repr(refresher.state()) + repr([vars(record) for record in caplog.records])
    assert "invalid_client" in told
    assert "token-1" not in told
    assert "s3cret" not in told
    await refresher.stop()


@async_test
async def test_the_query_of_an_address_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """A key of the provider's may stand in it; it is sent all the same."""
    caplog.set_level(logging.DEBUG)
    request = replace(REQUEST, token_url="https://idp.example/token?key=canary")
    provider = Provider(FakeClock(), [FetchError(refusal(request, Response(500, b"")))])
    refresher = TokenRefresher(request, provider, provider.clock)
    refresher.start()
    await provider.clock.advance(1)

    told = repr(refresher.state()) + repr([vars(record) for record in caplog.records])
    assert "https://idp.example/token" in told
    assert "canary" not in told
    await refresher.stop()


@async_test
async def test_a_wall_clock_that_jumps_neither_lengthens_nor_shortens_a_life() -> None:
    """An hour back, an hour forth: the withdrawal comes after the same 300 seconds."""
    for jump in (-3600.0, 3600.0):
        clock = FakeClock()
        refresher, proxy = await begin(clock, Provider(clock, [300.0, DOWN]))
        obtained = clock.steady()
        clock.wall_offset += jump
        await clock.advance(299)
        assert proxy.now_has == "token-1"
        await clock.advance(2)
        assert proxy.now_has is None
        assert proxy.heard_at(None) == pytest.approx(obtained + 300.0)
        await refresher.stop()


@async_test
async def test_a_token_that_the_target_refuses_is_asked_for_anew(caplog: pytest.LogCaptureFixture) -> None:
    """Once in some seconds, and less and less often: a target that refuses every token is no reason to ask for ever."""
    clock = FakeClock()
    provider = Provider(clock, [86_400.0])
    refresher, proxy = await begin(clock, provider)
    await clock.advance(100)

    await refresher.doubt()
    await clock.advance(1)
    assert (provider.pauses, proxy.now_has) == ([100.0], "token-2")

    for _ in range(3600):
        await refresher.doubt()
        await clock.advance(1)
    pauses = provider.pauses[1:]
    assert min(pauses) >= FIRST_DOUBT
    assert pauses[:4] == sorted(pauses[:4])
    assert len(pauses) < 20
    assert "token_refused_by_target" in caplog.text
    await refresher.stop()


@async_test
async def test_who_is_not_refused_is_not_asked_again() -> None:
    """The no beside it; and a token that just came is not doubted at once."""
    clock = FakeClock()
    provider = Provider(clock, [86_400.0])
    refresher, _ = await begin(clock, provider)
    await refresher.doubt()
    await clock.advance(100)

    assert len(provider.asked) == 1
    await refresher.stop()


@async_test
async def test_the_token_in_hand_serves_while_another_one_is_fetched() -> None:
    """Also when that fails: whether it is good is the target's to say."""
    clock = FakeClock()
    provider = Provider(clock, [86_400.0, DOWN])
    refresher, proxy = await begin(clock, provider)
    await clock.advance(100)

    await refresher.ask_anew()
    await clock.advance(1)

    assert len(provider.asked) > 1
    assert proxy.tokens[-1] == "token-1"
    assert refresher.state().state == "stale"
    await refresher.stop()
