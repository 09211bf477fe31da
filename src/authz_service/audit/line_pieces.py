"""What records of one caller at one place have in common: their lines in pieces, and a line made of them. Pure.

Between the pieces stands what each record has of its own: time, ids, path, duration. (`template` has the pieces for
records that repeat a decision: they have the path in common, too.)
"""

from __future__ import annotations

from typing import NamedTuple

_TIME = '{"time":"'
_AFTER_TIME = len(_TIME) + len("2026-11-30T12:00:00.123Z")
_DECISION_ID, _CORRELATION_ID = ',"decision_id":"', '","correlation_id":"'


class Pieces(NamedTuple):
    """In the order of the line."""

    level_to_decision_id: str
    method_to_path: str
    route_to_duration: str
    policy_audit_to_end: str

    def line(self, time: str, ids: tuple[str, str], path: str, duration_us: int) -> bytes:
        """`ids`: the decision's, and the correlation id. `path` has to be plain."""
        decision_id, correlation_id = ids
        after_time, method, route, end = self
        return (
            f"{_TIME}{time}{after_time}{decision_id}{_CORRELATION_ID}{correlation_id}{method}{path}{route}{duration_us}{end}"
        ).encode()


def is_plain(path: str) -> bool:
    """Whether it stands in a record as it is: nothing is escaped in it, as JSON or for who reads the file."""
    return path.isascii() and path.isprintable() and '"' not in path and "\\" not in path


def find_pieces(line: bytes, ids: tuple[str, str], method: str, path: str, duration_us: int) -> Pieces | None:
    """Of a record that was made in one piece, of these values. None for one that was cut, or has a policy's words.

    No text has a quote that is not escaped (RFC 8259 §7), so what is looked for stands nowhere else.
    """
    if not is_plain(path) or not is_plain(method):
        return None
    text = line.decode()
    decision_id, correlation_id = ids
    before = f"{_DECISION_ID}{decision_id}{_CORRELATION_ID}{correlation_id}"
    method_to_path = f'","method":"{method}","path":"'
    duration = f',"duration_us":{duration_us},"policy_audit":null,"shadow":'
    start, end = text.find(f'{before}{method_to_path}{path}","route":"'), text.find(duration)
    if start < _AFTER_TIME or end < start or '"truncated":false,' not in text[end:]:
        return None
    after_path = start + len(before) + len(method_to_path) + len(path)
    after_duration = end + duration.index(",", 1)
    pieces = Pieces(
        text[_AFTER_TIME : start + len(_DECISION_ID)],
        method_to_path,
        text[after_path : end + len(',"duration_us":')],
        text[after_duration:],
    )
    return pieces if pieces.line(text[len(_TIME) : _AFTER_TIME], ids, path, duration_us) == line else None
