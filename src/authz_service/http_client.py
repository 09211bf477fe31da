"""The control plane's own HTTP calls (discovery, keys, tokens). Not a general client: no redirects, no retries."""

import asyncio
import email.utils
import json
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, urlencode, urlsplit

from authz_service.errors import CertificateProblems, FetchError
from authz_service.http_connection import Answer, AnswerTooLarge, Connections, HttpConnection
from authz_service.logs import about
from authz_service.tls_context import strict_context

LARGEST_BODY = 1 << 20
_CONNECTIONS = 8  # to one host
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_IDLE = 2  # of them, for the next call
_NEXT_ADDRESS = 0.25  # seconds until a name's other addresses are tried, too (RFC 8305 §5)
_LINE = re.compile(r"[!-~]([ -~]*[!-~])?")  # what may stand in a line of a request
_log = logging.getLogger(__name__)


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
        # The system's authorities take a megabyte and milliseconds: not where nobody calls over TLS.
        self._tls = strict_context(ca_file, client_pair) if ca_file or client_pair else None
        # By name, too: two names at one address must not share a connection, whose certificate names only one.
        self._places: dict[tuple[str, str, int], Connections] = {}

    async def get(self, url: str, headers: Mapping[str, str] | None = None, *, largest: int = LARGEST_BODY) -> Response:
        return await self._send("GET", url, headers or {}, None, largest)

    async def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Response:
        given = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return await self.post(url, urlencode(form).encode("ascii"), given)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Response:
        """`headers` say what the content is."""
        return await self._send("POST", url, headers, content)

    async def aclose(self) -> None:
        while self._places:
            self._places.popitem()[1].close()
        await asyncio.sleep(0)  # the loop closes their sockets

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
        try:
            # A timeout of the transport starts anew with every byte, so a server that trickles would hold us for ever.
            async with asyncio.timeout(self._timeout):
                answer = await self._connections(place).ask(_question(method, place, headers, content), largest)
        except TimeoutError as error:
            raise FetchError(f"{_name(place)}: no whole answer within {self._timeout:g} s") from error
        except AnswerTooLarge as error:
            raise FetchError(f"{_name(place)}: the answer is larger than {largest} bytes") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: no name that DNS could have
            raise FetchError(f"{_name(place)}: {_reason(error)}") from error
        return _response(answer, place)

    def _connections(self, place: SplitResult) -> Connections:
        key = (place.scheme, _host(place), place.port or _PORTS[place.scheme])
        if key not in self._places:
            self._places[key] = Connections(partial(self._connect, *key), _CONNECTIONS, _IDLE)
        return self._places[key]

    async def _connect(self, scheme: str, host: str, port: int) -> HttpConnection:
        """No proxy of the environment is asked: it would see our credentials."""
        tls = self._context() if scheme == "https" else None
        _, connection = await asyncio.get_running_loop().create_connection(
            HttpConnection,
            self._hosts.get(host, host),
            port,
            ssl=tls,
            server_hostname=host if tls else None,
            happy_eyeballs_delay=_NEXT_ADDRESS,
        )
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = strict_context(None)
        return self._tls

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
        while self._places:
            self._places.popitem()[1].retire()

    def _file_versions(self) -> list[tuple[int, int, int] | None]:
        return [_file_version(file) for file in (self._ca_file, *(self._client_pair or ()))]


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


def _host(place: SplitResult) -> str:
    return (place.hostname or "").lower()


def _question(method: str, place: SplitResult, headers: Mapping[str, str], content: bytes | None) -> bytes:
    """Raises FetchError when a line would not be one (RFC 9112 §2.2, §3.2, §5.1): nothing of it is shown."""
    found = {
        "Host": place.netloc.rpartition("@")[2],
        "User-Agent": "authz-service",
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # a compressed answer could be small on the wire and huge in memory
        **headers,
    }
    if content is not None:
        found["Content-Length"] = str(len(content))
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in found.items())]
    if " " in target or not all(map(_LINE.fullmatch, (*lines, *found.values()))):
        raise FetchError(f"{place.hostname}: the address or a header has characters that no request may have")
    return "\r\n".join((*lines, "", "")).encode("ascii") + (content or b"")


def _response(answer: Answer, place: SplitResult) -> Response:
    if answer.status in _REDIRECTS:
        raise FetchError(f"{_name(place)}: answers with a redirect (HTTP {answer.status}), which is never followed")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise FetchError(f"{_name(place)}: the answer is compressed, which was not asked for")
    return Response(answer.status, answer.body, _retry_after(answer.headers), answer.headers.get("etag", ""))


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
