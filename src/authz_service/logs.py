"""The process's own log: one JSON object per line on standard error, an event and its fields. Not the audit trail."""

import json
import logging
import sys
import time
import traceback
from typing import TypedDict, Unpack

Texts = list[str] | tuple[str, ...]  # not Sequence[str]: a text is one, too


class Fields(TypedDict, total=False):
    """Every field that an event may have, of one type wherever it stands: an index of logs takes a field's first value
    for its type, and drops the lines in which it is another. mypy holds each call to it.
    """

    before: str
    cause: str
    child: str
    client_id: str
    correlation_id: str
    count: int
    decision_id: str
    digest: str
    entries: int
    entries_kept: int
    error: str
    events: int
    exit: int
    file: str
    granted: Texts
    header: str
    issuer: str
    keys: Texts
    keys_kept: int
    last_good: bool
    lifetime: float
    line: str
    listener: str
    name: str
    names: Texts
    path: str
    pid: int
    problem: str
    problems: Texts
    python: str
    reason: str
    records: int
    required: bool
    retry_in: float
    revision: str
    revision_kept: str
    scopes: Texts
    seconds: float
    slot: int
    source: str
    state_dir: str
    target: str
    targets: Texts
    token_url: str
    token_valid_for: float
    url: str
    version: str
    walls: Texts
    warning: str
    warnings: Texts
    what: Texts


Extra = dict[str, Fields]


def about(**fields: Unpack[Fields]) -> Extra:
    """`log.info("keys_refreshed", extra=about(count=3))`"""
    return {"fields": fields}


class JsonLines(logging.Formatter):
    """An event and what it is about become one line of JSON."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        entry: dict[str, object] = {
            "time": moment,
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.getMessage(),
        }
        entry.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            entry["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(entry, default=str, ensure_ascii=False)


def configure(service: str, level: str = "INFO") -> None:
    """Send every log record of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpcore", "watchfiles", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
