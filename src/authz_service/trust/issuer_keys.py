"""Keeps an issuer's public keys (RFC 7517) at hand: fetched, renewed, saved for a restart. Does not verify tokens."""

import asyncio
import ipaddress
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from authz_service.clock import Clock, jittered
from authz_service.domain.bounded import Bounded
from authz_service.domain.rules import IssuerKeys
from authz_service.errors import FetchError
from authz_service.http_client import Response, json_object, without_query
from authz_service.logs import about
from authz_service.refresh_schedule import RefreshSchedule, stop_tasks
from authz_service.trust import saved_keys

COOL_DOWN = 5.0  # strangers choose the `kid`: they cannot make us fetch more often than this
ABSENT_FOR = 30.0  # a `kid` that a fresh key set did not have is not looked for again for so long
FILE_LOOK = 5.0  # seconds between two looks at a file of keys
LARGEST_FILE = 1 << 20
LONGEST_KID = 256
MOST_ABSENT = 1000
FIRST_RETRY = 0.2
LONGEST_RETRY = 30.0
LONGEST_RETRY_WITHOUT_KEYS = 5.0
# The rest of a key (a certificate chain, say) is not for us and goes no further; a key with its private half is no key.
_PUBLIC_MEMBERS = ("kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y")
_PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeySettings:
    issuer: str
    jwks_url: str | None  # None: the issuer's discovery document says it
    refresh_interval: float
    saved_file: Path | None  # in the private state directory
    max_age: float = 86_400.0  # seconds after which keys that could not be renewed are withdrawn
    jwks_file: Path | None = None  # in place of an address
    token_file: Path | None = None  # what `jwks_url` wants to see


@dataclass(frozen=True, slots=True)
class KeyState:
    """For /readyz and the metrics. `stale`: the keys serve, but come from a file or could not be renewed."""

    issuer: str
    ready: bool
    stale: bool
    count: int
    age: float | None  # seconds since the keys were fetched
    next_refresh_at: float  # seconds since the epoch
    last_error: str
    failures: int  # in a row


Get = Callable[[str, Mapping[str, str]], Awaitable[Response]]  # as HttpClient.get
Parse = Callable[[str], tuple[Mapping[str, object], Sequence[str]]]


class KeySource:
    """The last good key set of one issuer. A failed fetch never replaces it, until it is too old.

    `parse` judges a key set: the usable keys by `kid` and what was left out, or ValueError for what is no key set. One
    without a usable key is the issuer's word: the keys before it are withdrawn.
    """

    def __init__(
        self,
        settings: KeySettings,
        get: Get,
        *,
        parse: Parse,
        publish: Callable[[IssuerKeys], None],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._get = get
        self._parse = parse
        self._publish = publish
        self._clock = clock
        self._jwks = ""
        self._kids: frozenset[str] = frozenset()
        self._fetched_at = 0.0  # seconds since the epoch
        self._stale = False
        self._schedule = RefreshSchedule(clock, first_retry=FIRST_RETRY)
        self._cool_until = clock.steady()
        self._absent: Bounded[str, float] = Bounded(MOST_ABSENT)  # kid -> until when, oldest first
        self._fetching = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Publish saved keys, if there are any, and fetch in the background from now on."""
        self._load_saved()
        self._task = asyncio.create_task(self._keep_fresh())

    async def stop(self) -> None:
        await stop_tasks(self._task)

    async def refetch(self, kid: str) -> bool:
        """A token names a key that its verifier lacks: is it there now? However many ask, one request goes out."""
        if kid in self._kids:
            return True
        if len(kid) > LONGEST_KID or self._absent.get(kid, 0.0) > self._clock.steady():
            return False
        async with self._fetching:
            if kid in self._kids:  # it came while we waited
                return True
            if self._clock.steady() < self._cool_until:
                return False
            fetched = await self._refresh()
        if fetched and kid not in self._kids:
            self._remember_absent(kid)
        return kid in self._kids

    def state(self) -> KeyState:
        return KeyState(
            issuer=self._settings.issuer,
            ready=bool(self._jwks),
            stale=self._stale,
            count=len(self._kids),
            age=max(0.0, self._clock.now() - self._fetched_at) if self._jwks else None,
            next_refresh_at=self._schedule.next_at,
            last_error=self._schedule.last_error,
            failures=self._schedule.failures,
        )

    async def _keep_fresh(self) -> None:
        while True:
            await self._schedule.due()
            async with self._fetching:
                if self._schedule.is_due:  # a refetch may have done it
                    await self._refresh()

    async def _refresh(self) -> bool:
        """Only under the lock. True if a good key set arrived."""
        asked_at, before, failing = self._clock.steady(), self._jwks, bool(self._schedule.failures)
        try:
            if self._clock.now() - self._fetched_at > self._settings.max_age:
                self._withdraw("they could not be renewed for longer than jwks_max_age")
            text = await fetch_key_set(self._settings, self._get)
            self._accept(text, self._clock.now())
        except (FetchError, ValueError, RecursionError) as error:
            self._failed(str(error) or type(error).__name__, asked_at, getattr(error, "retry_after", None))
        except Exception as error:  # noqa: BLE001 - whatever it is, we must live to try again
            _log.error("keys_refresh_broken", exc_info=error, extra=about(issuer=self._settings.issuer))
            self._failed(f"internal error: {type(error).__name__}", asked_at)
        else:
            self._stale = False
            of_file = self._settings.jwks_file is not None
            interval = jittered(self._clock, FILE_LOOK if of_file else self._settings.refresh_interval)
            self._schedule.succeeded(interval, scatter=not of_file)
            self._save()
            if failing or before != self._jwks or not of_file:  # a file is looked at often
                _log.info("keys_refreshed", extra=about(issuer=self._settings.issuer, count=len(self._kids)))
        self._cool_until = self._clock.steady() + COOL_DOWN
        return not self._schedule.failures

    def _accept(self, text: str, fetched_at: float) -> None:
        """Take this key set and tell the others. Raises ValueError: one without keys takes those before it back."""
        usable, left_out = self._parse(text)
        if not usable:
            why = "; ".join(["the key set has no usable key", *left_out])
            self._withdraw(why)
            raise ValueError(why)
        jwks = _public_part(text)
        if jwks != self._jwks:
            self._publish(IssuerKeys(self._settings.issuer, jwks))
            if left_out:
                _log.warning("keys_left_out", extra=about(issuer=self._settings.issuer, keys=list(left_out)))
        self._jwks, self._kids, self._fetched_at = jwks, frozenset(usable), fetched_at

    def _withdraw(self, why: str) -> None:
        """Nobody may come by these keys any more, not after a restart either."""
        if not self._jwks:
            return
        self._publish(IssuerKeys(self._settings.issuer, ""))
        self._jwks, self._kids = "", frozenset()
        _log.error("keys_withdrawn", extra=about(issuer=self._settings.issuer, error=why))
        if self._settings.saved_file is not None:
            self._settings.saved_file.unlink(missing_ok=True)

    def _failed(self, error: str, asked_at: float, retry_after: float | None = None) -> None:
        self._stale = bool(self._jwks)
        longest = LONGEST_RETRY if self._jwks else LONGEST_RETRY_WITHOUT_KEYS
        spent = self._clock.steady() - asked_at
        pause = self._schedule.failed(error, longest=longest, retry_after=retry_after, spent=spent)
        _log.warning(
            "keys_refresh_failed",
            extra=about(issuer=self._settings.issuer, error=error, retry_in=round(pause, 1), keys_kept=len(self._kids)),
        )

    def _remember_absent(self, kid: str) -> None:
        self._absent.pop(kid, None)
        self._absent[kid] = self._clock.steady() + ABSENT_FOR

    def _load_saved(self) -> None:
        settings = self._settings
        if settings.saved_file is None or not settings.saved_file.exists():
            return
        try:
            saved = saved_keys.load(
                settings.saved_file, settings.issuer, settings.jwks_url or "", self._clock.now(), settings.max_age
            )
            self._accept(saved.jwks, saved.fetched_at)
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("saved_keys_ignored", extra=about(file=str(settings.saved_file), error=str(error)))
        else:
            self._stale = True

    def _save(self) -> None:
        settings = self._settings
        if settings.saved_file is None:
            return
        keys = saved_keys.SavedKeys(settings.issuer, settings.jwks_url or "", self._fetched_at, self._jwks)
        try:
            saved_keys.save(settings.saved_file, keys)
        except OSError as error:
            _log.warning("keys_not_saved", extra=about(file=str(settings.saved_file), error=str(error)))


async def fetch_key_set(settings: KeySettings, get: Get) -> str:
    """Whatever is there, not judged yet. Raises FetchError, or ValueError where it is no text or JSON."""
    if settings.jwks_file is not None:
        return _read(settings.jwks_file)
    url = settings.jwks_url or await _discover(settings.issuer, get)
    response = await get(url, _credential(settings.token_file))
    if response.status != 200:
        raise FetchError(f"{without_query(url)}: answers HTTP {response.status}", retry_after=response.retry_after)
    return response.body.decode("utf-8")


async def _discover(issuer: str, get: Get) -> str:
    """OpenID Connect Discovery 1.0 §4: the document must be about this very issuer."""
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    response = await get(url, {})
    if response.status != 200:
        raise FetchError(f"{without_query(url)}: answers HTTP {response.status}", retry_after=response.retry_after)
    document = json_object(response.body, without_query(url))
    if document.get("issuer") != issuer:
        found = document.get("issuer")
        raise FetchError(f"{without_query(url)}: is about {found!r:.200}, not about this issuer (RFC 8414 §3.3)")
    jwks_url = document.get("jwks_uri")
    if not isinstance(jwks_url, str) or not _is_safe(jwks_url):
        raise FetchError(f"{without_query(url)}: names no jwks_uri that is as safe as the issuer's own address")
    return jwks_url


def _read(file: Path) -> str:
    """Raises FetchError."""
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise FetchError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FetchError(f"{file}: is not UTF-8") from error
    if len(text) > LARGEST_FILE:
        raise FetchError(f"{file}: is longer than {LARGEST_FILE} characters")
    return text


def _credential(token_file: Path | None) -> dict[str, str]:
    """Read each time: Kubernetes puts a new one there every hour. Raises FetchError, which does not show it."""
    if token_file is None:
        return {}
    token = _read(token_file).strip()
    if _BEARER.fullmatch(token) is None:
        raise FetchError(f"{token_file}: holds no bearer token (RFC 6750 §2.1)")
    return {"Authorization": f"Bearer {token}"}


def _public_part(text: str) -> str:
    keys = [key for key in json.loads(text)["keys"] if isinstance(key, dict) and not _PRIVATE_MEMBERS & key.keys()]
    return json.dumps({"keys": [{name: key[name] for name in _PUBLIC_MEMBERS if name in key} for key in keys]})


def _is_safe(url: str) -> bool:
    """As a configured one has to be: with TLS, or on this host."""
    try:
        place = urlsplit(url)
        host = place.hostname or ""
        return place.scheme == "https" or (
            place.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
        )
    except ValueError:
        return False
