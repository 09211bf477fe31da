"""The real OPA in a process of its own (judge/*.go), asked by the thousand. Not what is asked (`policies`).

with Judge() as judge:
    for answer in judge.answers(tasks): …   # in the order of the tasks
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TypeAlias

from tests.differential.codec import decoded, told
from tests.support.opa import ROOT, VERSION

from authz_rego import UNDEFINED
from authz_rego.values.value import Value
from authz_service.parent_death import bound_to_us

Task: TypeAlias = dict[str, Any]
Answer: TypeAlias = dict[str, Any]

NOW: Final = 1_763_251_199_123_456_789  # nanoseconds; what time it is in every question
_SOURCE: Final = Path(__file__).parent / "judge"
_BINARY: Final = ROOT / ".real" / "opa" / VERSION / "judge"


def policy_task(
    modules: Sequence[tuple[str, str]],
    data: Value,
    inputs: Iterable[Value],
    queries: Sequence[str] = (),
    *,
    strict: bool = False,
) -> Task:
    """Compile, and ask every query about every input; without queries: every rule and every package."""
    asked = [{"u": 1} if each is UNDEFINED else told(each) for each in inputs]
    content = {"modules": [*map(list, modules)], "data": told(data), "inputs": asked, "queries": list(queries)}
    return {"policy": content | {"now": NOW, "strict": strict}}


def calls_task(calls: Iterable[Sequence[Any]]) -> Task:
    """Calls of builtins: a name and its operands each."""
    return {"calls": [[name, *map(told, operands)] for name, *operands in calls], "now": NOW}


def binary() -> Path:
    """The judge, built when it is not there or older than its source."""
    newest = max(each.stat().st_mtime for each in _SOURCE.iterdir())
    if not _BINARY.is_file() or _BINARY.stat().st_mtime < newest:
        _BINARY.parent.mkdir(parents=True, exist_ok=True)
        # Renamed at the end: two test processes may build at the same time.
        new = _BINARY.with_name(f"judge.{os.getpid()}")
        command = ["go", "build", "-trimpath", "-o", str(new), "."]
        subprocess.run(command, cwd=_SOURCE, check=True, env={**os.environ, "CGO_ENABLED": "0"})
        new.replace(_BINARY)
    return _BINARY


class Judge:
    """Ended with the `with`, or with our life."""

    def __enter__(self) -> Self:
        self._start()
        return self

    def _start(self) -> None:
        self._process = subprocess.Popen(
            bound_to_us([str(binary())]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1 << 20
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def start_anew(self) -> None:
        """Another process, which has compiled nothing yet."""
        self._end()
        self._start()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def answer(self, task: Task) -> Answer:
        """One task's."""
        return next(self.answers([task]), {})

    def answers(self, tasks: Sequence[Task]) -> Iterator[Answer]:
        """All are sent while the first answers are read already. Every answer must be read. `{}`: OPA ended its process
        there, as it does when a value has itself inside.
        """
        told_to, told_by = self._process.stdin, self._process.stdout
        assert told_to is not None
        assert told_by is not None
        writer = threading.Thread(target=_write, args=(told_to, tasks), daemon=True)
        writer.start()
        for number, _ in enumerate(tasks):
            line = told_by.readline()
            if not line.endswith(b"\n"):
                writer.join()
                self.start_anew()
                yield from self._answers_one_by_one(tasks[number:] if len(tasks) > 1 else ())
                return
            yield decoded(line)
        writer.join()

    def _answers_one_by_one(self, tasks: Sequence[Task]) -> Iterator[Answer]:
        for task in tasks:
            yield next(self.answers([task]), {})


def _write(to: IO[bytes], tasks: Sequence[Task]) -> None:
    with suppress(BrokenPipeError):  # then the answers end, too
        for task in tasks:
            to.write(json.dumps(task).encode() + b"\n")
        to.flush()
