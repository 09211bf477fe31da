"""The wheel as a user gets it: built of the sources alone, installed where nothing of this repository can be seen.

What it requires is linked from this environment, name by name: nothing is fetched, and what no list names is not there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so")
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
HAS_COMPILER = shutil.which("cc") is not None
_PINNED = re.compile(r"^([\w.-]+)==", re.MULTILINE)


def copy_sources(folder: Path) -> Path:
    """What an earlier build left in the working tree would hide what is missing."""
    sources = folder / "sources"
    shutil.copytree(ROOT / "src", sources / "src", ignore=_NOT_SOURCES)
    shutil.copytree(ROOT / "devkit", sources / "devkit", ignore=_NOT_SOURCES)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    return sources


def build_wheel(sources: Path, folder: Path, **variables: str) -> Path:
    """As `pip wheel .` does; of `sources` the product, of its `devkit` the development kit."""
    words = ("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, sources)
    subprocess.run([*_PIP, *words], check=True, timeout=300, capture_output=True, env={**os.environ, **variables})
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheels: Sequence[Path], folder: Path, requirements: str) -> Path:
    """Into a new virtual environment, beside what the file of requirements pins; its folder of programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    words = ["--python", str(python), "install", "--no-index", "--no-deps", *map(str, wheels)]
    subprocess.run([*_PIP, *words], check=True, timeout=120, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in _PINNED.findall((ROOT / "requirements" / requirements).read_text(encoding="utf-8")):
        _link(name, packages)
    return python.parent


def run(program: Path, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """With a clean environment, in a folder where nothing lies."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **variables}
    command = [str(program), *map(str, words)]
    return subprocess.run(
        command, env=environment, cwd=program.parent, capture_output=True, text=True, timeout=120, check=False
    )


def _link(name: str, packages: Path) -> None:
    found = distribution(name)
    tops = {file.parts[0] for file in found.files or () if file.parts[0] not in {"..", "__pycache__"}}
    for top in tops:
        link = packages / top
        if not link.exists():
            link.symlink_to(Path(str(found.locate_file(top))))
