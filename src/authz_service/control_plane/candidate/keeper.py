"""Has the candidate policy decide along (`proxy.authz.candidate`), counts what it would change, records some of it.

It gets copies of decisions that were answered and recorded already. Whatever happens to it happens to nobody else: its
process may loop, crash or never start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from authz_service.audit.chain import CONTROL_SLOT, Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.config.model import Config
from authz_service.control_plane.candidate.messages import ALIKE, SKIPPED, Batch, Outcome, Outcomes, Setup
from authz_service.control_plane.part import Part
from authz_service.control_protocol import Copies, Copy
from authz_service.domain.rules import PolicySource
from authz_service.errors import AuditUnavailable, AuthzServiceError, Problems
from authz_service.logs import about
from authz_service.parent_death import bound_to_us
from authz_service.policy.sources.folder import read_policy_folder
from authz_service.policy.vetting.vet import check_policies
from authz_service.refresh_schedule import stop_tasks

log = logging.getLogger(__name__)

_BATCH = 16  # decisions that the process is asked for at once
_MOST = 1024  # decisions that wait; beyond that the oldest are skipped
_LONGEST_LINE = 1 << 20  # bytes of an answer
_LOOK = 2.0  # seconds between looks at the policy's files
_START = 60.0  # seconds for it to be ready
_PATIENCE = 5.0  # seconds for a batch, on top of what its decisions may take
_PAUSE = 1.0  # seconds before another try
_BETWEEN_RECORDS = 1.0  # seconds, of one kind
_COMMAND = (sys.executable, "-I", "-m", "authz_service.control_plane.candidate.child")


class _Wanted(NamedTuple):
    path: str
    percent: int
    query: str
    headers: tuple[str, ...]
    budget: float
    audit_path: str
    service: str
    zone: str
    evaluated: bool  # for AuthZEN as well


class _Unusable(AuthzServiceError):  # noqa: N818 - it names the state
    """The process is of no use; the text says why."""


@dataclass(slots=True)
class CandidatePolicy(Part):
    """Follows the configuration; runs on the control plane's event loop."""

    counts: Counter[str]  # by result, as Counters.candidate
    audit_chain: str
    problem: str = ""
    _wanted: _Wanted | None = None
    _waiting: deque[Copy] = field(default_factory=lambda: deque(maxlen=_MOST))
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _writer: AuditWriter | None = None
    _recorded: dict[str, float] = field(default_factory=dict)  # when, by result

    def state(self) -> dict[str, object] | None:
        """For /readyz; None without a candidate. Called from other threads."""
        wanted = self._wanted
        if wanted is None:
            return None
        return {"path": wanted.path, "percent": wanted.percent, "problem": self.problem, "verdicts": dict(self.counts)}

    def degraded(self) -> Iterator[str]:
        if self.problem:
            yield f"the candidate policy decides nothing: {self.problem}"

    def take(self, copies: Copies) -> None:
        """From a worker."""
        if self._wanted is None:
            return
        over = len(self._waiting) + len(copies.copies) - _MOST
        self.counts[SKIPPED] += copies.lost + max(0, over)
        self._waiting.extend(copies.copies)
        self._came.set()

    async def update(self, config: Config) -> None:
        """Decide by this configuration's candidate from now on; returns at once."""
        wanted = _wanted(config)
        if wanted == self._wanted:
            return
        await self.stop()
        self._wanted = wanted
        if wanted is not None:
            self._task = asyncio.create_task(self._run(wanted))

    async def stop(self) -> None:
        task, self._task = self._task, None
        await stop_tasks(task)
        self._wanted, self._writer, self.problem = None, None, ""
        self._waiting.clear()

    async def _run(self, wanted: _Wanted) -> None:
        while True:
            try:
                source = await asyncio.to_thread(_checked, wanted)
                await self._decide_by(source, wanted)
                continue  # its files changed
            except Problems as refused:
                self._failed(str(refused.problems[0]) if refused.problems else str(refused))
            except (_Unusable, OSError, ValueError, msgspec.MsgspecError) as error:
                self._failed(str(error) or type(error).__name__)
            await asyncio.sleep(_PAUSE)

    async def _decide_by(self, source: PolicySource, wanted: _Wanted) -> None:
        """Until its files are other ones. Raises _Unusable when the process is."""
        process = await asyncio.create_subprocess_exec(
            *bound_to_us(list(_COMMAND)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={},
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
        try:
            await _asked(process, msgspec.json.encode(Setup(source, wanted.budget, wanted.percent)), _START)
            if self.problem:
                log.info("candidate_policy_decides", extra=about(path=wanted.path))
            self.problem = ""
            while not await self._is_other(source, wanted):
                await self._decide_for_a_while(process, wanted)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _is_other(self, source: PolicySource, wanted: _Wanted) -> bool:
        try:
            return await asyncio.to_thread(_read, wanted) != source
        except Problems:
            return True  # the check says what is wrong with it

    async def _decide_for_a_while(self, process: asyncio.subprocess.Process, wanted: _Wanted) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _LOOK
        while (left := until - loop.time()) > 0:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            if not batch:
                self._came.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._came.wait(), left)
                continue
            try:
                patience = wanted.budget * len(batch) + _PATIENCE
                answer = await _asked(process, msgspec.json.encode(Batch(batch)), patience)
            except _Unusable:
                self.counts[SKIPPED] += len(batch)
                raise
            for outcome in answer.outcomes:
                self._note(outcome, wanted)

    def _note(self, outcome: Outcome, wanted: _Wanted) -> None:
        if outcome.result not in self.counts:
            return
        self.counts[outcome.result] += 1
        now = time.monotonic()
        if outcome.result in {ALIKE, SKIPPED} or now - self._recorded.get(outcome.result, -1e9) < _BETWEEN_RECORDS:
            return
        self._recorded[outcome.result] = now
        self._record(outcome.line.encode(), wanted)

    def _record(self, line: bytes, wanted: _Wanted) -> None:
        """Where it cannot be written it is left out: the decision itself has its record."""
        try:
            if self._writer is None:
                sink = AuditSink(wanted.audit_path)
                self._writer = AuditWriter(Chain(self.audit_chain, CONTROL_SLOT), sink)
                self._writer.speak_for(wanted.service, wanted.zone)
            self._writer.look_after()
            self._writer.write_if_possible(line)
        except AuditUnavailable as error:
            log.warning("candidate_not_recorded", extra=about(error=str(error)))

    def _failed(self, why: str) -> None:
        if self.problem != why:
            log.warning("candidate_policy_fails", extra=about(error=why))
        self.problem = why


def _wanted(config: Config) -> _Wanted | None:
    authz = config.asked_policy
    if authz is None or authz.candidate is None:
        return None
    return _Wanted(
        str(authz.candidate.path),
        authz.candidate.percent,
        authz.policy_query,
        tuple(config.proxy.headers.from_policy),
        config.policy.evaluation_budget,
        config.audit.path,
        config.service.name,
        config.service.zone,
        bool(config.evaluated_for),
    )


def _read(wanted: _Wanted) -> PolicySource:
    return read_policy_folder(Path(wanted.path), wanted.query, wanted.headers, evaluated=wanted.evaluated)


def _checked(wanted: _Wanted) -> PolicySource:
    """Raises PolicyProblems. Blocks for up to seconds."""
    source = _read(wanted)
    check_policies(source, budget=wanted.budget)
    return source


async def _asked(process: asyncio.subprocess.Process, line: bytes, patience: float) -> Outcomes:
    """Raises _Unusable."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(patience):
            process.stdin.write(line + b"\n")
            await process.stdin.drain()
            answer = await process.stdout.readline()
    except TimeoutError:
        raise _Unusable("its process does not answer") from None
    except ConnectionError:
        raise _Unusable("its process has died") from None
    if not answer.endswith(b"\n"):
        raise _Unusable("its process has died")
    return msgspec.json.decode(answer, type=Outcomes)
