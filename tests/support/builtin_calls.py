"""Calls of builtins with what the real OPA answers, in tests/vectors/opa/builtin_calls.json, for those that we supply.

`python -m tests.support.builtin_calls` asks OPA anew. `make test-opa` compares the record with OPA; the unit tests,
which run on machines without OPA, compare our builtins with the record.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from tests.support import opa

from authz_service.domain.rules import PolicySource
from authz_service.policy.engine import PolicyEngine

RECORD = opa.ROOT / "tests" / "vectors" / "opa" / "builtin_calls.json"


class Call(msgspec.Struct, omit_defaults=True):
    """One call. Without an answer: undefined, which is what OPA makes of an error."""

    note: str
    builtin: str
    arguments: list[Any]
    sets: list[int] = []  # those of the arguments that are sets
    answer: list[Any] = []  # at most one; of a set, its members in order

    def text(self, place: str) -> str:
        """In Rego, with the arguments at that place in the data."""
        given = [f"{place}[{number}]" for number in range(len(self.arguments))]
        for number in self.sets:
            given[number] = f"{{each | some each in {given[number]}}}"
        return f"{self.builtin}({', '.join(given)})"


class Record(msgspec.Struct):
    opa: str
    calls: list[Call]


def recorded() -> Record:
    return msgspec.json.decode(RECORD.read_bytes(), type=Record)


def asked_of_opa(calls: Sequence[Call]) -> list[Call]:
    """The same calls with what OPA answers now."""
    rules = [f"answers[{number}] := {call.text(f'data.calls[{number}]')}" for number, call in enumerate(calls)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "calls.rego").write_text("\n".join(["package test", *rules]))
        (folder / "data.json").write_text(json.dumps({"calls": [call.arguments for call in calls]}))
        told = opa.run("eval", "--format", "raw", "--data", str(folder), "data.test.answers")
    answers = json.loads(told.stdout)
    return [
        msgspec.structs.replace(call, answer=[answers[str(number)]] if str(number) in answers else [])
        for number, call in enumerate(calls)
    ]


def our_answer(call: Call) -> list[Any]:
    """Raises RuntimeError for an error."""
    module = f"package test\n\nanswers := [answer | answer := {call.text('data.arguments')}]\n"
    source = PolicySource("data.test.answers", (("test.rego", module),), json.dumps({"arguments": call.arguments}))
    answers: list[Any] = json.loads(PolicyEngine(source).ask("{}"))
    return answers


if __name__ == "__main__":
    fresh = Record(opa.VERSION, asked_of_opa(recorded().calls))
    lines = ",\n".join(msgspec.json.encode(call).decode() for call in fresh.calls)
    RECORD.write_text(f'{{"opa":"{fresh.opa}","calls":[\n{lines}\n]}}\n')
