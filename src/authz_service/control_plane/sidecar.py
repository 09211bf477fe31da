"""The processes of one sidecar from start to stop: the control plane's tasks, the decision workers, Envoy.

READ FIRST. The parts meet here and in `reload.rollout`, nowhere else. It decides no request and forwards no byte.
"""

from __future__ import annotations

import asyncio
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
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from authz_service import logs
from authz_service.audit.chain import heads, prepare
from authz_service.config.model import Config
from authz_service.control_plane.child_process import Child, clean_environment, reap_strangers
from authz_service.control_plane.counters import Counters
from authz_service.control_plane.data_plane import door
from authz_service.control_plane.event_loop import ControlLoop
from authz_service.control_plane.events import Events
from authz_service.control_plane.preflight import ports
from authz_service.control_plane.preflight.audit_file import require_writable_audit
from authz_service.control_plane.preflight.descriptors import Descriptors
from authz_service.control_plane.preflight.egress_socket import EgressSocket, require_own_socket
from authz_service.control_plane.preflight.socket_path import close, listen_at
from authz_service.control_plane.reload.reloader import SIGHUP, Reloader, tell_of_the_cache, warn_of_placeholders
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.control_plane.snapshot import Snapshot, read_snapshot, require_usable
from authz_service.control_plane.state_dir import StateDirectory, StateDirectoryUnusable
from authz_service.control_plane.status.admin_server import start_admin
from authz_service.control_plane.status.readiness import Lifecycle, Status
from authz_service.control_plane.watch.door import DoorWatch
from authz_service.control_plane.watch.envoy import EnvoyWatch
from authz_service.control_plane.watch.policy import PolicyWatch
from authz_service.domain.version import product_version
from authz_service.envoy.binary import find_envoy
from authz_service.envoy.paths import StatePaths
from authz_service.logs import about
from authz_service.walls.raising import hide_memory

log = logging.getLogger(__name__)

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
    tell_of_the_cache(snapshot.cache)
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
        self._started = started
        self._paths = StatePaths(directory.path)
        self._lifecycle = Lifecycle()
        self._events = events = Events()
        self._doors: list[socket.socket] = []
        self._cache_followed: asyncio.Task[None] | None = None  # until Envoy has ended
        counters = Counters()
        self._rollout = rollout = Rollout(snapshot, directory, counters, events)
        self._sockets: list[socket.socket] = []
        self._workers, self._door, self._envoy = (
            Child(name, [], clean_environment(), events.look) for name in ("decision workers", "door", "envoy")
        )
        self._children = (self._envoy, self._door, self._workers)  # as they end
        self._reloader = Reloader(config_path, environment, rollout, counters, events)
        self._policy = PolicyWatch(rollout)
        self._envoy_watch = EnvoyWatch(rollout, self._envoy, counters)
        self._door_watch = DoorWatch(rollout, self._door, self._paths)
        self._egress_socket, self._descriptors = EgressSocket(), Descriptors()
        parts = (
            self._door_watch, self._envoy_watch, rollout, self._reloader, self._policy, self._egress_socket,
            rollout.certificates, rollout.denylist, rollout.issuers, rollout.target_tokens, rollout.token_exchanges,
            rollout.decision_log, rollout.candidate, rollout.decision_cache, self._descriptors,
        )  # fmt: skip
        audit_heads = partial(heads, *self._paths.chains)
        self._status = Status(self._lifecycle, rollout, parts, counters, audit_heads, lambda: self._envoy.restarts)

    async def run(self) -> None:
        """Start, serve, stop. Raises AuthzServiceError when it cannot start; then everything is stopped again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._events.stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._events.reload, SIGHUP)
        pages = self._status.pages(loop)
        servers = start_admin(self._rollout.current.config.admin, pages, self._status.network_pages(pages))
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._start_or_say_why()
            followers = (self._reloader.watch(), self._reloader.follow(), self._look())
            tasks = [asyncio.create_task(follower) for follower in followers]
            await self._events.stop.wait()
        finally:
            self._lifecycle.phase = "stopping"
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
            secret = b"" if key is None else key.reveal().encode()
            prepare(self._paths.audit_chain, secret)
            cache = self._rollout.decision_cache
            cache.begin(secret)
            following = cache.follow(lambda: self._rollout.current.rules, lambda: self._envoy.pid)
            self._cache_followed = asyncio.create_task(following)
            workers = range(snapshot.config.runtime.decision_workers)
            # Ours, whatever becomes of the workers: what connects while one is away waits for its successor.
            self._sockets = [listen_at(self._paths.worker_socket(slot)) for slot in workers]
            # They start while the files are checked, and wait for their rules.
            await _start(self._workers, self._forkserver_command(snapshot.config), self._sockets)
        await asyncio.to_thread(require_usable, snapshot, self._environment)
        await self._rollout.begin()
        if snapshot.door:
            self._doors = door.listen(snapshot.config)
            await _start(self._door, door.command(snapshot.config, self._paths, self._doors), self._doors)
        if snapshot.needs_envoy:
            await _start(self._envoy, self._envoy_command(snapshot.config))
        self._lifecycle.phase = "serving"
        log.info("started", extra=about(revision=snapshot.revision, state_dir=str(self._paths.root)))

    async def _look(self) -> None:
        """At what changes by itself, closer until all is ready."""
        while True:
            config = self._rollout.current.config
            await self._envoy_watch.look()
            self._door_watch.look()
            await self._policy.look()
            self._egress_socket.look(config)
            self._descriptors.look(config)
            if os.getpid() == 1:
                reap_strangers([child.process.pid for child in self._children if child.process])
            ready = not self._status.missing()
            if ready and self._lifecycle.seconds_to_ready is None:
                self._lifecycle.seconds_to_ready = time.monotonic() - self._started
                log.info("ready", extra=about(seconds=round(self._lifecycle.seconds_to_ready, 3)))
            await self._events.until_look(_LOOK_WHEN_READY if ready else _LOOK_UNTIL_READY)

    async def _end(self) -> None:
        """Requests in flight first, then everything that served them."""
        log.info("stopping")
        for child in self._children:
            child.expect_end()
        if self._envoy.pid:
            await self._rollout.envoy.drain_and_quit(self._rollout.current.config.runtime.drain)
        for child in self._children:
            await child.end(_PATIENCE)
        if self._cache_followed is not None:
            self._cache_followed.cancel()
        close([*self._sockets, *self._doors])
        await self._rollout.stop()
        log.info("stopped")

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


async def _start(child: Child, command: list[str], sockets: Iterable[socket.socket] = ()) -> None:
    child.command, child.descriptors = command, [each.fileno() for each in sockets]
    await child.start()
