"""HTTP/2 requests that become something else in HTTP/1.1, or are none (RFC 9113 §8.1-8.3, §10.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.support import raw_bytes as h2
from tests.support.framing_attacks import EITHER, REFUSED
from tests.support.raw_bytes import Fields, frame, opening, request

ONCE = frozenset({1})
_NAMES = (b":method", b":scheme", b":authority", b":path", b"authorization")
_POST = {b":method": b"POST"}


class H2Attack(NamedTuple):
    """`build(base)` gives a connection's bytes; `base` are the fields of a good GET, in the order of `_NAMES`."""

    name: str
    arrives: frozenset[int]
    build: Callable[[Fields], bytes]


def good_h2() -> Iterator[H2Attack]:
    """Each reaches the service exactly once."""
    yield _with("a GET", ONCE)
    yield _with("a header", ONCE, [(b"x-foo", b"bar")])
    yield _with("te: trailers", ONCE, [(b"te", b"trailers")])
    yield _with("two cookies", ONCE, [(b"cookie", b"a=b"), (b"cookie", b"c=d")])
    yield _with("a body of the length it says", ONCE, [(b"content-length", b"5")], changes=_POST, body=b"hello")
    yield _with("a body", ONCE, changes=_POST, body=b"hello")
    yield _with("a trailer", ONCE, changes=_POST, body=b"hello", trailers=[(b"x-sum", b"1")])


def pseudo_headers() -> Iterator[H2Attack]:
    """Missing, twice, too late, unknown, or with another request in them."""
    smuggled = b" HTTP/1.1\r\nhost: x\r\n\r\nGET /orders/hidden HTTP/1.1\r\nhost: x\r\n\r\n"
    for name, value in (
        (b":path", b"/orders/hidden"),
        (b":method", b"POST"),
        (b":authority", b"evil"),
        (b":scheme", b"http"),
    ):
        yield _with(f"{name.decode()} twice", REFUSED, [(name, value)])
        yield _with(f"{name.decode()} behind a header", REFUSED, [(b"x", b"y"), (name, value)], without=name)
        missing = EITHER if name == b":authority" else REFUSED
        yield _with(f"no {name.decode()}", missing, without=name)
        yield _with(f"{name.decode()} empty", REFUSED, changes={name: b""})
    for name in (b":foo", b":status", b":path2", b": path", b":"):
        yield _with(f"{name!r}", REFUSED, [(name, b"/orders/hidden")], first=True)
    for name, value in (
        (b":path", b"/orders/hidden" + smuggled), (b":path", b"/orders/1 HTTP/1.1\r\nx: y"), (b":path", b"/orders/a b"),
        (b":path", b"/orders/\0"), (b":path", b"/orders/\r"), (b":path", b"/orders/\n"), (b":path", b"*"),
        (b":path", b"orders/1"), (b":path", b"https://evil/orders/1"), (b":path", b"/orders/1#x"), (b":path",
        b"/orders/\xff"),
        (b":path", b"?x"), (b":method", b"GET /orders/hidden HTTP/1.1\r\nx:"), (b":method", b"GET "), (b":method",
        b"get"),
        (b":method", b"G ET"), (b":method", b"\0"), (b":method", b"CONNECT"), (b":method", b"TRACE"),
        (b":scheme", b"https://x/"), (b":scheme", b"h\r\nx: y"), (b":authority", b"a\r\nx: y"),
        (b":authority", b"a b"),
        (b":authority", b"u@order-service.zone2.local"), (b":authority", b"a,b"), (b":authority", b"a/orders/hidden"),
    ):  # fmt: skip
        yield _with(f"{name.decode()} {value[:30]!r}", REFUSED, changes={name: value})
    yield _with(":scheme http over TLS", EITHER, changes={b":scheme": b"http"})
    yield _with(":scheme ftp", EITHER, changes={b":scheme": b"ftp"})  # §8.3.1 does not restrict it
    yield _with("another host", EITHER, [(b"host", b"evil")])
    yield _with("two hosts", REFUSED, [(b"host", b"evil"), (b"host", b"evil2")], without=b":authority")
    for protocol in (b"websocket", b"foo", b"connect-udp", b""):
        fields = {b":method": b"CONNECT"}
        yield _with(f":protocol {protocol!r}", EITHER, [(b":protocol", protocol)], changes=fields, first=True)


def fields() -> Iterator[H2Attack]:
    """Names and values that HTTP/1.1 would read otherwise, and headers about a connection."""
    for name in (b"X-Foo", b"x foo", b"x:foo", b"x\r\ny", b"x\0", b"x\x7f", b"", b"x\xff", b" x", b"x ", b"x\t",
                 b"transfer-encoding ",
                 b"x-foo: a\r\nx-user-id"):  # fmt: skip
        yield _with(f"the name {name!r}", REFUSED, [(name, b"v")])
    for value in (
        b"a\r\nx-user-id: root",
        b"a\nx: y",
        b"a\rx",
        b"a\0b",
        b"a\r\n\r\nGET /orders/hidden HTTP/1.1\r\nhost: x\r\n\r\n",
    ):
        yield _with(f"the value {value[:20]!r}", REFUSED, [(b"x-foo", value)])
    for value in (b" a", b"a ", b"\x01", b"\x7f", b"\xff"):
        yield _with(f"the value {value!r}", EITHER, [(b"x-foo", value)])
    for name, value in (
        (b"connection", b"close"), (b"connection", b"keep-alive"), (b"connection", b"x-user-id"), (b"keep-alive",
        b"timeout=5"),
        (b"proxy-connection", b"keep-alive"), (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"identity"),
        (b"upgrade", b"h2c"), (b"upgrade", b"websocket"), (b"te", b"gzip"), (b"te", b"trailers, gzip"),
    ):  # fmt: skip
        text = f"{name.decode()}: {value.decode()}"
        yield _with(text, REFUSED, [(name, value)])
        yield _with(
            f"{text}, with a body", REFUSED, [(name, value)], changes=_POST, body=b"0\r\n\r\nGET /orders/hidden"
        )
    for length in (b"4", b"6", b"0", b"-1", b"+5", b"abc", b"5, 6", b"", b"5;", b"18446744073709551621"):
        sent = [(b"content-length", length)]
        yield _with(f"length {length!r} of 5", REFUSED, sent, changes=_POST, body=b"hello")
    for length in (b" 5", b"05", b"5, 5"):
        sent = [(b"content-length", length)]
        yield _with(f"length {length!r} of 5", EITHER, sent, changes=_POST, body=b"hello")
    two = [(b"content-length", b"5"), (b"content-length", b"6")]
    yield _with("two lengths", REFUSED, two, changes=_POST, body=b"hello")
    yield _with("a length and no body", REFUSED, [(b"content-length", b"5")], changes=_POST)
    for trailer in (
        (b":path", b"/orders/hidden"),
        (b"X-Foo", b"y"),
        (b"a\r\nb", b"y"),
        (b"transfer-encoding", b"chunked"),
    ):
        yield _with(f"the trailer {trailer[0]!r}", EITHER, changes=_POST, body=b"hello", trailers=[trailer])
    token = [(b"authorization", b"Bearer x")]
    yield _with(
        "the token in a trailer", REFUSED, changes=_POST, body=b"hello", trailers=token, without=b"authorization"
    )
    yield _with("many headers", REFUSED, [(b"x-%d" % number, b"v") for number in range(300)])
    yield _with("a header of 60 KiB", REFUSED, [(b"x-long", b"v" * 61_440)])


def frames() -> Iterator[H2Attack]:
    """Frames where none belong (RFC 9113 §5.1, §6)."""

    def raw(name: str, arrives: frozenset[int], build: Callable[[Fields], bytes]) -> H2Attack:
        return H2Attack(name, arrives, lambda base: opening(build(base)))

    end = h2.END_HEADERS | h2.END_STREAM
    yield raw("HEADERS on stream 0", REFUSED, lambda base: frame(h2.HEADERS, end, 0, h2.block(base)))
    yield raw("HEADERS on an even stream", REFUSED, lambda base: frame(h2.HEADERS, end, 2, h2.block(base)))
    yield raw("DATA before HEADERS", REFUSED, lambda base: frame(h2.DATA, 0, 1, b"x") + request(base))
    yield raw("a lone CONTINUATION", REFUSED, lambda base: frame(h2.CONTINUATION, end, 1, h2.block(base)))
    yield raw(
        "a promise from a client", REFUSED, lambda base: frame(h2.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + h2.block(base))
    )
    yield raw(
        "DATA within a header block",
        REFUSED,
        lambda base: frame(h2.HEADERS, 1, 1, h2.block(base)) + frame(h2.DATA, 1, 1),
    )
    yield raw(
        "padding longer than the frame", REFUSED, lambda base: frame(h2.HEADERS, end | 8, 1, b"\xff" + h2.block(base))
    )
    yield raw("a block that ends in the middle", REFUSED, lambda base: frame(h2.HEADERS, end, 1, h2.block(base)[:-3]))
    yield raw("an index out of the table", REFUSED, lambda _: frame(h2.HEADERS, end, 1, b"\xff\xff\xff\x7f"))
    yield raw(
        "a stream that depends on itself",
        EITHER,
        lambda base: frame(h2.HEADERS, end | 32, 1, b"\0\0\0\1\0" + h2.block(base)),
    )
    # A connection error (§5.1), which may come before the first request is sent on.
    yield raw("the same stream again", EITHER, lambda base: request(base) + request(base))
    yield raw("a request, then reset", EITHER, lambda base: request(base) + frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08"))
    yield raw("a frame of 100 KiB", EITHER, lambda base: request([*base[:-1], (b"x", b"y" * 100_000), base[-1]]))


def all_h2() -> list[H2Attack]:
    return [*good_h2(), *pseudo_headers(), *fields(), *frames()]


def _with(
    name: str,
    arrives: frozenset[int],
    more: Fields = (),
    *,
    changes: dict[bytes, bytes] | None = None,
    without: bytes = b"",
    body: bytes | None = None,
    trailers: Fields = (),
    first: bool = False,
) -> H2Attack:
    """The good GET with other fields; `more` stands behind them, or with `first` before the token."""

    def build(base: Fields) -> bytes:
        kept = [(key, (changes or {}).get(key, value)) for key, value in base if key != without]
        where = len(kept) - 1 if first else len(kept)
        return opening(request([*kept[:where], *more, *kept[where:]], body, trailers))

    return H2Attack(name, arrives, build)
