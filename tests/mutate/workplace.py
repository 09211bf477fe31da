"""A copy of the project in which one line of the product is wrong. Not which line, nor what the tests say of it."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.mutate.mutation import Mutation

ROOT = Path(__file__).parents[2]
_COPIED = ("src", "tests", "examples", "docs", "pyproject.toml")


class Workplace:
    """Its own interpreter finds the copy's `src` before anything else, in every process that the tests start."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "project"
        for name in _COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self._root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / name, self._root / name)
        self._python = folder / "venv" / "bin" / "python"
        venv.create(folder / "venv", symlinks=True)
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
        (packages / "copy.pth").write_text(
            f"{self._root / 'src'}\n" + "".join(f"{p}\n" for p in site.getsitepackages())
        )

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """The copy with the mutation in it, and without it again."""
        file = self._root / mutation.file
        good = file.read_text(encoding="utf-8")
        file.write_text(mutation.apply(good), encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(good, encoding="utf-8")

    def start_tests(self, selection: Sequence[str]) -> subprocess.Popen[str]:
        """Pytest on these, until the first failure; in a session of its own, so that it can be ended with its children.

        Golden files are left out: they would see every change of the rendering, and prove nothing about behaviour.
        """
        command = [str(self._python), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
                   "--deselect", "tests/unit/envoy/test_resources_golden.py", *selection]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        return subprocess.Popen(
            command, cwd=self._root, env={**environment, "PYTHONDONTWRITEBYTECODE": "1"}, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def require_copy_in_use(self) -> None:
        """Raises RuntimeError when the interpreter would import the original: then every mutation would survive."""
        code = "import authz_service.errors as e; print(e.__file__)"
        found = subprocess.check_output([str(self._python), "-c", code], text=True, cwd=self._root.parent).strip()
        if not Path(found).is_relative_to(self._root):
            raise RuntimeError(f"{sys.executable}: the copy is not what would be tested, but {found}")
