"""The input document of docs/policies.md for AuthZEN's question, as Rego's values. Not what becomes of it."""

from __future__ import annotations

from authz_rego.values.value import Value
from authz_service.domain.decision import Request
from authz_service.domain.refusals import Reason, Rejected
from authz_service.identity.strict_json import decode_object

_PARTS = ("subject", "action", "resource", "context")


def evaluation_input(request: Request, decision_id: str) -> tuple[Value, str]:
    """The document, and the subject's id. Nothing that whoever asks says can take the place of what we say.

    Raises Rejected for what the door does not write.
    """
    try:
        said = decode_object(request.evaluation)
    except ValueError as error:
        raise Rejected(Reason.REQUEST_INVALID, str(error)) from None
    subject = said.get("subject")
    if set(said) != {*_PARTS} or not isinstance(subject, dict) or not isinstance(subject.get("id"), str):
        raise Rejected(Reason.REQUEST_INVALID, "not the four parts of an evaluation")
    return {**said, "asked_by": request.route, "decision_id": decision_id}, str(subject["id"])
