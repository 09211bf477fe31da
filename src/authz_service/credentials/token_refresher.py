"""Keeps a fresh token for every egress target and hands it on. Not on the request path: nobody waits here."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Unpack

from authz_service.clock import Clock, jittered, sleep_until
from authz_service.credentials.oauth2 import Token, TokenRequest
from authz_service.errors import AuthzServiceError, FetchError
from authz_service.logs import Extra, Fields, about
from authz_service.refresh_schedule import RefreshSchedule, stop_tasks

SHORTEST_PAUSE = 1.0  # between a success and the next attempt, however short the token lives
FIRST_RETRY = 0.5
LONGEST_RETRY = 30.0
LONGEST_RETRY_URGENT = 5.0  # without a token, or soon without, every request waits for us
LONGEST_RETRY_REFUSED = 300.0  # a wrong secret stays wrong until somebody mends it, and a new one is tried at once
URGENT = 10.0
# A target that refuses our token may be right: it was taken back. Or it refuses every one: then less and less often.
FIRST_DOUBT = 5.0
LONGEST_DOUBT = 300.0
DOUBT_FORGOTTEN = 600.0
LAST_CALL = 5.0  # a failing provider is asked once more, this long before the token in hand runs out
_log = logging.getLogger(__name__)

Fetch = Callable[[TokenRequest], Awaitable[Token]]
Publish = Callable[[str | None], None]


@dataclass(frozen=True, slots=True)
class TokenState:
    """What an operator may see. `stale`: still valid, but the last attempt to renew it failed."""

    targets: tuple[str, ...]
    state: Literal["fresh", "stale", "missing"]
    token_url: str
    client_id: str
    scopes: tuple[str, ...]  # granted; without a token those asked for
    obtained_at: float | None  # seconds since the epoch, as all times here
    expires_at: float | None
    next_refresh_at: float
    last_error: str
    failures: int  # in a row


class TokenRefresher:
    """One token, renewed in the background by one task, so that there is never more than one request under way."""

    def __init__(self, request: TokenRequest, fetch: Fetch, clock: Clock) -> None:
        self.attempted = asyncio.Event()
        self._request = request
        self._fetch = fetch
        self._clock = clock
        self._subscribers: dict[str, Publish] = {}
        self._delivered: dict[str, str | None] = {}
        self._token: Token | None = None
        self._obtained = 0.0  # both are of clock.steady()
        self._expires = 0.0
        self._schedule = RefreshSchedule(clock, first_retry=FIRST_RETRY)
        self._doubted = -DOUBT_FORGOTTEN
        self._next_doubt = FIRST_DOUBT
        self._refreshing: asyncio.Task[None] | None = None
        self._expiring: asyncio.Task[None] | None = None
        self._redelivering: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._refreshing = asyncio.create_task(self._keep_fresh())

    async def stop(self) -> None:
        await stop_tasks(self._refreshing, self._expiring, self._redelivering)

    async def ask_with(self, request: TokenRequest) -> None:
        """From now on ask in this way (a new secret, say). The token in hand stays; after a failure it asks at once."""
        if request == self._request:
            return
        self._request = request
        if self._schedule.failures:
            await self.ask_anew()

    @property
    def targets(self) -> frozenset[str]:
        return frozenset(self._subscribers)

    async def doubt(self) -> None:
        """A target has answered 401 to the token in hand: ask for another one, if that was not done just now."""
        now, last = self._clock.steady(), max(self._obtained, self._doubted)
        if self._token is None or self._schedule.failures or now < last + self._next_doubt:
            return
        forgotten = now - self._doubted > DOUBT_FORGOTTEN
        self._next_doubt = FIRST_DOUBT if forgotten else min(2 * self._next_doubt, LONGEST_DOUBT)
        self._doubted = now
        _log.warning("token_refused_by_target", extra=self._about())
        await self.ask_anew()

    async def ask_anew(self) -> None:
        """Now. The token in hand serves until another one is there."""
        await stop_tasks(self._refreshing)
        self._schedule.ask_now()
        self.start()

    def serve(self, subscribers: dict[str, Publish]) -> None:
        """From now on these, and no others. Who is new here hears the present token, or its absence, at once."""
        same = {target for target, publish in subscribers.items() if self._subscribers.get(target) == publish}
        self._delivered = {target: value for target, value in self._delivered.items() if target in same}
        self._subscribers = dict(subscribers)
        self._publish()

    def state(self) -> TokenState:
        wall_minus_steady = self._clock.now() - self._clock.steady()
        token = self._token
        return TokenState(
            targets=tuple(sorted(self._subscribers)),
            state="missing" if token is None else "stale" if self._schedule.failures else "fresh",
            token_url=self._request.shown_url,
            client_id=self._request.client_id,
            scopes=token.scopes if token else self._request.scopes,
            obtained_at=self._obtained + wall_minus_steady if token else None,
            expires_at=self._expires + wall_minus_steady if token else None,
            next_refresh_at=self._schedule.next_at,
            last_error=self._schedule.last_error,
            failures=self._schedule.failures,
        )

    async def _keep_fresh(self) -> None:
        while True:
            await self._schedule.due()
            await self._attempt()
            self.attempted.set()

    async def _attempt(self) -> None:
        asked_at = self._clock.steady()
        try:
            token = await self._fetch(self._request)
        except AuthzServiceError as error:  # the provider, or our own CA file for it
            self._failed(str(error), asked_at, error if isinstance(error, FetchError) else None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the refresher must live to try again
            _log.error("token_refresh_broken", exc_info=error, extra=self._about())
            self._failed(f"internal error: {type(error).__name__}", asked_at)
        else:
            if asked_at + token.lifetime > self._clock.steady():
                self._accept(token, asked_at)
            else:
                self._failed("the token expired before it arrived", asked_at)

    def _accept(self, token: Token, asked_at: float) -> None:
        self._token, self._obtained, self._expires = token, asked_at, asked_at + token.lifetime
        before = jittered(self._clock, min(self._request.refresh_before_expiry, token.lifetime / 2))
        self._schedule.succeeded(self._expires - before - self._clock.steady(), shortest=SHORTEST_PAUSE)
        if self._expiring:
            self._expiring.cancel()
        self._expiring = asyncio.create_task(self._withdraw_when_expired())
        _log.info("token_refreshed", extra=self._about(lifetime=token.lifetime, granted=token.scopes))
        self._publish()

    def _failed(self, error: str, asked_at: float, answer: FetchError | None = None) -> None:
        now = self._clock.steady()
        left = self._expires - now if self._token else 0.0
        urgent = left <= URGENT
        longest = LONGEST_RETRY_URGENT if urgent else LONGEST_RETRY
        if answer is not None and answer.permanent:
            longest = LONGEST_RETRY_REFUSED
        pause = self._schedule.failed(
            error,
            longest=longest,
            retry_after=None if answer is None else answer.retry_after,
            spent=now - asked_at,
            latest=math.inf if urgent else left - LAST_CALL,
        )
        told = self._about(error=error, retry_in=round(pause, 1), token_valid_for=round(left, 1))
        _log.warning("token_refresh_failed", extra=told)

    async def _withdraw_when_expired(self) -> None:
        await sleep_until(self._clock, lambda: self._expires)
        self._token = None
        _log.error("token_expired", extra=self._about(error=self._schedule.last_error))
        self._publish()

    def _publish(self) -> None:
        if not self._deliver() and (self._redelivering is None or self._redelivering.done()):
            self._redelivering = asyncio.create_task(self._redeliver())

    async def _redeliver(self) -> None:
        """An expired token must not stay in use, nor a new one unused, because a disk was full for a moment."""
        while True:
            await self._clock.sleep(SHORTEST_PAUSE)
            if self._deliver():
                return

    def _deliver(self) -> bool:
        """Hand the token, or its absence, to everyone who does not have it yet. False if one could not take it."""
        value = self._token.value.reveal() if self._token else None
        for target, publish in self._subscribers.items():
            if target in self._delivered and self._delivered[target] == value:
                continue
            self._delivered.pop(target, None)
            if hand_over(publish, value, self._about(target=target)):
                self._delivered[target] = value
        return self._delivered.keys() == self._subscribers.keys()

    def _about(self, **more: Unpack[Fields]) -> Extra:
        request = self._request
        more["targets"], more["scopes"] = sorted(self._subscribers), request.scopes
        more["token_url"], more["client_id"] = request.shown_url, request.client_id
        return about(**more)


def hand_over(publish: Publish, value: str | None, told: Extra) -> bool:
    try:
        publish(value)
    except Exception as error:  # noqa: BLE001 - one target's trouble must not cost the others their token
        _log.error("token_not_published", exc_info=error, extra=told)
        return False
    return True
