"""What can happen to an audit destination under a running sidecar; begun and ended at will. Judges nothing."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.faults.ground import waited
from tests.support.lone_sidecar import LoneSidecar

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of unshare(2)
_PIECE = 1 << 16
_PER_RECORD = 2048  # bytes, generously


class Fault(Protocol):
    """`refuses`: requests must be refused while it lasts. `contents`: all that was written, the oldest first."""

    name: str
    refuses: bool

    def prepare(self, sidecar: LoneSidecar, requests: int) -> None: ...

    def strike(self) -> None: ...

    def heal(self) -> None: ...

    def contents(self) -> list[tuple[str, bytes]]: ...


def mounts_of_our_own() -> bool:
    """From now on this thread, and what it starts, has mounts that nobody else sees and that end with it."""
    if ctypes.CDLL(None).unshare(_NEW_MOUNTS) != 0:
        return False
    return _mount("--make-rprivate", "/")


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


class _InAFolder:
    """The destination is a file in a folder of its own."""

    folder: Path
    file: Path

    def prepare(self, sidecar: LoneSidecar, requests: int) -> None:
        self.folder = sidecar.folder / "audit"
        self.folder.mkdir()
        self.file = self.folder / "audit.jsonl"
        sidecar.write_config({"audit.path": str(self.file)})

    def heal(self) -> None: ...

    def contents(self) -> list[tuple[str, bytes]]:
        rotated = sorted(self.folder.glob("audit.jsonl.*"), key=lambda path: int(path.suffix[1:]))
        return [(path.name, path.read_bytes()) for path in [*rotated, self.file] if path.exists()]


class FullDisk(_InAFolder):
    """A small file system, filled to the last byte, so that records are torn; else /dev/full stands in its place."""

    refuses = True

    def __init__(self, *, on_failure: str = "deny") -> None:
        self.name, self._on_failure = f"full, {on_failure}", on_failure
        self.refuses = on_failure == "deny"
        self._times = 0

    def prepare(self, sidecar: LoneSidecar, requests: int) -> None:
        super().prepare(sidecar, requests)
        size = (1 << 20) + 4 * _PER_RECORD * requests
        self._mounted = _mount("-t", "tmpfs", "-o", f"size={size}", "none", str(self.folder))
        sidecar.write_config({"audit.on_failure": self._on_failure})

    def strike(self) -> None:
        if not self._mounted:
            self._times += 1
            self.file.rename(f"{self.file}.{self._times}")
            self.file.symlink_to("/dev/full")
            return
        with contextlib.suppress(OSError), (self.folder / "filler").open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(_PIECE))

    def heal(self) -> None:
        if self._mounted:
            (self.folder / "filler").write_bytes(b"")
        else:
            self.file.unlink()


class ReadOnly(_InAFolder):
    """The folder comes back as one that cannot be written; without the right to mount, it goes away for a while."""

    name = "read-only"
    refuses = True

    def strike(self) -> None:
        self._covered = _mount("-t", "tmpfs", "-o", "ro", "none", str(self.folder))
        if not self._covered:
            self.folder.rename(self.folder.with_name("away"))

    def heal(self) -> None:
        if self._covered:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
        else:
            self.folder.with_name("away").rename(self.folder)


class Deleted(_InAFolder):
    """Whoever deletes a file has its records on his conscience: we hold it, to count them."""

    name = "deleted"
    refuses = False

    def __init__(self) -> None:
        self._deleted: list[int] = []

    def strike(self) -> None:
        if waited(self.file.exists) is not None:
            self._deleted.append(os.open(self.file, os.O_RDONLY))
            self.file.unlink()

    def contents(self) -> list[tuple[str, bytes]]:
        deleted = [(f"deleted-{number}", _all_of(one)) for number, one in enumerate(self._deleted, 1)]
        self._deleted.clear()
        return [*deleted, *super().contents()]


class Rotated(_InAFolder):
    name = "rotated"
    refuses = False

    def __init__(self) -> None:
        self._times = 0

    def strike(self) -> None:
        if waited(self.file.exists) is not None:
            self._times += 1
            self.file.rename(f"{self.file}.{self._times}")


class Stalled:
    """The reader of a pipe that stops reading, and then reads slowly."""

    name = "stalled reader"
    refuses = True

    def __init__(self) -> None:
        self._reads, self._ends = threading.Event(), threading.Event()
        self._reads.set()
        self._read: list[bytes] = []

    def prepare(self, sidecar: LoneSidecar, requests: int) -> None:
        pipe = sidecar.folder / "audit.pipe"
        os.mkfifo(pipe)
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # for writing too: it is never at its end
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()
        sidecar.write_config({"audit.path": str(pipe)})

    def strike(self) -> None:
        self._reads.clear()

    def heal(self) -> None:
        self._reads.set()

    def contents(self) -> list[tuple[str, bytes]]:
        self._ends.set()
        self._thread.join()
        os.close(self._pipe)
        return [("pipe", b"".join(self._read))]

    def _collect(self) -> None:
        while not self._ends.is_set():
            self._reads.wait(0.1)
            try:
                while self._reads.is_set():
                    self._read.append(os.read(self._pipe, 8192))
            except BlockingIOError:
                time.sleep(0.005)


class Killed(_InAFolder):
    """Each worker in turn, in whatever it is doing."""

    name = "killed in mid-write"
    refuses = False

    def prepare(self, sidecar: LoneSidecar, requests: int) -> None:
        super().prepare(sidecar, requests)
        self._sidecar, self._turn = sidecar, 0

    def strike(self) -> None:
        self._turn += 1
        self._sidecar.workers()[self._turn % 2].kill()

    def heal(self) -> None:
        """One at a time, and none within the second in which its death would cost it a pause."""
        waited(lambda: len(self._sidecar.workers()) == 2 and self._sidecar.readyz()["ready"])
        time.sleep(1.0)


FAULTS: tuple[Callable[[], Fault], ...] = (
    FullDisk, ReadOnly, Deleted, Rotated, Stalled, Killed, lambda: FullDisk(on_failure="continue"),
)  # fmt: skip


def _all_of(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()
