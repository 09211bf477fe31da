"""One decision as an event of OPA's decision logs, without what may be secret or nobody's business. Not its delivery.

Made of the audit record and of the policy's input, after the answer. https://www.openpolicyagent.org/docs/management-decision-logs
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec

from authz_rego.values.json_text import from_json, to_json
from authz_rego.values.value import Value
from authz_service import headers
from authz_service.audit.record import AuditRecord

# Who it is and what he may do; e-mail, names and whatever else an issuer puts into its tokens stays here.
KEPT_CLAIMS = frozenset(
    {
        "acr", "amr", "aud", "auth_time", "azp", "client_id", "exp", "groups", "iat", "iss", "jti", "nbf",
        "preferred_username", "realm_access", "resource_access", "roles", "scope", "sub", "typ",
    }
)  # fmt: skip
KEPT_HEADERS = frozenset({headers.CORRELATION_ID})


class OpaEvent(msgspec.Struct, omit_defaults=True):
    """The members of OPA's own events that we have; `docs/audit.md` describes each. Empty ones are left out."""

    labels: dict[str, str]
    decision_id: str
    bundles: dict[str, dict[str, str]]
    result: dict[str, object]
    timestamp: str
    metrics: dict[str, int]
    custom: dict[str, object]
    path: str = ""
    input: msgspec.Raw | None = None
    erased: list[str] = []
    requested_by: str = ""


_record = msgspec.json.Decoder(AuditRecord).decode
_encode = msgspec.json.Encoder().encode
Tree = dict[str, object]


def opa_event(rule: str, record: bytes, document: bytes, instance: dict[str, str]) -> bytes:
    """`instance`: labels of this process. Raises msgspec.DecodeError or ValueError for what is no record or no JSON."""
    of = _record(record)
    asked, erased = masked(from_json(document))
    result: Tree = {"allow": of.decision == "allow", "reason": of.reason, "reasons": of.reasons}
    if of.policy_audit is not None:
        result["audit"] = of.policy_audit
    custom: Tree = {"correlation_id": of.correlation_id}
    if of.shadow:
        custom["shadow"] = True
    if of.truncated:
        custom["truncated"] = True
    if of.repeats:
        custom["repeats"] = of.repeats
    event = OpaEvent(
        labels={**instance, "service": of.service, "zone": of.zone},
        decision_id=of.decision_id,
        bundles={"authz-service": {"revision": of.revision}},
        result=result,
        timestamp=of.time,
        metrics={"timer_server_handler_ns": of.duration_us * 1000},
        custom=custom,
        path=rule.removeprefix("data.").replace(".", "/"),
        input=None if asked is None else msgspec.Raw(to_json(asked).encode()),
        erased=erased,
        requested_by=of.remote,
    )
    return _encode(event)


def masked(document: Value) -> tuple[Value, list[str]]:
    """The input document with only what is known to be harmless, and JSON pointers (RFC 6901) to what was taken out."""
    if not isinstance(document, dict):
        return None, ["/input"]
    shown = dict(document)
    erased: list[str] = []
    for name, kept in (("token", KEPT_CLAIMS.__contains__), ("headers", _is_kept_header)):
        if name in shown:
            shown[name] = _only(kept, cast("Tree", shown[name]), f"/input/{name}", erased)
    request = shown.get("request")
    if isinstance(request, dict) and request.get("query"):  # people put tokens there
        shown["request"] = {name: value for name, value in request.items() if name != "query"}
        erased.append("/input/request/query")
    return shown, erased


def _is_kept_header(name: str) -> bool:
    return name.lower() in KEPT_HEADERS


def _only(kept: Callable[[str], bool], part: Tree, place: str, erased: list[str]) -> Tree:
    erased += [f"{place}/{name.replace('~', '~0').replace('/', '~1')}" for name in part if not kept(name)]
    return {name: value for name, value in part.items() if kept(name)}
