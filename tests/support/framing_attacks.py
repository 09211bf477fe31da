"""HTTP/1.1 requests that two parsers could cut in two ways (RFC 9112 §2.2, §3, §5, §6, §7, §11.2).

Each hides `GET /orders/hidden-N` without a token behind or in itself. That may be a request of its own, and is then
refused for its token; it may be a part of the first one; it must never reach the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

REFUSED, EITHER = frozenset({0}), frozenset({0, 1})


class Framing(NamedTuple):
    """`build(head, hidden)` gives the bytes: `head` is path, version, host and token; `hidden` is to be smuggled."""

    name: str
    arrives: frozenset[int]  # how many requests for the first path may reach the service
    build: Callable[[bytes, bytes], bytes]


def _case(name: str, arrives: frozenset[int], lines: bytes, body: bytes = b"{hidden}") -> Framing:
    def build(head: bytes, hidden: bytes) -> bytes:
        return (
            b"POST "
            + head
            + (lines + b"\r\n" + body)
            .replace(b"{size}", b"%d" % len(hidden))
            .replace(b"{hex}", b"%x" % len(hidden))
            .replace(b"{hidden}", hidden)
        )

    return Framing(name, arrives, build)


def good_framings() -> Iterator[Framing]:
    """Right ones: each must reach the service exactly once."""
    once = frozenset({1})
    yield _case("no body", once, b"content-length: 0\r\n", b"")
    yield _case("a request as the body", once, b"content-length: {size}\r\n")
    yield _case("a request as a chunk", once, b"transfer-encoding: chunked\r\n", b"{hex}\r\n{hidden}\r\n0\r\n\r\n")
    yield _case("chunked, in capitals", once, b"TRANSFER-ENCODING: CHUNKED\r\n", b"{hex}\r\n{hidden}\r\n0\r\n\r\n")
    yield _case("an extension", once, b"transfer-encoding: chunked\r\n", b"{hex};a=b\r\n{hidden}\r\n0\r\n\r\n")
    yield _case("a trailer", once, b"transfer-encoding: chunked\r\n", b"{hex}\r\n{hidden}\r\n0\r\nx: y\r\n\r\n")
    yield _case("two requests", once, b"content-length: 0\r\n")


def lengths_and_codings() -> Iterator[Framing]:
    """Both at once, and each in odd spellings."""
    codings = (
        b"chunked", b" chunked", b"chunked ", b"\tchunked", b"Chunked", b"CHUNKED", b"xchunked", b"chunked, identity",
        b"identity, chunked", b"chunked, chunked", b"gzip, chunked", b"chunked;q=1", b'"chunked"', b"chunk", b"",
        b"identity",
        b"\x0bchunked", b"chunked\0", b"\r\n chunked", b"chunk\xe9d", b"'chunked'", b",chunked", b"chunked,",
        b"chunked\x0c",
    )  # fmt: skip
    for coding in codings:
        both = b"transfer-encoding: " + coding + b"\r\ncontent-length: "
        yield _case(f"TE {coding!r} with the long length", EITHER, both + b"{size}\r\n", b"0\r\n\r\n{hidden}")
        yield _case(f"TE {coding!r} with a short length", EITHER, both + b"4\r\n", b"{hex}\r\n{hidden}\r\n0\r\n\r\n")
    for name in (
        b"Transfer_Encoding: ", b"Transfer-Encoding : ", b" Transfer-Encoding: ", b"Transfer-Encoding\t: ",
        b"TransferEncoding: ", b"Transfer-Encoding\0: ", b"X: y\nTransfer-Encoding: ", b"X: y\rTransfer-Encoding: ",
        b"Transfer-Encoding\r\n: ", b"Transfer\r-Encoding: ", b"\x00Transfer-Encoding: ", b"Transfer-Encoding:\x0b",
    ):  # fmt: skip
        lines = name + b"chunked\r\ncontent-length: {size}\r\n"
        yield _case(f"the name {name!r}", EITHER, lines, b"0\r\n\r\n{hidden}")
    two = b"transfer-encoding: %s\r\ntransfer-encoding: %s\r\ncontent-length: 4\r\n"
    for first, second in ((b"chunked", b"identity"), (b"identity", b"chunked"), (b"chunked", b"x"), (b"x", b"chunked")):
        yield _case(f"TE {first!r} and {second!r}", EITHER, two % (first, second), b"{hex}\r\n{hidden}\r\n0\r\n\r\n")
    for length in (
        b"+{size}", b"-1", b"-0", b"0x10", b"{size} ", b" {size}", b"0{size}", b"1e1", b"5.0", b"", b"{size};",
        b"{size},",
        b"{size}, {size}", b"0, {size}", b"18446744073709551616", b"18446744073709551621", b"9223372036854775808",
        b"\x0b5",
        b"\xd9\xa5", b"1_0", b"{size}\0", b"{size} 0", b"{size}\r\n 0", b"zero", b"NaN", b"'5'", b"0\x0c", b"--5",
    ):  # fmt: skip
        yield _case(f"length {length!r}", EITHER, b"content-length: " + length + b"\r\n")
    for first, second in (
        (b"0", b"{size}"),
        (b"{size}", b"0"),
        (b"{size}", b"{size}"),
        (b"5", b"05"),
        (b"", b"{size}"),
    ):
        pair = b"content-length: " + first + b"\r\ncontent-length: " + second + b"\r\n"
        yield _case(f"lengths {first!r} and {second!r}", EITHER, pair)
    for name in (
        b"Content_Length",
        b"Content-Length ",
        b" Content-Length",
        b"Content-Length\t",
        b"Content-Length\0",
        b"\x00C",
    ):
        yield _case(f"the name {name!r}", EITHER, name + b": {size}\r\ncontent-length: 0\r\n")


def chunks() -> Iterator[Framing]:
    """Chunk sizes, extensions, ends and trailers."""
    head = b"transfer-encoding: chunked\r\n"
    for size in (
        b"0x{hex}", b"+{hex}", b"-1", b"{hex} ", b" {hex}", b"\t{hex}", b"{hex}\t", b"0{hex}", b"0000000000000000{hex}",
        b"ffffffffffffffff", b"10000000000000005", b"g", b"", b"{hex}g", b"{hex}_0", b"{hex}\0", b"{hex}.0",
        b"\xef\xbc\x95",
        b"{hex};", b"{hex};a", b'{hex};a="b"', b'{hex};a="\r\n0\r\n\r\n', b"{hex};\n", b"{hex}\n", b"{hex};a\rb",
        b"{hex} ;a=b",
        b"{hex};\x00", b"{hex},{hex}", b"-{hex}", b"{hex}\r", b"{hex};" + b"a" * 20_000,
    ):  # fmt: skip
        yield _case(f"chunk size {size[:24]!r}", EITHER, head, size + b"\r\n{hidden}\r\n0\r\n\r\n")
    for name, end in {
        "no line break behind the data": b"0\r\n\r\n",
        "a line feed behind the data": b"\n0\r\n\r\n",
        "a carriage return behind the data": b"\r0\r\n\r\n",
        "a letter behind the data": b"x\r\n0\r\n\r\n",
        "two line breaks behind the data": b"\r\n\r\n0\r\n\r\n",
        "00 as the end": b"\r\n00\r\n\r\n",
        "0 with a space": b"\r\n0 \r\n\r\n",
        "-0 as the end": b"\r\n-0\r\n\r\n",
        "0 with an extension": b"\r\n0;a=b\r\n\r\n",
        "an end of line feeds": b"\r\n0\n\n",
        "a length as trailer": b"\r\n0\r\ncontent-length: 5\r\n\r\n",
        "a coding as trailer": b"\r\n0\r\ntransfer-encoding: chunked\r\n\r\n",
        "a host as trailer": b"\r\n0\r\nhost: evil\r\n\r\n",
        "a folded trailer": b"\r\n0\r\nx: y\r\n z: w\r\n\r\n",
        "a trailer without a colon": b"\r\n0\r\nx\r\n\r\n",
        "a line feed ends the trailer": b"\r\n0\r\nx: y\n\r\n",
    }.items():
        yield _case(name, EITHER, head, b"{hex}\r\n{hidden}" + end + b"{hidden}")
    yield _case("the end before the data", EITHER, head, b"0\r\n\r\n{hidden}")


def lines_and_names() -> Iterator[Framing]:
    """Line endings, folds, names, and headers about the connection."""
    for line in (
        b"x: y\n", b"x: y\r", b"x: y\n\r\n", b"x: y\r\r\n", b"x: y\r\n\tz\r\n", b"x: y\r\n content-length: 5\r\n",
        b"x\r\n",
        b": x\r\n", b"x y: z\r\n", b"x\0: y\r\n", b"x: \0\r\n", b"x: \x01\r\n", b"x: \x7f\r\n", b"x\x80: y\r\n",
        b"(x): y\r\n",
        b"x,: y\r\n", b"x: " + b"y" * 40_000 + b"\r\n", b"x: y\r\n" * 200, b"\r\x0bx: y\r\n", b"x:\r\n",
        b"GET /orders/hidden HTTP/1.1\r\n", b"x: y\r\n\n", b" \r\n", b"\n",
    ):  # fmt: skip
        yield _case(f"the line {line[:30]!r}", EITHER, line + b"content-length: 0\r\n")
    for line in (
        b"connection: close", b"connection: content-length", b"connection: transfer-encoding", b"connection: host",
        b"connection: keep-alive, x-user-id", b"keep-alive: timeout=5", b"proxy-connection: keep-alive",
        b"te: trailers",
        b"expect: 100-continue", b"expect: x",
        b"upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__",
        b"upgrade: tls/1.0\r\nconnection: upgrade", b"upgrade: x\r\nconnection: upgrade",
        b"x-http-method-override: GET",
        b"x-original-url: /orders/hidden", b"content-encoding: gzip",
    ):  # fmt: skip
        yield _case(line[:40].decode(), EITHER, line + b"\r\ncontent-length: {size}\r\n")
    yield _case("a token's header that the connection takes away", REFUSED, b"connection: authorization\r\n", b"")
    yield _case("a second host", REFUSED, b"host: evil\r\n", b"")
    yield _case("the same host again", REFUSED, b"host: order-service.zone2.local\r\n", b"")


def request_lines() -> Iterator[Framing]:
    """Odd first lines; `{path}` is the path, the rest of the head follows."""

    def line(name: str, arrives: frozenset[int], text: bytes) -> Framing:
        def build(head: bytes, hidden: bytes) -> bytes:
            first, _, rest = head.partition(b"\r\n")
            return text.replace(b"{path}", first.split(b" ")[0]) + b"\r\n" + rest + b"\r\n" + hidden

        return Framing(name, arrives, build)

    for version in (b"HTTP/0.9", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3", b"http/1.1", b"HTTP/1.1 x",
                    b"HTTP /1.1",
                    b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1,1", b"XTTP/1.1", b"", b"HTTP/1.1\0", b"HTTP/11"):  # fmt: skip
        yield line(f"version {version!r}", REFUSED, b"GET {path} " + version)
    for text in (
        b"GET  {path} HTTP/1.1", b"GET\t{path}\tHTTP/1.1", b" GET {path} HTTP/1.1", b"GET {path}  HTTP/1.1",
        b"GET {path} HTTP/1.1 ", b"GET {path}\x0bHTTP/1.1", b"\r\nGET {path} HTTP/1.1", b"\nGET {path} HTTP/1.1",
        b"GET {path}\r HTTP/1.1", b"GET {path} x HTTP/1.1", b"GET {path}\0 HTTP/1.1", b"GET {path}#x HTTP/1.1",
        b"GET https://order-service.zone2.local{path} HTTP/1.1", b"GET http://evil{path} HTTP/1.1",
        b"GET //evil{path} HTTP/1.1", b"GET x{path} HTTP/1.1", b"GET ?{path} HTTP/1.1", b"G\0T {path} HTTP/1.1",
        b"{path} GET HTTP/1.1", b"GET{path} HTTP/1.1", b"GET {path}?a b HTTP/1.1", b"GET {path}?\xff HTTP/1.1",
        b"GET,POST {path} HTTP/1.1", b"\x16\x03\x01 {path} HTTP/1.1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT evil:443 HTTP/1.1", b"GET http:{path} HTTP/1.1", b"GET http://u@evil{path} HTTP/1.1",
    ):  # fmt: skip
        yield line(f"the line {text[:40]!r}", EITHER, text)


def all_framings() -> list[Framing]:
    return [*good_framings(), *lengths_and_codings(), *chunks(), *lines_and_names(), *request_lines()]
