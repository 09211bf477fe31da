"""Ways out of the egress (SECURITY T12), as bytes, each with what must come of it, written before the run.

The egress that they are tried on serves `/v1/data/**` from the data service, which must see `/data/**` and no more.
"""

from __future__ import annotations

from typing import NamedTuple

ROUTE = "/v1/data"  # what the service calls
BASE = "/data"  # what the target may be asked for
DECOY = "decoy.example"  # another target, to which `/other/**` leads, without a token


class Escape(NamedTuple):
    """`arrives`: the path that the target gets, `elsewhere`: that the decoy gets; None: nothing leaves. `by_socket`:
    what the target gets by a Unix socket, which no browser opens.
    """

    name: str
    request: bytes
    arrives: str | None = None
    elsewhere: str | None = None
    by_socket: str | None = None


def _get(path: str, *more: str, host: str = "localhost", method: str = "GET", body: str = "") -> bytes:
    head = [f"{method} {path} HTTP/1.1", *([f"host: {host}"] if host else []), *more, "connection: close", "", body]
    return "\r\n".join(head).encode("latin-1")


_LEAVING_PATHS = [
    # dot segments: plain, escaped in part, in whole, in either case, deeper than the route
    "/../admin", "/%2e%2e/admin", "/%2E%2E/admin", "/.%2e/admin", "/%2e./admin", "/x/../../admin",
    "/x/%2e%2e/%2e%2e/admin",
    "/../../../../etc/passwd", "/./../admin", "/../data-admin/x", "/..", "/%2e%2e",
    # with path parameters, which some servers cut off before they resolve
    "/..;/admin", "/..;x=y/admin", "/x/..;/..;/admin", "/%2e%2e;/admin", "/..%3b/admin", "/..%3Bx/admin",
    "/.;/../admin",
    # escaped and foreign delimiters
    "/..%2fadmin", "/..%2Fadmin", "/%2e%2e%2fadmin", "/..%5cadmin", "/..%5Cadmin", "/..\\admin", "\\..\\admin",
    "/x\\..\\..\\admin",
    # escapes of escapes, overlong and broken UTF-8, nothing
    "/%252e%252e/admin", "/%252e%252e%252fadmin", "/..%252fadmin", "/%c0%ae%c0%ae/admin", "/%c0%ae%c0%ae%c0%afadmin",
    "/..%c0%afadmin", "/%e0%80%ae%e0%80%ae/admin", "/..%00/admin", "/%00/../admin", "/..%ff/admin",
    "/%u002e%u002e/admin",
    "/%2", "/%", "/%zz..",
    # characters that Unicode folds into a dot or a slash
    "/%ef%bc%8e%ef%bc%8e/admin", "/..%ef%bc%8fadmin", "/%e2%80%a5/admin", "/%ef%bc%8e%ef%bc%8e%ef%bc%8fadmin",
    # controls, also those that would end the line of the next request
    "/%0d%0ahost:%20decoy.example", "/%0aGET%20/admin", "/%7f", "/..%09/admin", "/..%20/admin",
    # another route, or none
    "x", "-admin", ";/../admin", "%2fx", "%2f..%2fadmin",
]  # fmt: skip

_OTHER_HOSTS = [
    DECOY, f"{DECOY}:80", f"{DECOY}:8080", f"localhost.{DECOY}", f"localhost@{DECOY}", f"{DECOY}@localhost",
    f"localhost,{DECOY}",
    f"localhost:8080@{DECOY}", "data-service.zone3.local", "data-service.zone3.local:9443", "127.1", "2130706433",
    "0x7f000001",
    "0", "127.0.0.1.nip.io", "[::ffff:127.0.0.1]", "localhost%00", f"localhost#{DECOY}", f"localhost/{DECOY}",
    "LOCALHOST.LOCALDOMAIN",
    "",
]  # fmt: skip

_BROWSERS = [
    "origin: https://evil.example", "origin: null", "origin:", "origin: http://localhost:3000", "origin: https://localhost:8080",
    "ORIGIN: x", "origin: http://localhost:8080\r\norigin: x",
    "sec-fetch-site: cross-site", "sec-fetch-site: same-site", "sec-fetch-site: same-origin", "sec-fetch-site: none",
    "Sec-Fetch-Site:",
]  # fmt: skip

_TARGETS = [
    ("absolute form, another host", _get(f"http://{DECOY}{ROUTE}/x"), None),
    ("absolute form with TLS, another host", _get(f"https://{DECOY}{ROUTE}/x"), None),
    ("absolute form, another host in Host", _get(f"http://localhost{ROUTE}/x", host=DECOY), "/data/x"),
    ("absolute form, user part", _get(f"http://localhost@{DECOY}{ROUTE}/x"), None),
    ("absolute form, host as user part", _get(f"http://{DECOY}@localhost{ROUTE}/x"), "/data/x"),  # it is localhost
    ("absolute form, dots", _get(f"http://localhost{ROUTE}/../admin"), None),
    ("another scheme", _get(f"ftp://{DECOY}{ROUTE}/x"), None),
    ("a file", _get("file:///etc/passwd"), None),
    ("network path", _get(f"//{DECOY}{ROUTE}/x"), None),
    ("backslash network path", _get(f"\\\\{DECOY}{ROUTE}/x"), None),
    ("authority form", _get(f"{DECOY}:80"), None),
    ("CONNECT", _get(f"{DECOY}:80", method="CONNECT", host=f"{DECOY}:80"), None),
    ("CONNECT by our own name", _get(f"{DECOY}:80", method="CONNECT"), None),
    ("CONNECT with a path", _get(f"{ROUTE}/x", method="CONNECT"), None),
    ("asterisk", _get("*", method="OPTIONS"), None),
    ("no path", _get(""), None),
    ("fragment", _get(f"{ROUTE}/x#/../../admin"), None),
    ("fragment before the path", _get(f"#{ROUTE}/x"), None),
    ("TRACE would show the token", _get(f"{ROUTE}/x", method="TRACE"), None),
    ("TRACK would too", _get(f"{ROUTE}/x", method="TRACK"), None),
    ("a method of another protocol", _get(f"{ROUTE}/x", method="PROPFIND"), None),
    ("two Hosts, ours first", _get(f"{ROUTE}/x", f"host: {DECOY}"), None),
    ("two Hosts, ours last", _get(f"{ROUTE}/x", "host: localhost", host=DECOY), None),
    ("HTTP/1.0", f"GET {ROUTE}/x HTTP/1.0\r\n\r\n".encode(), None),
    ("folded Host", f"GET {ROUTE}/x HTTP/1.1\r\nhost: localhost\r\n {DECOY}\r\n\r\n".encode(), None),
    ("two lengths", _get(f"{ROUTE}/x", "content-length: 0", "content-length: 40", method="POST"), None),
    ("length and chunks", _get(f"{ROUTE}/x", "content-length: 40", "transfer-encoding: chunked", method="POST"), None),
    ("chunks in disguise", _get(f"{ROUTE}/x", "transfer-encoding: xchunked", method="POST"), None),
]

_HEADERS = [
    ("a forwarded host", f"x-forwarded-host: {DECOY}"),
    ("Forwarded", f"forwarded: host={DECOY}"),
    ("an original URL", "x-original-url: /admin"),
    ("a rewritten URL", "x-rewrite-url: /admin"),
    ("Envoy's original path", "x-envoy-original-path: /admin"),
    ("Envoy's original host", f"x-envoy-original-host: {DECOY}"),
    ("Envoy's original destination", "x-envoy-original-dst-host: 127.0.0.1:80"),
    ("Envoy's decorator", "x-envoy-decorator-operation: x"),
    ("another method", "x-http-method-override: TRACE"),
    ("the egress' own origin", "origin: http://localhost:8080"),
    ("another token", "authorization: Bearer evil"),
    ("two other tokens", "authorization: Bearer evil\r\nauthorization: Bearer evil2"),
    ("a token that the hop may drop", "authorization: Bearer evil\r\nconnection: authorization"),
    ("an upgrade to another protocol", "connection: upgrade\r\nupgrade: h2c"),
]  # fmt: skip

_AND_SERVED = [
    ("a plain path", "/x", "/data/x"),
    ("the route itself", "", "/data"),
    ("dots that stay", "/x/../y", "/data/y"),
    ("dots that are none", "/...", "/data/..."),
    ("escaped, and clear", "/a%20b", "/data/a%20b"),
    ("parameters", "/a;v=1", "/data/a;v=1"),
    ("slashes that stay", "//x", "/data//x"),
    # RFC 3986 §5.2.4: `..` takes the segment before it away, an empty one too, and stays below the route.
    ("dots after an empty segment", "//../admin", "/data/admin"),
    ("dots between empty segments", "//..//admin", "/data//admin"),
    ("dots after a dot and an empty segment", "/.//../admin", "/data/admin"),
    ("dots after an odd segment", "/%09/../admin", "/data/admin"),
    ("a query with dots", "/x?to=/../../admin", "/data/x?to=/../../admin"),
]

# Dots that lead to another route are that route's: its target, its credentials, here none.
_TO_ANOTHER_ROUTE = ["/../../other/x", "/%2e%2e/../other/x", "/x/../../../other/./x"]

ESCAPES = [
    *(Escape(f"another route {path}", _get(ROUTE + path), elsewhere="/other/x") for path in _TO_ANOTHER_ROUTE),
    *(Escape(f"path {path}", _get(ROUTE + path)) for path in _LEAVING_PATHS),
    *(Escape(f"host {host or '(none)'}", _get(f"{ROUTE}/x", host=host)) for host in _OTHER_HOSTS),
    *(Escape(f"browser {line}", _get(f"{ROUTE}/x", line), by_socket="/data/x") for line in _BROWSERS),
    *(Escape(name, request, arrives) for name, request, arrives in _TARGETS),
    *(Escape(name, _get(f"{ROUTE}/x", line), "/data/x") for name, line in _HEADERS),
]
GOOD_TWINS = [Escape(name, _get(ROUTE + path), arrives) for name, path, arrives in _AND_SERVED]
