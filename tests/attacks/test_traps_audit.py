"""The traps of SECURITY §1 around the audit trail, on a real sidecar: T3, T24. Not what a record says."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.audit_files import verified
from tests.support.echo_service import nothing_arrives
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import HOST, LoneSidecar, until

from authz_service.audit.record import MAX_LINE
from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]


def test_t03_no_record_no_request(start_sidecar: StartSidecar, live: Live) -> None:
    """On a full disk nothing passes, neither yes nor no; with room again everything does, and is recorded."""
    sidecar, john = start_sidecar({"audit.path": "/dev/full"}), live.user("john")

    with nothing_arrives(sidecar.echo):
        answers = [sidecar.call("GET", path, token=john) for path in ("/orders/1", "/forbidden") for _ in range(8)]
    assert {(answer.status, answer.problem["reason"]) for answer in answers} == {(503, Reason.AUDIT_UNAVAILABLE)}
    assert all(answer.values("retry-after") for answer in answers)
    until(lambda: sidecar.metric("authz_audit_failures_total") == 16)

    sidecar.write_config({"audit.path": str(sidecar.folder / "audit.jsonl")})
    assert sidecar.process is not None
    sidecar.process.send_signal(signal.SIGHUP)
    until(lambda: sidecar.call("GET", "/orders/1", token=john).status == 200)
    assert sidecar.call("GET", "/forbidden", token=john).status == 403
    assert len(sidecar.echo.seen) == sum(record["decision"] == "allow" for record in sidecar.audit) >= 1
    assert sum(gap["lost"] for gap in sidecar.audit_gaps) >= 16
    assert sum(gap["passed"] for gap in sidecar.audit_gaps) == 0


def test_t03_whoever_prefers_to_go_on_can_and_the_losses_are_counted(start_sidecar: StartSidecar, live: Live) -> None:
    """`audit.on_failure: continue`; the gate decides as ever."""
    sidecar, john = start_sidecar({"audit": {"path": "/dev/full", "on_failure": "continue"}}), live.user("john")

    assert sidecar.call("GET", "/orders/1", token=john).status == 200
    assert sidecar.call("GET", "/forbidden", token=john).problem["reason"] == Reason.POLICY_DENIED
    until(lambda: sidecar.metric("authz_audit_failures_total") == 2)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe; a sidecar cannot open it before somebody reads."""
    os.mkfifo(tmp_path / "audit.pipe")
    return tmp_path / "audit.pipe"


def test_t24_a_stalled_reader_stops_requests_but_blocks_nobody(
    start_sidecar: StartSidecar, live: Live, pipe: Path
) -> None:
    """When the pipe is full the answer is 503, at once; read again, it gives whole records, and new ones come."""
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    sidecar, john = start_sidecar({"audit.path": str(pipe)}), live.user("john")
    records = b""
    allowed = refused = 0
    long_request = get("/orders/" + "x" * 3000, HOST, authorization=f"Bearer {john}", x_user_context="\\" * 3000)
    with Load(sidecar.place, long_request, sidecar.tls(), server_name=HOST, clients=4) as load:
        until(lambda: load.failures)  # 64 KiB are full
        allowed, refused = load.answered, len(load.failures)
        until(lambda: len(load.failures) > refused + 20)  # and nobody hangs
        assert load.answered - allowed < 4  # one that is recorded may be under way for each other client
    allowed = load.answered  # as many as there are records, below
    assert set(load.failures) == {f"status 503 {Reason.AUDIT_UNAVAILABLE}"}

    while piece := _read(reader):
        records += piece
    assert sidecar.call("GET", "/orders/1", token=john).status == 200
    records += _read(reader)
    os.close(reader)

    lines = records.splitlines(keepends=True)
    assert max(map(len, lines)) <= MAX_LINE
    decisions = [record for record in map(json.loads, lines) if record["event"] == "access"]
    assert [record["decision"] for record in decisions] == ["allow"] * (allowed + 1)
    assert all(record["truncated"] for record in decisions[:-1])
    assert len(sidecar.echo.seen) == len(decisions)
    gaps = [record for record in map(json.loads, lines) if record["event"] == "audit_gap"]
    assert sum(gap["lost"] for gap in gaps) == len(load.failures)
    assert verified(lines).problems == []


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""
