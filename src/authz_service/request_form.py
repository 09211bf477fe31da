"""The request contract: which host, method, query and path can be read in one way only. Not who may send them.

One list, used by the gate (which refuses and records), by the Envoy rendering (which refuses on the egress, where no
Python is asked), by the configuration and by the tests.

Envoy has already resolved dot segments and refused `%2F`, `%5C`, `%00` and raw non-ASCII. What is left here are empty
segments, which nobody takes away (`/a//b` is another resource than `/a/b`), and forms that the service might decode to
something else than the policy saw.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Literal, get_args
from unicodedata import normalize
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from authz_service.domain.refusals import Reason, Rejected
from authz_service.headers import has_control

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
METHODS: tuple[Method, ...] = get_args(Method)
SAFE_METHODS: tuple[Method, ...] = ("GET", "HEAD", "OPTIONS")  # RFC 9110 §9.2.1, those of the above
IDEMPOTENT_METHODS: tuple[Method, ...] = (*SAFE_METHODS, "PUT", "DELETE")  # §9.2.2
MAX_PATH = 8192
_MAX_QUERY_FIELDS = 256
_MOST_DECODED = 3  # times that a path is decoded to see what it may become
# A name, or an address, and perhaps a port (RFC 9110 §7.2, RFC 3986 §3.2.2).
_HOST = re.compile(r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{1,5}))?")
_MAX_HOST = 255
_PORTS = range(1, 65536)
# Segments of unreserved characters that do not begin with a dot: there is nothing to decode and nothing to misread.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")
# RFC 3986 §3.3, pchar; and brackets, which clients leave as they are and nobody reads in two ways.
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@\[\]-]|%[0-9A-Fa-f]{2})*")
_DELIMITER = re.compile(r"[/\\%]")
_DOT_SEGMENTS = frozenset({".", ".."})

# The same for Envoy, as RE2 expressions over the raw `:path`.
_HEX = "[0-9A-Fa-f]"
_TAIL = f"%[89ABab]{_HEX}"

# One percent-escape, or one whole escaped UTF-8 sequence (RFC 3629 §4), but for %00 and %25.
_ESCAPES = (
    f"%(?:0[1-9A-Fa-f]|[13-7]{_HEX}|2[0-46-9A-Fa-f])",
    f"%(?:[Cc][2-9A-Fa-f]|[Dd]{_HEX}){_TAIL}",
    f"%[Ee]0%[ABab]{_HEX}{_TAIL}",
    f"%[Ee][1-9A-Ca-cEFef]{_TAIL}{_TAIL}",
    f"%[Ee][Dd]%[89]{_HEX}{_TAIL}",
    f"%[Ff]0%[9ABab]{_HEX}{_TAIL}{_TAIL}",
    f"%[Ff][1-3]{_TAIL}{_TAIL}{_TAIL}",
    f"%[Ff]4%8{_HEX}{_TAIL}{_TAIL}",
)

# The whole `:path` with its query: anything else may decode to another path behind us (SECURITY T13).
WELL_ENCODED = rf"(?:[^%?]|{'|'.join(_ESCAPES)})*(?:\?.*)?"

# What an escape leaves when it is decoded, or folded by Unicode (NFKC): a control character or line end; a slash,
# backslash or percent sign; a dot or semicolon. The tests find these anew from Unicode's tables.
_CONTROLS = (f"%[01]{_HEX}", "%7[Ff]", f"%[Cc]2%[89]{_HEX}", "%[Ee]2%80%[Aa][89]")
_FOLDED = (
    "%[Ee]2%84%8[0156]", "%[Ee][Ff]%[Bb]9%[Aa][8Aa]", "%[Ee][Ff]%[Bb][Cc]%(?:8[5Ff]|[Bb][Cc])",
    "%[Ee]2%80%[Aa][4-6]", "%[Ee][Ff]%[Bb]8%(?:99|[Bb]0)", "%[Ee][Ff]%[Bb]9%92", "%[Ee][Ff]%[Bb][Cc]%8[Ee]",
    "%[Cc][Dd]%[Bb][Ee]", "%[Ee][Ff]%[Bb][89]%94", "%[Ee][Ff]%[Bb][Cc]%9[Bb]",
)  # fmt: skip
HIDDEN_DELIMITER = rf"[^?]*(?:{'|'.join((*_CONTROLS, *_FOLDED))}).*"

# A segment that somebody may take for "." or "..": "..;", ".;x", "..%3B", "..%20"; or that begins with its parameters.
# (Plain ones are resolved before.)
_SPACE = "(?:%20|%[Cc]2%[Aa]0|%[Ee]1%9[Aa]%80|%[Ee]2%80%(?:8[0-9Aa]|[Aa][Ff])|%[Ee]2%81%9[Ff]|%[Ee]3%80%80)"
_PARAMETERS = "(?:;|%3[Bb])[^/]*"
DOT_SEGMENT = rf".*/(?:{_SPACE}*(?:\.|%2[Ee]){{1,2}}{_SPACE}*(?:{_PARAMETERS})?|{_PARAMETERS})(?:/.*)?"


def require_host(host: str) -> None:
    """One host name or address, with the port that the caller wrote; no user part, no list (SECURITY T14)."""
    found = _HOST.fullmatch(host)
    if found is None or len(host) > _MAX_HOST or not _is_address(found[1]) or int(found[2] or 1) not in _PORTS:
        raise Rejected(Reason.REQUEST_INVALID, "the Host header is not one name or address")


def _is_address(brackets: str | None) -> bool:
    try:
        return brackets is None or IPv6Address(brackets) is not None
    except ValueError:
        return False


def require_method(method: str, allowed: tuple[str, ...]) -> None:
    """One of the route's methods (none named: one of METHODS). TRACE and CONNECT are never asked for (SECURITY T15)."""
    if method not in (allowed or METHODS):
        raise Rejected(Reason.METHOD_NOT_ALLOWED)


def require_query(query: str) -> None:
    """A bounded number of fields: each costs whoever reads them."""
    if query.count("&") >= _MAX_QUERY_FIELDS:
        raise Rejected(Reason.REQUEST_INVALID, "the query has too many fields")


def require_segments(path: str, *, encoded_slashes: bool = False) -> list[str]:
    """The decoded path segments. Raises Rejected for every form that could be read in two ways (RFC 3986 §3.3, T13),
    but `%2F` and `%25` where `encoded_slashes`.

    "/orders/a%20b" -> ["orders", "a b"]; "/" -> []; "/orders/" -> ["orders", ""]; "/orders/a%2Fb" -> ["orders", "a/b"].
    """
    if len(path) > MAX_PATH:
        raise Rejected(Reason.PATH_TOO_LONG)
    if _PLAIN_PATH.fullmatch(path) is not None:
        return path[1:].split("/")
    if path == "/":
        return []
    if not path.startswith("/") or "//" in path:
        raise Rejected(Reason.PATH_REFUSED, "the path does not start with one slash, or has an empty segment")
    segments = [_decoded(segment, encoded_slashes=encoded_slashes) for segment in path[1:].split("/")]
    if encoded_slashes:
        for reading in split_readings(segments):
            _require_plain(reading)
    return segments


def split_readings(segments: list[str]) -> list[list[str]]:
    """What a service may take these for that splits at escaped slashes, decodes twice, or leaves out empty segments."""
    found = []
    path = "/".join(segments)
    for _ in range(_MOST_DECODED):
        plain = normalize("NFKC", path).split("/")
        found += [plain, [segment for segment in plain if segment]]
        path = unquote(path)
    return found


def _require_plain(segments: list[str]) -> None:
    """However often it is decoded: it goes nowhere else, and says nothing that it did not say before."""
    for segment in segments:
        if "\\" in segment or has_control(segment) or "\ufffd" in segment:
            raise Rejected(Reason.PATH_REFUSED, "the path decodes to a backslash or a control character")
        if segment.partition(";")[0].strip() in _DOT_SEGMENTS or segment.startswith(";"):
            raise Rejected(Reason.PATH_REFUSED, "the path has a dot segment in disguise")


def _decoded(segment: str, *, encoded_slashes: bool) -> str:
    if _SEGMENT.fullmatch(segment) is None:
        raise Rejected(Reason.PATH_REFUSED, "the path has a character that must be escaped, or a broken percent-escape")
    try:
        text = unquote_to_bytes(segment).decode("utf-8", "strict")  # also refuses overlong forms (RFC 3629 §3)
    except UnicodeDecodeError:
        raise Rejected(Reason.PATH_REFUSED, "the path is not UTF-8") from None
    plain = normalize("NFKC", text)  # a full-width slash or dot becomes a real one in services that fold such forms
    if has_control(text) or (_DELIMITER.search(plain) is not None and not encoded_slashes):
        raise Rejected(Reason.PATH_REFUSED, "the path decodes to a delimiter, an escape or a control character")
    if plain.partition(";")[0].strip() in _DOT_SEGMENTS or plain.startswith(";"):
        raise Rejected(Reason.PATH_REFUSED, "the path has a dot segment in disguise")
    return text


def query_values(query: str) -> dict[str, list[str]]:
    """Every name with all its values, decoded (`a=1&a=2` -> {"a": ["1", "2"]}); undecodable bytes become U+FFFD."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        values.setdefault(name, []).append(value)
    return values
