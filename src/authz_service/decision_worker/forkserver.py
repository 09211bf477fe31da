"""Keeps the decision workers alive: forks them from one process without a secret, and replaces each that dies.

Started by the control plane as `python -m authz_service.decision_worker.forkserver`, with an environment of its own, so
that neither client secrets nor private keys were ever in its memory. Not a place where anything is decided.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence

from authz_service import logs
from authz_service.decision_worker.in_flight import Ending, InFlight
from authz_service.decision_worker.process import Doors, prepare, run_worker
from authz_service.decision_worker.watchdog import LOOK, Look, Watchdog, seconds_of, state_of
from authz_service.logs import about
from authz_service.parent_death import die_with_parent
from authz_service.walls.raising import around_forkserver, leave_root

log = logging.getLogger(__name__)

_SHORT_LIFE = 1.0  # seconds; a worker that dies sooner, and of no question, is restarted with a pause
_PAUSE = 0.5  # seconds
_KILLED = frozenset({signal.SIGKILL, signal.SIGTERM})  # from outside: nothing that it did


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True, help="the control plane's process id")
    parser.add_argument("--service", required=True)
    parser.add_argument("--control-socket", required=True)
    parser.add_argument("--handover-socket", required=True)
    parser.add_argument("--decision-sockets", type=int, nargs="+", required=True, help="listening, one for each worker")
    options = parser.parse_args()
    die_with_parent(options.parent)
    logs.configure(options.service)
    prepare()
    gc.collect()
    gc.freeze()
    around_forkserver()
    _Forkserver(options.control_socket, options.handover_socket, options.decision_sockets).run()


class _Forkserver:
    def __init__(self, control_socket: str, handover_socket: str, decision_sockets: Sequence[int]) -> None:
        self._control_socket = control_socket
        self._handover_socket = handover_socket
        self._decision_sockets = decision_sockets
        self._in_flight = InFlight(len(decision_sockets))
        self._watchdog = Watchdog(self._look_at)
        self._slots: dict[int, int] = {}  # pid -> slot
        self._born: dict[int, float] = {}  # by slot
        self._due = dict.fromkeys(range(len(decision_sockets)), 0.0)  # slot -> when it gets a worker
        self._stopping = False

    def run(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._stop)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # it waits until we do
        while self._slots or not self._stopping:
            for slot in [slot for slot, when in self._due.items() if when <= time.monotonic()]:
                self._fork(slot)
            signal.sigtimedwait({signal.SIGCHLD}, LOOK)
            self._reap()
            hung = self._watchdog.find(self._slots)
            if hung is not None and not self._stopping:
                log.error("worker_hung", extra=about(slot=self._slots[hung], pid=hung))
                os.kill(hung, signal.SIGKILL)

    def _reap(self) -> None:
        while self._slots:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if pid == 0:
                return
            if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                self._in_flight.set_stopped(self._slots[pid], stopped=os.WIFSTOPPED(status))
                continue
            slot, now = self._slots.pop(pid), time.monotonic()
            self._in_flight.set_stopped(slot, stopped=False)
            ending = _ending(status)
            had_a_question = self._in_flight.file(slot, ending)
            if self._stopping:
                continue
            _report(slot, pid, status, ending)
            # Who was ended by a question had begun well: others wait for its successor, and that question is known.
            guilty = had_a_question and ending is not Ending.LOST
            soon = guilty or now - self._born[slot] > _SHORT_LIFE
            self._due[slot] = now if soon else now + _PAUSE

    def _fork(self, slot: int) -> None:
        """Start the slot's worker, unless we are stopping. SIGTERM waits meanwhile, or it could miss the newborn."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if not self._stopping:
            forkserver = os.getpid()
            pid = os.fork()
            if pid == 0:
                self._live(slot, forkserver)
            self._slots[pid] = slot
            self._born[slot] = time.monotonic()
            del self._due[slot]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _live(self, slot: int, forkserver: int) -> None:
        """The whole life of a worker; never returns."""
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD})
            self._in_flight.sit(slot)
            doors = Doors.connect(self._control_socket, self._handover_socket, self._decision_sockets[slot])
            missing = leave_root()
            die_with_parent(forkserver)
            run_worker(self._in_flight, doors, missing)
            code = 0
        except (ConnectionError, FileNotFoundError):
            code = 0  # the control plane is gone
        except BaseException:
            log.exception("worker_failed", extra=about(slot=slot))
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _look_at(self, pid: int, slot: int) -> Look:
        return Look(self._in_flight.beats(slot), state_of(pid), seconds_of(pid))

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid in self._slots:
            os.kill(pid, signal.SIGTERM)


def _ending(status: int) -> Ending:
    if not os.WIFSIGNALED(status):
        return Ending.LOST
    number = os.WTERMSIG(status)
    if number == signal.SIGPROF:  # decision_service: the budget of an evaluation
        return Ending.TIMED_OUT
    return Ending.LOST if number in _KILLED else Ending.CRASHED


def _report(slot: int, pid: int, status: int, ending: Ending) -> None:
    if ending is Ending.TIMED_OUT:
        log.error("policy_timeout", extra=about(slot=slot, pid=pid, exit=os.waitstatus_to_exitcode(status)))
    else:
        log.error("worker_died", extra=about(slot=slot, pid=pid, exit=os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
