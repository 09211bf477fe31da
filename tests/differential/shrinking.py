"""Makes policy, input and data of a difference small while it stays. Knows of Rego only its brackets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from tests.differential.cases import Case
from tests.differential.comparing import Difference, Tally, differences, task_of
from tests.differential.judge import Judge

_TOKEN: Final = re.compile(r"\s+|\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`|[A-Za-z_]\w*|\d[\w.]*|:=|[=!<>]=|.", re.DOTALL)
_OPENING: Final = {"(": ")", "[": "]", "{": "}"}
_LONGEST_SPAN: Final = 40


class Shrinker:
    """For one difference after the other, each with so many seconds."""

    def __init__(self, judge: Judge, seconds: float = 20.0) -> None:
        self._judge = judge
        self._seconds = seconds

    def small(self, difference: Difference) -> Difference:
        """A difference of the same kind, as small as the time allows."""
        self._deadline = time.monotonic() + self._seconds
        self._found = difference
        if difference.path:
            self._found = self._still(_only_needed(difference)) or difference
        for step in _STEPS:
            self._reduce(step)
        while not self._late() and self._reduce(_fewer_tokens) | self._reduce(_fewer_lines):
            pass
        self._reduce(_fewer_members)
        return self._found

    def _reduce(self, step: Callable[[Case, int], Iterator[Case]]) -> bool:
        """Takes every part out that can go, once through; after a success it goes on behind it."""
        any_change = False
        tried = 0
        while not self._late():
            for candidate in step(self._found.case, tried):
                tried += 1
                found = self._still(candidate)
                if found:
                    self._found, any_change = found, True
                    tried -= 1
                    break
                if self._late():
                    return any_change
            else:
                return any_change
        return any_change

    def _still(self, case: Case) -> Difference | None:
        kind = self._found.kind.split(":")[0]
        answer = self._judge.answer(task_of(case))
        for each in differences(case, answer, Tally()):
            if each.kind == self._found.kind or (kind == "answer" and each.kind.startswith("answer")):
                return each
        return None

    def _late(self) -> bool:
        return time.monotonic() > self._deadline


def _only_needed(difference: Difference) -> Case:
    """The definitions whose names stand in those of the rule that is asked, and in theirs, and so on."""
    chunks = [chunk for _, text in difference.case.modules for chunk in _parts(text)[1:]]
    wanted = {str(step) for step in difference.path}
    kept: set[str] = set()
    while True:
        more = {chunk for chunk in chunks if chunk not in kept and _defined(chunk) in wanted}
        if not more:
            break
        kept |= more
        wanted |= {word for chunk in more for word in re.findall(r"\w+", chunk)}
    modules = []
    for file, text in difference.case.modules:
        parts = _parts(text)
        modules.append((file, "\n\n".join(part for part in parts if part in kept or part is parts[0])))
    return difference.case._replace(modules=tuple(modules))


def _parts(text: str) -> list[str]:
    """The head of a module, and its definitions."""
    lines = text.split("\n")
    heads = [at for at, line in enumerate(lines) if line.startswith(("package ", "import "))]
    end = heads[-1] + 1 if heads else 0
    return ["\n".join(lines[:end]), *(part for part in re.split(r"\n\n+", "\n".join(lines[end:])) if part.strip())]


def _defined(chunk: str) -> str:
    lines = [line for line in chunk.split("\n") if line and not line.startswith("#")]
    words = re.findall(r"\w+", lines[0].removeprefix("default ")) if lines else []
    return words[0] if words else ""


def _nothing_beside(case: Case, tried: int) -> Iterator[Case]:
    if case.data and not tried:
        yield case._replace(data={})


def _fewer_modules(case: Case, tried: int) -> Iterator[Case]:
    for at in range(tried, len(case.modules)):
        if len(case.modules) > 1:
            yield case._replace(modules=case.modules[:at] + case.modules[at + 1 :])


def _fewer_chunks(case: Case, tried: int) -> Iterator[Case]:
    """Half of a module's definitions, then a quarter, and so on."""
    number = 0
    for at, (file, text) in enumerate(case.modules):
        chunks = re.split(r"\n\n+", text)
        size = len(chunks) // 2
        while size:
            for start in range(1, len(chunks), size):
                number += 1
                if number > tried:
                    yield _with_text(case, at, file, "\n\n".join(chunks[:start] + chunks[start + size :]))
            size //= 2


def _fewer_lines(case: Case, tried: int) -> Iterator[Case]:
    number = 0
    for at, (file, text) in enumerate(case.modules):
        lines = text.split("\n")
        for line in range(1, len(lines)):
            number += 1
            if number > tried:
                yield _with_text(case, at, file, "\n".join(lines[:line] + lines[line + 1 :]))


def _fewer_tokens(case: Case, tried: int) -> Iterator[Case]:
    number = 0
    for at, (file, text) in enumerate(case.modules):
        tokens = _TOKEN.findall(text)
        for start, end in _balanced_spans(tokens):
            number += 1
            if number <= tried:
                continue
            gone = "".join(tokens[start:end])
            for new in ("", "1", "x", "[]"):
                if len(new) < len(gone) and not (new and gone.isspace()):
                    yield _with_text(case, at, file, "".join(tokens[:start]) + new + "".join(tokens[end:]))


def _balanced_spans(tokens: list[str]) -> list[tuple[int, int]]:
    """Parts that begin and end outside the same brackets, the longer first."""
    found = []
    for start in range(len(tokens)):
        open_: list[str] = []
        for end in range(start + 1, min(start + _LONGEST_SPAN, len(tokens)) + 1):
            token = tokens[end - 1]
            if token in _OPENING:
                open_.append(_OPENING[token])
            elif token in _OPENING.values() and (not open_ or open_.pop() != token):
                break
            if not open_ and not tokens[start].isspace():
                found.append((start, end))
    return sorted(found, key=lambda span: span[0] - span[1])


def _fewer_members(case: Case, tried: int) -> Iterator[Case]:
    return islice(_all_fewer_members(case), tried, None)


def _all_fewer_members(case: Case) -> Iterator[Case]:
    for change in _smaller(case.data):
        yield case._replace(data=change)
    for at, asked in enumerate(case.inputs):
        for change in _smaller(asked):
            yield case._replace(inputs=(*case.inputs[:at], change, *case.inputs[at + 1 :]))


def _smaller(value: Any) -> Iterator[Any]:
    """Without a member, or with less in one."""
    if type(value) is dict:
        if value:
            yield {}
        for name in value:
            yield {key: member for key, member in value.items() if key != name}
        for name in value:
            for change in _smaller(value[name]):
                yield {**value, name: change}
    elif type(value) is list:
        for at in range(len(value)):
            yield value[:at] + value[at + 1 :]
        for at in range(len(value)):
            for change in _smaller(value[at]):
                yield [*value[:at], change, *value[at + 1 :]]


def _with_text(case: Case, at: int, file: str, text: str) -> Case:
    return case._replace(modules=(*case.modules[:at], (file, text), *case.modules[at + 1 :]))


_STEPS: Final = (
    _nothing_beside, _fewer_modules, _fewer_chunks, _fewer_chunks, _fewer_lines, _fewer_modules, _fewer_members,
)  # fmt: skip
