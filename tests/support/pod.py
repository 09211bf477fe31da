"""A pod without a cluster: volumes as kubelet lays them, a read-only root, uid 65532, no capability, its own network.

Needs root, `unshare`, `setpriv` and `nsenter` (util-linux). What it does not have: RuntimeDefault's seccomp filter.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.patience import PATIENCE

import authz_service

USER = 65_532
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ssl", "/etc/ld.so.cache")
_WITH_NOTHING = "--clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"
_UP = "import fcntl,socket,struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 1))"


class Volume:
    """A ConfigMap, a Secret or both projected: files behind `..data`, which is replaced in one step."""

    def __init__(self, folder: Path, files: Mapping[str, bytes], mode: int) -> None:
        self._folder, self._mode, self._number = folder, mode, 0
        folder.mkdir(parents=True)
        self.write(files)

    def write(self, files: Mapping[str, bytes]) -> None:
        self._number += 1
        fresh = self._folder / f"..2026_11_30.{self._number}"
        for name, content in files.items():
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            shutil.chown(file, group=USER)
            file.chmod(self._mode)
        for folder in (fresh, *(each for each in fresh.rglob("*") if each.is_dir())):
            folder.chmod(0o755)
        link = self._folder / "..data_tmp"
        link.symlink_to(fresh.name)
        old = (self._folder / "..data").resolve()
        link.rename(self._folder / "..data")
        if old.name != "..data":
            shutil.rmtree(old)
        for name in {name.partition("/")[0] for name in files}:
            with contextlib.suppress(FileExistsError):
                (self._folder / name).symlink_to(f"..data/{name}")


class Pod:
    """`mounts` are volumes by the path in the pod."""

    def __init__(self, folder: Path, mounts: Mapping[str, Path], hosts: str) -> None:
        self._folder = folder
        self._mounts = mounts
        self._hosts = hosts
        self.log = folder / "log.jsonl"
        self._beside: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--net", "sh", "-ec", self._script(), "sh", *command], stdout=log, stderr=log
            )

    def beside(self, *command: str) -> None:
        """Another process in the pod's network, as another container would be."""
        with (self._folder / "beside.log").open("ab") as log:
            self._beside.append(subprocess.Popen(self._inside(command), stdout=log, stderr=log))

    def ask(self, *curl: str) -> str:
        """What curl prints, in the pod's network; "" when it failed."""
        return subprocess.run(
            self._inside(("curl", "-s", "--max-time", "20", *curl)),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        ).stdout

    def asking(self, *curl: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self._inside(("curl", "-s", *curl)), stdout=subprocess.PIPE, text=True)

    def is_alone(self) -> bool:
        """It has reached its own network."""
        return Path(f"/proc/{self.process.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()

    def status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def root_options(self) -> str:
        mounts = Path(f"/proc/{self.process.pid}/mountinfo").read_text().splitlines()
        return next(fields[5] for fields in map(str.split, mounts) if fields[4] == "/")

    def end(self) -> None:
        for process in (self.process, *self._beside):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)

    def _inside(self, command: tuple[str, ...]) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", *command]

    def _script(self) -> str:
        """The last one to be started takes the script's place, so its process is the one that was started first."""
        root = self._folder / "root"
        code = Path(authz_service.__path__[0]).parent
        needed = dict.fromkeys(
            str(path) for path in (*map(Path, _SYSTEM), Path(sys.base_prefix), Path(sys.prefix), code)
        )
        lines = [
            f'{sys.executable} -c "{_UP}"', "mount --make-rprivate /",
            f"mkdir {root}; mount -t tmpfs -o mode=755 root {root}",
            *(f"mkdir -p {root}/{name}; mount --rbind /{name} {root}/{name}" for name in ("dev", "proc")),
            *(f"{_place(path, root)}; mount --rbind {path} {root}{path}" for path in needed if Path(path).exists()),
            *(f"mkdir -p {root}{place}; mount --bind {source} {root}{place}" for place, source in self._mounts.items()),
            f"mkdir -p {root}/run/authz; mount -t tmpfs -o mode=2777,gid={USER} state {root}/run/authz",
            f"cat > {root}/etc/hosts <<'EOF'\n{self._hosts}\nEOF",
            f"mount -o remount,ro,mode=755 {root}",
            f'exec chroot {root} setpriv --reuid={USER} --regid={USER} {_WITH_NOTHING} -- "$@"',
        ]  # fmt: skip
        return "\n".join(lines)


def _place(path: str, root: Path) -> str:
    """An empty one of its kind."""
    if Path(path).is_dir():
        return f"mkdir -p {root}{path}"
    return f"mkdir -p {root}{Path(path).parent}; touch {root}{path}"
