"""Tests in a network, mounts and limits of their own: `@pytest.mark.own_network`. Without root, by a user namespace.

The test is run by another pytest within the namespaces; there this host is loopback alone, names are asked of
127.0.0.1:53, and what is mounted or limited is so for the test alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_INSIDE = "IN_OWN_NETWORK"
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1  # netdevice(7)
_NAMESPACES = ("--user", "--map-root-user", "--mount", "--net")


def is_inside() -> bool:
    return _INSIDE in os.environ


def run_inside(item: pytest.Item) -> None:
    """The test's verdict is that of its run within; skipped where the kernel gives no namespaces."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, *_NAMESPACES, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel gives no user namespaces")
    command = [unshare, *_NAMESPACES, "--kill-child", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if "XDIST" not in name} | {_INSIDE: "1"}
    ended = subprocess.run(
        [*command, item.nodeid], env=environment, cwd=item.config.rootpath, capture_output=True, text=True,
        check=False, timeout=180,
    )  # fmt: skip
    if ended.returncode != 0:
        pytest.fail(ended.stdout + ended.stderr, pytrace=False)


def settle() -> None:
    """Loopback is up, and who resolves names asks 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))
    file = Path(tempfile.mkdtemp()) / "resolv.conf"
    file.write_text("nameserver 127.0.0.1\noptions timeout:5 attempts:2\n")
    subprocess.run(["mount", "--bind", str(file), str(Path("/etc/resolv.conf").resolve())], check=True)


def allow_inotify(instances: int) -> None:
    """For all users within."""
    Path("/proc/sys/user/max_inotify_instances").write_text(str(instances))


def mount_small(folder: Path, size: str) -> None:
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(folder)], check=True)
