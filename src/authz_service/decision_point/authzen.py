"""AuthZEN, Authorization API 1.0 (OpenID, 2026): its JSON read, and written. Not the evaluation, not the transport.

Search (§8) is not offered: a policy decides, it cannot be asked for whom it would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from authz_rego.values.json_text import to_json
from authz_rego.values.value import Value
from authz_service.decision_point.answered import Answered, Line
from authz_service.decision_point.http_messages import HttpRequest
from authz_service.identity.strict_json import decode_object

EVALUATION = b"/access/v1/evaluation"
EVALUATIONS = b"/access/v1/evaluations"
METADATA = b"/.well-known/authzen-configuration"
MOST_EVALUATIONS = 100
MOST_BYTES = 65_536  # of one evaluation
_JSON = (b"content-type", b"application/json")
_ENTITIES = (("subject", ("type", "id")), ("action", ("name",)), ("resource", ("type", "id")))
_DEFAULTS = ("subject", "action", "resource", "context")
_SEMANTICS = ("execute_all", "deny_on_first_deny", "permit_on_first_permit")
_LONGEST_NAME = 1024
_RAW = re.compile(r"[^ -~]")


class BadRequestError(ValueError):
    """With the sentence that the asker is told: 400."""


class Evaluations(NamedTuple):
    """What one request asks: JSON in ASCII for each evaluation, or why that one cannot be made."""

    documents: tuple[bytes | str, ...]
    semantic: str
    single: bool  # answered by one decision, not by a list


def read(request: HttpRequest) -> Evaluations:
    """Raises BadRequestError."""
    if request.found.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        raise BadRequestError("the content type is not application/json")
    try:
        body = decode_object(request.body.decode("utf-8"))
    except ValueError as error:
        raise BadRequestError(f"the body is no JSON object: {error}") from None
    listed = body.get("evaluations") if request.target == EVALUATIONS else None
    if listed is None or listed == []:
        document = _document(body, {})
        return Evaluations((document,), "execute_all", single=True)
    if not isinstance(listed, list):
        raise BadRequestError("evaluations is no list")
    if len(listed) > MOST_EVALUATIONS:
        raise BadRequestError(f"more than {MOST_EVALUATIONS} evaluations")
    return Evaluations(tuple(_or_why_not(one, body) for one in listed), _semantic(body), single=False)


def goes_on(semantic: str, *, decision: bool) -> bool:
    """Whether the next evaluation is made (§7.1.2.1)."""
    return semantic == "execute_all" or decision is (semantic == "deny_on_first_deny")


def judged(answered: Answered) -> dict[str, object]:
    """One decision (§6.2). What is broken is a `false` that says so."""
    if answered.allowed:
        return {"decision": True}
    told = json.loads(answered.body)
    if answered.status == 503:
        return unmade(503, told["title"])
    return {"decision": False, "context": {"reason": told["reason"], "decision_id": told["decision_id"]}}


def unmade(status: int, message: str) -> dict[str, object]:
    return {"decision": False, "context": {"error": {"status": status, "message": message}}}


def answer_of(decisions: list[dict[str, object]], *, single: bool) -> tuple[int, list[Line], bytes]:
    """The answer to one request. A single one that could not be made is an error of ours, never a decision."""
    if single:
        context = decisions[0].get("context")
        error = context.get("error") if isinstance(context, Mapping) else None
        if isinstance(error, Mapping):
            return int(str(error["status"])), [*_told_as_text(), (b"retry-after", b"1")], str(error["message"]).encode()
        return 200, [_JSON], json.dumps(decisions[0]).encode()
    return 200, [_JSON], json.dumps({"evaluations": decisions}).encode()


def refused(message: str) -> tuple[int, list[Line], bytes]:
    return 400, _told_as_text(), message.encode()


def metadata(url: str) -> tuple[int, list[Line], bytes]:
    """What we are (§9.1)."""
    body = {
        "policy_decision_point": url,
        "access_evaluation_endpoint": url + EVALUATION.decode(),
        "access_evaluations_endpoint": url + EVALUATIONS.decode(),
    }
    return 200, [_JSON, (b"cache-control", b"max-age=3600")], json.dumps(body).encode()


def request_id(request: HttpRequest) -> list[Line]:
    """Said again as it came (§10.1.9): the parser has let no line end through."""
    said = request.found.get(b"x-request-id")
    return [] if said is None else [(b"x-request-id", said)]


def _told_as_text() -> list[Line]:
    return [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]


def _semantic(body: Mapping[str, Value]) -> str:
    options = body.get("options", {})
    if not isinstance(options, dict):
        raise BadRequestError("options is no object")
    semantic = options.get("evaluations_semantic", "execute_all")
    if semantic not in _SEMANTICS:
        raise BadRequestError(f"evaluations_semantic is none of {', '.join(_SEMANTICS)}")
    return str(semantic)


def _or_why_not(one: Value, body: Mapping[str, Value]) -> bytes | str:
    """An evaluation that cannot be made is refused by itself (§7.2.1): the others are made."""
    if not isinstance(one, dict):
        return "an evaluation is no object"
    try:
        return _document(one, body)
    except BadRequestError as error:
        return str(error)


def _document(one: Mapping[str, Value], body: Mapping[str, Value]) -> bytes:
    """The four parts; what is missing, an entity or what it must have, is the body's."""
    parts: dict[str, Value] = {}
    for name, required in _ENTITIES:
        entity, default = one.get(name), body.get(name)
        if entity is None:
            entity = default
        if not isinstance(entity, dict):
            raise BadRequestError(f"{name} is missing" if entity is None else f"{name} is no object")
        parts[name] = _entity(name, entity, required, default if isinstance(default, dict) else {})
    context = one.get("context", body.get("context", {}))
    if not isinstance(context, dict):
        raise BadRequestError("context is no object")
    parts["context"] = context
    document = _in_ascii(to_json(parts))
    if len(document) > MOST_BYTES:
        raise BadRequestError(f"an evaluation of more than {MOST_BYTES >> 10} KiB")
    return document


def _entity(name: str, entity: dict[str, Value], required: tuple[str, ...], default: Mapping[str, Value]) -> Value:
    found = dict(entity)
    for key in required:
        value = found.get(key, default.get(key))
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
            raise BadRequestError(f"{name}.{key} is missing, empty, too long, or no text")
        found[key] = value
    if not isinstance(found.get("properties", {}), dict):
        raise BadRequestError(f"{name}.properties is no object")
    return found


def _in_ascii(text: str) -> bytes:
    """The same JSON on one line that can stand in a header. What JSON writes raw stands in its strings only."""
    return _RAW.sub(_escaped, text).encode("ascii")


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000  # RFC 8259 §7: as a pair of surrogates
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 1023):04x}"
