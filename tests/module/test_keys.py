"""An allow is repeated for the very same request only: one byte elsewhere, and the gate is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.module.ground import EPOCH, Ground, as_header, permit
from tests.module.host import GOOD, Host, Request

_HEADERS = GOOD.headers


def test_the_same_request_is_known_once_the_gate_permits_it(host: Host, ground: Ground) -> None:
    """And not before; the service gets what the gate would have said."""
    first = host.ask(GOOD)
    host.learn(GOOD)
    then = host.ask(GOOD)

    assert (first.known, then.known) == (False, True)
    assert (then.values("x-user-id"), then.values("authorization")) == (["u-1"], [])
    assert first.values("authorization") == ["Bearer t"]
    assert (ground.board.told("repeated"), ground.board.told("entries")) == (1, 1)
    assert ground.board.told("pid") == host.pid


@pytest.mark.parametrize(
    "other",
    [
        {"method": "GEU"},
        {"path": "/orders?a=2"},
        {"path": "/orders"},
        {"authority": "order.zone1.locaL"},
        {"route": "tag|/orderz"},
        {"route": ""},
        {"address": "192.0.2.8:50123"},
        {"address": "[2001:db8::1]:50123"},
        {"certificate": "ac" * 32},
        {"certificate": ""},
        {"headers": (("authorization", "Bearer u"), *_HEADERS[1:])},
        {"headers": _HEADERS[1:]},
        {"headers": (*_HEADERS, ("authorization", "Bearer t"))},
        {"headers": _HEADERS[:2]},
        {"headers": (_HEADERS[0], _HEADERS[2], _HEADERS[1])},
        {"headers": (*_HEADERS[:2], ("x-extra", "3"))},
        {"headers": (_HEADERS[0], ("x-extra", "1,2"))},
        {"headers": (_HEADERS[0], ("x-extra", "12"), ("x-extra", ""))},
        # The same bytes, divided otherwise.
        {"path": "/orders?a=1o", "authority": "rder.zone1.local"},
        {"route": "tag|/order", "address": "s192.0.2.7:50123"},
    ],
    ids=str,
)
def test_one_byte_elsewhere_is_another_request(host: Host, other: dict[str, object]) -> None:
    host.learn(GOOD)

    assert not host.known(GOOD.but(**other))
    assert host.known(GOOD)


@pytest.mark.parametrize(
    "same",
    [
        {"correlation_ids": ("another",)},
        {"correlation_ids": ("A.z_0-9" * 18 + "xy",)},  # 128
        {"address": "192.0.2.7:50124"},
        {"headers": (*_HEADERS, ("x-not-asked", "1"))},
    ],
    ids=str,
)
def test_what_the_gate_is_not_asked_makes_no_difference(host: Host, same: dict[str, object]) -> None:
    """The correlation id, the port, a header that nobody reads."""
    host.learn(GOOD)

    assert host.known(GOOD.but(**same))


@pytest.mark.parametrize(
    ("more", "is_known"),
    [
        ([("x-filler", "v")] * 70, True),
        ([("x-filler", "v")] * 95, False),
        ([("x-filler", "v" * 20_000)], True),
        ([("x-filler", "v" * 31_000)], False),
    ],
    ids=["many", "too many", "large", "too large"],
)
def test_the_gate_is_asked_where_its_headers_could_be_too_many(
    host: Host, more: list[tuple[str, str]], *, is_known: bool
) -> None:
    """Envoy counts what is set, too: 100 headers, 32 KiB. Only `ext_authz` refuses what goes beyond that."""
    host.learn(GOOD)

    assert host.known(GOOD.but(headers=(*_HEADERS, *more))) is is_known


@pytest.mark.parametrize(
    "ids", [(), ("",), ("c-1", "c-1"), ("c 1",), ("c\x001",), ("\xe9",), ('c","x":"',), ("x" * 129,)], ids=str
)
def test_a_correlation_id_that_is_none_is_left_to_the_gate(host: Host, ids: tuple[str, ...]) -> None:
    """Missing, doubled, bad; nothing is learnt of it, either."""
    host.learn(GOOD)
    host.ask(GOOD.but(path="/new", correlation_ids=ids), b"")

    assert not host.known(GOOD.but(correlation_ids=ids))
    assert host.known(GOOD)


@pytest.mark.parametrize("name", [":method", ":path", ":authority"])
def test_a_request_without_its_parts_has_no_key(host: Host, name: str) -> None:
    """What is missing is not empty."""
    odd = GOOD.but(without=name)
    host.learn(odd)

    assert not host.known(odd)


def test_a_request_without_an_address_or_with_a_doubled_path_has_no_key(host: Host) -> None:
    for odd in (GOOD.but(address=""), GOOD.but(headers=((":path", "/orders?a=1"),))):
        host.learn(odd)

        assert not host.known(odd)


def test_a_key_has_a_longest_length(host: Host) -> None:
    """16 KiB with all of it; one byte more is no key."""
    longest = 16_384 - 4 * 8 - sum(map(len, ("GET", "order.zone1.local", "192.0.2.7", "tag|/orders", "ab" * 32)))
    fits = Request(path="/" * longest, headers=())
    host.learn(fits)
    host.learn(fits.but(path=fits.path + "/"))

    assert host.known(fits)
    assert not host.known(fits.but(path=fits.path + "/"))


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("[::1]:80", "[::1]:81", True),
        ("[::1]:80", "::1", True),
        ("10.0.0.1:0", "10.0.0.1", True),
        ("::1:80", "::1:81", False),  # no port: part of the address
        ("[::1]x80", "[::1]x81", False),
        ("/run/a.sock", "/run/b.sock", False),
        ("10.0.0.1:8x", "10.0.0.1:80", False),
        ("10.0.0.1:123456", "10.0.0.1:123457", False),
    ],
)
def test_the_port_is_left_out_and_nothing_else(host: Host, one: str, other: str, alike: bool) -> None:
    host.learn(GOOD.but(address=one))

    assert host.known(GOOD.but(address=other)) is alike


def test_each_thread_of_envoy_and_each_filter_has_its_own_memory(host: Host, ground: Ground) -> None:
    """What one has learnt no other repeats; a thread beyond the 64th has none."""
    host.learn(GOOD)
    host.learn(GOOD.but(worker=64))
    known = [host.known(GOOD.but(worker=worker)) for worker in (0, 1, 63, 64)]
    assert host.configure(ground.configuration())
    of_another_filter = host.known(GOOD)
    host.say(f"filter {host.filters[0]}")

    assert known == [True, False, False, False]
    assert not of_another_filter
    assert host.known(GOOD)


def test_the_oldest_goes_first(host: Host, ground: Ground) -> None:
    """4,096 at most."""
    for number in range(4097):
        host.learn(GOOD.but(path=f"/{number}"))

    assert ground.board.told("entries") == 4096
    assert not host.known(GOOD.but(path="/0"))
    assert host.known(GOOD.but(path="/1"))
    assert host.known(GOOD.but(path="/4096"))


def test_what_is_learnt_again_takes_the_place_of_what_was_there(host: Host, ground: Ground) -> None:
    """Two requests were asked about before the first answer came: the later one holds."""
    asked, said = GOOD.lines(), as_header(permit(headers=b"x-user-id: second\r\n")).encode().hex()
    host.learn(GOOD)
    ground.board.epoch = 0  # so that it is no hit
    host.say(*asked, "ask")
    ground.board.epoch = EPOCH
    host.say(f"answer with {said}", "end")
    assert host.ask(GOOD).values("x-user-id") == ["u-1"]  # it had no key: nothing could be repeated then

    ground.board.epoch = EPOCH + 1
    host.learn(GOOD, permit(EPOCH + 1, headers=b"x-user-id: second\r\n"))

    assert host.ask(GOOD).values("x-user-id") == ["second"]
    assert ground.board.told("entries") == 1


def test_the_filter_creates_no_file(host: Host, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    host.learn(GOOD)
    host.known(GOOD)

    assert sorted(tmp_path.iterdir()) == before


def test_memory_is_bounded_by_bytes_too(host: Host, ground: Ground) -> None:
    """8 MiB for each thread and filter: about 330 of the longest requests and permits."""
    said = permit(headers=b"x-user-id: " + b"a" * 8_000 + b"\r\n")
    for number in range(400):
        host.learn(GOOD.but(path=f"/{number:03d}" + "x" * 16_000), said)

    held = ground.board.told("entries")
    assert 300 < held < 8 * 1024 * 1024 / 24_000
    assert [host.known(GOOD.but(path=f"/{number:03d}" + "x" * 16_000)) for number in (399 - held, 400 - held)] == [
        False,
        True,
    ]
