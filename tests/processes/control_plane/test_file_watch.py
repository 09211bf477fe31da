"""Changes are noticed; where the kernel has no watch left, they are looked for."""

import subprocess
import sys
from pathlib import Path

from tests.support.patience import PATIENCE

_SCRIPT = """
import asyncio, logging, resource, sys
from pathlib import Path
from authz_service.control_plane.reload import file_watch

file_watch.LONGEST_SILENCE = 0.2
logging.basicConfig(format="%(message)s", stream=sys.stdout)

async def looks() -> int:
    stop, count = asyncio.Event(), 0
    async for _ in file_watch.changes({Path(sys.argv[1])}, set(), stop):
        count += 1
        if count == 3:
            stop.set()
    return count

async def main() -> None:
    print("watched", await looks())
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # no descriptor, so no inotify instance
    print("not watched", await looks())

asyncio.run(main())
"""


def test_without_a_watch_the_files_are_looked_at_now_and_then(tmp_path: Path) -> None:
    """A process of its own runs out of descriptors, as a host runs out of inotify instances."""
    ended = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE, check=True
    )

    assert ended.stdout.splitlines() == ["watched 3", "files_not_watched", "not watched 3"]
