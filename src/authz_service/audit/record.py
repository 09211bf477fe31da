"""One decision as one line of JSON, bounded below PIPE_BUF. Not where it is written to (see `audit.sink`)."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

import msgspec

from authz_service.audit.chain import Gap
from authz_service.audit.line_pieces import Pieces, find_pieces, is_plain
from authz_service.audit.seal import ROOM
from authz_service.domain.bounded import Bounded
from authz_service.domain.decision import Allow, Claims, Decision, Peer, Request
from authz_service.domain.refusals import ALLOWED, Reason
from authz_service.domain.rules import GateRules
from authz_service.domain.seen_lately import SeenLately
from authz_service.identity.shown_certificates import ShownCertificates
from authz_service.request_form import METHODS

# A pipe takes up to PIPE_BUF (4,096) bytes in one piece, so that lines of several workers never interleave (pipe(7)).
MAX_LINE = 4095
_MAX_RECORD = MAX_LINE - ROOM
# How long each text may be in a record that must be shortened: the first of these that fits. The last one always does,
# for a character takes six bytes at most (tests/unit/audit tries it).
_ROOMS = (1024, 256, 64, 16)
_FIXED = frozenset(
    {"time", "level", "event", "decision", "reason", "decision_id", "correlation_id", "mtls_fingerprint", "repeats"}
)
# What JSON need not escape, but ends a line, steers a terminal or turns the direction of text for who reads the file.
_TREACHEROUS = re.compile(r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


CANDIDATE = "candidate"  # event of a record of what another policy would have answered


class AuditRecord(msgspec.Struct):
    """The public shape of an audit line; `docs/audit.md` describes each field."""

    time: str  # RFC 3339, UTC, milliseconds
    level: str  # info for allow, warn for deny
    service: str
    zone: str
    event: str  # "access": a request that came in; "exchange": one that left, with an exchanged token; "end": one that
    # was allowed, and was ended while it went on; "candidate": one that another policy would have answered otherwise;
    # "evaluation": what AuthZEN asked
    decision: str  # allow | deny
    reason: str  # domain.refusals.Reason
    reasons: tuple[str, ...]  # the policy's own words, or the detail of a refusal
    decision_id: str
    correlation_id: str
    method: str
    path: str
    route: str
    mtls_client: str  # the certificate's CN, or its first URI
    mtls_fingerprint: str
    user_id: str  # `sub`
    user_name: str  # `preferred_username`
    calling_service: str  # the token's client: `azp`, or what stands for it
    user_context: str  # on whose behalf, as a verified peer says; else the token's `sub`
    downstream: str
    remote: str
    revision: str
    duration_us: int
    policy_audit: object = None
    shadow: bool = False
    truncated: bool = False
    repeats: str = ""  # the decision that this one repeats: nothing was judged anew


class GapRecord(msgspec.Struct):
    """What is missing before this record, in its own words; `docs/audit.md` describes each field."""

    time: str
    level: str  # "error"
    service: str
    zone: str
    event: str  # "audit_gap"
    after_seq: int  # the last record that was surely written
    after_chain: str
    uncertain: int  # records after it that may be there, or not
    lost: int  # records that could not be written: their requests were refused
    passed: int  # … but for these, which went on (audit.on_failure: continue)
    since: str  # of the first loss; empty without one
    error: str  # why, as far as this worker knows


def gap_line(gap: Gap, service: str, zone: str, now: float, error: str) -> bytes:
    """The record of a gap as JSON with a final newline."""
    since = _time(gap.since) if gap.since else ""
    parts = (gap.after_seq, gap.after_chain, gap.uncertain, gap.lost, gap.passed)
    return (
        _encode(GapRecord(_time(now), "error", service[:256], zone[:256], "audit_gap", *parts, since, error[:256]))
        + b"\n"
    )


def _time(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(int(now))) + _MILLISECONDS[int(now % 1 * 1000)]


_encode = msgspec.json.Encoder().encode
# Tables instead of a format and of an enumeration's `value`: 4,600 instructions of 31,000 for a line (callgrind).
_MILLISECONDS = tuple(f"{number:03d}Z" for number in range(1000))
_REASONS = {reason: reason.value for reason in Reason}


_MAX_KNOWN, _MAX_SEEN = 1024, 8192
# All that is in a record but time, ids, path and duration; peer and claims by their identity.
_Alike = tuple[int, int, bool, Reason, str, str, str, str, str]


class _Known(NamedTuple):
    """How records are made that are alike."""

    pieces: Pieces
    peer: Peer  # as long as they are kept, no others have their identity
    claims: Claims


class Recorder:
    """Makes the line for a decision. One per gate revision."""

    def __init__(self, rules: GateRules) -> None:
        self._rules = rules
        self._downstream = {
            (route.name, method): route.downstream for route in rules.routes for method in route.methods or METHODS
        }
        self._shown = ShownCertificates()
        self._known: Bounded[_Alike, _Known] = Bounded(_MAX_KNOWN)
        self._seen = SeenLately(_MAX_SEEN)
        self._second = -1
        self._second_text = ""

    def line(  # noqa: PLR0913 - one argument per fact, all by keyword
        self,
        request: Request,
        decision: Decision,
        *,
        decision_id: str,
        correlation_id: str,
        user_context: str,
        now: float,
        duration_us: int,
        left_for: str = "",
        ended: bool = False,
        repeats: str = "",
    ) -> bytes:
        """The record as JSON with a final newline, with room for its seal below MAX_LINE. `left_for` is the target of a
        request of the egress. `ended`: the request was allowed once, and is ended now. `repeats`: a decision's id.
        """
        # Made of pieces where there are some: half of the time, and a fifteenth of a decision's (bench/decision.py).
        ids, alike = (decision_id, correlation_id), None
        if not left_for and not ended and is_plain(request.path):
            alike = _alike(request, decision, user_context, repeats)
            known = None if alike is None else self._known.get(alike)
            if known is not None:
                line = known.pieces.line(self._timestamp(now), ids, request.path, duration_us)
                if len(line) <= _MAX_RECORD:
                    return line
        allowed = isinstance(decision, Allow)
        rules, peer, values, verdict = self._rules, decision.peer, decision.claims.values, decision.verdict
        reasons = verdict.reasons if verdict is not None else ()
        if decision.detail:
            reasons = (*reasons, decision.detail)
        subject = _text(values.get("sub"))
        client, fingerprint = peer.name, peer.fingerprint
        if not fingerprint and request.peer:  # refused for it, or nobody looks at it: it is told all the same
            client, fingerprint = self._shown.read(request.peer)
        record = AuditRecord(
            self._timestamp(now),
            "info" if allowed else "warn",
            rules.service,
            rules.zone,
            "exchange" if left_for else "end" if ended else "evaluation" if request.evaluation else "access",
            "allow" if allowed else "deny",
            _REASONS[decision.reason],
            reasons,
            decision_id,
            correlation_id,
            request.method,
            request.path,
            request.route,
            client,
            fingerprint,
            subject,
            _text(values.get("preferred_username")),
            _text(values.get("azp")) or decision.claims.client,
            user_context or subject,
            left_for or self._downstream.get((request.route, request.method), ""),
            request.remote,
            rules.revision,
            duration_us,
            None if verdict is None else verdict.audit,
            allowed and decision.reason is not ALLOWED,
            repeats=repeats,
        )
        line = bounded_line(record)
        if alike is not None and self._seen.again(hash(alike)):
            pieces = find_pieces(line, ids, request.method, request.path, duration_us)
            if pieces is not None:
                self._known[alike] = _Known(pieces, peer, decision.claims)
        return line

    def _timestamp(self, now: float) -> str:
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return self._second_text + _MILLISECONDS[int((now - second) * 1000)]


def _alike(request: Request, decision: Decision, user_context: str, repeats: str) -> _Alike | None:
    """None for a record with words of its own: a policy's, or those of a refusal."""
    verdict, peer = decision.verdict, decision.peer
    if decision.detail or request.evaluation or (request.peer and not peer.fingerprint):
        return None
    if verdict is not None and (verdict.reasons or verdict.audit is not None):
        return None
    return (
        id(peer),
        id(decision.claims),
        isinstance(decision, Allow),
        decision.reason,
        request.route,
        request.method,
        request.remote,
        user_context,
        repeats,
    )


def bounded_line(record: AuditRecord) -> bytes:
    line = _line(record)
    return line if len(line) <= _MAX_RECORD else _shortened(record, line)


def _line(record: AuditRecord) -> bytes:
    """One line for every reader, unless it is too long already: then it is not worth the work."""
    line = _encode(record)
    if len(line) < _MAX_RECORD and (not line.isascii() or 0x7F in line):  # as an integer: a quarter of a look for bytes
        line = _TREACHEROUS.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()
    return line + b"\n"


def _shortened(record: AuditRecord, line: bytes) -> bytes:
    """The same with every long text cut, marked `truncated`."""
    record.truncated = True
    rooms = iter(_ROOMS)
    while len(line) > _MAX_RECORD:
        room = next(rooms)
        for name in AuditRecord.__struct_fields__:
            value = getattr(record, name)
            if isinstance(value, str) and name not in _FIXED:
                setattr(record, name, value[:room])
        record.reasons = tuple(reason[:room] for reason in record.reasons[: room // len(_ROOMS)])
        if len(_encode(record.policy_audit)) > room:
            record.policy_audit = None
        line = _line(record)
    return line


def _text(value: object) -> str:
    return value if type(value) is str else ""
