"""Follows the chains through the lines of audit files: what was changed, is missing or was cut off, and where. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from authz_service.audit.chain import Head
from authz_service.audit.reading import Said, read_line
from authz_service.audit.seal import GENESIS, KEY_SPAN, Mac, Sealed, first_key, next_key

_REMEMBERED = 64  # records; a gap names one of the last few
_MOST_SPANS = 1 << 24  # a number beyond 6e10 is nobody's, and would cost minutes


class Place(NamedTuple):
    file: str = "(nowhere)"
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


_NOWHERE = Place()


@dataclass(slots=True)
class Finding:
    """`explained` False: a problem. True: the sidecar itself says what happened."""

    kind: str
    place: Place
    text: str
    explained: bool = False
    writer: str = ""
    seq: int = 0
    last_seq: int = 0  # of several in a row that are alike


class _Keys:
    """A writer's keys from one secret, in the order of their use."""

    def __init__(self, secret: bytes, writer: str) -> None:
        self._first = first_key(secret, writer)
        self._use(0, self._first)

    def _use(self, span: int, key: bytes) -> None:
        self._span, self._key, self._mac = span, key, Mac(key)

    def fits(self, sealed: Sealed, before: bytes) -> bool:
        span = sealed.seq // KEY_SPAN
        if span - self._span > _MOST_SPANS:
            return False
        if span != self._span:
            start, key = (0, self._first) if span < self._span else (self._span, self._key)
            for _ in range(span - start):
                key = next_key(key)
            self._use(span, key)
        return self._mac.chain(before, sealed.text) == sealed.chain


@dataclass(slots=True)
class Writer:
    """One chain, as far as it was found."""

    name: str
    service: str = ""
    records: int = 0
    allowed: int = 0
    first_seq: int = 0
    last_seq: int = 0
    last_chain: str = ""
    first_time: str = ""
    last_time: str = ""
    linked: int = 0  # records that were proven to follow the one before
    end: str = "not confirmed"  # by a head: "confirmed", "cut off"
    last_place: Place = _NOWHERE
    recent: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    keys: list[_Keys] = field(default_factory=list)


class Verifier:
    """`read` every line in the order in which it was written, then `finish`."""

    def __init__(
        self,
        secrets: Sequence[bytes] = (b"",),
        after: Mapping[str, Head] | None = None,
        heads: Mapping[str, Head] | None = None,
    ) -> None:
        """`after`: where earlier files ended. `heads`: the last records that are known to have been written."""
        self._secrets = secrets
        self._after, self._heads = after or {}, heads or {}
        self.writers: dict[str, Writer] = {}
        self.findings: list[Finding] = []
        self.foreign = 0  # lines that are none of ours
        self._latest: dict[tuple[str, str], Finding] = {}

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.explained]

    @property
    def records(self) -> int:
        return sum(writer.records for writer in self.writers.values())

    def read(self, place: Place, raw: bytes) -> bool:
        """Whether it was a record."""
        line = read_line(raw)
        if line.torn:
            text = "the rest of a record that could not be written whole; its request was not allowed by it"
            self._find(Finding("torn", place, text, explained=True))
        elif line.said is None:
            self.foreign += bool(raw.strip())
        if line.said is None:
            return False
        if line.sealed is None:
            text = "a record without writer, seq and chain: no sidecar wrote it so, or its end was cut off"
            self._find(Finding("unsealed", place, text))
        else:
            self._follow(place, line.said, line.sealed)
        return True

    def finish(self) -> None:
        """Compare the ends with the known heads."""
        suspected = {problem.writer for problem in self.problems}
        for name, alone in self.writers.items() if any(self._secrets) else ():
            if not alone.linked and name not in suspected:
                text = "nothing proves that a sidecar wrote it: give the files before it, or --after"
                place, number = alone.last_place, alone.last_seq
                self._find(Finding("unproven", place, text, writer=name, seq=number, last_seq=number))
        for name, head in self._heads.items():
            writer = self.writers.get(name)
            last, place = (writer.last_seq, writer.last_place) if writer else (0, _NOWHERE)
            if writer is not None:
                writer.end = "confirmed" if last >= head.seq else "cut off"
            if last < head.seq:
                text = f"cut off: this is the last record, but {head.seq} were written ({head.seq - last} are missing)"
                if writer is None:
                    text = f"none of the {head.seq} records of this writer is here"
                self._find(Finding("truncated", place, text, writer=name, seq=last + 1, last_seq=head.seq))

    def _follow(self, place: Place, said: Said, sealed: Sealed) -> None:
        writer = self.writers.get(sealed.writer)
        if writer is None:
            writer = self.writers[sealed.writer] = self._begin(place, said, sealed)
        before = self._before_gap(writer, place, said, sealed) if said.event == "audit_gap" else b""
        if said.event != "audit_gap":
            before = self._before(writer, place, sealed)
        if before and not self._fits(writer, sealed, before):
            self._report(
                "changed", place, sealed, "does not fit the record before it: one of the two was changed or put in"
            )
        else:
            writer.linked += bool(before)
        for head in (self._after.get(writer.name), self._heads.get(writer.name)):
            if head is not None and head.seq == sealed.seq and head.chain != sealed.chain.decode():
                self._report("changed", place, sealed, "is another record than the one that was written (by the heads)")
        writer.records += 1
        writer.allowed += said.decision == "allow"
        if not writer.recent or sealed.seq > writer.last_seq:
            writer.last_seq, writer.last_chain, writer.last_time = sealed.seq, sealed.chain.decode(), said.time
            writer.last_place = place
            writer.recent.append((sealed.seq, sealed.chain))

    def _begin(self, place: Place, said: Said, sealed: Sealed) -> Writer:
        writer = Writer(sealed.writer, said.service, first_seq=sealed.seq, first_time=said.time)
        writer.keys = [_Keys(secret, sealed.writer) for secret in self._secrets]
        known = self._after.get(sealed.writer)
        if known is not None and known.seq < sealed.seq:
            writer.last_seq = known.seq
            writer.recent.append((known.seq, known.chain.encode()))
        elif sealed.seq == 1 or (said.event == "audit_gap" and said.after_seq == 0):
            writer.recent.append((0, GENESIS))
        else:
            text = f"begins with seq {sealed.seq}: what was before is not in these files"
            self._report("begins", place, sealed, text, explained=True)
        return writer

    def _before(self, writer: Writer, place: Place, sealed: Sealed) -> bytes:
        """The chain that this record must continue; empty when it cannot be known."""
        if not writer.recent:
            return b""
        last_seq, chain = writer.recent[-1]
        if sealed.seq == last_seq + 1:
            return chain
        if sealed.seq <= last_seq:
            text = f"comes after seq {last_seq}: written twice, put in, or the files' order is not that of their times"
            self._report("repeated", place, sealed, text)
        else:
            self._report_missing(writer, place, last_seq + 1, sealed.seq - 1)
        return b""

    def _before_gap(self, writer: Writer, place: Place, said: Said, sealed: Sealed) -> bytes:
        """A record of a gap says itself what it continues, and what may be missing in between."""
        if writer.recent and sealed.seq <= writer.recent[-1][0]:
            return self._before(writer, place, sealed)  # a genuine one, told a second time
        known = dict(writer.recent)
        if known and said.after_seq > max(known):
            self._report_missing(writer, place, max(known) + 1, said.after_seq)
        if known.get(said.after_seq, said.after_chain.encode()) != said.after_chain.encode():
            self._report("changed", place, sealed, "continues another record than the one that is here")
        if said.uncertain:
            there = sum(said.after_seq < seq < sealed.seq for seq in known)
            text = f"its writer was stopped in mid-record before: {said.uncertain} may be missing, {there} there"
            self._report("uncertain", place, sealed, text, explained=True)
        if said.lost:
            text = f"{said.lost} records could not be written before this ({said.error or 'unknown'}); "
            text += f"{said.passed} allowed requests went on without" if said.passed else "their requests were refused"
            self._report("lost", place, sealed, text, explained=True)
        return said.after_chain.encode()

    def _fits(self, writer: Writer, sealed: Sealed, before: bytes) -> bool:
        for keys in writer.keys:
            if keys.fits(sealed, before):
                writer.keys = [keys]  # a chain has one key from its start to its end
                return True
        return False

    def _report_missing(self, writer: Writer, place: Place, first: int, last: int) -> None:
        count = last - first + 1
        text = f"{count} record{'s are' if count > 1 else ' is'} missing between {writer.last_place} and this one"
        self._find(Finding("missing", place, text, writer=writer.name, seq=first, last_seq=last))

    def _report(self, kind: str, place: Place, sealed: Sealed, text: str, *, explained: bool = False) -> None:
        self._find(Finding(kind, place, text, explained, sealed.writer, sealed.seq, sealed.seq))

    def _find(self, finding: Finding) -> None:
        """Several of one kind in a row are one finding."""
        latest = self._latest.get((finding.writer, finding.kind))
        if latest is not None and finding.kind in {"changed", "repeated"} and finding.seq == latest.last_seq + 1:
            latest.last_seq = finding.seq
            return
        self._latest[finding.writer, finding.kind] = finding
        self.findings.append(finding)
