"""The module under a stand-in for Envoy (host.c), with AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from tests.module.ground import Ground, as_header, permit

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src" / "envoy_module"
COMPILER = shutil.which("cc")
WITHOUT = "the module's tests need a C compiler, cc: install gcc and libc6-dev"
FLAGS = (
    "-std=c11", "-D_DEFAULT_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer",
)  # fmt: skip
_ADDRESS, _CERTIFICATE, _ROUTE = 24, 38, 61


FUZZED = ("configuration", "permit", "key", "entries")
_INCLUDED = "sha256"  # by host.c


def compiled(program: str, folder: Path) -> Path:
    """`host.c` or `fuzz.c` with the module; once for all processes of a test run."""
    assert COMPILER is not None, WITHOUT
    main = HERE / f"{program}.c"
    parts = FUZZED if program == "fuzz" else sorted({file.stem for file in SOURCES.glob("*.c")} - {_INCLUDED})
    sources = [main, *(SOURCES / f"{part}.c" for part in parts)]
    headers = sorted(SOURCES.glob("*.h"))
    digest = sha256(
        b"".join(file.read_bytes() for file in (*sources, *headers, SOURCES / f"{_INCLUDED}.c"))
    ).hexdigest()
    made = folder / f"{program}-{digest[:16]}"
    if not made.exists():
        fresh = made.with_suffix(f".{os.getpid()}")
        command = [COMPILER, *FLAGS, f"-I{SOURCES}", *map(str, sources), "-o", str(fresh)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert ended.returncode == 0, ended.stderr
        fresh.rename(made)
    return made


@dataclass(frozen=True)
class Request:
    """One that came in; each part of it is part of the key, but for the correlation id."""

    method: str = "GET"
    path: str = "/orders?a=1"
    authority: str = "order.zone1.local"
    address: str = "192.0.2.7:50123"
    route: str = "tag|/orders"
    certificate: str = "ab" * 32
    headers: tuple[tuple[str, str], ...] = (("authorization", "Bearer t"), ("x-extra", "1"), ("x-extra", "2"))
    correlation_ids: tuple[str, ...] = ("c-1",)
    worker: int = 0
    without: str = ""  # a pseudo header that is missing

    def but(self, **changes: object) -> Request:
        return replace(self, **changes)  # type: ignore[arg-type]  # names of fields

    def lines(self) -> list[str]:
        pseudo = [(":method", self.method), (":path", self.path), (":authority", self.authority)]
        ids = [("x-correlation-id", one) for one in self.correlation_ids]
        sent = [pair for pair in (*pseudo, *self.headers, *ids) if pair[0] != self.without]
        facts = [(_ADDRESS, self.address), (_CERTIFICATE, self.certificate), (_ROUTE, self.route)]
        return [
            f"begin {self.worker}",
            *(f"header {_hex(name)} {_hex(value)}" for name, value in sent),
            *(f"attribute {number} {_hex(value)}" for number, value in facts if value),
        ]


class Outcome(NamedTuple):
    known: bool
    user: str
    headers: list[tuple[str, str]]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


GOOD = Request()


@dataclass
class Host:
    """A process. Whatever a test does with it, it must end well: else a sanitizer has found something."""

    program: Path
    ground: Ground
    audit: str = ""  # in place of the ground's
    standard_output: int | None = None  # a descriptor
    user: int | None = None  # whom it becomes; only root can
    filters: list[int] = field(default_factory=list)
    _killed: int = 0

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            [str(self.program), str(writing)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if self.standard_output is None else self.standard_output,
            stderr=subprocess.PIPE,
            pass_fds=[writing],
            user=self.user,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"},
        )
        os.close(writing)
        self._answers: IO[bytes] = os.fdopen(reading, "rb")
        assert self.configure(self.ground.configuration(self.audit))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None and kind is None:
            for number in self.filters:
                self.say(f"filter {number}", "unconfigure")
        _, told = self._process.communicate(timeout=60)
        self._answers.close()
        assert kind is not None or self._process.returncode in {0, self._killed}, told.decode()

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._killed = -signal.SIGKILL
        self._process.kill()
        self._process.wait()

    def say(self, *lines: str) -> list[str]:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self._process.stdin.flush()
        return [self._answer() for _ in lines]

    def configure(self, text: str | bytes) -> bool:
        """Whether it is taken; it is the one in use from now on."""
        (said,) = self.say(f"configure {_hex(text)}")
        if said.startswith("taken"):
            self.filters.append(int(said.split()[1]))
        return said != "refused"

    def ask(self, request: Request = GOOD, said: bytes | str | None = None, denied: str = "") -> Outcome:
        """A request that comes in, and what the gate then says in its header, if it is asked at all."""
        lines = [*request.lines(), "ask"]
        header = "" if said is None else said if isinstance(said, str) else as_header(said)
        if denied:
            lines.append(f"answer locally {_hex(header)} {_hex(denied)}")
        else:
            lines.append("answer none" if said is None else f"answer with {_hex(header)}")
        told = self.say(*lines, "end")[-3].split()
        status, state, user, *rest = told
        assert status == "0", "a request is stopped"
        pairs = zip(map(_text, rest[::2]), map(_text, rest[1::2]), strict=True)
        return Outcome(state == "known", _text(user), list(pairs))

    def learn(self, request: Request = GOOD, said: bytes | None = None) -> None:
        assert not self.ask(request, permit() if said is None else said).known

    def known(self, request: Request = GOOD) -> bool:
        return self.ask(request).known

    def many(self, count: int, request: Request = GOOD) -> int:
        """How many of as many were known. The gate's answer must leave the request as it is."""
        return int(self.say(*request.lines(), f"many {count}", "end")[-2])

    def move_clocks(self, real_s: float = 0, monotonic_s: float = 0) -> None:
        self.say(f"clock {int(real_s * 1e6)} {int(monotonic_s * 1e6)}")

    def freeze_clocks(self) -> None:
        """So that everything takes no time at all."""
        self.say("freeze")

    def limit_files(self, size: int | None) -> None:
        """What is written beyond is cut off, and what begins beyond fails (setrlimit(2)): as on a full disk."""
        self.say(f"limit {-1 if size is None else size}")

    def hashed(self, text: bytes, *, plainly: bool) -> str:
        (said,) = self.say(f"hash {int(plainly)} {_hex(text)}")
        return said

    def _answer(self) -> str:
        line = self._answers.readline().decode()
        if not line.endswith("\n"):
            assert self._process.stderr is not None
            raise AssertionError(self._process.stderr.read().decode())
        return line[:-1]


def _hex(text: str | bytes) -> str:
    return (text.encode("latin-1") if isinstance(text, str) else text).hex() or "-"


def _text(word: str) -> str:
    return "" if word == "-" else bytes.fromhex(word).decode("latin-1")
