"""Tokens that somebody refuses: the target ours (401), or the provider us. What mends it acts at once."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.certificates import private_pem
from tests.support.faulty_server import Answer, Seen, json_answer
from tests.support.lone_egress import LoneEgress
from tests.support.lone_sidecar import replace, until
from tests.support.neighbours import ask


class Provider:
    """Gives tok-1, tok-2, …, each for a day, or says that it does not know who asks."""

    def __init__(self) -> None:
        self.given = 0
        self.refused = 0
        self.refuses = False

    def __call__(self, seen: Seen) -> Answer:
        del seen
        if self.refuses:
            self.refused += 1
            return json_answer({"error": "invalid_client"}, 401, headers={"Retry-After": "250"})
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
def egress(tmp_path: Path, provider: Provider, target: Target) -> Iterator[LoneEgress]:
    egress = LoneEgress(tmp_path, {"client_secret": "s"})
    egress.idp.script_with("/token", provider)
    egress.target.script_with("/x", target)
    with egress:
        egress.wait_ready()
        yield egress


def test_a_token_that_was_taken_back_is_replaced(egress: LoneEgress, provider: Provider, target: Target) -> None:
    """And nobody asks the provider while the target is content."""
    assert egress.call().body == b'{"token": "tok-1"}'
    assert provider.given == 1

    target.taken_back.add("tok-1")
    until(lambda: egress.call().status == 200)

    assert provider.given == 2
    assert egress.call().body == b'{"token": "tok-2"}'


def test_sighup_asks_anew(egress: LoneEgress, provider: Provider) -> None:
    """A person knows more than the token says."""
    assert egress.call().body == b'{"token": "tok-1"}'

    assert egress.process is not None
    egress.process.send_signal(signal.SIGHUP)

    until(lambda: egress.call().body == b'{"token": "tok-2"}')
    assert provider.given == 2
    assert egress.events("nothing_changed")
    first = json.loads(egress.log_file.read_text().splitlines()[0])
    assert (first["event"], first["version"]) == ("starting", egress.readyz()["version"])
    assert f'authz_build_info{{version="{first["version"]}"}} 1.0' in ask(egress.admin, "GET", "/metrics").body.decode()


@pytest.mark.parametrize("by", ["client_secret_file", "client_key_file"])
def test_a_changed_proof_is_tried_at_once(tmp_path: Path, provider: Provider, target: Target, by: str) -> None:
    """However long the pause after a refusal (they grow to minutes)."""
    proof, provider.refuses = tmp_path / "proof", True
    auth: dict[str, object] = {by: str(proof)}
    if by == "client_key_file":
        auth["client_auth"] = "private_key_jwt"
    first, second = ("${UNSET}\n", "right\n")
    if by == "client_key_file":
        first, second = (private_pem(ec.generate_private_key(ec.SECP256R1())).decode() for _ in range(2))
    replace(proof, first)
    proof.chmod(0o600)
    egress = LoneEgress(tmp_path, auth)
    egress.idp.script_with("/token", provider)
    egress.target.script_with("/x", target)
    with egress:
        until(lambda: egress.events("token_refresh_failed"), state=egress.log_file.read_text)
        assert egress.events("token_refresh_failed")[0]["retry_in"] > 200
        egress.wait_open()
        assert egress.call().status == 503
        placeholders = [event["warning"].split(":")[0] for event in egress.events("placeholder_in_secret")]
        assert placeholders == ["egress.targets.a.auth.client_secret_file"] * (by == "client_secret_file")
        refused, provider.refuses = provider.refused, False

        replace(proof, second)

        until(lambda: egress.call().status == 200, state=egress.log_file.read_text)
    assert (provider.given, provider.refused) == (1, refused)


@pytest.mark.parametrize(("patience", "status"), [("1s", 503), ("20s", 200)])
def test_how_long_the_provider_may_take_is_said_by_a_key(tmp_path: Path, patience: str, status: int) -> None:
    egress = LoneEgress(tmp_path, {"client_secret": "s", "timeout": patience, "token_type": "any"})
    egress.idp.script("/token", json_answer({"access_token": "tok"}, delay=2))
    egress.target.script("/x", json_answer({}))
    with egress:
        egress.wait_open()
        if status == 503:
            until(lambda: egress.events("token_refresh_failed"), state=egress.log_file.read_text)
            assert "no whole answer within 1 s" in egress.events("token_refresh_failed")[0]["error"]
        until(lambda: egress.call().status == status, state=egress.log_file.read_text)
