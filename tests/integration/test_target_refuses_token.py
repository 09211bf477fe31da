"""A target that answers 401 to our own token is shown another one soon, and so is one after a SIGHUP."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.faulty_server import Answer, FaultyServer, Seen, json_answer
from tests.support.lone_sidecar import until
from tests.support.neighbours import ask
from tests.support.ports import free_port


class Provider:
    """Gives tok-1, tok-2, …, each for a day."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, seen: Seen) -> Answer:
        del seen
        self.given += 1
        return json_answer({"access_token": f"tok-{self.given}", "token_type": "Bearer", "expires_in": 86_400})


class Target:
    """Takes every token but those that were taken back."""

    def __init__(self) -> None:
        self.taken_back: set[str] = set()

    def __call__(self, seen: Seen) -> Answer:
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if token in self.taken_back:
            return json_answer({}, 401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return json_answer({"token": token})


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def egress(
    tmp_path: Path, provider: Provider, target: Target
) -> Iterator[tuple[tuple[str, int], subprocess.Popen[bytes]]]:
    """Where it listens, and its process."""
    door, admin = free_port(), free_port()
    with FaultyServer() as idp, FaultyServer() as behind:
        idp.script_with("/token", provider)
        behind.script_with("/x", target)
        auth = {"type": "oauth2_client_credentials", "token_url": idp.url("/token"), "client_id": "x"}
        config = {
            "service": {"name": "orders"},
            "admin": {"addr": f"127.0.0.1:{admin}"},
            "egress": {
                "addr": f"127.0.0.1:{door}",
                "targets": {"a": {"url": behind.url("").rstrip("/"), "auth": {**auth, "client_secret": "s"}}},
                "routes": [{"path_prefix": "/a", "target": "a", "strip_prefix": "/a"}],
            },
            "runtime": {"state_dir": str(tmp_path / "state"), "drain": "1s"},
        }
        file = tmp_path / "config.yaml"
        file.write_text(json.dumps(config))
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "authz_service.cli.main", "run", "--config", str(file)], stdout=log, stderr=log
            )
        try:
            until(lambda: _is_ready(admin), state=(tmp_path / "log").read_text)
            yield ("127.0.0.1", door), process
        finally:
            process.terminate()
            process.wait(30)


def _is_ready(admin: int) -> bool:
    try:
        return ask(("127.0.0.1", admin), "GET", "/readyz").status == 200
    except ConnectionRefusedError:
        return False


def test_a_token_that_was_taken_back_is_replaced(
    egress: tuple[tuple[str, int], subprocess.Popen[bytes]], provider: Provider, target: Target
) -> None:
    """And nobody asks the provider while the target is content."""
    door, _ = egress
    assert ask(door, "GET", "/a/x").body == b'{"token": "tok-1"}'
    assert provider.given == 1

    target.taken_back.add("tok-1")
    until(lambda: ask(door, "GET", "/a/x").status == 200)

    assert provider.given == 2
    assert ask(door, "GET", "/a/x").body == b'{"token": "tok-2"}'


def test_sighup_asks_anew(egress: tuple[tuple[str, int], subprocess.Popen[bytes]], provider: Provider) -> None:
    """A person knows more than the token says."""
    door, process = egress
    assert ask(door, "GET", "/a/x").body == b'{"token": "tok-1"}'

    process.send_signal(signal.SIGHUP)

    until(lambda: ask(door, "GET", "/a/x").body == b'{"token": "tok-2"}')
    assert provider.given == 2
