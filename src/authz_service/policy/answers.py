"""What a policy's answer means, whichever engine gives it. Not how it is asked, so that regorus is not needed here."""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from authz_service.domain.decision import Verdict
from authz_service.domain.refusals import Reason
from authz_service.policy.step_up import StepUpAnswer, read_step_up

MAX_REASONS = 16
MAX_REASON_CHARS = 256
MAX_AUDIT_BYTES = 2048  # what a policy may add to an audit record of 4,096 bytes (SECURITY T24)
_AUDIT_CUT_BYTES = 1024  # quotes are escaped again: at most twice as long

_ALLOWED = Verdict(Reason.ALLOWED, (), None)
_DENIED = Verdict(Reason.POLICY_DENIED, (), None)
_UNDEFINED = Verdict(Reason.POLICY_UNDEFINED, (), None)
# regorus' JSON has no undefined; it writes this string instead.
_PLAIN_ANSWERS = {"true": _ALLOWED, "false": _DENIED, '"<undefined>"': _UNDEFINED}


class _Answer(Struct, forbid_unknown_fields=True):
    """A policy's long answer. A misspelt key is an error, not a silently missing reason."""

    allow: bool
    reasons: list[str] = []
    audit: msgspec.Raw = msgspec.Raw(b"null")
    step_up: StepUpAnswer | UnsetType = UNSET


_answers = msgspec.json.Decoder(_Answer)


def read_answer(text: str) -> Verdict:
    """Raises msgspec.ValidationError when it is neither a boolean nor `{allow, reasons, audit, step_up}`."""
    plain = _PLAIN_ANSWERS.get(text)
    if plain is not None:
        return plain
    answer = _answers.decode(text)
    reason, step_up = Reason.ALLOWED if answer.allow else Reason.POLICY_DENIED, None
    if answer.step_up is not UNSET:
        if answer.allow:
            raise msgspec.ValidationError("allow is true, and step_up is there")
        reason, step_up = Reason.INSUFFICIENT_USER_AUTHENTICATION, read_step_up(answer.step_up)
    return Verdict(reason, _bounded_reasons(answer.reasons), _bounded_audit(answer.audit), step_up)


def _bounded_reasons(reasons: list[str]) -> tuple[str, ...]:
    return tuple(
        reason if len(reason) <= MAX_REASON_CHARS else reason[: MAX_REASON_CHARS - 1] + "…"
        for reason in reasons[:MAX_REASONS]
    )


def _bounded_audit(raw: msgspec.Raw) -> object:
    """The value, or the beginning of its text under `cut` when it is too large for an audit record."""
    value: object = msgspec.json.decode(raw)
    if len(raw) <= MAX_AUDIT_BYTES:  # regorus indents, so this is the longer form
        return value
    text = msgspec.json.encode(value)
    return value if len(text) <= MAX_AUDIT_BYTES else {"cut": text[:_AUDIT_CUT_BYTES].decode(errors="ignore")}
