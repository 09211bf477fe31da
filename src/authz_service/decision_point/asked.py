"""What a proxy asks about, and the question that a decision worker gets of it: the one that our own Envoy asks.

Not the reading of a protocol, and no decision: what cannot be asked as it is, is asked as something that is refused.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import NamedTuple

from authz_service import headers
from authz_service.decision_point.routes import Routes
from authz_service.decision_point.rules import DoorRules

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # RFC 9110 §9.1, a token
_TARGET = re.compile(rb'[!"$-~]+')  # visible, and no fragment (RFC 3986 §3.5)
# Where a worker writes down its question there is room for so much (decision_worker.in_flight).
MOST_BYTES = 131_072
# Whatever would end a line of the question, and begin another that we did not write (RFC 9110 §5.5).
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CORRELATION = headers.CORRELATION_ID.encode()
_PEER = headers.PEER_CERT.encode()
_REMOTE = headers.REMOTE.encode()
_ROUTE = headers.ROUTE.encode()
_EVALUATION = headers.EVALUATION.encode()


class Asked(NamedTuple):
    """One request, as the proxy says that it is. Nothing in it is trusted to be well-formed."""

    method: bytes
    target: bytes  # path and query
    host: bytes
    found: Mapping[bytes, bytes]  # the request's headers by their names in lower case
    certificate: bytes = b""  # of the client, as URL-encoded PEM; b"" = none
    remote: bytes = b""  # where the client calls from


# The proxy does not say what it should, or says it twice: the gate refuses an empty path, and records it.
UNREADABLE = Asked(b"GET", b"", b"", {})


class Question(NamedTuple):
    """For a worker."""

    text: bytes
    is_head: bool  # then its answer has no body (RFC 9110 §9.3.2)
    correlation_id: bytes


class Questions:
    """By one revision of the rules."""

    def __init__(self, rules: DoorRules) -> None:
        self._check = (headers.CHECK_PATH + rules.listener).encode()
        self._tag = rules.tag.encode()
        self._routes = Routes(rules.routes)
        self._has_routes = bool(rules.routes)
        # A caller's own `x-authz-…` would be read as ours, and `host` is said apart (SECURITY T1).
        self._passed = tuple(
            name.encode()
            for name in rules.passed
            if not name.startswith(headers.STRIPPED_PREFIXES) and name not in {*headers.FRAMING, headers.CORRELATION_ID}
        )

    def about(self, asked: Asked) -> Question:
        """The question about a request."""
        correlation_id = _correlation_id(asked)
        lines = [asked.host, asked.certificate, asked.remote]
        passed = [(name, asked.found[name]) for name in self._passed if name in asked.found]
        sound = _METHOD.fullmatch(asked.method) is not None and _TARGET.fullmatch(asked.target) is not None
        size = sum(map(len, (asked.target, *lines, *(value for _, value in passed))))
        if (
            not sound
            or size > MOST_BYTES
            or any(_CONTROL.search(value) for value in (*lines, *(value for _, value in passed)))
        ):
            asked, passed = UNREADABLE, []
        facts = [
            (b"host", asked.host),
            (_CORRELATION, correlation_id),
            (_REMOTE, asked.remote),
            (_PEER, asked.certificate),
            *passed,
        ]
        if self._has_routes:
            path = asked.target.partition(b"?")[0]
            facts.append((_ROUTE, self._tag + b"|" + self._routes.find(path)))
        return _question(asked.method, self._check + asked.target, facts, correlation_id)

    def about_evaluation(self, asker: str, document: bytes, correlation_id: bytes) -> Question:
        """The question of AuthZEN: `document` is JSON in ASCII, on one line."""
        facts = [(b"host", b"authzen"), (_CORRELATION, correlation_id), (_EVALUATION, document)]
        return _question(b"POST", f"{headers.EVALUATION_PATH}{asker}".encode(), facts, correlation_id)


def a_correlation_id(said: bytes | None) -> bytes:
    """The caller's own, if it is good; else a new one (SECURITY T25)."""
    if said is not None and headers.is_correlation_id(said.decode("latin-1")):
        return said
    return uuid.uuid4().hex.encode()


def _correlation_id(asked: Asked) -> bytes:
    return a_correlation_id(asked.found.get(_CORRELATION))


def _question(method: bytes, target: bytes, facts: list[tuple[bytes, bytes]], correlation_id: bytes) -> Question:
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in facts if value)
    return Question(method + b" " + target + b" HTTP/1.1\r\n" + lines + b"\r\n", method == b"HEAD", correlation_id)
