"""What must fit together about the records and their copies."""

import re
from collections.abc import Iterator

from authz_service.config.checks.rules import long_enough, plain_http
from authz_service.config.finding import Finding
from authz_service.config.model import Audit, DecisionLogFile, DecisionLogService
from authz_service.domain.secret import UNREAD

_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1


def audit_findings(audit: Audit) -> Iterator[Finding]:
    yield from long_enough(("audit",), audit, "key")
    yield from _decision_log(audit)


def _decision_log(audit: Audit) -> Iterator[Finding]:
    """A file apart from the records; a token for whoever gets the copies."""
    copies, place = audit.opa_decision_log, ("audit", "opa_decision_log")
    if isinstance(copies, DecisionLogService):
        yield from plain_http((*place, "url"), copies.url)
        if "?" in copies.url or "#" in copies.url:
            yield Finding((*place, "url"), "has a query, and /logs is added at its end", "write the URL without it")
        if copies.token is not None and copies.token is not UNREAD and _BEARER.fullmatch(copies.token.reveal()) is None:
            key = "token" if copies.token_file is None else "token_file"
            fix = "write it as the service gave it, without spaces and without Bearer"
            yield Finding((*place, key), "is no bearer token (RFC 6750)", fix)
    if isinstance(copies, DecisionLogFile):
        for name in ("path", "access_log"):
            if str(copies.path) == getattr(audit, name):
                yield Finding((*place, "path"), f"is the file of audit.{name}", "give it a file of its own")
