"""The bytes between Envoy's ext_authz filter and a decision worker: the question read, the answer written. No decision.

Envoy sends `<METHOD> /check<path>?<query>` with the headers that the rendering allows (`envoy.filters`), and takes back
200 with headers to set, or another status with a body for the client.
"""

from __future__ import annotations

import re

import msgspec

from authz_service import headers
from authz_service.domain.decision import Request, StepUp
from authz_service.domain.refusals import ANSWERS, Answer, Reason
from authz_service.request_form import METHODS

CHECK_PREFIX = headers.CHECK_PATH.encode()
_PATH_START = len(CHECK_PREFIX) + headers.TAG_LENGTH
PROBLEM = b"application/problem+json"

_EXCHANGE_PREFIX = headers.EXCHANGE_PATH.encode()
_EVALUATION_PREFIX = headers.EVALUATION_PATH.encode()
_EVALUATION = headers.EVALUATION.encode()
# A first line that the parser takes as it stands here: `#` would begin what is no part of the target (RFC 3986 §3.5).
# Its method, the listener's tag, path and query.
_LINE = re.compile(
    rb"(%s) %s([!\"$->@-~]{%d})([!\"$->@-~]*)(?:\?([!\"$-~]*))? HTTP/1\.1"
    % ("|".join(METHODS).encode(), CHECK_PREFIX, headers.TAG_LENGTH)
)
_ALLOW = b"HTTP/1.1 200 OK\r\n"
_EMPTY = b"content-length: 0\r\n\r\n"
_ROUTE = headers.ROUTE.encode()
_SEPARATOR = headers.ROUTE_SEPARATOR.encode()
_PEER = headers.PEER_CERT.encode()
_REMOTE = headers.REMOTE.encode()
_CORRELATION = headers.CORRELATION_ID.encode()


class _Action(msgspec.Struct):
    name: str = ""


class _Resource(msgspec.Struct):
    type: str = ""
    id: str = ""


class _About(msgspec.Struct):
    action: _Action
    resource: _Resource


_read_about = msgspec.json.Decoder(_About).decode
_NOTHING = _About(_Action(), _Resource())


def read_request(
    method: bytes,
    target: bytes,
    found: dict[bytes, bytes],
    extract: tuple[tuple[bytes, str], ...],
    authorization: str | None,
) -> Request:
    """The question, from what the HTTP parser found. Header names in `found` are lower-case; latin-1 loses nothing.

    A target that Envoy would not send has no path, which the gate refuses.
    """
    path, query, listener = _parts(target)
    return Request(
        method.decode("latin-1"),
        path,
        query,
        found.get(b"host", b"").decode("latin-1"),
        found.get(_ROUTE, b"").rpartition(_SEPARATOR)[2].decode("latin-1"),
        found.get(_PEER, b""),
        authorization,
        found.get(_CORRELATION, b"").decode("latin-1"),
        {name: found[raw_name].decode("latin-1") for raw_name, name in extract if raw_name in found},
        found.get(_REMOTE, b"").decode("latin-1"),
        listener,
    )


def read_again(known: Request, line: bytes, correlation_id: str) -> Request | None:
    """The question with another first line and another correlation id, but for these written as the known one. None
    for a line that the parser has to read.
    """
    found = _LINE.fullmatch(line)
    if found is None or known.evaluation:
        return None
    method, listener, path, query = found.groups(b"")
    extracted = known.extracted
    if headers.CORRELATION_ID in extracted:
        extracted = {**extracted, headers.CORRELATION_ID: correlation_id}
    again = (
        method.decode(),
        path.decode(),
        query.decode(),
        known.host,
        known.route,
        known.peer,
        known.authorization,
        correlation_id,
        extracted,
        known.remote,
        listener,
        known.of_another_page,
        known.evaluation,
    )
    return tuple.__new__(Request, again)  # half of the time of `Request(…)`, and 2 % of a decision's


def _parts(target: bytes) -> tuple[str, str, bytes]:
    """Path, query and listener's tag."""
    path, _, query = target.partition(b"?")
    path = path[_PATH_START:] if path.startswith(CHECK_PREFIX) else b""
    return path.decode("latin-1"), query.decode("latin-1"), target[len(CHECK_PREFIX) : _PATH_START]


def is_evaluation(target: bytes) -> bool:
    """Whether AuthZEN's question is asked, in place of one about an HTTP request."""
    return target.startswith(_EVALUATION_PREFIX)


def read_evaluation(target: bytes, found: dict[bytes, bytes]) -> Request:
    """Who asks stands for the route; there is no HTTP request, and no caller of one. For the record, the action is its
    method, and the resource its path.
    """
    evaluation = found.get(_EVALUATION, b"{}")
    try:
        about = _read_about(evaluation)
    except msgspec.MsgspecError:
        about = _NOTHING  # the gate refuses it
    return Request(
        about.action.name,
        f"{about.resource.type}/{about.resource.id}",
        "",
        "",
        target[len(_EVALUATION_PREFIX) :].decode("latin-1"),
        b"",
        None,
        found.get(_CORRELATION, b"").decode("latin-1"),
        {},
        "",
        evaluation=evaluation.decode("latin-1"),
    )


def is_about_egress(target: bytes) -> bool:
    """Whether the request that Envoy asks about leaves by the egress."""
    return target.startswith(_EXCHANGE_PREFIX)


def read_egress_request(method: bytes, target: bytes, found: dict[bytes, bytes]) -> Request:
    """The same of a request that leaves: there is no peer, and nothing is extracted."""
    authorization = found.get(b"authorization")
    return Request(
        method.decode("latin-1"),
        target[len(_EXCHANGE_PREFIX) :].partition(b"?")[0].decode("latin-1"),
        "",
        found.get(b"host", b"").decode("latin-1"),
        found.get(_ROUTE, b"").rpartition(_SEPARATOR)[2].decode("latin-1"),
        b"",
        None if authorization is None else authorization.decode("latin-1"),
        found.get(_CORRELATION, b"").decode("latin-1"),
        {},
        found.get(_REMOTE, b"").decode("latin-1"),
    )


def configuration_tag(found: dict[bytes, bytes]) -> bytes:
    """Of the revision that routed the request; b"" where routes have no names, or there is none."""
    return found.get(_ROUTE, b"").rpartition(_SEPARATOR)[0]


def allow(owned: bytes) -> bytes:
    """Forward the request, with these header lines (each ends with CRLF)."""
    return _ALLOW + owned + _EMPTY


def refuse(  # noqa: PLR0913 - one argument per fact, most by keyword
    reason: Reason,
    request: Request,
    decision_id: str,
    correlation_id: str,
    *,
    realm: str,
    methods: tuple[str, ...],
    step_up: StepUp | None = None,
) -> bytes:
    """Refuse with an RFC 9457 body; 401 names its scheme (RFC 6750 §3), 405 its methods, 503 when to come back."""
    answer = ANSWERS[reason]
    body = _problem(reason, answer, decision_id, correlation_id)
    extra = b""
    if answer.status == 401:
        extra = b"www-authenticate: " + _challenge(reason, answer, realm, step_up).encode() + b"\r\n"
    elif answer.status == 405:
        extra = b"allow: " + ", ".join(methods).encode() + b"\r\n"
    elif answer.status == 503:
        extra = b"retry-after: 1\r\n"
    # Envoy takes a 5xx for "no decision" and drops its body; it turns this status back into 503, body and all.
    status = headers.UNAVAILABLE_STATUS if answer.status == 503 else answer.status
    return b"HTTP/1.1 %d Refused\r\ncontent-type: %s\r\ncache-control: no-store\r\n%scontent-length: %d\r\n\r\n%s" % (
        status,
        PROBLEM,
        extra,
        len(body),
        b"" if request.method == "HEAD" else body,  # RFC 9110 §9.3.2: a body here would be read as the next answer
    )


def _problem(reason: Reason, answer: Answer, decision_id: str, correlation_id: str) -> bytes:
    # Every piece is ours or checked ([A-Za-z0-9._-]): nothing needs escaping.
    return (
        f'{{"type":"about:blank","title":"{answer.title}","status":{answer.status},"reason":"{reason.value}",'
        f'"decision_id":"{decision_id}","correlation_id":"{correlation_id}"}}'
    ).encode()


def _challenge(reason: Reason, answer: Answer, realm: str, step_up: StepUp | None) -> str:
    if reason is Reason.TOKEN_MISSING:
        return f'Bearer realm="{realm}"'  # RFC 6750 §3.1: no error code when the request had no credentials
    if step_up is None:
        return f'Bearer realm="{realm}", error="invalid_token", error_description="{answer.title}"'
    # RFC 9470 §3. The policy's words were checked when they were read: no quote, no control character.
    acr_values = f', acr_values="{step_up.acr_values}"' if step_up.acr_values else ""
    max_age = "" if step_up.max_age is None else f', max_age="{step_up.max_age}"'
    error = f'error="{reason}", error_description="{answer.title}"'
    return f'Bearer realm="{realm}", {error}{acr_values}{max_age}'
