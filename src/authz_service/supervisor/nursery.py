"""Keeps the decision workers alive: forks them from one process without a secret, and replaces each that dies.

Started by the control plane as `python -m authz_service.supervisor.nursery`, with an environment of its own, so that
neither client secrets nor private keys were ever in its memory. Not a place where anything is decided.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import time
from pathlib import Path

from authz_service import logs
from authz_service.supervisor.parent_death import die_with_parent
from authz_service.supervisor.worker import run_worker

log = logging.getLogger(__name__)

_SHORT_LIFE = 1.0  # seconds; a worker that dies sooner is restarted with a pause
_PAUSE = 0.5  # seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True, help="the control plane's process id")
    parser.add_argument("--service", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--control-socket", required=True)
    parser.add_argument("--decision-sockets", required=True, help="a path with {slot}")
    options = parser.parse_args()
    die_with_parent(options.parent)
    logs.configure(options.service)
    gc.collect()
    gc.freeze()
    _Nursery(options.workers, options.control_socket, options.decision_sockets).run()


class _Nursery:
    def __init__(self, workers: int, control_socket: str, decision_sockets: str) -> None:
        self._control_socket = control_socket
        self._decision_sockets = decision_sockets
        self._slots: dict[int, int] = {}  # pid -> slot
        self._born: dict[int, float] = {}
        self._workers = workers
        self._stopping = False

    def run(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._stop)
        for slot in range(self._workers):
            self._fork(slot)
        while self._slots:
            pid, status = os.wait()
            slot, born = self._slots.pop(pid), self._born.pop(pid)
            if self._stopping:
                continue
            _report(slot, pid, status)
            if time.monotonic() - born < _SHORT_LIFE:
                time.sleep(_PAUSE)
            self._fork(slot)

    def _fork(self, slot: int) -> None:
        """Start the slot's worker, unless we are stopping. SIGTERM waits meanwhile, or it could miss the newborn."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if not self._stopping:
            nursery = os.getpid()
            pid = os.fork()
            if pid == 0:
                self._live(slot, nursery)
            self._slots[pid] = slot
            self._born[pid] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _live(self, slot: int, nursery: int) -> None:
        """The whole life of a worker; never returns."""
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            die_with_parent(nursery)
            run_worker(slot, self._control_socket, self._decision_sockets.format(slot=slot))
            code = 0
        except (ConnectionError, FileNotFoundError):
            code = 0  # the control plane is gone
        except BaseException:
            log.exception("worker_failed", extra={"fields": {"slot": slot}})
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid, slot in self._slots.items():
            Path(self._decision_sockets.format(slot=slot)).unlink(missing_ok=True)
            os.kill(pid, signal.SIGTERM)


def _report(slot: int, pid: int, status: int) -> None:
    event = "worker_died"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGVTALRM:
        event = "policy_timeout"  # the evaluation used up its budget: decision_service.EVALUATION_BUDGET
    fields = {"slot": slot, "pid": pid, "exit": os.waitstatus_to_exitcode(status)}
    log.error(event, extra={"fields": fields})


if __name__ == "__main__":
    main()
