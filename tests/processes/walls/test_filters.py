"""The filters of system calls, run by a small machine as the kernel would, for each architecture; and by the kernel."""

import errno
import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from authz_service.walls import landlock
from authz_service.walls.linux import NoSuchWall
from authz_service.walls.seccomp import parent_filter, worker_filter
from authz_service.walls.system_calls import ALLOWED, ARCHITECTURES, HOSTILE, HOSTILE_IN_A_WORKER, Architecture

ALLOW, KILL = "allow", "kill"
PID = 4711
_HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def run(program: bytes, architecture: Architecture, number: int, *arguments: int, mark: int | None = None) -> str | int:
    """What the kernel would do (Documentation/networking/filter.rst): allow, kill, or the error's number."""
    six = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, mark or architecture.mark, 0, *six)
    steps = list(struct.iter_unpack("HBBI", program))
    place, word = 0, 0
    while True:
        code, yes, no, value = steps[place]
        place += 1
        if code == 0x20:
            (word,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            return ALLOW if value == 0x7FFF0000 else KILL if value == 0x80000000 else value & 0xFFFF
        else:
            true: bool = {0x15: word == value, 0x35: word >= value, 0x45: bool(word & value)}[code]
            place += yes if true else no


@pytest.fixture(params=sorted(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return ARCHITECTURES[request.param]


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_the_numbers_are_the_kernels(name: str) -> None:
    """As its headers have them, where they are installed."""
    if not _HEADERS[name].exists():
        pytest.skip("no kernel headers here")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", _HEADERS[name].read_text()))
    found["newfstatat"] = found.get("newfstatat", found.get("fstatat"))
    ours = {call: str(number) for call, number in ARCHITECTURES[name].numbers.items()}

    assert ours == {call: found.get(call) for call in ours}


def test_a_worker_may_what_it_needs_and_nothing_else(architecture: Architecture) -> None:
    """Every number that there is, and some that there are not yet."""
    program, numbers = worker_filter(architecture, PID), architecture.numbers
    answers = {number: run(program, architecture, number) for number in range(600)}

    assert {numbers[name] for name in ALLOWED if name in numbers} <= {n for n, a in answers.items() if a == ALLOW}
    hostile = {numbers[name] for name in (*HOSTILE, *HOSTILE_IN_A_WORKER) if name in numbers}
    assert {n for n, a in answers.items() if a == KILL} == hostile
    judged = {numbers[name] for name in ("fcntl", "ioctl", "clone", "tgkill", "prlimit64", "newfstatat", "statx")}
    free = {n for n, a in answers.items() if a == ALLOW} - judged
    assert free == {numbers[name] for name in ALLOWED if name in numbers}
    assert answers[numbers["clone3"]] == errno.ENOSYS
    assert {answers[numbers[name]] for name in ("socket", "openat", "io_uring_setup", "seccomp")} == {errno.EPERM}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("fcntl", (5, 3), (5, 4)),  # F_GETFL, F_SETFL
        ("ioctl", (5, 0x5421), (5, 0x5412)),  # FIONBIO, TIOCSTI: to type into somebody's terminal
        ("clone", (0x10000 | 0x100,), (17,)),  # a thread, a fork
        ("tgkill", (PID, 1, 6), (PID + 1, 1, 6)),
        ("prlimit64", (0, 2, 0, 0x7FFF00000000), (0, 2, 0x7FFF00000000, 0)),
        ("prlimit64", (0, 2, 0), (0, 2, 0x1000)),
        ("newfstatat", (5, 1, 2, 0x1000), (5, 1, 2, 0)),
        ("statx", (5, 1, 0x1000), (5, 1, 0)),
    ],
)
def test_some_calls_depend_on_what_is_asked(
    architecture: Architecture, name: str, good: tuple[int, ...], bad: tuple[int, ...]
) -> None:
    program, number = worker_filter(architecture, PID), architecture.numbers[name]

    assert run(program, architecture, number, *good) == ALLOW
    assert run(program, architecture, number, *bad) == errno.EPERM


def test_a_call_by_another_architectures_number_ends_the_process(architecture: Architecture) -> None:
    """`read` there is another call here; the same for x86_64's other ABI."""
    other = next(each.mark for each in ARCHITECTURES.values() if each.mark != architecture.mark)
    for program in (worker_filter(architecture, PID), parent_filter(architecture)):
        number = architecture.numbers["read"]
        assert run(program, architecture, number) == ALLOW
        assert run(program, architecture, number, mark=other) == KILL
        assert run(program, architecture, number | 0x40000000) == KILL


def test_the_forkserver_may_fork_and_signal_and_nothing_hostile(architecture: Architecture) -> None:
    program, numbers = parent_filter(architecture), architecture.numbers

    assert {run(program, architecture, numbers[name]) for name in ("clone", "clone3", "kill", "openat")} == {ALLOW}
    assert {run(program, architecture, numbers[name]) for name in HOSTILE if name in numbers} == {KILL}


_INSIDE = """
import os, sys, threading
from authz_service.walls.raising import around_worker, leave_root
if "walls" in sys.argv:
    leave_root()
    around_worker()
{}
"""


def _ending(code: str, *, walls: bool, script: str = _INSIDE) -> int:
    command = [sys.executable, "-c", script.replace("{}", code), *(["walls"] if walls else [])]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL, env=dict(os.environ)).returncode


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("os.kill(os.getpid(), 0)", -signal.SIGSYS),
        ("os.execv('/bin/true', ['true'])", -signal.SIGSYS),
        ("open('/dev/null')", 1),
        ("import socket; socket.socket()", 1),
        ("os.fork()", 1),
    ],
)
def test_the_kernel_sees_it_the_same_way(code: str, ending: int) -> None:
    assert _ending(code, walls=False) == 0
    assert _ending(code, walls=True) == ending


@pytest.mark.parametrize("code", ["t = threading.Thread(target=int); t.start(); t.join()", "os.urandom(1)"])
def test_what_a_worker_needs_still_works(code: str) -> None:
    assert _ending(code, walls=True) == 0


_LANDLOCK_ALONE = """
import os, signal, socket, sys
from authz_service.walls import landlock
from authz_service.walls.linux import SET_NO_NEW_PRIVS, prctl
server = socket.create_server(("127.0.0.1", 0))
if "walls" in sys.argv:
    prctl(SET_NO_NEW_PRIVS, 1)
    landlock.enclose(["/proc"])
{}
"""


def _has_landlock() -> bool:
    try:
        return landlock.version() > 0
    except NoSuchWall:
        return False


@pytest.mark.skipif(not _has_landlock(), reason="this kernel has no Landlock")
@pytest.mark.parametrize(
    "code",
    [
        "open('/dev/null')",
        "os.listdir('/')",
        "os.open('/proc/self/comm', os.O_WRONLY)",
        "socket.socket().connect(server.getsockname())",
        "os.kill(os.getppid(), 0)",
    ],
)
def test_landlock_alone_keeps_it_out_too(code: str) -> None:
    """The second wall behind the first, for whoever finds a hole there."""
    assert _ending(code, walls=False, script=_LANDLOCK_ALONE) == 0
    assert _ending(code, walls=True, script=_LANDLOCK_ALONE) == 1
    assert _ending("open('/proc/self/stat')", walls=True, script=_LANDLOCK_ALONE) == 0


def test_root_becomes_somebody_else_and_nobody_keeps_a_capability() -> None:
    code = """
from authz_service.walls.raising import OWN_USER, effective_capabilities
assert effective_capabilities() == 0
assert os.getresuid() == os.getresgid() == (OWN_USER,) * 3 or before
"""
    code = code.replace("before", str(os.geteuid() != 0))

    assert _ending(code, walls=True, script=_USER_ALONE) == 0


_USER_ALONE = """
import os, sys
from authz_service.walls.raising import leave_root
assert leave_root() == []
{}
"""
