"""What a record has in common with every record that repeats its decision: its line in pieces. Pure.

Between the pieces stands what each record has of its own: time, decision's id, correlation id, duration, seal.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TIME = b'{"time":"'
_AFTER_TIME = len(_TIME) + len("2026-11-30T12:00:00.123Z")
_IDS = b',"decision_id":"%b","correlation_id":"%b","method":"'
_DECISION_ID, _CORRELATION_ID = b',"decision_id":"', b'","correlation_id":"'
# The first after the ids: between them stand texts alone, and no text has a quote that is not escaped (RFC 8259 §7).
_DURATION = re.compile(rb',"duration_us":([0-9]+),"policy_audit":')
_END = b',"shadow":false,"truncated":false,"repeats":"%b"}\n'


class Template(NamedTuple):
    """The pieces, in the order of the line. The last one is open at its end, for the seal."""

    level_to_decision_id: bytes
    to_correlation_id: bytes
    method_to_duration: bytes
    policy_audit_to_repeats: bytes


def find_template(line: bytes, decision_id: str, correlation_id: str) -> Template | None:
    """Of a record that judged: who repeats its decision names it. None for one that was cut, or is not of this form."""
    judged, correlation = decision_id.encode(), correlation_id.encode()
    end = _END % b""
    ids = line.find(_IDS % (judged, correlation))
    duration = _DURATION.search(line, max(ids, 0))
    if ids < _AFTER_TIME or duration is None or not line.startswith(_TIME) or not line.endswith(end):
        return None
    after_ids = ids + len(_DECISION_ID) + len(judged) + len(_CORRELATION_ID) + len(correlation)
    return Template(
        line[_AFTER_TIME : ids + len(_DECISION_ID)],
        _CORRELATION_ID,
        line[after_ids : duration.start(1)],
        line[duration.end(1) : -len(b'"}\n')] + judged + b'"',
    )
