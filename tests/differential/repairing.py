"""Takes out of a policy what OPA refuses, statement by statement, until it compiles. Not a judgement of ours."""

from __future__ import annotations

from collections.abc import Sequence

from tests.differential.judge import Answer, Judge, policy_task
from tests.differential.policies import Module, Sample

_ROUNDS = 12
_ANNOTATION = "# METADATA\n# title: the package\n# scope: package\n"


def repaired(samples: Sequence[Sample], judge: Judge) -> list[Sample]:
    """Those of the samples that can be made to compile, made so. Planted mistakes stay."""
    done: list[Sample] = []
    left = [sample for sample in samples if not sample.planted]
    for _ in range(_ROUNDS):
        answers = judge.answers([policy_task(texts(sample), sample.data, ()) for sample in left])
        told = list(zip(left, answers, strict=True))
        done += [sample for sample, answer in told if "queries" in answer]
        left = [without_problems(sample, answer) for sample, answer in told if "problems" in answer]
        left = [sample for sample in left if any(module.chunks for module in sample.modules)]
    return done


def texts(sample: Sample) -> list[tuple[str, str]]:
    return [(module.file, module.text) for module in sample.modules]


def without_problems(sample: Sample, answer: Answer) -> Sample:
    """The sample without the statements and definitions at which OPA found something."""
    modules = []
    for module in sample.modules:
        rows = sorted({row for _, file, row, _, _ in answer["problems"] if file == module.file}, reverse=True)
        modules.append(_without_rows(module, rows))
    if tuple(modules) == sample.modules:
        return sample._replace(modules=())
    return sample._replace(modules=tuple(modules))


def _without_rows(module: Module, rows: Sequence[int]) -> Module:
    starts = _chunk_rows(module)
    chunks = list(module.chunks)
    for row in rows:
        at = max((at for at, start in enumerate(starts) if start <= row), default=-1)
        if at < 0:  # an import, or the whole module
            module = module._replace(head=module.head.removeprefix(_ANNOTATION).split("\n")[0])
        elif chunks[at]:
            lines = chunks[at].split("\n")
            offset = row - starts[at]
            # With one statement of several gone the definition is mostly right again.
            is_statement = 0 < offset < len(lines) and lines[offset].startswith("\t") and chunks[at].count("\n\t") > 1
            chunks[at] = "\n".join(lines[:offset] + lines[offset + 1 :]) if is_statement else ""
    return module._replace(chunks=tuple(chunk for chunk in chunks if chunk))


def _chunk_rows(module: Module) -> list[int]:
    """At which row each definition begins, counted from 1."""
    rows = []
    row = 1 + module.head.count("\n") + 2
    for chunk in module.chunks:
        rows.append(row)
        row += chunk.count("\n") + 2
    return rows
