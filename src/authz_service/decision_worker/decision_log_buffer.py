"""A worker's copies of its decisions for the control plane: for OPA's format, and for a candidate policy.

Best effort: a copy may get lost, and is counted then; nothing waits for it and nothing fails with it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from authz_rego.values.json_text import to_json
from authz_service.control_protocol import Copies, Copy, pack
from authz_service.domain.decision import Decision, Request
from authz_service.domain.refusals import Rejected
from authz_service.domain.sampling import is_sampled
from authz_service.ingress.gate import Gate
from authz_service.request_form import require_segments

_BATCH = 64
_MAX_INPUT = 32 << 10  # bytes
# What the control plane has not read yet: questions about keys stand in the same line, and must not wait.
_MAX_BACKLOG = 256 << 10  # bytes
_NO_INPUT = msgspec.Raw(b"null")


class DecisionLogBuffer:
    """One per worker, for its whole life."""

    def __init__(self, send: Callable[[bytes], None], backlog: Callable[[], int]) -> None:
        """`backlog`: how many bytes given to `send` are still here."""
        self._send = send
        self._backlog = backlog
        self._copies: list[Copy] = []
        self._lost = 0

    def add(self, gate: Gate, record: bytes, request: Request, decision: Decision, ids: tuple[str, str]) -> None:
        """The record's line as it was made, and `ids` of decision and correlation. Never raises."""
        if not is_sampled(ids[0], gate.rules.copied_percent):
            return
        try:
            document = _document(gate, request, decision, ids)
            asked = gate.rules.policy or gate.rules.policy_server
            rule = "" if asked is None else asked.query
            whole = msgspec.Raw(document) if len(document) <= _MAX_INPUT else _NO_INPUT
            self._copies.append(Copy(rule, msgspec.Raw(record), whole))
        except Exception:  # noqa: BLE001 - whatever it is, the decision has been made and recorded
            self._lost += 1
        if len(self._copies) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand over what is there. Called about once a second, too."""
        if not self._copies and not self._lost:
            return
        if self._backlog() > _MAX_BACKLOG:
            self._lost += len(self._copies)  # said with the next that can be handed over
        else:
            self._send(pack(Copies(self._copies, self._lost)))
            self._lost = 0
        self._copies = []


def _document(gate: Gate, request: Request, decision: Decision, ids: tuple[str, str]) -> bytes:
    """The whole input, as far as the gate got; none of a question of AuthZEN's, which nobody could mask."""
    if request.evaluation:
        return bytes(_NO_INPUT)
    try:
        segments = require_segments(request.path)
    except Rejected:
        segments = []  # it was refused for that
    return to_json(gate.policy_input(request, decision.peer, decision.claims, segments, *ids)).encode()
