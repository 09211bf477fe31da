"""The records of one correlation id, from any number of sidecars, joined: who called whom, and what is missing. Pure.

Names join them: a caller's certificate is named after its service (CN `order-service-client`, or the last segment of
a SPIFFE ID), or the caller's record says where its route leads.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from authz_service.audit.reading import START, find_record
from authz_service.audit.record import CANDIDATE, AuditRecord, GapRecord
from authz_service.audit.seal import Sealed, find_sealed
from authz_service.audit.searching import Found
from authz_service.audit.verify import Place

# A worker that was killed tells of it in its next life, which begins with its next record.
_LATER = timedelta(minutes=1)
_HOST = re.compile(r"[a-z0-9+]+://([^/:]+)")


@dataclass(frozen=True, slots=True)
class Hop:
    """One record. `depth`: how many hops led to it; `below`: the place in the trail of the one that made the call."""

    record: AuditRecord
    place: Place
    below: int | None = None
    depth: int = 0


class Note(NamedTuple):
    """Something that a reader of the trail must know. `open`: these files may not be all of it."""

    kind: str
    text: str
    place: Place | None
    open: bool


class Trail(NamedTuple):
    """Hops as a person reads a tree: each one before those that it led to."""

    hops: tuple[Hop, ...]
    notes: tuple[Note, ...]

    @property
    def is_whole(self) -> bool:
        return bool(self.hops) and not any(note.open for note in self.notes)


class _Lost(NamedTuple):
    gap: GapRecord
    place: Place


_decode_record = msgspec.json.Decoder(AuditRecord).decode
_decode_gap = msgspec.json.Decoder(GapRecord).decode
GAP_MARK = b'"event":"audit_gap"'


def needles(correlation_id: str) -> tuple[bytes, ...]:
    """What a line must have in it to be of interest for this id."""
    return (b'"correlation_id":%b' % msgspec.json.encode(correlation_id), GAP_MARK)


class Collector:
    """Takes the lines that were found, in any order, and joins what is there so far."""

    def __init__(self, correlation_id: str) -> None:
        self._id = correlation_id
        self._hops: list[Hop] = []
        self._gaps: list[_Lost] = []
        self._notes: list[Note] = []
        self._seen: set[tuple[str, str]] = set()

    def take(self, file: str, found: Found) -> None:
        place = Place(file, found.number)
        line = found.line.rstrip(b"\r")
        start = line.find(START)
        if start < 0:
            return
        if GAP_MARK in line:
            self._take_gap(line[start:], place)
            return
        record, _, _ = find_record(line, _decode_record)
        if record is None and _is_json(line[start:]):
            return  # of an access log
        if record is None:
            text = "a record of this request was cut off in the middle: its worker was killed, or the file was changed"
            self._notes.append(Note("torn", text, place, open=True))
            return
        if record.correlation_id != self._id or (record.decision_id, record.event) in self._seen:
            return  # the same file under two names
        self._seen.add((record.decision_id, record.event))
        self._hops.append(Hop(record, place))
        self._look_before(find_sealed(line), found.before, place)

    def joined(self) -> Trail:
        hops = sorted(self._hops, key=lambda hop: hop.record.time)
        callers = _Callers(hops)
        parents = [callers.of(number) for number in range(len(hops))]
        ordered = _ordered(hops, parents)
        notes = [*self._notes, *_beginnings(ordered), *_ends(ordered), *_clocks(ordered)]
        notes += [_told(lost) for lost in self._gaps if _may_hide(lost.gap, hops)]
        return Trail(tuple(ordered), tuple(notes))

    def _take_gap(self, line: bytes, place: Place) -> None:
        try:
            self._gaps.append(_Lost(_decode_gap(line), place))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return

    def _look_before(self, sealed: Sealed | None, before: bytes, place: Place) -> None:
        """Whether its writer's record before it is there; the proof is `authz audit verify`'s."""
        earlier = find_sealed(before.rstrip(b"\r"))
        if sealed is None or earlier is None or earlier.seq >= sealed.seq - 1 or GAP_MARK in before:
            return
        first, last = earlier.seq + 1, sealed.seq - 1
        which = f"record {first}" if first == last else f"records {first} to {last}"
        text = f"missing before this one: {which} of writer {sealed.writer}, which may be hops of this request"
        self._notes.append(Note("missing", text, place, open=True))


def caller_names(record: AuditRecord) -> tuple[str, ...]:
    """What the service may be called that showed this certificate."""
    shown = record.mtls_client
    if not shown:
        return ()
    if shown.startswith("spiffe://"):
        return (shown.rpartition("/")[2],)
    names = (shown.removesuffix("-client"), shown)
    own = record.calling_service  # a service's own token names it, whatever its certificate is called
    return (*names, own) if own and record.user_name.startswith("service-account-") else names


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


class _Callers:
    """Who let out what, by name: a trail may be long, for anybody may send one correlation id again and again."""

    def __init__(self, hops: Sequence[Hop]) -> None:
        self._hops = hops
        self._by_service: dict[str, list[int]] = {}
        self._by_path: dict[tuple[str, str], list[int]] = {}
        self._by_target: dict[str, list[int]] = {}
        self._by_decision: dict[str, int] = {}
        for at, hop in enumerate(hops):
            record = hop.record
            if record.event == "access":
                self._by_decision[record.decision_id] = at
            if not _let_out(record):
                continue
            self._by_service.setdefault(record.service, []).append(at)
            self._by_path.setdefault((record.service, record.path), []).append(at)
            for name in _target_names(record) - {record.service}:
                self._by_target.setdefault(name, []).append(at)

    def of(self, number: int) -> int | None:
        """The last decision before it that let the call out; with clocks that differ, the first one after it."""
        record = self._hops[number].record
        if record.event == CANDIDATE:
            return self._by_decision.get(record.decision_id)
        if record.event == "end":
            return _nearest(self._by_path.get((record.service, record.path), ()), number)
        if record.event != "access":
            return _nearest(self._by_service.get(record.service, ()), number)
        found = [_nearest(self._by_service.get(name, ()), number) for name in caller_names(record)]
        known = [at for at in found if at is not None]
        if known:
            return max((at for at in known if at < number), default=min(known))
        return _nearest(self._by_target.get(record.service, ()), number)


def _nearest(places: Sequence[int], number: int) -> int | None:
    at = bisect_left(places, number)
    if at:
        return places[at - 1]
    return next((place for place in places[:2] if place != number), None)


def _let_out(record: AuditRecord) -> bool:
    return record.decision == "allow" and record.event == "access"


def _target_names(record: AuditRecord) -> set[str]:
    """What the service may be called that a route leads to: a target's name, or the host of its URL."""
    found = _HOST.match(record.downstream)
    host = found[1] if found else record.downstream
    return {host, host.partition(".")[0]} - {""}


def _ordered(hops: Sequence[Hop], parents: Sequence[int | None]) -> list[Hop]:
    """Depth first; a circle, which only clocks can make, is cut where it began."""
    below: dict[int | None, list[int]] = {}
    for number, parent in enumerate(parents):
        below.setdefault(parent, []).append(number)
    ordered: list[Hop] = []
    places: dict[int, int] = {}

    for root in [*below.get(None, ()), *range(len(hops))]:
        waiting: list[tuple[int, int | None, int]] = [(root, None, 0)]
        while waiting:
            number, above, depth = waiting.pop()
            if number in places:
                continue
            places[number] = len(ordered)
            ordered.append(Hop(hops[number].record, hops[number].place, above, depth))
            waiting += [(child, places[number], depth + 1) for child in reversed(below.get(number, ()))]
    return ordered


def _beginnings(hops: Sequence[Hop]) -> Iterable[Note]:
    roots = [hop for hop in hops if hop.below is None]
    for hop in roots:
        names = caller_names(hop.record)
        if not names:
            continue
        if len(roots) > 1:
            text = f"broken chain: {names[0]} called, but what it was asked itself is not in these files"
            yield Note("no_record_of_caller", text, hop.place, open=True)
        else:
            text = f"{names[0]} began it, or its own record is not in these files"
            yield Note("begins", text, hop.place, open=False)


def _ends(hops: Sequence[Hop]) -> Iterable[Note]:
    led = {hop.below for hop in hops}
    for at, hop in enumerate(hops):
        record = hop.record
        if _let_out(record) and record.downstream and at not in led:
            text = (
                f"{record.service} sent it on to {record.downstream}, of which no record is here: its file is not "
                "given, it refused the connection (then its access log says why), or it was never reached"
            )
            yield Note("no_record_of_callee", text, hop.place, open=True)


def _clocks(hops: Sequence[Hop]) -> Iterable[Note]:
    for hop in hops:
        if hop.below is not None and hop.record.time < hops[hop.below].record.time:
            caller = hops[hop.below].record
            early = milliseconds_between(hop.record, caller)
            text = f"{hop.record.service} decided {early} ms before {caller.service} let it out: their clocks differ"
            yield Note("clock", text, hop.place, open=False)


def milliseconds_between(first: AuditRecord, second: AuditRecord) -> int:
    return round((_moment(second.time) - _moment(first.time)).total_seconds() * 1000)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat("1970-01-01T00:00:00Z")


def _may_hide(gap: GapRecord, hops: Sequence[Hop]) -> bool:
    if not hops or not (gap.lost or gap.uncertain):
        return False
    first, last = _moment(hops[0].record.time), _moment(hops[-1].record.time)
    since = _moment(gap.since) if gap.since else first
    return since <= last + _LATER and first <= _moment(gap.time) <= max(last, since) + _LATER


def _told(lost: _Lost) -> Note:
    gap = lost.gap
    count, what = (gap.lost, "could not be written") if gap.lost else (gap.uncertain, "may not have been written")
    why = f" ({gap.error})" if gap.error else ""
    text = f"gap: at {gap.time} {gap.service} says that {count} records {what} before{why}: hops may be missing"
    return Note("gap", text, lost.place, open=True)
