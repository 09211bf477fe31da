"""The control plane's own HTTP calls (discovery, keys, tokens). Not a general client: no redirects, no retries."""

import asyncio
import email.utils
import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

import httpcore

from authz_service.errors import CertificateProblems, FetchError
from authz_service.logs import about
from authz_service.tls_context import strict_context

LARGEST_BODY = 1 << 20
_CONNECTIONS = 8  # to one host
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSPORT_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)
_log = logging.getLogger(__name__)


class _Network(httpcore.AnyIOBackend):
    """Connections that are closed also when their maker is cancelled in the middle of a TLS handshake."""

    async def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _Plain(await super().connect_tcp(*arguments, **options))


class _Plain(httpcore.AsyncNetworkStream):
    """A connection before TLS."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:  # the library closes it for an Exception only
            await asyncio.shield(self._stream.aclose())
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that arrived whole. `body` may hold a token: it is neither printed nor logged."""

    status: int
    body: bytes
    retry_after: float | None = None  # seconds
    etag: str = ""

    def __repr__(self) -> str:
        return f"Response(status={self.status}, body=<{len(self.body)} bytes>)"


def json_object(body: bytes, whose: str) -> dict[str, object]:
    """Raises FetchError, which names whose answer it is and shows nothing of it: there may be a token in it."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FetchError(f"{whose}'s answer is not JSON") from error
    if not isinstance(answer, dict):
        raise FetchError(f"{whose}'s answer is not a JSON object")
    return answer


class HttpClient:
    """`hosts` maps a name to the address to connect to; SNI, Host and the certificate check stay on the name.

    Without `ca_file` the system's authorities are trusted, with it only its own. `client_pair` is the certificate and
    its key that we show to a server which asks. A changed file acts on the next call.
    """

    def __init__(
        self,
        hosts: Mapping[str, str],
        ca_file: Path | None,
        timeout: float = 5.0,
        client_pair: tuple[Path, Path] | None = None,
    ) -> None:
        self._hosts = {name.lower(): address for name, address in hosts.items()}
        self._ca_file = ca_file
        self._timeout = timeout
        self._client_pair = client_pair
        self._versions = self._file_versions()
        self._tls = strict_context(ca_file, client_pair)
        # A pool for each name: two names at one address must not share a connection, whose certificate names only one.
        self._pools: dict[str, httpcore.AsyncConnectionPool] = {}
        # Whoever waits, waits here: a pool loses a connection for good when a request that waits in it is cancelled
        # at the wrong moment (encode/httpcore#1093).
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._retired: list[httpcore.AsyncConnectionPool] = []
        self._in_flight = 0

    async def get(self, url: str, headers: Mapping[str, str] | None = None, *, largest: int = LARGEST_BODY) -> Response:
        return await self._send("GET", url, headers or {}, None, largest)

    async def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Response:
        given = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return await self.post(url, urlencode(form).encode("ascii"), given)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Response:
        """`headers` say what the content is."""
        return await self._send("POST", url, headers, content)

    async def aclose(self) -> None:
        pools = [*self._pools.values(), *self._retired]
        self._pools.clear()
        self._retired.clear()
        for pool in pools:
            await pool.aclose()

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        largest: int = LARGEST_BODY,
    ) -> Response:
        """Any status but a redirect comes back as a Response; everything else is a FetchError that names the place."""
        place = _split(url)
        self._reload_changed_files()
        self._in_flight += 1
        try:
            # A timeout of the transport starts anew with every byte, so a server that trickles would hold us for ever.
            async with asyncio.timeout(self._timeout), self._slot(place):
                return await self._exchange(method, place, headers, content, largest)
        except TimeoutError as error:
            raise FetchError(f"{_name(place)}: no whole answer within {self._timeout:g} s") from error
        except (*_TRANSPORT_ERRORS, OSError) as error:
            raise FetchError(f"{_name(place)}: {_reason(error)}") from error
        finally:
            self._in_flight -= 1
            await self._close_retired()

    async def _exchange(
        self,
        method: str,
        place: SplitResult,
        headers: Mapping[str, str],
        content: bytes | None,
        largest: int,
    ) -> Response:
        host = (place.hostname or "").lower()
        address = self._hosts.get(host, host)
        port = place.port or _PORTS[place.scheme]
        target = (place.path or "/") + (f"?{place.query}" if place.query else "")
        async with self._pool(host).stream(
            method,
            httpcore.URL(scheme=place.scheme, host=address, port=port, target=target),
            headers=[*_headers(place, headers, content).items()],
            content=content,
            extensions={"sni_hostname": host},
        ) as response:
            found = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
            if response.status in _REDIRECTS:
                raise FetchError(
                    f"{_name(place)}: answers with a redirect (HTTP {response.status}), which is never followed"
                )
            body = await _bounded_body(response, found, place, largest)
        return Response(response.status, body, _retry_after(found), found.get("etag", ""))

    def _slot(self, place: SplitResult) -> asyncio.Semaphore:
        return self._slots.setdefault(place.hostname or "", asyncio.Semaphore(_CONNECTIONS))

    def _pool(self, host: str) -> httpcore.AsyncConnectionPool:
        if host not in self._pools:
            # No proxy of the environment is asked: it would see our credentials.
            self._pools[host] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=_CONNECTIONS,
                max_keepalive_connections=2,
                keepalive_expiry=30,
                network_backend=_Network(),
            )
        return self._pools[host]

    def _reload_changed_files(self) -> None:
        versions = self._file_versions()
        if versions == self._versions:
            return
        self._versions = versions
        try:
            self._tls = strict_context(self._ca_file, self._client_pair)
        except CertificateProblems as problems:
            _log.warning("ca_file_ignored", extra=about(file=str(self._ca_file), error=str(problems)))
            return
        self._retired.extend(self._pools.values())
        self._pools.clear()

    def _file_versions(self) -> list[tuple[int, int, int] | None]:
        return [_file_version(file) for file in (self._ca_file, *(self._client_pair or ()))]

    async def _close_retired(self) -> None:
        while self._retired and not self._in_flight:
            await self._retired.pop().aclose()


def _file_version(file: Path | None) -> tuple[int, int, int] | None:
    try:
        status = file.stat() if file else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ino, status.st_size) if status else None


def _split(url: str) -> SplitResult:
    try:
        place = urlsplit(url)
        usable = place.scheme in {"http", "https"} and place.hostname and place.port != 0 and not place.username
    except ValueError:
        usable = False
    if not usable:
        raise FetchError("the address is not a plain http or https URL")
    return place


def _name(place: SplitResult) -> str:
    """The URL as it may be shown: without user, password, query or fragment."""
    return place._replace(netloc=place.netloc.rpartition("@")[2], query="", fragment="").geturl()


def without_query(url: str) -> str:
    """As it may be shown, of a URL that the configuration has taken: a key may stand in its query."""
    return url.partition("#")[0].partition("?")[0]


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def _headers(place: SplitResult, headers: Mapping[str, str], content: bytes | None) -> dict[str, str]:
    found = {
        "Host": place.netloc.rpartition("@")[2],
        "User-Agent": "authz-service",
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # a compressed answer could be small on the wire and huge in memory
        **headers,
    }
    if content is not None:
        found["Content-Length"] = str(len(content))
    return found


async def _bounded_body(
    response: httpcore.Response, headers: Mapping[str, str], place: SplitResult, largest: int
) -> bytes:
    if headers.get("content-encoding", "identity") != "identity":
        raise FetchError(f"{_name(place)}: the answer is compressed, which was not asked for")
    body = bytearray()
    async for piece in response.aiter_stream():
        body += piece
        if len(body) > largest:
            raise FetchError(f"{_name(place)}: the answer is larger than {largest} bytes")
    return bytes(body)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """RFC 9110 §10.2.3: seconds, or a date, which is compared with the peer's own clock."""
    value = headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        pause = email.utils.parsedate_to_datetime(value) - email.utils.parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):  # TypeError: one has a time zone and the other has none
        return None
    return max(0.0, pause.total_seconds())
