"""What code inside a decision worker may try: each returns what it got, or raises. Runs there, not in a test."""

import ctypes
import errno
import fcntl
import os
import platform
import resource
import signal
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
# What is looked for under other numbers; the third is asm-generic's, which aarch64 has.
_CALLS = {
    "bpf": (321, 280), "mount": (165, 40), "unshare": (272, 97), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "io_uring_setup": (425, 425), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "perf_event_open": (298, 241),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "execveat": (322, 281), "open_by_handle_at": (304, 265),
}  # fmt: skip


def _argument(name: str) -> str:
    """Of the forkserver, whose fork we are."""
    return sys.argv[sys.argv.index(name) + 1]


def control_plane() -> int:
    return int(_argument("--parent"))


def state() -> Path:
    return Path(_argument("--control-socket")).parents[1]


def _call(name: str, *arguments: int) -> int:
    number = _CALLS[name][platform.machine() == "aarch64"]
    return _checked(name, _LIBC.syscall(number, *(ctypes.c_long(each) for each in arguments)))


def _checked(name: str, answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return answer


def read_environment() -> int:
    return len(Path(f"/proc/{control_plane()}/environ").read_bytes())


def read_memory() -> int:
    """The first page of its heap, as a debugger finds it."""
    maps = Path(f"/proc/{control_plane()}/maps").read_text()
    start = next(int(line.partition("-")[0], 16) for line in maps.splitlines() if line.endswith("[heap]"))
    with Path(f"/proc/{control_plane()}/mem").open("rb", 0) as memory:
        memory.seek(start)
        return len(memory.read(4096))


def read_server_key() -> bool:
    return "PRIVATE KEY" in (state() / "sds" / "server.json").read_text()


def list_state() -> int:
    return len([*state().iterdir()])


def rewrite_listener() -> str:
    """Back onto itself: who may do that may put another in its place."""
    listener = state() / "xds" / "lds.json"
    fresh = listener.with_name("fresh")
    fresh.write_bytes(listener.read_bytes())
    fresh.rename(listener)
    return "replaced"


def write_listener() -> str:
    os.close(os.open(state() / "xds" / "lds.json", os.O_WRONLY))
    return "open"


def raise_the_epoch() -> int:
    """Or leave it where it is: by it Envoy knows that what it was permitted to repeat has ended."""
    with (state() / "run" / "decision-cache").open("r+b", 0) as board:
        found = board.read(72)
        board.seek(0)
        return board.write(found)


def read_envoys_chain() -> int:
    """The keys of Envoy's own records."""
    return len((state() / "audit" / "envoy-chain").read_bytes())


def trace() -> str:
    pid = control_plane()
    _checked("attach", _LIBC.ptrace(0x4206, pid, 0, 0))  # PTRACE_SEIZE: it is not stopped
    _LIBC.ptrace(0x4207, pid, 0, 0)  # PTRACE_INTERRUPT, without which it cannot be let go
    os.waitpid(pid, 0x40000000)  # __WALL
    _checked("detach", _LIBC.ptrace(17, pid, 0, 0))
    return "attached"


def read_across() -> int:
    buffer = ctypes.create_string_buffer(64)
    address = ctypes.addressof(_LIBC.prctl)  # some address that we have; it is one of the process that we forked from
    local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 64)
    remote = (ctypes.c_size_t * 2)(address, 64)
    answer = _LIBC.process_vm_readv(os.getppid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return _checked("process_vm_readv", answer)


def signal_control_plane() -> str:
    os.kill(control_plane(), 0)
    return "it may be killed"


def signal_parent() -> str:
    os.kill(os.getppid(), 0)
    return "it may be killed"


def signal_a_thread() -> int:
    return _call("tkill", control_plane(), signal.SIGCONT)


def signal_thread_group() -> int:
    return _checked(
        "tgkill", _LIBC.syscall({"x86_64": 234}.get(platform.machine(), 131), control_plane(), control_plane(), 0)
    )


def take_a_descriptor() -> int:
    return _call("pidfd_getfd", _call("pidfd_open", control_plane(), 0), 2, 0)


def start_a_shell() -> int:
    pid = os.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh", "-c", "exit 0"])
    return os.waitpid(pid, 0)[1]


def become_a_shell() -> int:
    """Where the program is not there, so that nobody becomes it: the kernel looks after it was asked."""
    try:
        os.execv("/nowhere", ["sh"])
    except FileNotFoundError:
        return 0


def open_a_file() -> int:
    return len(Path("/etc/hostname" if Path("/etc/hostname").exists() else "/etc/passwd").read_bytes())


def make_a_file() -> str:
    (state() / "run" / "new").touch()
    return "made"


def _socket(family: int, kind: int, protocol: int = 0) -> str:
    with socket.socket(family, kind, protocol) as end:
        return f"socket {end.family}"


def ask_envoy() -> bytes:
    """Its admin interface could drain it, or end it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        end.connect(str(state() / "admin.sock"))
        end.sendall(b"GET /ready HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n")
        return end.recv(12)


def count_foreign_descriptors() -> int:
    """Sockets of other workers: whatever listens beside our own."""
    listening = 0
    for descriptor in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                with socket.socket(fileno=os.dup(descriptor)) as end:
                    listening += end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError:
            continue
    if listening < 2:
        raise PermissionError("only our own")
    return listening


def _audit() -> int:
    """The descriptor of the file that records are appended to."""
    for descriptor in range(3, 256):
        try:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        except OSError:
            continue
        if regular and flags & os.O_ACCMODE == os.O_WRONLY:
            return descriptor
    raise PermissionError("no audit file")


def rewrite_a_record() -> int:
    """The first byte of the first record, by what it is."""
    descriptor = _audit()
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_APPEND)
    return os.pwrite(descriptor, b"{", 0)


def cut_the_audit() -> str:
    descriptor = _audit()
    os.ftruncate(descriptor, os.fstat(descriptor).st_size)
    return "cut"


def punch_the_audit() -> str:
    descriptor = _audit()
    _checked("fallocate", _LIBC.fallocate(descriptor, 1, 0, 1))  # FALLOC_FL_KEEP_SIZE
    return "changed"


def read_the_audit() -> int:
    with Path(f"/proc/self/fd/{_audit()}").open("rb") as file:
        return len(file.read(1))


def raise_a_limit() -> str:
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (soft + 1, hard))
    except ValueError as error:  # so Python words EPERM
        raise PermissionError(error) from error
    return "raised"


def outlive_our_parent() -> str:
    _checked("prctl", _LIBC.prctl(1, 0, 0, 0, 0))  # PR_SET_PDEATHSIG
    return "nobody ends us"


def kernel(name: str, *arguments: int) -> Callable[[], str]:
    """Whether the kernel looks at the call at all: any answer of its own but a refusal is one."""

    def ask() -> str:
        try:
            return f"{name} {_call(name, *arguments)}"
        except OSError as error:
            if error.errno in {errno.EPERM, errno.ENOSYS, errno.EACCES}:
                raise
            return f"{name} was looked at: {error}"

    return ask


WAYS_OUT: dict[str, Callable[[], object]] = {
    "read-environment": read_environment,
    "read-memory": read_memory,
    "read-server-key": read_server_key,
    "list-state": list_state,
    "rewrite-listener": rewrite_listener,
    "write-listener": write_listener,
    "raise-the-epoch": raise_the_epoch,
    "read-envoys-chain": read_envoys_chain,
    "trace": trace,
    "read-across": read_across,
    "signal-control-plane": signal_control_plane,
    "signal-parent": signal_parent,
    "signal-a-thread": signal_a_thread,
    "signal-thread-group": signal_thread_group,
    "take-a-descriptor": take_a_descriptor,
    "start-a-shell": start_a_shell,
    "become-a-shell": become_a_shell,
    "open-a-file": open_a_file,
    "make-a-file": make_a_file,
    "tcp": lambda: _socket(socket.AF_INET, socket.SOCK_STREAM),
    "udp": lambda: _socket(socket.AF_INET6, socket.SOCK_DGRAM),
    "unix": lambda: _socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "netlink": lambda: _socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "ask-envoy": ask_envoy,
    "foreign-descriptors": count_foreign_descriptors,
    "rewrite-a-record": rewrite_a_record,
    "cut-the-audit": cut_the_audit,
    "punch-the-audit": punch_the_audit,
    "read-the-audit": read_the_audit,
    "raise-a-limit": raise_a_limit,
    "outlive-our-parent": outlive_our_parent,
    "io-uring": kernel("io_uring_setup", 1, 0),
    "keyrings": kernel("keyctl", 0, -3, 0),
    "user-namespace": kernel("unshare", 0),
    "execveat": kernel("execveat", -1, 0, 0, 0, 0),
}
