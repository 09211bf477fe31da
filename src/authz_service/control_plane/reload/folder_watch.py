"""Hears from the kernel that something in or below some folders changed (inotify(7)). Not what it means."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from enum import IntFlag
from pathlib import Path

from authz_service.control_plane.preflight.file_watches import open_instance

_QUIET = 0.05  # seconds without news: the burst is over
_LONGEST_BURST = 0.4  # seconds; then it is told although it goes on
_EVENT = struct.Struct("iIII")  # struct inotify_event: watch, mask, cookie, length of the name that follows
_BUFFER = 64 << 10  # bytes
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})


class _In(IntFlag):
    """IN_* of inotify(7)."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x1000000
    EXCL_UNLINK = 0x4000000
    ISDIR = 0x40000000


_CHANGES = (
    _In.MODIFY | _In.ATTRIB | _In.CLOSE_WRITE | _In.MOVED_FROM | _In.MOVED_TO
    | _In.CREATE | _In.DELETE | _In.DELETE_SELF | _In.MOVE_SELF
)  # fmt: skip
_COMES = _In.MOVED_TO | _In.CREATE


class FolderWatch:
    """Made inside the event loop, and closed. Raises OSError where the kernel has no watch to give."""

    def __init__(self, folders: Iterable[Path], ignored: Iterable[Path]) -> None:
        """`ignored`: files and folders in which nothing is news."""
        self._folders, self._ignored = list(folders), list(ignored)
        self._watched: dict[int, Path] = {}
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._descriptor = open_instance()
        os.set_blocking(self._descriptor, False)
        try:
            self._follow_all()
        except BaseException:
            os.close(self._descriptor)
            raise
        self._loop.add_reader(self._descriptor, self._hear)

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    async def burst(self, stop: asyncio.Event, longest: float) -> bool:
        """Returns after a burst of changes, when `stop` is set, or after `longest` seconds: whether there was a change.
        None gets lost.
        """
        waiting = [asyncio.create_task(event.wait()) for event in (self._news, stop)]
        try:
            await asyncio.wait(waiting, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        changed = self._news.is_set()
        end = self._loop.time() + _LONGEST_BURST
        while self._news.is_set() and not stop.is_set() and self._loop.time() < end:
            self._news.clear()
            await asyncio.sleep(_QUIET)
        return changed

    def _hear(self) -> None:
        try:
            told = os.read(self._descriptor, _BUFFER)
        except BlockingIOError:
            return
        at = 0
        while at < len(told):
            watch, mask, _, length = _EVENT.unpack_from(told, at)
            name = told[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            self._heard(watch, _In(mask), os.fsdecode(name))
            at += _EVENT.size + length

    def _heard(self, watch: int, mask: _In, name: str) -> None:
        if mask & _In.Q_OVERFLOW:  # whatever was lost, perhaps a new folder
            self._follow_all()
            self._news.set()
            return
        if mask & _In.IGNORED:
            self._watched.pop(watch, None)
            return
        folder = self._watched.get(watch)
        if folder is None or self._is_ignored(path := folder / name):
            return
        if mask & _In.ISDIR and mask & _COMES:
            with contextlib.suppress(
                OSError
            ):  # no watch is left: the look after the longest silence finds what is in it
                self._follow(path)
        self._news.set()

    def _is_ignored(self, path: Path) -> bool:
        return any(path.is_relative_to(own) for own in self._ignored)

    def _follow_all(self) -> None:
        for folder in self._folders:
            self._follow(folder)

    def _follow(self, top: Path) -> None:
        """It and all folders below, also behind links; each once, for links may lead back."""
        seen: set[tuple[int, int]] = set()
        for name, below, _ in os.walk(top, followlinks=True):
            folder = Path(name)
            try:
                status = folder.stat()
                place = (status.st_dev, status.st_ino)
                if place in seen or self._is_ignored(folder):
                    below.clear()
                    continue
                seen.add(place)
                self._watched[self._add(folder)] = folder
            except OSError as error:
                if error.errno not in _GONE:
                    raise

    def _add(self, folder: Path) -> int:
        libc = ctypes.CDLL(None, use_errno=True)
        watch = int(
            libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _CHANGES | _In.ONLYDIR | _In.EXCL_UNLINK)
        )
        if watch < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
        return watch
