"""Tokens that the replicas of a sidecar share in Redis: one of them asks the provider, all use the answer.

A convenience, never a condition: whatever goes wrong with Redis, a replica asks the provider itself. Not the keeping of
a token in hand, nor its renewal.
"""

from __future__ import annotations

import hashlib
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection, parse_url
from redis.exceptions import LockError, RedisError

from authz_service.clock import Clock
from authz_service.credentials.oauth2 import Token, TokenRequest, cache_key
from authz_service.domain.secret import Secret
from authz_service.errors import FetchError
from authz_service.logs import about
from authz_service.tls_context import strict_context

LEASE = 15.0  # seconds; longer than a request to the provider takes. A replica that dies holds the others up this long
PATIENCE = 10.0  # seconds that a replica waits for another one's answer before it asks the provider itself
_LOOK = 0.1  # seconds between looks for it
_ANSWER = 1.0  # seconds in which Redis must answer
_LEAVE_ALONE = 5.0  # seconds in which a Redis that failed is not asked again
_DUE = 1.1  # a token is renewed up to a tenth before its time (clock.jittered): what is about to be, is not handed out
_NONCE = 12  # bytes (NIST SP 800-38D §5.2.1.1)
_log = logging.getLogger(__name__)

Fetch = Callable[[TokenRequest], Awaitable[Token]]


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where Redis is, and the secret that what lies there is encrypted with."""

    url: Secret  # redis://, rediss:// or unix://, with user and password where needed
    encryption_key: Secret
    ca_file: Path | None = None


class SharedTokens:
    """Wraps the asking of the provider. Belongs to one event loop."""

    def __init__(self, settings: StoreSettings, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._seal = Seal(settings.encryption_key)
        self._redis = Redis.from_pool(connection_pool(settings))  # whose connections `close` ends
        self._alone_until = 0.0
        self._not_before = float("-inf")
        self.problem = ""  # why tokens are not shared at the moment

    async def fetch(self, request: TokenRequest) -> Token:
        """A token that another replica has fetched, or our own, which the others then find. Raises FetchError."""
        if self._clock.steady() >= self._alone_until:
            try:
                return await self._shared(request)
            except (RedisError, OSError, TimeoutError) as error:
                self._failed(error)
        return await self._fetch(request)

    def pass_over_older(self) -> None:
        """What lies in Redis from before this moment is no longer good enough: a target refused it."""
        self._not_before = self._clock.steady()

    async def close(self) -> None:
        with suppress(RedisError, OSError):
            await self._redis.aclose()

    async def _shared(self, request: TokenRequest) -> Token:
        """Only what Redis raises comes out as RedisError, OSError or TimeoutError; FetchError is the provider's."""
        name = entry_name(request)
        lock = self._redis.lock(f"{name}:lock", timeout=max(LEASE, request.timeout + PATIENCE))
        end = self._clock.steady() + PATIENCE
        while (token := await self._find(name, request)) is None:
            if await lock.acquire(blocking=False):
                try:
                    return await self._fetch_for_all(name, request)
                finally:
                    with suppress(LockError, RedisError, OSError):  # it ends by itself
                        await lock.release()
            if self._clock.steady() > end:
                return await self._fetch(request)
            await self._clock.sleep(_LOOK)
        self._worked()
        return token

    async def _fetch_for_all(self, name: str, request: TokenRequest) -> Token:
        asked_at = self._clock.steady()
        token = await self._fetch(request)
        left = token.lifetime - (self._clock.steady() - asked_at)
        try:
            if left > 0:
                sealed = self._seal.close(name, token, self._clock.now() + left)
                await self._redis.set(name, sealed, px=int(left * 1000))
            self._worked()
        except (RedisError, OSError, TimeoutError) as error:  # the token is good all the same
            self._failed(error)
        return token

    async def _find(self, name: str, request: TokenRequest) -> Token | None:
        """The entry, unless its end is near: by Redis' clock, for those of the replicas may differ, and by what is
        sealed, for whoever can write to Redis may set another one there.
        """
        sealed = await self._redis.get(name)
        if not isinstance(sealed, bytes):
            return None
        opened = self._seal.open(name, sealed)
        if opened is None:
            return None
        token, ends_at = opened
        left = min(await self._redis.pttl(name) / 1000, ends_at - self._clock.now())
        if left <= _DUE * min(request.refresh_before_expiry, token.lifetime / 2):
            return None
        if self._clock.steady() - (token.lifetime - left) < self._not_before:
            return None
        return Token(token.value, left, token.scopes)

    def _worked(self) -> None:
        if self.problem:
            _log.info("token_store_back")
        self.problem = ""

    def _failed(self, error: Exception) -> None:
        """The error's kind only: a text of Redis' might repeat what it was sent."""
        if not self.problem:
            _log.warning("token_store_unavailable", extra=about(error=type(error).__name__))
        self.problem = type(error).__name__
        self._alone_until = self._clock.steady() + _LEAVE_ALONE


async def reach(settings: StoreSettings) -> None:
    """As whoever the URL says. Raises FetchError with the error's kind only, for the reason of `_failed`."""
    redis = Redis.from_pool(connection_pool(settings))
    try:
        await redis.ping()
    except (RedisError, OSError, TimeoutError) as error:
        raise FetchError(f"Redis: {type(error).__name__}") from None
    finally:
        await redis.aclose()


def connection_pool(settings: StoreSettings) -> ConnectionPool:
    """Where the URL says, and with our rules of TLS whatever it says about them. Raises CertificateProblems."""
    found = parse_url(settings.url.reveal())
    options: dict[str, Any] = {name: value for name, value in found.items() if not name.startswith("ssl_")}
    if options.get("connection_class") is SSLConnection:
        options["connection_class"] = partial(_StrictConnection, tls=strict_context(settings.ca_file))
    return ConnectionPool(**{**options, "socket_timeout": _ANSWER, "socket_connect_timeout": _ANSWER})


class _StrictConnection(Connection):
    """The library's own adds a CA file to the system's authorities, and switches checking off where a URL says so."""

    def __init__(self, *, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self._tls = tls

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._tls}


class _Entry(msgspec.Struct):
    value: str
    lifetime: float
    scopes: tuple[str, ...]
    ends_at: float  # seconds since the epoch


class Seal:
    """AES-256-GCM, bound to the entry's name: an entry that was moved to another name cannot be opened there."""

    def __init__(self, secret: Secret) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=b"authz-service token store")
        self._cipher = AESGCM(derived.derive(secret.reveal().encode()))

    def close(self, name: str, token: Token, ends_at: float) -> bytes:
        entry = msgspec.json.encode(_Entry(token.value.reveal(), token.lifetime, token.scopes, ends_at))
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, entry, name.encode())

    def open(self, name: str, sealed: bytes) -> tuple[Token, float] | None:
        """The token, and when it ends. None for whatever was not closed with this secret under this name: then it is as
        if there were none.
        """
        try:
            entry = msgspec.json.decode(
                self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode()), type=_Entry
            )
        except (InvalidTag, ValueError, msgspec.DecodeError):
            return None
        return Token(Secret(entry.value), entry.lifetime, entry.scopes), entry.ends_at


def entry_name(request: TokenRequest) -> str:
    """The same for requests that may share a token, without saying whose it is."""
    return f"authz:token:{hashlib.sha256(msgspec.json.encode(cache_key(request))).hexdigest()}"
