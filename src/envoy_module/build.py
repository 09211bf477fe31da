"""Compile the module that Envoy loads: `python build.py OUTPUT`. By the machine's C compiler, else by ziglang's."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
LEFT_OUT = "the decision cache is left out ({}): every request is decided by a worker, as without it"
_FLAGS = (
    "-std=c11", "-O2", "-fPIC", "-shared", "-s", "-D_DEFAULT_SOURCE",
    "-fvisibility=hidden", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2",
    "-Wl,-z,relro,-z,now,-z,noexecstack", "-Wl,--build-id=none",
)  # fmt: skip
_OLDEST_GLIBC = "2.28"  # has all that is called; the wheel of Envoy needs a newer one


def build(output: Path, compiler: Sequence[str] | None = None) -> str:
    """Make the library, or say why it cannot be made: an installation goes on without it."""
    compiler = find_compiler(os.environ) if compiler is None else compiler
    if not sys.platform.startswith("linux"):
        return "it is made for Linux"
    if not compiler:
        return "there is neither a C compiler, cc, nor the package ziglang"
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".module-") as folder:
        made = Path(folder) / output.name
        # Names as they are told to the compiler, so that none of this machine can be in the library.
        sources = sorted(file.name for file in HERE.glob("*.c"))
        command = [*compiler, *_FLAGS, *sources, "-o", str(made)]
        try:
            ended = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{compiler[0]} does not run: {error}"
        if ended.returncode != 0 or not made.exists():
            return f"{' '.join(compiler)}: {(ended.stderr.strip() or 'failed').splitlines()[0]}"
        made.chmod(0o644)
        made.replace(output)  # a running Envoy keeps the one that it has loaded
    return ""


def find_compiler(env: Mapping[str, str]) -> list[str]:
    """`CC`, the machine's `cc`, ziglang's, or none."""
    if named := env.get("CC"):
        return named.split()
    if found := shutil.which("cc", path=env.get("PATH")):
        return [found]
    return zig(platform.machine()) if find_spec("ziglang") else []


def zig(machine: str) -> list[str]:
    return [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.{_OLDEST_GLIBC}"]


if __name__ == "__main__":
    if problem := build(Path(sys.argv[1]).resolve()):
        sys.stderr.write(LEFT_OUT.format(problem) + "\n")
