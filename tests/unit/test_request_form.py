"""Which requests are unambiguous (SECURITY T13, T14, T15, T25)."""

import re
from collections.abc import Iterator
from functools import partial
from posixpath import normpath
from unicodedata import normalize
from urllib.parse import quote, unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.decisions import unless_refused
from tests.support.path_attacks import hostile_paths

from authz_service import headers
from authz_service.domain.refusals import Reason, Rejected
from authz_service.request_form import (
    MAX_PATH,
    METHODS,
    query_values,
    require_host,
    require_method,
    require_query,
    require_segments,
)

READABLE = {
    "/": [],
    "/orders": ["orders"],
    "/orders/": ["orders", ""],
    "/orders/1-a_b~c.d": ["orders", "1-a_b~c.d"],
    "/orders/a%20b": ["orders", "a b"],
    "/orders/%41": ["orders", "A"],
    "/orders/%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7": ["orders", "заказ"],
    "/orders/%E2%80%8C": ["orders", "\u200c"],
    "/orders/.hidden": ["orders", ".hidden"],
    "/orders/...": ["orders", "..."],
    "/orders/..a": ["orders", "..a"],
    "/orders/a..": ["orders", "a.."],
    "/orders;v=1/1": ["orders;v=1", "1"],
    "/orders/a=b,c&d": ["orders", "a=b,c&d"],
    "/orders/me@example.com:8443": ["orders", "me@example.com:8443"],
    "/orders/%3Fa%23b": ["orders", "?a#b"],
    "/(orders)!*'$+": ["(orders)!*'$+"],
    "/orders/[1]/a%5B2%5D": ["orders", "[1]", "a[2]"],
}

AMBIGUOUS = [
    # not a path
    "", "orders", "*", "http://evil/orders", "?a=b",
    # empty segments
    "//", "//orders", "/orders//admin", "/orders//", "///",
    # dot segments, plain, escaped once, in part, with parameters and blanks
    "/.", "/..", "/./orders", "/../orders", "/orders/..", "/orders/.", "/orders/../admin", "/orders/./admin",
    "/orders/%2e", "/orders/%2e%2e/admin", "/orders/%2E%2E/admin", "/orders/.%2e/admin", "/orders/%2e./admin",
    "/orders/..;/admin", "/orders/.;/admin", "/orders/..;x=y/admin", "/orders/%2e%2e;/admin", "/orders/..%3b/admin",
    "/orders/..%3Bx/admin", "/orders/..%20/admin", "/orders/%20../admin", "/orders/..%20;/admin", "/orders/.%C2%A0",
    # delimiters that come out of an escape
    "/orders/%2f", "/orders%2Fadmin", "/orders/..%2fadmin", "/orders/%5c", "/orders/..%5Cadmin", "/orders/%5C..%5c",
    # escapes of escapes
    "/orders/%25", "/orders/%252e%252e/admin", "/orders/%25%32%65", "/orders/%252Fadmin", "/orders/%2525",
    # controls
    "/orders/%00", "/orders/1%00.json", "/orders/%0a", "/orders/%0d%0aX-User-ID:%20admin", "/orders/%09", "/orders/%7f",
    "/orders/%C2%85", "/orders/%E2%80%A8",
    # broken escapes
    "/orders/%", "/orders/%2", "/orders/%zz", "/orders/%u002e%u002e/admin", "/orders/%-1", "/orders/%+1", "/orders/% 1",
    # not UTF-8, or overlong (RFC 3629 §3): %c0%ae is a dot, %c0%af a slash to a careless decoder
    "/orders/%c0%ae%c0%ae/admin", "/orders/%c0%2e", "/orders/%c0%af", "/orders/%e0%80%af", "/orders/%f0%80%80%af",
    "/orders/%c1%9c", "/orders/%ff", "/orders/%fe%fe", "/orders/%80", "/orders/%ed%a0%80", "/orders/%f4%90%80%80",
    # other letters that become a dot, a slash or a percent sign where a service folds them (Unicode NFKC)
    "/orders/%EF%BC%8E%EF%BC%8E/admin", "/orders/%E2%80%A5/admin", "/orders/%EF%BC%8Fadmin", "/orders/%EF%BC%BCadmin",
    "/orders/%EF%BC%852e", "/orders/%E2%84%80", "/orders/.%EF%BC%9B",
    # what must be escaped in a path (RFC 3986 §3.3)
    "/orders/a b", "/orders/ ..", "/orders\\admin", "/orders/..\\admin", "/orders/\x00", "/orders/\n", "/orders/\x7f",
    "/orders/é", "/orders/\xff", "/orders#admin", "/orders?a", "/orders/<b>", '/orders/"', "/orders/{id}",
    "/orders/a|b", "/orders/^", "/orders/`id`",
]  # fmt: skip


@pytest.mark.parametrize("path", READABLE)
def test_a_path_with_one_meaning_is_taken_apart(path: str) -> None:
    """Its segments are decoded once."""
    assert require_segments(path) == READABLE[path]


@pytest.mark.parametrize("path", AMBIGUOUS)
def test_a_path_with_two_meanings_is_refused(path: str) -> None:
    """Each of these is another path to a service that decodes, folds or strips once more than we do."""
    with pytest.raises(Rejected) as refusal:
        require_segments(path)

    assert refusal.value.reason is Reason.PATH_REFUSED


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/projects/group%2Fproject/issues", ["projects", "group/project", "issues"]),  # GitLab
        ("/@scope%2fname", ["@scope/name"]),  # npm
        ("/queues/%2F/name", ["queues", "/", "name"]),  # RabbitMQ's default virtual host
        ("/works/10.1000%2F182", ["works", "10.1000/182"]),  # a DOI
        ("/files/100%25", ["files", "100%"]),
        ("/files/100%EF%BC%85", ["files", "100\uff05"]),  # a full-width percent sign
        ("/queues/%2F/a%252Fb", ["queues", "/", "a%2Fb"]),
        ("/a/b", ["a", "b"]),
    ],
)
def test_escaped_slashes_are_part_of_a_segment_where_they_may_be(path: str, segments: list[str]) -> None:
    """And refused where nobody said so, but for the last one."""
    assert require_segments(path, encoded_slashes=True) == segments
    if path == "/a/b":
        assert require_segments(path) == segments
        return
    with pytest.raises(Rejected) as refusal:
        require_segments(path)

    assert refusal.value.reason is Reason.PATH_REFUSED


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/a/..%2fadmin",
            "/a/%2e%2e%2fadmin",
            "/a/x%2F..%2F..%2Fadmin",
            "/a%2F..",
            "/a/..;%2Fadmin",
            "/a%2F;x/b",
            "/a%2f.",
        ),
        *(
            "/a/%252e%252e",
            "/a/%252e%252e%252fadmin",
            "/a/%25252e%25252e%25252fadmin",
            "/a%2F%2E%2E%3Bx",
            "/a%2f%20..%20/b",
        ),
        *("/a%5Cb", "/a%255Cb", "/a%2F%5c", "/a%EF%BC%BCb", "/a%00", "/a%2500", "/a%250a", "/a%25ff", "/a%25c0%25ae"),
        *("/a%EF%BC%8F..", "/a%2F%EF%BC%8E%EF%BC%8E%2Fb", "/a%2", "/a%zz", "/a%ff", "/a//b"),
    ],
)
def test_no_escape_leads_elsewhere(path: str) -> None:
    """However often a service decodes."""
    with pytest.raises(Rejected) as refusal:
        require_segments(path, encoded_slashes=True)

    assert refusal.value.reason is Reason.PATH_REFUSED


def test_no_hostile_path_leaves_its_folder_where_slashes_are_allowed() -> None:
    """Torture A6's list, of which some pass here: however a service decodes, cuts or turns them."""
    passed = 0
    for path in (*hostile_paths(), *(path.replace("%2f", "%252F") for path in hostile_paths())):
        plain = path.partition("?")[0]
        read = partial(require_segments, plain, encoded_slashes=True)
        segments = unless_refused(Reason.PATH_REFUSED, read)
        if not segments or segments[0] != "orders":
            continue
        passed += 1
        for reading in _readings(plain):
            assert reading == "/orders" or reading.startswith("/orders/"), path
    assert passed > 20


def _readings(path: str) -> Iterator[str]:
    for _ in range(4):
        for text in (path, re.sub(r";[^/]*", "", path), path.replace("\\", "/"), normalize("NFKC", path)):
            yield normpath(re.sub(r"/+", "/", text))
        path = unquote(path, errors="replace")


@given(st.text(alphabet="%25FfEe./;\\a0cC", max_size=24))
def test_where_slashes_are_allowed_nothing_goes_up(path: str) -> None:
    """Whatever is accepted has no dot segment, decoded up to three times and split at everything."""
    segments = unless_refused(Reason.PATH_REFUSED, lambda: require_segments(f"/{path}", encoded_slashes=True))
    text = "/".join(segments or [])
    for _ in range(3):
        assert not {".", ".."} & {piece.partition(";")[0] for piece in re.split(r"[/\\]", text)}
        text = unquote(text)


def test_the_longest_path_passes_and_a_longer_one_is_said_to_be_long() -> None:
    """RFC 9110 §15.5.15: 414, and not that it has two meanings."""
    assert require_segments("/" + "a" * (MAX_PATH - 1)) == ["a" * (MAX_PATH - 1)]
    with pytest.raises(Rejected) as refusal:
        require_segments("/" + "a" * MAX_PATH)

    assert refusal.value.reason is Reason.PATH_TOO_LONG


_pieces = st.sampled_from(
    [
        "/",
        "//",
        ".",
        "..",
        "%2e",
        "%2E",
        "%2f",
        "%5c",
        "%25",
        "%00",
        "%c0%ae",
        ";",
        "\\",
        "a",
        "orders",
        "%41",
        "%D0%B0",
        " ",
        "%",
    ]
)


@given(
    st.one_of(
        st.text(),
        st.lists(_pieces).map(lambda pieces: "/" + "".join(pieces)),
        st.binary().map(lambda b: b.decode("latin-1")),
    )
)
def test_whatever_arrives_is_refused_or_unambiguous(path: str) -> None:
    """No segment can be taken for a way up, or for several; and written again it is the path that arrived."""
    segments = unless_refused(Reason.PATH_REFUSED, lambda: require_segments(path))
    if segments is None:
        return
    for segment in segments:
        assert not set(segment) & set("/\\%\x00\r\n")
        assert segment.partition(";")[0].strip() not in {".", ".."}
    assert "" not in segments[:-1]
    again = "/" + "/".join(quote(segment, safe="") for segment in segments)
    assert require_segments(again) == segments
    assert _folded(again) == _folded(path)


def _folded(path: str) -> str:
    """Escapes of characters that need none are taken back; the others in upper case (RFC 3986 §6.2.2)."""
    return re.sub(r"%[0-9A-Fa-f]{2}|[^%]", lambda one: _one(one[0]), path)


def _one(text: str) -> str:
    code = int(text[1:], 16) if text.startswith("%") else ord(text)
    return f"%{code:02X}"


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_what_is_accepted_is_what_was_meant(names: list[str]) -> None:
    """Well-formed escapes of any names come back as these names, or are refused."""
    path = "/" + "/".join(quote(name, safe="") for name in names)
    assert unless_refused(Reason.PATH_REFUSED, lambda: require_segments(path)) in (names, None)


@pytest.mark.parametrize(
    "host",
    [
        *("order-service.zone2.local", "127.0.0.1", "[::1]", "a_b", "x.local:8443", "a" * 255),
        *("[::1]:8443", "[::ffff:10.0.0.1]:1", "xn--bcher-kva.example:65535", "localhost:80"),
    ],
)
def test_one_host_is_accepted(host: str) -> None:
    require_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "a,b", "evil@x.local", "a b", "a/b", "x.local\n", "é", "a" * 256, "a?b", "a%00"),
        *("[::1", "::1", "]", "[]", "[::1]x", "[1.2.3.4]", "[::1%eth0]", "[::g]", ".", "..", "a..b", ".a", "a."),
        *("evil:x", "evil:", ":8443", "evil:0", "evil:65536", "evil:99999", "a:1:2", "a:-1", "a:+1", "[::1]:"),
    ],
)
def test_a_host_that_is_not_one_name_is_refused(host: str) -> None:
    with pytest.raises(Rejected) as refusal:
        require_host(host)

    assert refusal.value.reason is Reason.REQUEST_INVALID


@pytest.mark.parametrize(("method", "allowed"), [*((method, ()) for method in METHODS), ("PATCH", ("PATCH",))])
def test_the_routes_methods_are_accepted(method: str, allowed: tuple[str, ...]) -> None:
    require_method(method, allowed)


@pytest.mark.parametrize(
    ("method", "allowed"),
    [("TRACE", ()), ("CONNECT", ()), ("PROPFIND", ()), ("get", ()), ("", ()), ("GET ", ()), ("GET", ("POST",))],
)
def test_any_other_method_is_refused(method: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(Rejected) as refusal:
        require_method(method, allowed)

    assert refusal.value.reason is Reason.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("text", ["27dc8f54-1111", "a", "A.b_c-9", "a" * 128])
def test_a_harmless_correlation_id_is_kept(text: str) -> None:
    assert headers.is_correlation_id(text)
    assert re.fullmatch(headers.CORRELATION_ID_PATTERN, text)


@pytest.mark.parametrize("text", ["", "a" * 129, "a b", "a\n", "é", 'a"', "a,b", "a;b", "\x00", "a/b"])
def test_any_other_correlation_id_is_not(text: str) -> None:
    assert not headers.is_correlation_id(text)


def test_a_query_keeps_every_value_of_every_name() -> None:
    assert query_values("a=1&a=2&b=&c&d=%20x%ff&%C3%A9=+") == {
        "a": ["1", "2"], "b": [""], "c": [""], "d": [" x\ufffd"], "é": [" "],
    }  # fmt: skip


def test_a_query_of_many_fields_is_refused() -> None:
    """Each field costs time; 256 pass."""
    require_query("&".join(f"a{n}=1" for n in range(256)))

    with pytest.raises(Rejected) as refusal:
        require_query("a&" * 256)

    assert refusal.value.reason is Reason.REQUEST_INVALID


@given(st.binary().map(lambda raw: raw.decode("latin-1")))
def test_whatever_the_query_it_is_something_that_json_can_say(query: str) -> None:
    values = query_values(query)
    assert msgspec.json.decode(msgspec.json.encode(values)) == values
