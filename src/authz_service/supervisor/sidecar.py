"""The control plane of one sidecar: brings Envoy, workers, keys, tokens and certificates to what the files say.

The only place where the parts meet. It decides no request and forwards no byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import stat
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from authz_service import logs
from authz_service.audit.chain import heads, prepare
from authz_service.clock import SystemClock
from authz_service.config.model import Config
from authz_service.config.restart import restart_needed
from authz_service.domain.rules import IssuerKeys
from authz_service.envoy import secrets
from authz_service.envoy.binary import find_envoy
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import steps
from authz_service.errors import ConfigProblems, Problem
from authz_service.policy.opa_server import health_problem
from authz_service.supervisor import decision_sockets, descriptors, ports
from authz_service.supervisor.admin_server import start_admin
from authz_service.supervisor.audit_destination import require_writable_audit
from authz_service.supervisor.bundle_keeper import BundleKeeper
from authz_service.supervisor.decision_log import DecisionLog
from authz_service.supervisor.desired import Desired, read_desired, require_usable
from authz_service.supervisor.egress_socket import handed_over, require_own_socket
from authz_service.supervisor.envoy_admin import GONE, EnvoyAdmin
from authz_service.supervisor.file_watch import changes, own_output, watched_folders
from authz_service.supervisor.metrics import Figure
from authz_service.supervisor.outbound import Outbound
from authz_service.supervisor.processes import Child, clean_environment
from authz_service.supervisor.served_certificates import ServedCertificates
from authz_service.supervisor.served_denylist import ServedDenylist
from authz_service.supervisor.state_dir import StateDirectory
from authz_service.supervisor.status import Status
from authz_service.supervisor.worker_hub import WorkerHub

log = logging.getLogger(__name__)

_LOOK_UNTIL_READY = 0.05  # seconds between looks at Envoy
_LOOK_WHEN_READY = 2.0
_TAKE_OVER = 1.0  # seconds for Envoy to accept a file
_SETTLE = 2.0  # seconds for the workers to take over the rules
_WATCH_BEGINS = 1.0  # seconds
_PATIENCE = 5.0  # seconds for a child to end


def run_sidecar(config_path: Path, environment: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT. Raises AuthzServiceError when it cannot start."""
    started = time.monotonic()
    desired = read_desired(config_path, environment)
    logs.configure(desired.config.service.name)
    _append_only(sys.stdout.fileno(), sys.stderr.fileno())
    directory = StateDirectory(desired.config.runtime.state_dir)
    directory.acquire()
    ports.require_free(ports.listen_addresses(desired.config))
    require_own_socket(desired.config, None)
    require_writable_audit(desired.config, config_path)
    asyncio.run(_serve(config_path, environment, desired, directory, started))


def _append_only(*descriptors: int) -> None:
    """Audit records and log lines may share a file that a shell opened by `>`: each write goes to its end (open(2))."""
    for descriptor in descriptors:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)


async def _serve(
    config_path: Path, environment: Mapping[str, str], desired: Desired, directory: StateDirectory, started: float
) -> None:
    await Sidecar(config_path, environment, desired, directory, started).run()


class Sidecar:
    """One per process, made inside its event loop."""

    def __init__(
        self,
        config_path: Path,
        environment: Mapping[str, str],
        desired: Desired,
        directory: StateDirectory,
        started: float,
    ) -> None:
        self._config_path = config_path
        self._environment = environment
        self._directory = directory
        self._paths = StatePaths(directory.path)
        self._current = desired
        self._stop = asyncio.Event()
        self._look_now = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._reloads: set[asyncio.Task[None]] = set()
        self._envoy = EnvoyAdmin(self._paths.admin_socket)
        self._certificates = ServedCertificates(self._publish_secret, time.time)
        figure = Figure()
        self._outbound = Outbound(
            self._paths.keys, self._publish_keys, self._publish_token, SystemClock(), figure.introspections
        )
        self._denylist = ServedDenylist(figure.reloads)
        self._bundles = BundleKeeper(SystemClock(), figure.reloads, partial(self._reload_soon, "a bundle arrived"))
        labels = {"id": str(uuid.uuid4()), "app": "authz-service"}
        self._decision_log = DecisionLog(SystemClock(), figure.copies, labels)
        self._hub = WorkerHub(
            self._paths.control_socket,
            figure.add,
            self._outbound.refetch,
            self._look_now.set,
            self._outbound.introspect,
            self._decision_log.take,
        )
        self._children: list[Child] = []
        self._sockets: list[socket.socket] = []
        self._status = Status(
            figure,
            self._certificates,
            self._denylist,
            self._outbound,
            self._hub,
            self._children,
            audit_heads=partial(heads, self._paths.audit_chain),
            copies_problem=lambda: self._decision_log.problem,
            descriptors=descriptors.raise_limit(),
            started=started,
        )

    async def run(self) -> None:
        """Start, serve, stop. Raises AuthzServiceError when it cannot start; then everything is stopped again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon, "SIGHUP")
        pages = self._status.pages(self._envoy, loop)
        servers = start_admin(self._current.config.admin, pages, self._status.network_pages(pages))
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._start()
            tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._look())]
            await self._stop.wait()
        finally:
            self._status.stopping = True
            for task in tasks:
                task.cancel()
            await self._end()
            for server in servers:
                server.stop()

    async def _start(self) -> None:
        desired = self._current
        await self._hub.start()
        if desired.ingress:
            key = desired.config.audit.key
            prepare(self._paths.audit_chain, b"" if key is None else key.reveal().encode())
            # They start while the files are checked, and wait for their rules.
            workers = range(desired.config.runtime.decision_workers)
            self._sockets = decision_sockets.listen_on(map(self._paths.worker_socket, workers))
            await self._start_child("decision workers", self._nursery_command(desired.config), self._sockets)
        await asyncio.to_thread(require_usable, desired, self._environment)
        self._certificates.refresh(desired.config)
        self._certificates.require_complete()
        self._denylist.refresh(desired.config)
        self._denylist.require_usable()
        self._write_empty_tokens(desired.config, only_missing=False)
        self._send_rules()
        for name, text in desired.resources.files().items():
            self._directory.write(name, text)
        await self._outbound.update(desired.config)
        await self._bundles.update(desired.config)
        await self._decision_log.update(desired.config)
        await self._start_child("envoy", self._envoy_command(desired.config))
        self._status.desired = desired
        log.info("started", extra={"fields": {"revision": desired.revision, "state_dir": str(self._directory.path)}})

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
        if any(child.name == "envoy" and child.pid for child in self._children):
            await self._envoy.drain_and_quit(self._current.config.runtime.drain)
        for child in reversed(self._children):
            await child.end(_PATIENCE)
        decision_sockets.close(self._sockets)
        await self._bundles.stop()
        await self._decision_log.stop()
        await self._outbound.stop()
        self._hub.stop()
        await self._envoy.close()
        log.info("stopped")

    def _nursery_command(self, config: Config) -> list[str]:
        return [
            sys.executable, "-m", "authz_service.supervisor.nursery",
            "--parent", str(os.getpid()),
            "--service", config.service.name,
            "--control-socket", str(self._paths.control_socket),
            "--decision-sockets", *(str(each.fileno()) for each in self._sockets),
        ]  # fmt: skip

    def _envoy_command(self, config: Config) -> list[str]:
        return [
            str(find_envoy(self._environment)),
            "-c", str(self._paths.bootstrap),
            "--concurrency", str(config.runtime.envoy_threads),
            "--disable-hot-restart",
            "--reject-unknown-dynamic-fields",
            "--drain-time-s", str(max(1, round(config.runtime.drain))),
            "--drain-strategy", "immediate",
            "--file-flush-interval-msec", "200",
            "-l", "warn",
        ]  # fmt: skip

    # Following the files

    async def _watch(self) -> None:
        """The watch goes on over a reload: what changes meanwhile is heard, unless other folders are to be watched."""
        while not self._stop.is_set():
            watched = self._watched()
            async for _ in changes(*watched, self._stop):
                await self._reload("files changed")
                if self._watched() != watched:
                    # Nothing is heard until the next watch has begun: look once more then.
                    asyncio.get_running_loop().call_later(_WATCH_BEGINS, self._reload_soon, "folders changed")
                    break

    def _watched(self) -> tuple[set[Path], set[Path]]:
        config = self._current.config
        return watched_folders(self._config_path, config), own_output(config)

    def _reload_soon(self, cause: str) -> None:
        task = asyncio.get_running_loop().create_task(self._reload(cause))
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self, cause: str) -> None:
        """Read everything anew; what is new and good is applied, for what is not the last good stays. Never raises."""
        async with self._reloading:
            try:
                desired = await asyncio.to_thread(self._read_changed)
                if desired is not None:
                    await self._apply(desired, cause)
                self._status.reload_problem = ""
            except Exception as error:  # noqa: BLE001 - whatever it is, the next change must still be followed
                self._refuse(cause, error)
            await asyncio.to_thread(self._denylist.refresh, self._current.config)
            try:
                if self._follow_certificates():  # a token may be bound to the certificate before
                    await self._outbound.update(self._current.config)
                self._status.certificate_problem = ""
            except OSError as error:
                log.exception("certificates_not_written")
                self._status.certificate_problem = str(error)
            self._look_now.set()

    def _follow_certificates(self) -> bool:
        """Whether any changed. Raises OSError when the state directory cannot be written; the rest comes later."""
        changed = self._certificates.refresh(self._current.config)
        self._send_rules()
        if changed:
            self._status.figure.reloads["certificates", "ok"] += 1
            log.info("certificates_reloaded", extra={"fields": {"names": changed}})
        return bool(changed)

    def _read_changed(self) -> Desired | None:
        """The new wishes, checked; None when they are the present ones. Runs in a thread."""
        desired = read_desired(self._config_path, self._environment)
        if desired.config == self._current.config and desired.rules == self._current.rules:
            return None
        fixed = restart_needed(self._current.config, desired.config)
        if fixed:
            file = str(self._config_path)
            raise ConfigProblems(
                [Problem(key, "cannot be changed while running", "restart the sidecar", file) for key in fixed]
            )
        require_own_socket(desired.config, self._current.config)
        require_writable_audit(desired.config, self._config_path, self._current.config)
        require_usable(desired, self._environment, self._current)
        return desired

    async def _apply(self, desired: Desired, cause: str) -> None:
        """Workers first, Envoy second. Raises without a change of what serves: routes are judged by their own revision.

        A worker that has the new rules goes on judging by the old ones what Envoy routes by the old ones.
        """
        before = self._current
        try:
            self._current = desired
            self._certificates.refresh(desired.config)
            self._write_empty_tokens(desired.config, only_missing=True)
            self._require_secrets(desired)
            await asyncio.to_thread(self._denylist.refresh, desired.config)
            if desired.config.revocation != before.config.revocation:
                self._denylist.require_usable()
            self._send_rules()
            await self._hub.require_settled(desired.revision, _SETTLE)
            await self._write_steps(before, desired)
        except BaseException:
            self._current = before
            self._send_rules()
            raise
        await self._outbound.update(desired.config)
        await self._bundles.update(desired.config)
        await self._decision_log.update(desired.config)
        self._status.desired = desired
        self._status.figure.reloads["configuration", "ok"] += 1
        log.info(
            "reloaded", extra={"fields": {"cause": cause, "revision": desired.revision, "before": before.revision}}
        )

    def _require_secrets(self, desired: Desired) -> None:
        """Envoy refuses a whole listener for the lack of one. Raises ConfigProblems for each that cannot be used."""
        absent = [name for name in desired.resources.secrets if not self._paths.secret(name).exists()]
        if absent:
            problems = self._certificates.problems
            fix = "mend the certificate files, then save the configuration again"
            raise ConfigProblems([Problem(name, problems.get(name, "is not there"), fix) for name in absent])

    def _refuse(self, cause: str, error: Exception) -> None:
        text = str(error)
        if self._status.reload_problem != text:
            self._status.figure.reloads["configuration", "refused"] += 1
            fields = {"cause": cause, "problems": text.splitlines(), "revision_kept": self._current.revision}
            log.error("reload_refused", extra={"fields": fields})
        self._status.reload_problem = text

    async def _look(self) -> None:
        """Keep an eye on Envoy, closer until all is ready."""
        while True:
            wanted = self._current.resources.agent_secrets
            self._status.envoy = await self._envoy.state(wanted) if self._children[-1].pid else GONE
            await self._look_at_policies()
            self._status.socket_problem = handed_over(self._current.config)
            ready = not self._status.missing()
            if ready and not self._status.were_ready:
                self._status.were_ready = True
                self._status.seconds_to_ready = time.monotonic() - self._status.started
                log.info("ready", extra={"fields": {"seconds": round(self._status.seconds_to_ready, 3)}})
            self._look_now.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), _LOOK_WHEN_READY if ready else _LOOK_UNTIL_READY)

    async def _look_at_policies(self) -> None:
        status, rules = self._status, self._current.rules
        if rules.policy_server is not None:
            why = await health_problem(rules.policy_server)
            status.policy_problem = f"the policy server does not answer: {why}" if why else ""
            status.policy_missing = "" if status.were_ready else status.policy_problem
        else:
            why = self._bundles.problem
            status.policy_problem = f"no new policy bundle: {why}" if why else ""
            status.policy_missing = f"no policy bundle yet: {why or 'asking'}" if rules.policy_awaited else ""

    # Writing for Envoy and the workers

    async def _write_steps(self, before: Desired, desired: Desired) -> None:
        """One file after the other, each taken over by Envoy before the next, so that no route is ever without its
        cluster.
        """
        for name, text in steps(before.resources, desired.resources):
            self._directory.write(name, text)
            await self._envoy.taken_over(name, json.loads(text)["version_info"], _TAKE_OVER)

    def _write_empty_tokens(self, config: Config, *, only_missing: bool) -> None:
        """Envoy wants the file to exist; an empty token is 503 for the target until there is one."""
        for name, target in config.egress.targets.items():
            present = self._paths.secret(secrets.target_token(name)).exists()
            if target.auth.type != "none" and not (only_missing and present):
                self._publish_token(name, None)

    def _send_rules(self) -> None:
        """To every worker; nothing happens when they have these already."""
        self._hub.set_rules(self._denylist.with_denied(self._certificates.with_trust(self._current.rules)))

    def _publish_secret(self, name: str, text: str) -> None:
        self._directory.write(f"sds/{name}.json", text)

    def _publish_token(self, target: str, token: str | None) -> None:
        name = secrets.target_token(target)
        self._publish_secret(name, secrets.token_secret(name, token or ""))
        self._look_now.set()

    def _publish_keys(self, keys: IssuerKeys) -> None:
        self._hub.set_keys(keys)
        self._look_now.set()
