"""The admin server: at once, whatever DNS does; for who names this host; for so many at a time."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
from tests.support.lone_sidecar import until as _until
from tests.support.neighbours import ask
from tests.support.ports import free_port

from authz_service.control_plane.status.admin_server import _MOST_AT_A_TIME, AdminServer, Page, json_page


def test_nobody_is_asked_for_our_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's server asks DNS when it binds: with a server that is silent, /livez came after 12.7 s."""

    def asked(name: str = "") -> NoReturn:
        raise AssertionError(name)

    monkeypatch.setattr(socket, "getfqdn", asked)
    monkeypatch.setattr(socket, "gethostbyaddr", asked)
    port = free_port("127.0.0.1")
    server = AdminServer("127.0.0.1", port, {"/livez": lambda: json_page({"live": True})})
    server.start()
    try:
        assert ask(("127.0.0.1", port), "GET", "/livez").status == 200
        assert ask(("127.0.0.1", port), "GET", "/other").status == 404
    finally:
        server.stop()


@contextmanager
def serving(page: Page | None = None, *, local: bool = True) -> Iterator[tuple[str, int]]:
    port = free_port("127.0.0.1")
    server = AdminServer("127.0.0.1", port, {"/livez": lambda: page or json_page({"live": True})}, local=local)
    server.start()
    try:
        yield "127.0.0.1", port
    finally:
        server.stop()


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "[::1]", "localhost:9901", "127.0.0.1:1"])
def test_who_names_this_host_is_answered(host: str) -> None:
    with serving() as place:
        assert ask(place, "GET", "/livez", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:80", "127.0.0.1.evil", "[::2]"]
)
def test_a_name_that_somebody_bound_to_this_host_is_not_answered(host: str) -> None:
    """DNS rebinding: a page in a browser on this host. Other hosts come by names of their own, where they may."""
    with serving() as place:
        assert ask(place, "GET", "/livez", host=host).status == 421
    with serving(local=False) as place:
        assert ask(place, "GET", "/livez", host=host).status == 200


def _heard() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def test_so_many_at_a_time_and_the_oldest_goes(capfd: pytest.CaptureFixture[str]) -> None:
    """Who trickles keeps no probe away, and no thread. Nobody who hangs up leaves a traceback."""
    with serving() as place:
        crowd = [socket.create_connection(place, 10) for _ in range(_MOST_AT_A_TIME)]
        _until(lambda: _heard() == _MOST_AT_A_TIME)
        assert ask(place, "GET", "/livez").status == 200
        assert crowd[0].recv(1) == b""
        _until(lambda: _heard() < _MOST_AT_A_TIME)
        for one in crowd[1:]:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            one.send(b"GET /livez HT")
            one.close()
        crowd[0].close()
        _until(lambda: _heard() == 0)
    assert "Traceback" not in "".join(capfd.readouterr())
