"""What a policy's answer means, whichever engine gives it. Not how it is asked.

Two spellings of a long answer: ours, `{allow, reasons, audit, step_up, headers}`, and that of opa-envoy-plugin, whose
`allowed` is our `allow`. What else that plugin takes is refused by name: docs/coming-from-opa-envoy-plugin.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import msgspec

from authz_rego.values.json_text import to_json
from authz_rego.values.value import UNDEFINED, Value
from authz_service import headers
from authz_service.domain.decision import Verdict
from authz_service.domain.refusals import Reason
from authz_service.policy.decide.bad_answer import BadAnswer
from authz_service.policy.decide.step_up import read_step_up

MAX_REASONS = 16
MAX_REASON_CHARS = 256
MAX_AUDIT_BYTES = 2048  # what a policy may add to an audit record of 4,096 bytes (SECURITY T24)
MAX_HEADER_CHARS = 1024
_AUDIT_CUT_BYTES = 1024  # quotes are escaped again: at most twice as long

_ALLOWED = Verdict(Reason.ALLOWED, (), None)
_DENIED = Verdict(Reason.POLICY_DENIED, (), None)
_UNDEFINED = Verdict(Reason.POLICY_UNDEFINED, (), None)

MEMBERS = frozenset({"allow", "allowed", "reasons", "audit", "step_up", "headers"})
_NOTHING: frozenset[str] = frozenset()
# What opa-envoy-plugin takes, too: nobody is to believe that it happens.
NOT_TAKEN = {
    "http_status": "a refusal is 403, or 401 with step_up",
    "body": "a refusal has the sidecar's own body; give reasons, which the audit record keeps",
    "response_headers_to_add": "the service's answer is the service's; set the header there",
    "request_headers_to_remove": "proxy.headers.pass_token: false keeps the token from the service",
    "query_parameters_to_set": "the service gets the query as the caller sent it",
    "query_parameters_to_remove": "the service gets the query as the caller sent it",
    "dynamic_metadata": "give audit, which the audit record keeps",
}


def read_answer(value: Value, may_set: AbstractSet[str] = _NOTHING) -> Verdict:
    """Raises BadAnswer for what is neither a boolean nor a long answer. `may_set`: headers, in lower case."""
    if value is True:
        return _ALLOWED
    if value is False:
        return _DENIED
    if value is UNDEFINED:
        return _UNDEFINED
    return _long_answer(value, may_set)


def _long_answer(answer: Value, may_set: AbstractSet[str]) -> Verdict:
    if type(answer) is not dict:
        raise BadAnswer("neither a boolean nor an object")
    if not answer.keys() <= MEMBERS:
        raise BadAnswer(_unknown(answer.keys() - MEMBERS))
    if ("allow" in answer) == ("allowed" in answer):
        raise BadAnswer("exactly one of `allow` and `allowed` has to be there")
    allow = answer["allow"] if "allow" in answer else answer["allowed"]
    if type(allow) is not bool:
        raise BadAnswer("`allow` is neither true nor false")
    reason, step_up = Reason.ALLOWED if allow else Reason.POLICY_DENIED, None
    if "step_up" in answer:
        if allow:
            raise BadAnswer("`allow` is true, and `step_up` is there")
        reason, step_up = Reason.INSUFFICIENT_USER_AUTHENTICATION, read_step_up(answer["step_up"])
    reasons = _bounded_reasons(texts(answer["reasons"], "reasons")) if "reasons" in answer else ()
    audit = _bounded_audit(answer["audit"]) if "audit" in answer else None
    carried = _headers(answer["headers"], may_set, allow=allow) if "headers" in answer else ()
    return Verdict(reason, reasons, audit, step_up, carried)


def _unknown(members: Iterable[object]) -> str:
    name = min(map(str, members))
    instead = NOT_TAKEN.get(name)
    return f"`{name}` is not taken here: {instead}" if instead else f"`{name:.100}` is no member of an answer"


def texts(value: Value, name: str) -> list[str]:
    """The strings of an array, or of a set in their order. Raises BadAnswer."""
    if type(value) is frozenset and all(type(member) is str for member in value):
        return sorted(value)
    if type(value) is list and all(type(member) is str for member in value):
        return value
    raise BadAnswer(f"`{name}` is no list or set of strings")


def _bounded_reasons(reasons: list[str]) -> tuple[str, ...]:
    return tuple(
        reason if len(reason) <= MAX_REASON_CHARS else reason[: MAX_REASON_CHARS - 1] + "…"
        for reason in reasons[:MAX_REASONS]
    )


def _bounded_audit(value: Value) -> msgspec.Raw | None:
    """The value, or the beginning of its text under `cut` when it is too large for an audit record."""
    if value is None:
        return None
    try:
        text = to_json(value).encode()
    except ValueError as error:
        raise BadAnswer(f"`audit` cannot be written as JSON: {error}") from None
    if len(text) > MAX_AUDIT_BYTES:
        text = msgspec.json.encode({"cut": text[:_AUDIT_CUT_BYTES].decode(errors="ignore")})
    return msgspec.Raw(text)


def _headers(value: Value, may_set: AbstractSet[str], *, allow: bool) -> tuple[tuple[str, str], ...]:
    """Header lines for the service: of configured names only, and of what cannot begin another line (SECURITY T4)."""
    if type(value) is not dict:
        raise BadAnswer("`headers` is no object")
    if value and not allow:
        raise BadAnswer("`headers` are for the service, and `allow` is false")
    found: dict[str, str] = {}
    for name, text in value.items():
        lower = name.lower() if type(name) is str else ""
        if lower not in may_set:
            raise BadAnswer(f"`headers` has {name!a:.100}, which proxy.headers.from_policy does not name")
        if lower in found:
            raise BadAnswer(f"`headers` has {name!a} twice")
        if not _is_header_value(text):
            raise BadAnswer(f"`headers` has no line of 1 to {MAX_HEADER_CHARS} characters for {name!a}")
        found[lower] = text
    return tuple(sorted(found.items()))


def _is_header_value(text: Value) -> bool:
    """Spaces at the ends would vanish on the way, and an empty header with them (SECURITY T1)."""
    return (
        type(text) is str
        and text == text.strip()
        and 0 < len(text) <= MAX_HEADER_CHARS
        and not headers.has_control(text)
    )
