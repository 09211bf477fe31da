"""The door in our own process: it takes over its files, serves by them, keeps the last good ones, and ends."""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.certificates import Authority
from tests.support.patience import PATIENCE
from tests.support.scripted_worker import ALLOW, ScriptedWorker, refusal

from authz_service.decision_point.askers import server_context
from authz_service.decision_point.door import Door, version_of
from authz_service.decision_point.rules import Asker, DoorRules, Said
from authz_service.domain.rules import ClientRule
from authz_service.envoy.secrets import tls_certificate_secret, validation_context_secret

NOW = time.time()
CA, OTHER_CA = Authority.living("the proxies'", NOW), Authority.living("another", NOW)
PROXY = CA.issue("edge-proxy")
STRANGER = OTHER_CA.issue("edge-proxy")
OURS = CA.issue("decision-point", dns=("localhost",))
LISTED = (ClientRule((("CN", "edge-proxy"),)),)


class House:
    """A door, its files, and the worker that it asks."""

    def __init__(self, folder: Path, worker: ScriptedWorker) -> None:
        self.folder = folder
        self.worker = worker
        self.file = folder / "door.json"
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.door = Door(self.file, [self.listening.fileno()])

    def write(self, **changes: Any) -> str:
        """The rules, in one step; their version."""
        asker = Asker("edge", changes.pop("protocol", "ext_authz_http"), changes.pop("allowed", ()), Said())
        rules = DoorRules(
            (asker,), (self.worker.path,), 5.0, "0123abcd", changes.pop("tag", "feedbeef"), (), (), ("x-user-id",), 8
        )
        return self.put(msgspec.json.encode(msgspec.structs.replace(rules, **changes)))

    def put(self, text: bytes) -> str:
        fresh = self.folder / ".fresh"
        fresh.write_bytes(text)
        fresh.rename(self.file)
        return version_of(text)

    async def taken_over(self, version: str) -> None:
        await until(lambda: (self.folder / "door.version").is_file() and self.said() == version)

    def said(self) -> str:
        return (self.folder / "door.version").read_text().split()[1]

    async def has_taken_in(self, count: int) -> None:
        """A connection is there for its client before the door knows of it."""
        await until(lambda: len(self.door._connections) == count)

    async def ask(self, context: ssl.SSLContext | None = None) -> int:
        """The status of one question on a connection of its own; 0 without an answer."""
        return await asyncio.to_thread(self._ask, context)

    def _ask(self, context: ssl.SSLContext | None) -> int:
        connection = (
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            if context is None
            else http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=context)
        )
        try:
            connection.request("GET", "/orders/1")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


def written_secrets(folder: Path) -> dict[str, str]:
    """What the door's rules name: our certificate, and whose we take."""
    server, trust = folder / "server.json", folder / "ca.json"
    server.write_text(tls_certificate_secret("server", OURS.certificate.decode(), OURS.key.decode()))
    trust.write_text(validation_context_secret("ca", CA.pem.decode()))
    return {"certificate": str(server), "client_ca": str(trust)}


def client(folder: Path, leaf: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=CA.pem.decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # from Python 3.13 on: it wants key identifiers
    if leaf is not None:
        context.load_cert_chain(*leaf.write(folder, f"client-{leaf.serial}"))
    return context


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)


def play(folder: Path, part: Callable[[House], Awaitable[None]], answers: list[bytes] | None = None) -> None:
    """The door runs from before the part until SIGTERM after it."""

    async def run() -> None:
        async with ScriptedWorker(folder / "w", answers or [ALLOW]) as worker:
            house = House(folder, worker)
            door = asyncio.create_task(house.door.run())
            await asyncio.sleep(0)
            try:
                await part(house)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait_for(door, PATIENCE)
                house.listening.close()

    asyncio.run(run())


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """By the door, of rules that it cannot use; each problem once."""
    return [each for each in caplog.records if each.getMessage() == "door_rules_unusable"]


def test_it_serves_by_its_file_and_says_which(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Yes and no, on new connections by new rules; a file that cannot be used changes nothing."""

    async def part(house: House) -> None:
        await house.taken_over(house.write())
        assert await house.ask() == 200
        second = house.write(tag="00000002")
        await house.taken_over(second)
        assert await house.ask() == 403
        before = len(told(caplog))
        house.put(b'{"askers": 5}')
        await until(lambda: len(told(caplog)) > before)
        assert (house.said(), await house.ask()) == (second, 403)

    play(tmp_path, part, [ALLOW, refusal(403, "policy_denied")])


def test_what_cannot_be_used_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def part(house: House) -> None:
        before = len(told(caplog))  # there was no file yet
        house.put(b"{")
        await until(lambda: len(told(caplog)) > before)
        await asyncio.sleep(0.5)  # several looks
        assert len(told(caplog)) == before + 1

    with caplog.at_level(logging.ERROR):
        play(tmp_path, part)


def test_one_connection_too_many_is_closed(tmp_path: Path) -> None:
    """Those that are there go on."""

    async def part(house: House) -> None:
        await house.taken_over(house.write(max_connections=1))
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        await house.has_taken_in(1)
        other, too_many = await asyncio.open_connection("127.0.0.1", house.port)
        assert await other.read() == b""
        too_many.close()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        await house.has_taken_in(0)

    play(tmp_path, part)


@pytest.mark.parametrize("protocol", ["ext_authz_http", "ext_authz_grpc"])
def test_one_too_many_is_closed_also_after_handshakes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """There was room for each when it began."""
    secrets = written_secrets(tmp_path)
    begun: list[asyncio.Protocol] = []
    within = Door._within

    def counted(door: Door, most: int, make: Callable[[], Any]) -> Callable[[], asyncio.Protocol]:
        def made() -> Any:
            begun.append(make())
            return begun[-1]

        return within(door, most, made)

    monkeypatch.setattr(Door, "_within", counted)

    async def part(house: House) -> None:
        await house.taken_over(house.write(protocol=protocol, allowed=LISTED, max_connections=1, **secrets))
        plain = [await asyncio.open_connection("127.0.0.1", house.port) for _ in range(2)]
        await until(lambda: len(begun) == 2)
        for _, writer in plain:
            await writer.start_tls(client(tmp_path, PROXY), server_hostname="localhost")
        ends = [asyncio.create_task(reader.read()) for reader, _ in plain]
        await asyncio.wait(ends, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.05)
        assert [each.done() for each in ends].count(True) == 1
        for _, writer in plain:
            writer.close()
        await asyncio.wait(ends, timeout=PATIENCE)

    play(tmp_path, part)


@pytest.mark.parametrize("protocol", ["ext_authz_http", "ext_authz_grpc"])
def test_other_rules_end_what_is_idle(tmp_path: Path, protocol: str) -> None:
    """Who asks has to show anew who it is."""

    async def part(house: House) -> None:
        await house.taken_over(house.write(protocol=protocol))
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        await house.has_taken_in(1)
        await house.taken_over(house.write(protocol=protocol, tag="00000002"))
        await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()

    play(tmp_path, part)


def test_where_callers_are_listed_only_they_may_ask(tmp_path: Path) -> None:
    """By TLS with a certificate of the named authority; one without, or of another, gets no answer."""
    secrets = written_secrets(tmp_path)

    async def part(house: House) -> None:
        await house.taken_over(house.write(allowed=LISTED, max_connections=2, **secrets))
        assert await house.ask(client(tmp_path, PROXY)) == 200
        assert await house.ask(client(tmp_path, CA.issue("another"))) == 403
        assert await house.ask(client(tmp_path, STRANGER)) == 0
        assert await house.ask(client(tmp_path, None)) == 0
        assert await house.ask() == 0
        # Whose handshake has failed takes nobody's place.
        assert await house.ask(client(tmp_path, PROXY)) == 200
        assert len(house.worker.asked) == 2

    play(tmp_path, part)


def test_a_revocation_list_is_a_matter_of_the_handshake(tmp_path: Path) -> None:
    """It is part of the context; what is no secret makes none."""
    server, trust = tmp_path / "server.json", tmp_path / "ca.json"
    server.write_text(tls_certificate_secret("server", OURS.certificate.decode(), OURS.key.decode()))
    trust.write_text(validation_context_secret("ca", CA.pem.decode(), CA.revoke(PROXY.serial, life=CA.life).decode()))

    assert server_context(server, trust, "1.3", "ext_authz_grpc").verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN
    trust.write_text(validation_context_secret("ca", CA.pem.decode()))
    plain = server_context(server, trust, "1.2", "ext_authz_http")
    assert not plain.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN
    assert plain.verify_mode is ssl.CERT_REQUIRED
    trust.write_text(validation_context_secret("ca", "no authority"))
    with pytest.raises((OSError, ValueError)):
        server_context(server, trust, "1.2", "ext_authz_http")
