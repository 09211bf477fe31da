"""Numbers of Linux' system calls, and which of them a walled process has. Not the filter that is made of it.

A number is the kernel's promise for ever (include/uapi/asm-generic/unistd.h, arch/x86/entry/syscalls/syscall_64.tbl).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Architecture(NamedTuple):
    """`mark` is the kernel's AUDIT_ARCH_… (linux/audit.h); `numbers` by name."""

    mark: int
    numbers: Mapping[str, int]


# name, x86_64, aarch64 (-1: it has none)
# What a worker does all day comes first: an older kernel goes through the list each time.
_ALLOWED = (
    ("recvmsg", 47, 212), ("read", 0, 63), ("write", 1, 64), ("epoll_wait", 232, -1), ("epoll_pwait", 281, 22),
    ("setitimer", 38, 103), ("sendmsg", 46, 211), ("sendto", 44, 206), ("recvfrom", 45, 207), ("getrandom", 318, 278),
    ("futex", 202, 98), ("clock_gettime", 228, 113), ("epoll_ctl", 233, 21), ("accept4", 288, 242), ("close", 3, 57),
    # files and sockets that are open
    ("readv", 19, 65), ("writev", 20, 66), ("pread64", 17, 67), ("lseek", 8, 62), ("fstat", 5, 80), ("dup", 32, 23),
    ("dup2", 33, -1), ("dup3", 292, 24), ("accept", 43, 202), ("listen", 50, 201), ("shutdown", 48, 210),
    ("getsockname", 51, 204), ("getpeername", 52, 205), ("getsockopt", 55, 209), ("setsockopt", 54, 208),
    # waiting and being woken
    ("epoll_create1", 291, 20), ("poll", 7, -1), ("ppoll", 271, 73), ("select", 23, -1), ("pselect6", 270, 72),
    ("eventfd2", 290, 19), ("pipe2", 293, 59), ("socketpair", 53, 199),
    # time
    ("clock_getres", 229, 114), ("clock_nanosleep", 230, 115), ("nanosleep", 35, 101), ("gettimeofday", 96, 169),
    ("time", 201, -1), ("getitimer", 36, 102), ("times", 100, 153), ("getrusage", 98, 165),
    # memory
    ("mmap", 9, 222), ("munmap", 11, 215), ("mremap", 25, 216), ("mprotect", 10, 226), ("madvise", 28, 233),
    ("brk", 12, 214),
    # threads, signals, the end
    ("rseq", 334, 293), ("set_robust_list", 273, 99), ("membarrier", 324, 283), ("sched_yield", 24, 124),
    ("sched_getaffinity", 204, 123), ("exit", 60, 93), ("exit_group", 231, 94), ("restart_syscall", 219, 128),
    ("rt_sigaction", 13, 134), ("rt_sigprocmask", 14, 135), ("rt_sigreturn", 15, 139), ("rt_sigtimedwait", 128, 137),
    ("sigaltstack", 131, 132),
    # who we are
    ("getpid", 39, 172), ("gettid", 186, 178), ("getppid", 110, 173), ("getuid", 102, 174), ("geteuid", 107, 175),
    ("getgid", 104, 176), ("getegid", 108, 177), ("uname", 63, 160), ("sysinfo", 99, 179), ("getcwd", 79, 17),
)  # fmt: skip

# Allowed with some arguments only (see `seccomp`).
_JUDGED = (
    ("fcntl", 72, 25), ("ioctl", 16, 29), ("clone", 56, 220), ("clone3", 435, 435), ("tgkill", 234, 131),
    ("prlimit64", 302, 261), ("newfstatat", 262, 79), ("statx", 332, 291),
)  # fmt: skip

# No honest line of ours or of a library asks for these. Who does is ended, and so is seen.
_HOSTILE = (
    ("ptrace", 101, 117), ("process_vm_readv", 310, 270), ("process_vm_writev", 311, 271), ("kcmp", 312, 272),
    ("process_madvise", 440, 440), ("process_mrelease", 448, 448),
    ("pidfd_open", 434, 434), ("pidfd_getfd", 438, 438), ("pidfd_send_signal", 424, 424),
    ("rt_sigqueueinfo", 129, 138), ("rt_tgsigqueueinfo", 297, 240), ("tkill", 200, 130),
    ("execve", 59, 221), ("execveat", 322, 281), ("personality", 135, 92),
    ("bpf", 321, 280), ("perf_event_open", 298, 241), ("userfaultfd", 323, 282), ("fanotify_init", 300, 262),
    ("add_key", 248, 217), ("request_key", 249, 218), ("keyctl", 250, 219),
    ("unshare", 272, 97), ("setns", 308, 268), ("chroot", 161, 51), ("pivot_root", 155, 41), ("mount", 165, 40),
    ("umount2", 166, 39), ("open_tree", 428, 428), ("move_mount", 429, 429), ("fsopen", 430, 430),
    ("fsconfig", 431, 431), ("fsmount", 432, 432), ("fspick", 433, 433), ("mount_setattr", 442, 442),
    ("open_by_handle_at", 304, 265), ("name_to_handle_at", 303, 264),
    ("init_module", 175, 105), ("finit_module", 313, 273), ("delete_module", 176, 106), ("kexec_load", 246, 104),
    ("kexec_file_load", 320, 294), ("reboot", 169, 142), ("swapon", 167, 224), ("swapoff", 168, 225),
    ("acct", 163, 89), ("quotactl", 179, 60), ("quotactl_fd", 443, 443), ("syslog", 103, 116),
    ("settimeofday", 164, 170), ("clock_settime", 227, 112), ("adjtimex", 159, 171), ("clock_adjtime", 305, 266),
    ("sethostname", 170, 161), ("setdomainname", 171, 162), ("iopl", 172, -1), ("ioperm", 173, -1),
    ("modify_ldt", 154, -1),
)  # fmt: skip

# As hostile, in a worker: its parent does it.
_HOSTILE_IN_A_WORKER = (("kill", 62, 129),)

# What we ask ourselves, to set the walls up and to hand over descriptors.
_OURS = (
    ("seccomp", 317, 277), ("capset", 126, 91), ("landlock_create_ruleset", 444, 444), ("landlock_add_rule", 445, 445),
    ("landlock_restrict_self", 446, 446), ("io_uring_setup", 425, 425), ("socket", 41, 198), ("openat", 257, 56),
)  # fmt: skip

_ALL = (*_ALLOWED, *_JUDGED, *_HOSTILE, *_HOSTILE_IN_A_WORKER, *_OURS)
ARCHITECTURES = {
    "x86_64": Architecture(0xC000003E, {name: number for name, number, _ in _ALL}),
    "aarch64": Architecture(0xC00000B7, {name: number for name, _, number in _ALL if number >= 0}),
}
ALLOWED = tuple(row[0] for row in _ALLOWED)
HOSTILE = tuple(row[0] for row in _HOSTILE)
HOSTILE_IN_A_WORKER = tuple(row[0] for row in _HOSTILE_IN_A_WORKER)
