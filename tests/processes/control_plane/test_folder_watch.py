"""Which changes below a folder are heard, by the kernel's own word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.support.patience import PATIENCE

from authz_service.control_plane.reload.folder_watch import FolderWatch

_SILENCE = 0.3  # seconds in which nothing is heard


Change = Callable[[Path], object]


async def _heard(folder: Path, *changes: tuple[Change, bool]) -> list[bool]:
    """For each change, made after the one before was heard of, whether it was heard."""
    watch, stop, heard = FolderWatch([folder], [folder / "ours"]), asyncio.Event(), []
    for change, is_news in changes:
        change(folder)
        heard.append(await watch.burst(stop, PATIENCE if is_news else _SILENCE))
    watch.close()
    return heard


def write(name: str) -> Change:
    return lambda folder: (folder / name).write_text("x")


def swap(folder: Path) -> None:
    """As Kubernetes does it: another folder, and a link renamed onto the one that is there."""
    (folder / "..2").mkdir()
    (folder / "..2" / "a.rego").write_text("new")
    (folder / "..data.new").symlink_to("..2")
    (folder / "..data.new").rename(folder / "..data")


def test_changes_are_heard_and_our_own_output_is_not(tmp_path: Path) -> None:
    for name in ("below", "ours", "..1"):
        (tmp_path / name).mkdir()
    (tmp_path / "ours" / "there").write_text("x")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "back").symlink_to(".")  # a circle

    changes: list[tuple[Change, bool]] = [
        (lambda _: None, False),
        (write("new.yaml"), True),
        (write("below/new.rego"), True),
        (lambda folder: (folder / "later").mkdir(), True),
        (write("later/new.rego"), True),
        (write("ours/output"), False),
        (swap, True),
        (write("..2/a.rego"), True),
        (lambda folder: (folder / "below" / "new.rego").unlink(), True),
        (lambda folder: (folder / "new.yaml").chmod(0o600), True),
        (lambda _: None, False),
    ]

    assert asyncio.run(_heard(tmp_path, *changes)) == [is_news for _, is_news in changes]


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_stop_is_heard_at_once_and_nothing_stays_open(tmp_path: Path) -> None:
    async def watch() -> None:
        stop = asyncio.Event()
        watch = FolderWatch([tmp_path], [])
        asyncio.get_running_loop().call_later(0.01, stop.set)
        async with asyncio.timeout(PATIENCE):
            await watch.burst(stop, 10 * PATIENCE)
        watch.close()

    before = _descriptors()
    asyncio.run(watch())
    assert _descriptors() == before


def test_a_folder_that_is_not_there_is_watched_by_who_finds_it(tmp_path: Path) -> None:
    assert asyncio.run(_heard(tmp_path / "not there", (lambda _: None, False))) == [False]
