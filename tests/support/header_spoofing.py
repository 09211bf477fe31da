"""Every header that is ours, in every spelling a client may try, as HTTP/1.1 lines or HTTP/2 fields.

A case carries a marker as its value; no request at the service, and no audit record, may show the marker under a name
of ours, nor under one that a server takes for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tests.support.raw_bytes import Fields

from authz_service import headers

_ENVOYS = (
    "original-path", "internal", "external-address", "force-trace", "max-retries", "retry-on", "upstream-rq-timeout-ms",
    "decorator-operation", "original-dst-host", "peer-metadata", "auth-headers-to-remove", "expected-rq-timeout-ms",
)  # fmt: skip


def owned_names(injected: Iterable[str]) -> list[str]:
    """Injected, told by the proxy to the gate, and those that pretend to be another proxy."""
    prefixed = [f"{prefix}anything" for prefix in (*headers.STRIPPED_PREFIXES, *headers.CERTIFICATE_PREFIXES)]
    prefixed += ["x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-user", "x-forwarded-uri"]
    told = [headers.PEER_CERT, headers.REMOTE, headers.ROUTE, "x-authz-decision-id", "x-audit-id"]
    envoys = [f"x-envoy-{name}" for name in _ENVOYS]
    return [*injected, *told, *prefixed, *envoys, *headers.STRIPPED, "x-forwarded-client-cert", headers.USER_CONTEXT]


class Spoof(NamedTuple):
    """One request with the marker in it."""

    name: str
    http1: bytes  # header lines; b"" = HTTP/2 only
    http2: Fields  # fields; empty = HTTP/1.1 only
    trailer: bool = False  # they come behind the body


def spoofs(name: str, marker: str) -> list[Spoof]:
    """The spellings of one name."""
    value = marker.encode()
    title = "-".join(part.capitalize() for part in name.split("-"))
    mixed = "".join(letter.upper() if index % 2 else letter for index, letter in enumerate(name))
    under = name.replace("-", "_")
    found = [
        _lines("plain", name, value, both=True),
        _lines("title case", title, value),
        _lines("capitals", name.upper(), value, both=True),
        _lines("mixed case", mixed, value),
        _lines("underscores", under, value, both=True),
        _lines("underscores and capitals", under.upper(), value),
        _lines("one underscore", name.replace("-", "_", 1), value, both=True),
        _lines("the last underscore", "_".join(name.rsplit("-", 1)), value, both=True),
        _lines("a space behind the name", f"{name} ", value, both=True),
        _lines("a tab behind the name", f"{name}\t", value, both=True),
        _lines("a space before the name", f" {name}", value, both=True),
        _lines("a NUL behind the name", f"{name}\0", value, both=True),
        _lines("CGI's name", f"HTTP_{under.upper()}", value),
        _lines("spaces around the value", name, b"  " + value + b"\t ", both=True),
        _lines("a comma in the value", name, b"," + value + b",", both=True),
        Spoof("twice", _line(name, b"a") + _line(title, value), [(name.encode(), b"a"), (name.encode(), value)]),
        Spoof("twice, the marker first", _line(name, value) + _line(name, b""), [(name.encode(), value)] * 2),
        Spoof("nominated by Connection", _line(name, value) + _line("connection", name.encode()), []),
        Spoof("nominated among others", _line("connection", f"close, {title}".encode()) + _line(name, value), []),
        Spoof("nominated by Keep-Alive", _line("keep-alive", name.encode()) + _line(name, value), []),
        Spoof("a folded value", f"{name}: a\r\n ".encode() + value + b"\r\n", []),
        Spoof("behind a line feed", b"x: y\n" + _line(name, value), [(b"x", b"y\n" + _line(name, value))]),
        Spoof("behind a carriage return", b"x: y\r" + _line(name, value), [(b"x", b"y\r" + _line(name, value))]),
        Spoof("behind a line break", b"", [(b"x", b"y\r\n" + _line(name, value).rstrip())]),
        Spoof("a trailer", _line(name, value), [(name.encode(), value)], trailer=True),
        Spoof("a trailer in title case", _line(title, value), [], trailer=True),
        Spoof("a trailer with underscores", _line(under, value), [(under.encode(), value)], trailer=True),
    ]
    return [one for one in found if one.http1 or one.http2]


def _lines(what: str, name: str, value: bytes, *, both: bool = False) -> Spoof:
    return Spoof(what, _line(name, value), [(name.encode(), value)] if both else [])


def _line(name: str, value: bytes) -> bytes:
    return name.encode() + b": " + value + b"\r\n"
