"""Paths that could lead out of /orders, or be read in two ways: traversal in every encoding, and the forms of T13."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

_DOTS = (
    "..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%25%32%65%25%32%65", "..;", "..;x=y", ";..", "%2e%2e;", "..%00",
    "..%20",
    "..%09", "..%0d", "..%0a", "..%3b", "..%23", "..%3f", "...", "....", "..\\", "%c0%ae%c0%ae", "%c0%2e%c0%2e",
    "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "%ef%bc%8e%ef%bc%8e", "%u002e%u002e", "..%c0%af", "..%252f", ".%00.",
    "%2e%00%2e",
    "%ff", "%f8%80%80%80%ae", "%e2%80%a5", "%c2%ae%c2%ae",
)  # fmt: skip
_SLASHES = (
    "/", "//", "/./", "%2f", "%2F", "%252f", "\\", "%5c", "%255c", "%c0%af", "%e0%80%af", "%c1%9c", "%ef%bc%8f",
    "%u2215",
    "/;/", "/;x=y/", "%2f/", "/%2f", "/.;/", "%09/", "%2f%2e/",
)  # fmt: skip
_TAILS = ("admin", "admin;x", "forbidden/x")
_GOOD = (
    "/orders", "/orders/", "/orders/1", "/orders/a%20b", "/orders/%D0%B9", "/orders/a;b=c", "/orders/a.b..c",
    "/orders/x/./y",
    "/orders/a/../b", "/orders/~john", "/orders/a:b@c", "/orders/a,b+c", "/orders/1?next=/../admin", "/orders/%41",
)  # fmt: skip
_ODD = (
    "/admin", "//admin", "/Orders/1", "/ORDERS", "/orders-admin", "/orders%2fadmin", "/orders%00/admin", "/orders%2500",
    "/%6frders/../admin", "/orders/%", "/orders/%2", "/orders/%zz", "/orders/%%32%65", "/orders/\x7f",
    "/orders/a\\b", "/orders/{}",
    "/orders/|", "/orders/^", "/orders/`", '/orders/"', "/orders/<x>", "/orders/[x]", "/orders/*", "/orders/$x",
    "/orders/#admin",
    "/orders/%23admin", "/orders/%3fadmin", "/orders?/../admin", "/orders/?x=%2e%2e", "/./orders/1", "/../orders/1",
    "/x/../orders/1",
    "/orders/..", "/orders/.", "/orders/%2e", "/orders/%2e%2e", "/orders/../orders/../admin", "/;/orders/1",
    "/;x/admin", "/.;/admin",
    "/%2e/admin", "/%2e%2e/admin", "/..;/admin", "/orders;/../admin", "/orders;x/admin", "/orders;x=%2e%2e/admin",
    "/orders\t/x",
    "/orders /x", "/orders/ /x", "/orders/%20/../admin", "/orders/%e2%80%a8", "/orders/%0d%0aX-User-ID:%20root",
    "/orders/\xff", "*",
    "orders", "", "?x", "/", "https://x/admin", "http://x/orders/../admin", "/orders/./../admin",
    "/orders//../admin", "/orders//../../admin",
)  # fmt: skip


def good_paths() -> tuple[str, ...]:
    """Each must be served, in the form that the policy saw."""
    return _GOOD


def hostile_paths() -> list[str]:
    """No two alike; as they stand in a request line."""
    return list(dict.fromkeys(_generated()))


def _generated() -> Iterator[str]:
    yield from _ODD
    for dots, slash, tail in itertools.product(_DOTS, _SLASHES, _TAILS[:1]):
        yield f"/orders/{dots}{slash}{tail}"
    for dots, slash in itertools.product(_DOTS, _SLASHES):
        yield f"/orders/x{slash}{dots}{slash}{dots}{slash}admin"
    for dots, tail in itertools.product(_DOTS, _TAILS[1:]):
        yield f"/orders/{dots}/{tail}"
        yield f"/{dots}/{tail}"
        yield f"/orders{dots}/{tail}"
        yield f"/orders/1/{dots}/{dots}/{tail}"
