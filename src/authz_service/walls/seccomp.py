"""The filter of system calls that a process puts on itself for good (seccomp(2)): a small program that the kernel runs.

Its language is classic BPF: an instruction is (code, steps on true, steps on false, value). Which calls: system_calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

from authz_service.walls.linux import call
from authz_service.walls.system_calls import ALLOWED, HOSTILE, HOSTILE_IN_A_WORKER, Architecture

_Step = tuple[int, int, int, int]

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; arguments have 8 bytes, low word first
_KILL, _ALLOW = 0x80000000, 0x7FFF0000
_REFUSE, _ABSENT = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_X32 = 0x40000000  # numbers of x86_64's other ABI begin here: a call by another name

_SET_MODE_FILTER = 1
_THREAD = 0x00010000  # CLONE_THREAD
_EMPTY_PATH = 0x1000  # AT_EMPTY_PATH: the descriptor itself
_F_SETFL = 4
_IOCTLS = (0x5421, 0x5451, 0x5450, 0x541B, 0x5401)  # FIONBIO, FIOCLEX, FIONCLEX, FIONREAD, TCGETS


def worker_filter(architecture: Architecture, pid: int) -> bytes:
    """Only what a worker needs: nothing is opened, connected, started or signalled. Others are refused with EPERM.

    A descriptor that only appends stays one (F_SETFL), and nobody's limits change.
    """
    steps = [*_this_architecture(architecture), *_killed(architecture, (*HOSTILE, *HOSTILE_IN_A_WORKER))]
    allowed = [architecture.numbers[name] for name in ALLOWED if name in architecture.numbers]
    steps += [step for number in allowed for step in _if_number(number, [_answer(_ALLOW)])]
    steps += _judged(architecture, "fcntl", 1, [*_if_equal([_F_SETFL], _REFUSE), _answer(_ALLOW)])
    steps += _judged(architecture, "ioctl", 1, [*_if_equal(_IOCTLS, _ALLOW), _answer(_REFUSE)])
    steps += _judged(architecture, "clone", 0, [*_if_bit(_THREAD, _ALLOW), _answer(_REFUSE)])
    steps += _judged(architecture, "tgkill", 0, [*_if_equal([pid], _ALLOW), _answer(_REFUSE)])
    steps += _judged(architecture, "prlimit64", 2, [*_if_null(2, _ALLOW), _answer(_REFUSE)])
    steps += _judged(architecture, "newfstatat", 3, [*_if_bit(_EMPTY_PATH, _ALLOW), _answer(_REFUSE)])
    steps += _judged(architecture, "statx", 2, [*_if_bit(_EMPTY_PATH, _ALLOW), _answer(_REFUSE)])
    # Its flags are behind a pointer, where no filter can look; the C library then uses `clone`.
    steps += _if_number(architecture.numbers["clone3"], [_answer(_ABSENT)])
    return _program([*steps, _answer(_REFUSE)])


def parent_filter(architecture: Architecture) -> bytes:
    """What no process of ours that forks workers ever asks for; who does is ended. All else is allowed."""
    steps = [*_this_architecture(architecture), *_killed(architecture, HOSTILE)]
    return _program([*steps, _answer(_ALLOW)])


def install(program: bytes) -> None:
    """For this thread and whoever it starts, for good. `no_new_privs` must be set. Raises OSError."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    call("seccomp", _SET_MODE_FILTER, 0, ctypes.create_string_buffer(header, len(header)))


def worker_filter_here(architecture: Architecture) -> bytes:
    return worker_filter(architecture, os.getpid())


def _this_architecture(architecture: Architecture) -> list[_Step]:
    """The same number is another call under another ABI."""
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture.mark),
        _answer(_KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        _answer(_KILL),
    ]


def _killed(architecture: Architecture, names: Sequence[str]) -> list[_Step]:
    numbers = sorted(architecture.numbers[name] for name in names if name in architecture.numbers)
    return [step for number in numbers for step in _if_number(number, [_answer(_KILL)])]


def _judged(architecture: Architecture, name: str, argument: int, then: list[_Step]) -> list[_Step]:
    """`then` looks at the low word of that argument, and answers in any case."""
    look = (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
    return _if_number(architecture.numbers[name], [look, *then])


def _if_number(number: int, then: list[_Step]) -> list[_Step]:
    return [(_EQUAL, 0, len(then), number), *then]


def _if_equal(values: Sequence[int], answer: int) -> list[_Step]:
    return [step for value in values for step in ((_EQUAL, 0, 1, value), _answer(answer))]


def _if_bit(bits: int, answer: int) -> list[_Step]:
    return [(_ANY_BIT, 0, 1, bits), _answer(answer)]


def _if_null(argument: int, answer: int) -> list[_Step]:
    """A pointer: both words. Its low one is loaded."""
    return [(_EQUAL, 0, 3, 0), (_LOAD, 0, 0, _ARGUMENTS + 8 * argument + 4), (_EQUAL, 0, 1, 0), _answer(answer)]


def _answer(value: int) -> _Step:
    return (_RETURN, 0, 0, value)


def _program(steps: Sequence[_Step]) -> bytes:
    return b"".join(struct.pack("HBBI", *step) for step in steps)
