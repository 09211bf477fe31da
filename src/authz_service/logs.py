"""The process's own log: one JSON object per line on standard error, an event and its fields. Not the audit trail."""

import json
import logging
import sys
import time
import traceback


class JsonLines(logging.Formatter):
    """`log.info("keys_refreshed", extra={"fields": {"count": 3}})` becomes one line of JSON."""

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
