"""One policy with what it is asked, as both sides get it, and what ours answers. Not OPA's side (`judge`)."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeAlias

from tests.differential.judge import NOW

from authz_rego import EvaluationError, Policy, Query, RegoProblems
from authz_rego.values.text import term_text
from authz_rego.values.value import Value

PATIENCE: Final = 20.0  # seconds, of ours for one policy: what takes longer is a difference
Path: TypeAlias = tuple[Value, ...]
Texts: TypeAlias = tuple[tuple[str, str], ...]


class Case(NamedTuple):
    """Modules by the names of their files, data, and inputs."""

    modules: Texts
    data: dict[str, Value]
    inputs: tuple[Value, ...]


class Failed(NamedTuple):
    """In place of a value: no answer."""

    code: str  # OPA's; or "crash", "slow"
    message: str


class Problem(NamedTuple):
    code: str
    file: str
    row: int
    column: int
    message: str


class _TooSlow(BaseException):
    pass


class Ours:
    """Our policy of a case, or why there is none."""

    def __init__(self, case: Case, *, allow_overlap: bool = False) -> None:
        self.problems: list[Problem] = []
        self.crash = ""
        self._policy: Policy | None = None
        self._queries: dict[str, Query] = {}
        try:
            with _limited():
                self._policy = Policy.compile(case.modules, case.data, allow_overlap=allow_overlap)
        except RegoProblems as found:
            self.problems = [Problem(each.code, *_place(each.place), each.found) for each in found.problems]
        except _TooSlow:
            self.crash = "slow: compiling"
        except Exception as error:  # noqa: BLE001  # what must never happen is told as what it is
            self.crash = _told(error)

    def answer(self, path: Path, asked: Value) -> Value | Failed:
        """A value, UNDEFINED, or a failure."""
        try:
            with _limited():
                return self._query(path).evaluate(asked, now_ns=NOW)
        except EvaluationError as error:
            return Failed(error.code, error.message)
        except RegoProblems as found:
            return Failed("no query", str(found))
        except _TooSlow:
            return Failed("slow", "")
        except Exception as error:  # noqa: BLE001
            return Failed("crash", _told(error))

    def explained(self, path: Path, asked: Value) -> Value | Failed:
        """What `explain` says of the same question; of an error its text."""
        try:
            with _limited():
                told = self._query(path).explain(asked, now_ns=NOW)
        except _TooSlow:
            return Failed("slow", "")
        except Exception as error:  # noqa: BLE001
            return Failed("crash", _told(error))
        return Failed("explained", told.error) if told.error else told.value

    def _query(self, path: Path) -> Query:
        assert self._policy is not None
        name = term_text([*path])
        if name not in self._queries:
            plain = all(type(step) is str and step.isidentifier() for step in path)
            self._queries[name] = self._policy.query(".".join(("data", *path))) if plain else Query(self._policy, path)
        return self._queries[name]


def _place(place: Any) -> tuple[str, int, int]:
    return place.file, place.row, place.column


def _told(error: Exception) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "authz_rego" in frame.filename]
    where = [f"{frame.filename.rpartition('authz_rego/')[2]}:{frame.lineno}" for frame in frames[-2:]]
    return f"{type(error).__name__}: {str(error)[:200]} at {' '.join(where)}"


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
