"""`python -m tests.module.fuzz SECONDS [SEED]`: by libFuzzer where there is clang, else by a loop of our own."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.module.host import FUZZED, HERE, SOURCES, compiled

_SANITIZERS = "-fsanitize=fuzzer,address,undefined"


def main() -> None:
    seconds = sys.argv[1] if len(sys.argv) > 1 else "600"
    seed = sys.argv[2] if len(sys.argv) > 2 else str(random.SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        if shutil.which("clang"):
            made = Path(folder) / "fuzz"
            sources = [HERE / "fuzz.c", *(SOURCES / f"{part}.c" for part in FUZZED)]
            command = [
                "clang",
                "-std=c11",
                "-D_DEFAULT_SOURCE",
                "-DLIBFUZZER",
                "-g",
                "-O1",
                _SANITIZERS,
                f"-I{SOURCES}",
            ]
            subprocess.run([*command, *map(str, sources), "-o", str(made)], check=True)
            ended = subprocess.run([made, f"-max_total_time={seconds}", f"-seed={seed}"], check=False)
        else:
            ended = subprocess.run([compiled("fuzz", Path(folder)), "0", seconds, seed], check=False)
    sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
