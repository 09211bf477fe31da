"""Real workers, forked by a real forkserver, told what to do by a real control server, asked as Envoy asks."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from tests.support.decision_workers import (
    ABSENT_FOR,
    CLAIMS,
    NEW_KEY,
    WORKERS,
    Connection,
    Sidecar,
    folder,
    is_alive,
    until,
    with_sidecar,
)
from tests.support.decisions import PEERS, keys, policy, rules
from tests.support.patience import PATIENCE
from tests.support.tokens import ISSUER, jwk, jwks, mint

from authz_service import headers
from authz_service.control_plane.child_process import clean_environment
from authz_service.domain.questions import Key
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import IssuerKeys

__all__ = ["folder"]  # a fixture
REFUSE_ALL = policy("package order\nallow := false")
LOOP = """package order
import rego.v1
default allow := false
allow if input.request.path != "/loop"
allow if {
    input.request.path == "/loop"
    some i in numbers.range(1, 100000)
    some j in numbers.range(1, 100000)
    i * j == -1
}
"""
BOMB = """package order
import rego.v1
default allow := false
allow if input.request.path != "/bomb"
allow if {
    input.request.path == "/bomb"
    count([text | some i in numbers.range(1, 9999); text := sprintf("%9000000d", [i])]) == 0
}
"""


def test_workers_decide_by_the_rules_they_are_given(folder: Path) -> None:
    """Not before. Each answers on its own socket; each decision is on record and in the figures."""

    async def play(sidecar: Sidecar) -> None:
        await until(lambda: len(sidecar.pids()) == WORKERS)
        early = asyncio.create_task(sidecar.ask(0))
        await asyncio.sleep(0.1)
        assert not early.done()
        await sidecar.start()
        assert await early == (200, "")

        for slot in range(WORKERS):
            assert await sidecar.ask(slot) == (200, "")
            assert await sidecar.ask(slot, path="/admin") == (403, Reason.POLICY_DENIED)
            assert await sidecar.ask(slot, token="x") == (401, Reason.TOKEN_MALFORMED)
            assert sidecar.socket(slot).stat().st_mode & 0o777 == 0o600
        reasons = Counter(record["reason"] for record in sidecar.records())
        assert reasons == {"allowed": 3, "policy_denied": 2, "token_malformed": 2}
        await until(lambda: sidecar.figures.total() == 7)
        assert sidecar.figures == {"allow|allowed": 3, "deny|policy_denied": 2, "deny|token_malformed": 2}

    with_sidecar(folder, play)


def test_one_connection_carries_one_question_after_another(folder: Path) -> None:
    """An answer to HEAD has no body that would be read as the next answer."""

    async def play(sidecar: Sidecar) -> None:
        await sidecar.start()
        async with Connection(sidecar.socket(0)) as connection:
            for _ in range(3):
                assert await connection.ask(path="/admin", method="HEAD") == (403, "")
                assert await connection.ask(path="/admin") == (403, Reason.POLICY_DENIED)
                assert await connection.ask() == (200, "")

    with_sidecar(folder, play)


def test_a_new_policy_takes_over_on_open_connections(folder: Path) -> None:
    """And rules that cannot be used change nothing but what is reported."""

    async def play(sidecar: Sidecar) -> None:
        await sidecar.start()
        async with Connection(sidecar.socket(0)) as connection:
            assert await connection.ask() == (200, "")
            await sidecar.use(sidecar.rules(revision="r2", policy=REFUSE_ALL))
            assert await connection.ask() == (403, Reason.POLICY_DENIED)

            sidecar.control_server.set_rules(sidecar.rules(revision="r3", policy=policy("package order\nallow := ")))
            await until(lambda: len(sidecar.control_server.errors()) == 1)
            assert "PolicyProblems" in sidecar.control_server.errors()[0]
            assert await connection.ask() == (403, Reason.POLICY_DENIED)

            await sidecar.use(sidecar.rules(revision="r4"))
            assert sidecar.control_server.errors() == []
            assert await connection.ask() == (200, "")
        assert [record["revision"] for record in sidecar.records()] == ["r1", "r2", "r2", "r4"]

    with_sidecar(folder, play)


def test_other_rules_about_peers_and_tokens_take_over_as_well(folder: Path) -> None:
    """What the old ones accepted, and remembered, is judged again."""
    nobody = msgspec.structs.replace(PEERS, allowed=())
    others = (msgspec.structs.replace(rules().issuers[0], audiences=("payment-service",)),)

    async def play(sidecar: Sidecar) -> None:
        await sidecar.start()
        assert await sidecar.ask(0) == (200, "")
        await sidecar.use(sidecar.rules(revision="r2", peers=nobody))
        assert await sidecar.ask(0) == (403, Reason.CLIENT_NOT_ALLOWED)
        await sidecar.use(sidecar.rules(revision="r3", issuers=others))
        assert await sidecar.ask(0) == (401, Reason.TOKEN_AUDIENCE_REFUSED)
        everything = policy("package order\nallow := true")
        await sidecar.use(sidecar.rules(revision="r4", peers=None, issuers=(), policy=everything))
        assert await sidecar.ask(0, token="x") == (200, "")
        await sidecar.use(sidecar.rules(revision="r5", policy=None, audit_path=str(folder / "other.jsonl")))
        assert await sidecar.ask(0) == (200, "")
        assert (folder / "other.jsonl").read_text().count('"revision":"r5"') == 1

    with_sidecar(folder, play)


class TestKeys:
    """A token's key that the worker lacks is fetched once, while the question waits."""

    def test_a_new_key_is_fetched_while_the_question_waits(self, folder: Path) -> None:
        token = mint(CLAIMS, signer=NEW_KEY)

        async def play(sidecar: Sidecar) -> None:
            async def bring() -> None:
                sidecar.control_server.set_keys(IssuerKeys(ISSUER, jwks(jwk(NEW_KEY))))

            await sidecar.start()
            sidecar.fetch = bring
            assert await sidecar.ask(0, token=token) == (200, "")
            assert await sidecar.ask(1, token=token) == (200, "")
            assert sidecar.asked == [Key(ISSUER, "new")]
            assert await sidecar.ask(0) == (401, Reason.TOKEN_KEY_UNKNOWN)

        with_sidecar(folder, play)

    def test_a_key_that_is_nowhere_is_refused(self, folder: Path) -> None:
        """And one that does not come in time is our trouble: 503, before Envoy loses patience."""
        token = mint(CLAIMS, header={"kid": "nowhere"})

        async def play(sidecar: Sidecar) -> None:
            await sidecar.start()
            assert await sidecar.ask(0, token=token) == (401, Reason.TOKEN_KEY_UNKNOWN)
            await asyncio.sleep(2 * ABSENT_FOR)

            async def never() -> None:
                await asyncio.sleep(1.0)

            sidecar.fetch = never
            started, asked = time.monotonic(), len(sidecar.asked)
            async with Connection(sidecar.socket(0)) as other:
                late = asyncio.create_task(sidecar.ask(0, token=token))
                await until(lambda: len(sidecar.asked) > asked)
                assert await other.ask() == (200, "")
                assert await late == (headers.UNAVAILABLE_STATUS, Reason.KEYS_UNAVAILABLE)
            assert time.monotonic() - started > 0.2
            # Others are answered meanwhile.
            assert [record["reason"] for record in sidecar.records()][-2:] == ["allowed", "keys_unavailable"]
            await asyncio.sleep(1.0)
            assert await sidecar.ask(0) == (200, "")

        with_sidecar(folder, play)

    def test_no_keys_at_all_is_our_trouble_until_they_come(self, folder: Path) -> None:
        """A key set that cannot be read changes nothing."""

        async def play(sidecar: Sidecar) -> None:
            await sidecar.use(sidecar.rules())
            assert await sidecar.ask(0) == (headers.UNAVAILABLE_STATUS, Reason.KEYS_UNAVAILABLE)
            sidecar.control_server.set_keys(keys())
            async with asyncio.timeout(PATIENCE):
                while await sidecar.ask(0) != (200, ""):
                    await asyncio.sleep(0.01)
            sidecar.control_server.set_keys(IssuerKeys(ISSUER, "garbage"))
            await until(lambda: sidecar.events().count("keys_unusable") == WORKERS)
            assert await sidecar.ask(0) == (200, "")

        with_sidecar(folder, play)


class TestDeath:
    """A worker that dies, however, is replaced; the other one serves meanwhile; nobody is left behind."""

    @staticmethod
    async def replaced(sidecar: Sidecar, slot: int, dead: int) -> None:
        """Until the slot answers again."""
        await until(lambda: sidecar.pids().get(slot, dead) != dead)
        async with asyncio.timeout(PATIENCE):
            while await sidecar.ask(slot) != (200, ""):
                await asyncio.sleep(0.01)

    def test_a_worker_that_is_killed_is_replaced(self, folder: Path) -> None:
        async def play(sidecar: Sidecar) -> None:
            await sidecar.start()
            await asyncio.sleep(1.1)  # who dies sooner is replaced with a pause
            for slot in range(WORKERS):
                dead = sidecar.pids()[slot]
                os.kill(dead, signal.SIGKILL)
                assert await sidecar.ask(1 - slot) == (200, "")
                await self.replaced(sidecar, slot, dead)
            assert sidecar.events().count("worker_died") == 2
            assert sidecar.control_server.restarts == 2

        with_sidecar(folder, play)

    def test_a_policy_that_loops_costs_its_worker_and_no_other(self, folder: Path) -> None:
        """The kernel ends it: nothing inside could (SECURITY T10)."""

        async def play(sidecar: Sidecar) -> None:
            await sidecar.start(policy=policy(LOOP))
            assert await sidecar.ask(0) == (200, "")
            await asyncio.sleep(1.1)
            dead = sidecar.pids()[0]
            looping = asyncio.create_task(sidecar.ask(0, path="/loop"))
            while not looping.done():
                assert await sidecar.ask(1) == (200, "")
                await asyncio.sleep(0.01)
            assert await looping == (0, "")
            await self.replaced(sidecar, 0, dead)
            assert sidecar.events() == ["policy_timeout"]

        with_sidecar(folder, play)

    def test_a_policy_that_eats_memory_costs_its_worker_and_no_other(self, folder: Path) -> None:
        async def play(sidecar: Sidecar) -> None:
            await sidecar.start(policy=policy(BOMB), evaluation_budget=5.0)  # memory ends before time does
            assert await sidecar.ask(0) == (200, "")
            await asyncio.sleep(1.1)
            dead = sidecar.pids()[0]
            assert await sidecar.ask(0, path="/bomb") == (0, "")
            assert await sidecar.ask(1) == (200, "")
            await self.replaced(sidecar, 0, dead)

        with_sidecar(folder, play)

    def test_a_worker_that_keeps_dying_is_started_with_pauses(self, folder: Path) -> None:
        """Not a busy loop of forks; and the end of it all is not delayed by them."""

        async def play(sidecar: Sidecar) -> None:
            await sidecar.start()
            started = time.monotonic()
            for _ in range(3):
                dead = sidecar.pids()[0]
                os.kill(dead, signal.SIGKILL)
                await self.replaced(sidecar, 0, dead)
            assert time.monotonic() - started > 1.0
            os.kill(sidecar.pids()[0], signal.SIGKILL)
            await asyncio.sleep(0.1)  # in the pause now
            await sidecar.forkserver.end(PATIENCE)

        with_sidecar(folder, play)

    def test_the_end_leaves_no_process(self, folder: Path) -> None:
        async def play(sidecar: Sidecar) -> None:
            await sidecar.start()
            assert sidecar.forkserver.pid is not None
            family = [sidecar.forkserver.pid, *sidecar.pids().values()]
            assert len(family) == 1 + WORKERS
            await sidecar.forkserver.end(PATIENCE)
            await until(lambda: not any(map(is_alive, family)))
            assert sidecar.events() == []

        with_sidecar(folder, play)

    def test_the_death_of_the_parent_leaves_no_orphan(self, folder: Path) -> None:
        """Even one that nobody can catch."""
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE)
        try:
            assert parent.stdout is not None
            family = json.loads(parent.stdout.readline())
            assert len(family) == 1 + WORKERS
            assert all(map(is_alive, family))
        finally:
            parent.kill()
            parent.communicate()

        asyncio.run(until(lambda: not any(map(is_alive, family))))


PARENT = """
import asyncio, json, os, sys
from pathlib import Path
from tests.support.decision_workers import Sidecar

async def main():
    sidecar = await Sidecar(Path(sys.argv[1])).__aenter__()
    await sidecar.start()
    print(json.dumps([sidecar.forkserver.pid, *sidecar.pids().values()]), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_workers_know_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in their environment nor anywhere in their memory; the control plane has it in both."""
    secret = "s3cret-" + os.urandom(8).hex()
    monkeypatch.setenv("ORDER_SERVICE_CLIENT_SECRET", secret)

    async def play(sidecar: Sidecar) -> None:
        await sidecar.start()
        assert await sidecar.ask(0) == (200, "")
        assert sidecar.forkserver.pid is not None
        for pid in (sidecar.forkserver.pid, *sidecar.pids().values()):
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            names = {entry.partition("=")[0] for entry in environment.decode().split("\0") if entry}
            assert names <= set(clean_environment())
            assert not in_memory(pid, secret.encode())
            assert in_memory(pid, b"order-service")
        assert in_memory(os.getpid(), secret.encode())

    with_sidecar(folder, play)


def in_memory(pid: int, wanted: bytes) -> bool:
    """Whether the bytes are anywhere in what the process has written."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in maps:
            span, access, *_, _inode = line.split()[:5]
            if not access.startswith("rw"):
                continue
            start, end = (int(edge, 16) for edge in span.split("-"))
            try:
                memory.seek(start)
                if wanted in memory.read(end - start):
                    return True
            except OSError:  # a mapping of a device
                continue
    return False


class TestAudit:
    def test_rules_whose_audit_destination_is_away_wait_for_it(self, folder: Path) -> None:
        """Reported, not ready, no answer; then it heals by itself."""

        async def play(sidecar: Sidecar) -> None:
            away = folder / "away"
            sidecar.control_server.set_keys(keys())
            sidecar.control_server.set_rules(sidecar.rules(audit_path=str(away / "audit.jsonl")))
            await until(lambda: len(sidecar.control_server.errors()) == 1)
            assert "No such file" in sidecar.control_server.errors()[0]
            early = asyncio.create_task(sidecar.ask(0))
            await asyncio.sleep(1.2)
            assert sidecar.events().count("rules_unusable") == WORKERS  # said once, not every second

            away.mkdir()
            assert not early.done()
            await until(lambda: sidecar.control_server.active("r1") == WORKERS)
            assert await early == (200, "")
            assert await sidecar.ask(0) == (200, "")
            assert sidecar.control_server.errors() == []

        with_sidecar(folder, play)

    def test_a_full_disk_is_told_in_the_log_and_rotation_heals(self, folder: Path) -> None:
        """Nothing is allowed meanwhile."""

        async def play(sidecar: Sidecar) -> None:
            sidecar.audit.symlink_to("/dev/full")
            await sidecar.start()
            assert await sidecar.ask(0) == (headers.UNAVAILABLE_STATUS, Reason.AUDIT_UNAVAILABLE)
            await until(lambda: "audit_unavailable" in sidecar.events())
            sidecar.audit.unlink()
            async with asyncio.timeout(PATIENCE):
                while await sidecar.ask(0) != (200, ""):
                    await asyncio.sleep(0.05)
            gap, allowed = sidecar.records()
            assert (gap["event"], gap["passed"], allowed["decision"]) == ("audit_gap", 0, "allow")
            assert gap["lost"] != 0

        with_sidecar(folder, play)
