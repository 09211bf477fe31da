"""Audit files as workers write them: real chains, real sinks, without a sidecar."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from authz_service.audit.chain import Chain, Head, heads, prepare
from authz_service.audit.sink import AuditSink
from authz_service.audit.verify import Place, Verifier
from authz_service.audit.writer import AuditWriter


def record(number: int, **more: object) -> bytes:
    """What a Recorder makes, in short."""
    fields = {"time": f"2027-01-15T08:00:{number % 60:02d}.000Z", "service": "order-service", "event": "access"}
    return json.dumps({**fields, "decision": "allow", "number": number, **more}, separators=(",", ":")).encode() + b"\n"


class Desk:
    """A chain memory and an audit file. `writer()` is a new life of a worker: the last one of its slot was killed."""

    def __init__(self, folder: Path, secret: bytes = b"") -> None:
        self.file, self.memory = folder / "audit.jsonl", folder / "chain"
        prepare(self.memory, secret)

    def writer(self, slot: int = 0, file: Path | None = None) -> AuditWriter:
        writer = AuditWriter(Chain(str(self.memory), slot), AuditSink(str(file or self.file)))
        writer.speak_for("order-service", "zone2")
        return writer

    def write(self, count: int, slot: int = 0, start: int = 1) -> AuditWriter:
        writer = self.writer(slot)
        for number in range(start, start + count):
            writer.write(record(number))
        return writer

    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines(keepends=True)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]

    def rewrite(self, lines: Sequence[bytes]) -> None:
        self.file.write_bytes(b"".join(lines))

    def heads(self) -> dict[str, Head]:
        return {head.writer: head for head in heads(self.memory)}


def verified(
    *files: Path | Sequence[bytes],
    secrets: Sequence[bytes] = (b"",),
    after: Mapping[str, Head] | None = None,
    heads: Mapping[str, Head] | None = None,
) -> Verifier:
    verifier = Verifier(secrets, after, heads)
    for file in files:
        name, lines = (file.name, file.read_bytes().splitlines(True)) if isinstance(file, Path) else ("lines", file)
        for number, line in enumerate(lines, 1):
            verifier.read(Place(name, number), line)
    verifier.finish()
    return verifier


def found(verifier: Verifier) -> list[tuple[str, int, int]]:
    """Kind, line and sequence number of each problem."""
    return [(problem.kind, problem.place.line, problem.seq) for problem in verifier.problems]


def explained(verifier: Verifier) -> list[tuple[str, int]]:
    return [(finding.kind, finding.place.line) for finding in verifier.findings if finding.explained]
