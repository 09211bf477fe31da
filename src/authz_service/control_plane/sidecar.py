"""The processes of one sidecar from start to stop: the control plane's tasks, the decision workers, Envoy.

The parts meet here and in `serving`, nowhere else. It decides no request and forwards no byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import platform
import signal
import socket
import stat
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from authz_service import logs
from authz_service.audit.chain import heads, prepare
from authz_service.config.model import Config
from authz_service.control_plane.child_process import Child, clean_environment, reap_strangers
from authz_service.control_plane.data_plane import door
from authz_service.control_plane.data_plane.admin import GONE, EnvoyState
from authz_service.control_plane.data_plane.counts import HANDSHAKE, LOOKUP, TARGET_401, Counts
from authz_service.control_plane.data_plane.guard import EnvoyGuard
from authz_service.control_plane.event_loop import ControlLoop
from authz_service.control_plane.preflight import descriptors, ports
from authz_service.control_plane.preflight.audit_file import require_writable_audit
from authz_service.control_plane.preflight.egress_socket import handed_over, require_own_socket
from authz_service.control_plane.reload.reloader import SIGHUP, Reloader, warn_of_placeholders
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.control_plane.snapshot import Snapshot, read_snapshot, require_usable
from authz_service.control_plane.state_dir import StateDirectory, StateDirectoryUnusable
from authz_service.control_plane.status.admin_server import start_admin
from authz_service.control_plane.status.metrics import Counters
from authz_service.control_plane.status.readiness import Status, failing_updates
from authz_service.control_plane.workers import decision_sockets
from authz_service.domain.version import product_version
from authz_service.envoy.binary import find_envoy
from authz_service.envoy.paths import StatePaths
from authz_service.logs import about
from authz_service.policy.decide.opa_server import health_problem
from authz_service.walls.raising import hide_memory

log = logging.getLogger(__name__)

ENVOY, DOOR = "envoy", "door"  # children, by name
_LOOK_UNTIL_READY = 0.05  # seconds between looks at Envoy
_LOOK_WHEN_READY = 2.0
_PATIENCE = 5.0  # seconds for a child to end
# An older listener ends with its last request, however long that goes on: its idle connections have ends of their own.
_DRAIN = 10 * 365 * 86_400  # seconds


def run_sidecar(config_path: Path, environment: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT. Raises AuthzServiceError when it cannot start."""
    started = time.monotonic()
    hide_memory()
    snapshot = read_snapshot(config_path, environment)
    logs.configure(snapshot.config.service.name)
    _append_only(sys.stdout.fileno(), sys.stderr.fileno())
    directory = StateDirectory(snapshot.config.runtime.state_dir)
    directory.acquire()
    ports.require_free(ports.listen_addresses(snapshot.config))
    require_own_socket(snapshot.config, None)
    require_writable_audit(snapshot.config, config_path)
    log.info("starting", extra=about(version=product_version(), python=platform.python_version()))
    warn_of_placeholders(snapshot.config)
    with asyncio.Runner(loop_factory=ControlLoop) as runner:
        runner.run(_serve(config_path, environment, snapshot, directory, started))


def _append_only(*descriptors: int) -> None:
    """Audit records and log lines may share a file that a shell opened by `>`: each write goes to its end (open(2))."""
    for descriptor in descriptors:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)


async def _serve(
    config_path: Path, environment: Mapping[str, str], snapshot: Snapshot, directory: StateDirectory, started: float
) -> None:
    await Sidecar(config_path, environment, snapshot, directory, started).run()


class Sidecar:
    """One per process, made inside its event loop."""

    def __init__(
        self,
        config_path: Path,
        environment: Mapping[str, str],
        snapshot: Snapshot,
        directory: StateDirectory,
        started: float,
    ) -> None:
        self._environment = environment
        self._paths = StatePaths(directory.path)
        self._stop = asyncio.Event()
        self._look_now = asyncio.Event()
        self._children: list[Child] = []
        self._sockets: list[socket.socket] = []
        self._doors: list[socket.socket] = []
        self._failing: set[str] = set()  # whose updates failed at the last look
        self._counted: Counter[tuple[str, str]] = Counter()  # by Envoy, until then
        counters = Counters()
        self._rollout = Rollout(
            snapshot, directory, counters, self._look_now.set, lambda: self._reloads.soon("a bundle arrived")
        )
        self._status = Status(
            counters,
            self._rollout.certificates,
            self._rollout.denylist,
            self._rollout.outbound,
            self._rollout.control_server,
            self._children,
            audit_heads=partial(heads, self._paths.audit_chain),
            copies_problem=lambda: self._rollout.decision_log.problem,
            candidate=self._rollout.candidate.state,
            descriptors=descriptors.raise_limit(),
            started=started,
        )
        self._guard = EnvoyGuard(self._rollout)
        self._put_right_last: list[str] = []
        self._reloads = Reloader(config_path, environment, self._rollout, self._status, self._look_now.set)

    async def run(self) -> None:
        """Start, serve, stop. Raises AuthzServiceError when it cannot start; then everything is stopped again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reloads.soon, SIGHUP)
        pages = self._status.pages(self._rollout.envoy, loop)
        servers = start_admin(self._rollout.current.config.admin, pages, self._status.network_pages(pages))
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._start_or_say_why()
            tasks = [asyncio.create_task(self._reloads.watch(self._stop)), asyncio.create_task(self._look())]
            await self._stop.wait()
        finally:
            self._status.stopping = True
            for task in tasks:
                task.cancel()
            await self._end()
            for server in servers:
                server.stop()

    async def _start_or_say_why(self) -> None:
        try:
            await self._start()
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise StateDirectoryUnusable(
                f"runtime.state_dir {self._paths.root} is full; make room there, or name another folder, best on tmpfs"
            ) from error

    async def _start(self) -> None:
        snapshot = self._rollout.current
        await self._rollout.control_server.start()
        if snapshot.ingress:
            key = snapshot.config.audit.key
            prepare(self._paths.audit_chain, b"" if key is None else key.reveal().encode())
            # They start while the files are checked, and wait for their rules.
            workers = range(snapshot.config.runtime.decision_workers)
            self._sockets = decision_sockets.listen_on(map(self._paths.worker_socket, workers))
            await self._start_child("decision workers", self._forkserver_command(snapshot.config), self._sockets)
        await asyncio.to_thread(require_usable, snapshot, self._environment)
        await self._rollout.begin()
        if snapshot.door:
            self._doors = door.listen(snapshot.config)
            await self._start_child(DOOR, door.command(snapshot.config, self._paths, self._doors), self._doors)
        if snapshot.needs_envoy:
            await self._start_child(ENVOY, self._envoy_command(snapshot.config))
        self._status.snapshot = snapshot
        log.info("started", extra=about(revision=snapshot.revision, state_dir=str(self._paths.root)))

    async def _start_child(self, name: str, command: list[str], sockets: Iterable[socket.socket] = ()) -> None:
        inherited = [each.fileno() for each in sockets]
        child = Child(name, command, clean_environment(), self._look_now.set, inherited)
        self._children.append(child)
        await child.start()

    async def _end(self) -> None:
        """Requests in flight first, then everything that served them."""
        log.info("stopping")
        for child in self._children:
            child.expect_end()
        if self._pid_of(ENVOY):
            await self._rollout.envoy.drain_and_quit(self._rollout.current.config.runtime.drain)
        for child in reversed(self._children):
            await child.end(_PATIENCE)
        decision_sockets.close(self._sockets)
        for each in self._doors:
            each.close()
        await self._rollout.stop()
        log.info("stopped")

    def _pid_of(self, name: str) -> int | None:
        return next((child.pid for child in self._children if child.name == name), None)

    def _forkserver_command(self, config: Config) -> list[str]:
        return [
            sys.executable, "-m", "authz_service.decision_worker.forkserver",
            "--parent", str(os.getpid()),
            "--service", config.service.name,
            "--control-socket", str(self._paths.control_socket),
            "--handover-socket", str(self._paths.handover_socket),
            "--decision-sockets", *(str(each.fileno()) for each in self._sockets),
        ]  # fmt: skip

    def _envoy_command(self, config: Config) -> list[str]:
        return [
            str(find_envoy(self._environment)),
            "-c", str(self._paths.bootstrap),
            "--concurrency", str(config.runtime.envoy_threads),
            "--disable-hot-restart",
            "--reject-unknown-dynamic-fields",
            "--drain-time-s", str(_DRAIN),
            "--drain-strategy", "immediate",
            "--file-flush-interval-msec", "200",
            "-l", "warn",
        ]  # fmt: skip

    async def _look(self) -> None:
        """Keep an eye on Envoy, closer until all is ready."""
        while True:
            current = self._rollout.current
            running = self._pid_of(ENVOY) is not None
            state = await self._rollout.envoy.state(current.resources.agent_secrets) if running else GONE
            self._status.door_missing = door.door_missing(self._paths, current.door, self._pid_of(DOOR))
            foreign = await self._guard.look(state)
            self._status.envoy, self._status.foreign = state, foreign
            self._put_right(state, foreign)
            self._tell_failing_updates()
            await self._follow_counts(state.counts)
            await self._look_at_policies()
            if os.getpid() == 1:
                reap_strangers([child.process.pid for child in self._children if child.process is not None])
            self._status.socket_problem = handed_over(self._rollout.current.config)
            ready = not self._status.missing()
            if ready and not self._status.were_ready:
                self._status.were_ready = True
                self._status.seconds_to_ready = time.monotonic() - self._status.started
                log.info("ready", extra=about(seconds=round(self._status.seconds_to_ready, 3)))
            self._look_now.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), _LOOK_WHEN_READY if ready else _LOOK_UNTIL_READY)

    def _put_right(self, state: EnvoyState, foreign: list[str]) -> None:
        """Envoy starts anew, with our files. Once: what comes back at once comes back again, and is left to people."""
        if foreign and foreign != self._put_right_last:
            self._status.counters.foreign += 1
            log.error("envoy_runs_foreign_configuration", extra=about(what=foreign))
            try:
                self._rollout.write_again()
            except OSError as error:
                log.error("envoy_files_not_written", extra=about(error=str(error)))  # noqa: TRY400 - expected
            for child in self._children:
                if child.name == ENVOY:
                    child.restart()
        if foreign or state.live:
            self._put_right_last = foreign

    def _tell_failing_updates(self) -> None:
        """Once when it begins and once when it ends: a name that DNS does not answer, a file that Envoy refuses."""
        state = self._status.envoy
        if not state.live:
            return
        before, self._failing = self._failing, set(state.failing)
        for source in self._failing - before:
            [text] = failing_updates({source: state.failing[source]})
            log.warning("update_failing", extra=about(source=source, problem=text))
        for source in before - self._failing:
            log.info("update_works_again", extra=about(source=source))

    async def _follow_counts(self, counts: Counts) -> None:
        """What Envoy counted since the last look. One line for all handshakes of a kind: a stranger who could write a
        line with each connection would fill the disk.
        """
        counters = self._status.counters
        for (kind, of), count in counts.items():
            grown, self._counted[kind, of] = count - self._counted[kind, of], count
            if kind == LOOKUP:
                counters.lookups[of] += grown
            elif grown and kind == HANDSHAKE:
                counters.handshakes[of] += grown
                log.warning("handshakes_failed", extra=about(reason=of, count=grown))
            elif grown and kind == TARGET_401:
                await self._rollout.outbound.doubt_token(of)

    async def _look_at_policies(self) -> None:
        status, rules = self._status, self._rollout.current.rules
        if rules.policy_server is not None:
            why = await health_problem(rules.policy_server)
            status.policy_problem = f"the policy server does not answer: {why}" if why else ""
            status.policy_missing = "" if status.were_ready else status.policy_problem
        else:
            why = self._rollout.bundles.problem
            status.policy_problem = f"no new policy bundle: {why}" if why else ""
            # Until the workers have taken it over: they compile it first.
            awaited = status.snapshot is not None and status.snapshot.rules.policy_awaited
            status.policy_missing = f"no policy bundle yet: {why or 'asking'}" if awaited else ""
