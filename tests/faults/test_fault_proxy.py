"""The fault proxy does what it says: each fault really happens, to open connections too, and ends when switched off."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from tests.support.echo_service import EchoService
from tests.support.fault_proxy import NO_FAULT, Fault, FaultProxy
from tests.support.patience import PATIENCE

_GET = b"GET /x?size=20000 HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with EchoService("127.0.0.1", 0) as service, FaultProxy(("127.0.0.1", 0), to=service.place) as running:
        yield running


def connected(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(proxy.place, PATIENCE)


def answer(connection: socket.socket, wanted: int = 20_000, patience: float = PATIENCE) -> bytes:
    """Bytes until so many have come, the other side ends, or patience does."""
    connection.settimeout(patience)
    found = b""
    while len(found) < wanted:
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            break
        if not piece:
            break
        found += piece
    return found


def asked(proxy: FaultProxy, **more: float) -> bytes:
    with connected(proxy) as connection:
        connection.sendall(_GET)
        return answer(connection, **more)  # type: ignore[arg-type]


def test_without_a_fault_everything_passes_unchanged(proxy: FaultProxy) -> None:
    assert asked(proxy).startswith(b"HTTP/1.1 200")
    assert len(asked(proxy)) >= 20_000
    assert proxy.connections == 2


def test_latency_comes_before_the_answer(proxy: FaultProxy) -> None:
    proxy.switch(Fault(latency=0.5))
    started = time.monotonic()
    assert len(asked(proxy)) >= 20_000
    assert time.monotonic() - started >= 0.5


def test_a_rate_is_not_exceeded(proxy: FaultProxy) -> None:
    proxy.switch(Fault(rate=20_000))
    started = time.monotonic()
    assert len(asked(proxy)) >= 20_000
    assert time.monotonic() - started >= 0.9


def test_truncation_ends_the_answer_in_the_middle(proxy: FaultProxy) -> None:
    proxy.switch(Fault(truncate=1000))
    assert len(asked(proxy)) == 1000


def test_half_close_ends_the_answer_and_goes_on_listening(proxy: FaultProxy) -> None:
    proxy.switch(Fault(half_close=1000))
    with connected(proxy) as connection:
        connection.sendall(_GET)
        assert len(answer(connection)) == 1000
        for _ in range(3):  # a closed connection would answer the first with a reset
            connection.sendall(b"more")
            time.sleep(0.05)


def test_a_blackhole_takes_the_connection_and_says_nothing(proxy: FaultProxy) -> None:
    with connected(proxy) as connection:
        proxy.switch(Fault(blackhole=True))
        connection.sendall(_GET)
        assert answer(connection, patience=0.4) == b""
        proxy.switch(NO_FAULT)
        assert len(answer(connection)) >= 20_000


def test_a_reset_is_a_reset_on_open_and_on_new_connections(proxy: FaultProxy) -> None:
    with connected(proxy) as connection:
        connection.sendall(_GET)
        assert len(answer(connection)) >= 20_000
        proxy.switch(Fault(reset=True))
        with pytest.raises(ConnectionResetError):
            answer(connection)
    with pytest.raises(ConnectionError):
        asked(proxy)


def test_down_is_down_until_it_is_switched_off(proxy: FaultProxy) -> None:
    with connected(proxy) as connection:
        connection.sendall(_GET)
        assert len(answer(connection)) >= 20_000
        proxy.switch(Fault(down=True))
        with pytest.raises(ConnectionResetError):
            answer(connection)
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.switch(NO_FAULT)
    assert len(asked(proxy)) >= 20_000
