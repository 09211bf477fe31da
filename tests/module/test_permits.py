"""What a worker permits is taken exactly, or not at all: then the gate is asked."""

from __future__ import annotations

import base64
import struct

import pytest
from tests.module.ground import EPOCH, PIECES, Ground, as_header, in_50_s, permit
from tests.module.host import GOOD, Host, Request


def _is_taken(host: Host, said: bytes | str, request: Request = GOOD) -> bool:
    host.ask(request, said)
    return host.known(request)


def test_the_services_headers_are_set_replaced_and_removed(host: Host) -> None:
    """As Envoy does with a worker's answer; the user's key is for Envoy's limits alone."""
    forged = GOOD.but(headers=(*GOOD.headers, ("x-user-id", "evil"), ("x-user-id", "evil"), ("x-user-roles", "root")))
    lines = b"x-user-id: u-1\r\nx-authz-user: 5f\r\nx-envoy-auth-headers-to-remove: authorization,x-user-roles\r\n"
    host.learn(forged, permit(headers=lines))

    found = host.ask(forged)

    assert found.known
    assert found.user == "5f"
    sent = {name for name, _ in found.headers}
    assert sent == {":method", ":path", ":authority", "x-extra", "x-correlation-id", "x-user-id"}
    assert found.values("x-user-id") == ["u-1"]


def test_no_header_and_any_bytes_of_a_value_are_permitted(host: Host) -> None:
    assert _is_taken(host, permit(headers=b""))
    host.learn(GOOD.but(path="/2"), permit(headers="x-user-id: \tä\xff \r\nx-user-roles: \r\n".encode("latin-1")))

    found = host.ask(GOOD.but(path="/2"))

    assert (found.values("x-user-id"), found.values("x-user-roles")) == (["\tä\xff "], [""])


def _malformed() -> dict[str, bytes]:
    """Made when a test runs: a permit ends soon."""
    good = permit()
    length_at = 17  # of the first piece
    found: dict[str, bytes] = {
        "nothing": b"",
        "a head alone": good[:17],
        "another version": b"\x02" + good[1:],
        "one byte less": good[:-1],
        "one byte more": good + b"x",
        "a length beyond": good[:length_at] + b"\xff\xff" + good[length_at + 2 :],
        "a length of none": good[:length_at] + b"\0\0" + good[length_at + 2 :],
        "another epoch": permit(EPOCH + 1),
        "epoch 0": permit(0),
        "the end of time": permit(until=0),
        "an end beyond a minute": permit(until=in_50_s() + 3_600_000_000),
        "no end": permit(until=2**64 - 1),
        "an end that is over": permit(until=in_50_s() - 51_000_000),
        "a last piece less": good[: -2 - struct.unpack_from("<H", good, len(good) - 2)[0]],
        "a piece more": good + b"\0\0",
        "9,001 bytes": permit(headers=b"x-user-id: " + b"a" * (9_001 - len(permit(headers=b"")) - 13) + b"\r\n"),
    }
    for place, piece in enumerate(PIECES):
        for what, changed in {
            "cut at its start": piece[1:],
            "cut at its end": piece[:-1],
            "gone": b"",
            "with a line feed": piece[:3] + b"\n" + piece[3:],
            "with NUL": piece[:3] + b"\0" + piece[3:],
            "with DEL": piece[:3] + b"\x7f" + piece[3:],
        }.items():
            if (place, what) != (3, "cut at its end"):  # whose end is free
                found[f"piece {place + 1} {what}"] = permit(pieces=(*PIECES[:place], changed, *PIECES[place + 1 :]))
    for lines in (
        b"x-user-id",
        b"x-user-id: a",
        b"x-user-id: a\n",
        b"x-user-id: a\r",
        b"x-user-id: a\r\n\r\n",
        b"\r\nx-user-id: a\r\n",
        b"x-user-id:a\r\n",
        b"x-user-id : a\r\n",
        b" x-user-id: a\r\n",
        b": a\r\n",
        b":path: /admin\r\n",
        b"X-User-Id: a\r\n",
        b"x-user-id: a\nx-user-roles: b\r\n",
        b"x-user-id: a\rb\r\n",
        b"x-user-id: a\0b\r\n",
        b"x-user-id: \x1b[2J\r\n",
        b"x-user-id: a\r\nx-other: b\r\n",  # is not owned
        b"host: evil\r\n",
        b"x-user-idx: a\r\n",
        b"x-envoy-auth-headers-to-remove: :path\r\n",
        b"x-envoy-auth-headers-to-remove: host\r\n",
        b"x-envoy-auth-headers-to-remove: authorization, x-user-id\r\n",
        b"x-envoy-auth-headers-to-remove: authorization,,x-user-id\r\n",
        b"x-envoy-auth-headers-to-remove: Authorization\r\n",
    ):
        found[f"lines {lines!r}"] = permit(headers=lines)
    return found


@pytest.mark.parametrize("what", _malformed())
def test_a_permit_that_is_changed_in_one_place_is_none(shared_host: Host, what: str) -> None:
    """All but good: the request is asked about again, and nothing is held."""
    assert not _is_taken(shared_host, _malformed()[what], GOOD.but(path=f"/{what}"))


def test_the_good_one_beside_them_is_taken(shared_host: Host) -> None:
    assert _is_taken(shared_host, permit())
    assert _is_taken(
        shared_host, permit(headers=b"x-user-id: " + b"a" * (9_000 - len(permit(headers=b"")) - 13) + b"\r\n")
    )


def test_every_cut_of_a_permit_is_none(shared_host: Host) -> None:
    """At each byte."""
    request = GOOD.but(path="/cut")
    good = permit()
    for end in range(len(good)):
        shared_host.ask(request, good[:end])

    assert not shared_host.known(request)


def _text() -> str:
    """Of a good permit, with two signs of padding."""
    texts = (as_header(permit(headers=b"x-user-id: " + b"a" * spare + b"\r\n")) for spare in (1, 2, 3))
    return next(text for text in texts if text.endswith("=="))


def _no_base64(good: str) -> dict[str, str]:
    return {
        "nothing": "",
        "padded too little": good[:-1],
        "padded too much": good + "=",
        "a group less": good[:-4],
        "not padded": good.rstrip("="),
        "padded at its start": "=" + good[1:],
        "padded within": good[:8] + "====" + good[8:],
        "a space": " " + good,
        "a line feed": good[:4] + "\n" + good[4:],
        "the alphabet of URLs": good[:5] + "-" + good[6:],
        "a high byte": good[:5] + "\xe9" + good[6:],
        "NUL": good[:5] + "\0" + good[6:],
        "too long": as_header(b"a" * 9_003),
    }


@pytest.mark.parametrize("what", _no_base64("AAAABBBBCCCC"))
def test_what_is_no_base64_is_no_permit(shared_host: Host, what: str) -> None:
    """RFC 4648 §4 to the letter."""
    assert not _is_taken(shared_host, _no_base64(_text())[what], GOOD.but(path=f"/base64/{what}"))


def test_the_base64_beside_them_is_a_permit(shared_host: Host) -> None:
    assert _is_taken(shared_host, _text(), GOOD.but(path="/good-base64"))


def test_bits_that_belong_to_no_byte_are_an_error(shared_host: Host) -> None:
    """The same bytes have one text only."""
    for spare in (b"", b"a", b"ab"):
        raw = permit(headers=b"x-user-id: a" + spare + b"\r\n")
        text = as_header(raw)
        if not text.endswith("="):
            continue
        last = text.rstrip("=")[-1]
        other = text.rstrip("=")[:-1] + chr(ord(last) + 1) + "=" * text.count("=")
        assert base64.b64decode(other) == raw
        request = GOOD.but(path=f"/stray-{len(spare)}")
        shared_host.ask(request, other)
        assert not shared_host.known(request)
        shared_host.ask(request, text)
        assert shared_host.known(request)


def test_nothing_said_is_nothing_learnt(host: Host) -> None:
    host.ask(GOOD)

    assert not host.known(GOOD)


@pytest.mark.parametrize("details", ["ext_authz_denied", "ext_authz_error"])
def test_nothing_is_learnt_of_a_refusal(host: Host, details: str) -> None:
    """Envoy keeps the headers of a refusal as metadata, too."""
    host.ask(GOOD, permit(), denied=details)

    assert not host.known(GOOD)


def test_of_an_allow_it_is_learnt_though_the_service_is_not_reached(host: Host) -> None:
    """Envoy answers itself then."""
    host.ask(GOOD, permit(), denied="upstream_reset_before_response_started")

    assert host.known(GOOD)


def test_an_answer_that_comes_after_a_change_of_rules_is_not_learnt(host: Host, ground: Ground) -> None:
    """The gate judged by the old ones."""
    host.say(*GOOD.lines(), "ask")
    ground.board.epoch += 1
    host.say(f"answer with {as_header(permit()).encode().hex()}", "end")
    ground.board.epoch -= 1

    assert not host.known(GOOD)


@pytest.mark.parametrize("name", ["x-user-id", "authorization"])
def test_a_header_that_cannot_be_changed_leaves_the_request_to_the_gate(host: Host, ground: Ground, name: str) -> None:
    """Set or removed. Its record is written then, and the gate's comes after it."""
    host.learn(GOOD)
    host.say(f"fail {name.encode().hex()}")

    assert not host.known(GOOD)
    assert ground.board.told("repeated") == 0
    host.say("fail -")
    assert host.known(GOOD)


def test_a_permit_may_be_as_long_as_a_record(host: Host, ground: Ground) -> None:
    """The whole line has at most 4,095 bytes with its line feed; one more is a miss, and nothing of it is written."""
    host.freeze_clocks()
    host.learn(GOOD.but(path="/1"))
    assert host.known(GOOD.but(path="/1"))
    spare = 4_095 - len(ground.audit.read_bytes())
    for path, more in (("/fits", spare), ("/too-long", spare + 1)):
        padded = PIECES[3][:-1] + b"x" * more + b'"'
        host.learn(GOOD.but(path=path), permit(pieces=(*PIECES[:3], padded)))

    assert not host.known(GOOD.but(path="/too-long"))
    assert host.known(GOOD.but(path="/fits"))
    assert [len(line) for line in ground.audit.read_bytes().splitlines(keepends=True)] == [4_095 - spare, 4_095]
