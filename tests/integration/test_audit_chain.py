"""The chain of a real sidecar: kept over deaths and restarts, made with a key that its workers never see."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.test_decision_worker import in_memory
from tests.support.audit_files import explained, verified
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar

from authz_service.audit.chain import Head, heads
from authz_service.audit.verify import Verifier


@pytest.fixture
def key(tmp_path: Path) -> Path:
    (tmp_path / "audit.key").write_text(secrets.token_hex(32) + "\n")
    return tmp_path / "audit.key"


def known(sidecar: LoneSidecar) -> dict[str, Head]:
    return {head.writer: head for head in heads(sidecar.folder / "state" / "audit" / "chain")}


def report(sidecar: LoneSidecar, *keys: str) -> Verifier:
    made_with = [key.encode() for key in keys] or [b""]
    return verified(sidecar.folder / "audit.jsonl", secrets=made_with, heads=known(sidecar))


def ask(sidecar: LoneSidecar, live: Live, times: int = 3) -> None:
    for _ in range(times):
        assert sidecar.call("GET", "/orders/1", token=live.user("john")).status == 200


def restart(sidecar: LoneSidecar, end: Callable[[], object]) -> None:
    end()
    sidecar.start()
    sidecar.wait_ready()


def test_the_chain_goes_on_over_restarts_and_the_keys_worth_is_its_secrecy(live: Live, key: Path) -> None:
    """A graceful stop, or SIGKILL: the same writers. Without the key nothing fits; the workers do not have it."""
    with LoneSidecar(live, {"audit.key_file": str(key)}) as sidecar:
        ask(sidecar, live)
        writers = set(known(sidecar))
        text = key.read_text().strip()
        assert not any(in_memory(worker.pid, text.encode()) for worker in sidecar.workers())
        assert in_memory(sidecar.tree()[0].pid, text.encode())

        for end in (sidecar.stop, sidecar.kill):
            restart(sidecar, end)
            ask(sidecar, live)
        good = report(sidecar, text)
        assert (good.problems, good.records) == ([], 9)
        assert writers <= set(known(sidecar))
        assert {name[:12] for name in known(sidecar)} == {name[:12] for name in writers}
        assert {problem.kind for problem in report(sidecar).problems} == {"changed"}


def test_another_key_begins_other_chains(live: Live, key: Path) -> None:
    """Nobody can take the records of the one for a continuation of the other; both verify by their keys."""
    with LoneSidecar(live, {"audit.key_file": str(key)}) as sidecar:
        ask(sidecar, live)
        first, writers = key.read_text().strip(), set(known(sidecar))
        key.write_text(secrets.token_hex(32))
        restart(sidecar, sidecar.stop)
        ask(sidecar, live)

        assert writers.isdisjoint(known(sidecar))
        assert report(sidecar, first, key.read_text()).findings == []
        assert {problem.kind for problem in report(sidecar, first).problems} == {"changed"}


def test_a_lost_state_directory_begins_anew_and_the_old_end_is_not_confirmed(live: Live) -> None:
    """The honest limit: only heads that were saved elsewhere know where the old chains ended."""
    with LoneSidecar(live) as sidecar:
        ask(sidecar, live)
        saved = known(sidecar)
        sidecar.stop()
        (sidecar.folder / "state" / "audit" / "chain").unlink()
        sidecar.start()
        sidecar.wait_ready()
        ask(sidecar, live)

        file = sidecar.folder / "audit.jsonl"
        ends = {writer.name: writer.end for writer in report(sidecar).writers.values()}
        assert {end for name, end in ends.items() if name in saved} == {"not confirmed"}
        assert verified(file, heads=saved).problems == []
        lines = file.read_bytes().splitlines(keepends=True)
        cut = [line for number, line in enumerate(lines) if number != 2]
        assert explained(verified(cut)) == []
        assert [problem.kind for problem in verified(cut, heads=saved).problems] == ["truncated"]
