"""A recorded decision, as an event of `audit.opa_decision_log` or of OPA's own log, and what its input says of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from authz_rego.values.value import Value
from authz_service.domain.refusals import Reason

_KNOWN = frozenset(reason.value for reason in Reason)


class Example(msgspec.Struct):
    decision_id: str
    correlation_id: str
    time: str
    method: str
    path: str


class Recorded(msgspec.Struct):
    """What is read of an event."""

    decision_id: str = ""
    timestamp: str = ""
    path: str = ""
    labels: dict[str, str] = {}
    input: msgspec.Raw = msgspec.Raw()
    result: object = None
    erased: list[str] = []
    custom: dict[str, object] = {}

    @property
    def service(self) -> str:
        return self.labels.get("service", "")

    @property
    def reason(self) -> Reason | None:
        """What the policy said, in shadow mode too. Of OPA's own events, whose result is the rule's value, as much."""
        result = self.result
        if isinstance(result, dict):
            given = result.get("reason")
            if isinstance(given, str):
                return Reason(given) if given in _KNOWN else None
            result = result.get("allow", result.get("allowed"))
        if not isinstance(result, bool):
            return None
        return Reason.ALLOWED if result else Reason.POLICY_DENIED

    def nanoseconds(self) -> int:
        """When it was. Raises ValueError."""
        return int(datetime.fromisoformat(self.timestamp).timestamp() * 1000) * 1_000_000

    def example(self, document: Value) -> Example:
        correlation_id = self.custom.get("correlation_id")
        return Example(
            self.decision_id,
            correlation_id if isinstance(correlation_id, str) else "",
            self.timestamp,
            _text(_member(document, "request", "method")),
            _text(_member(document, "request", "path")),
        )


def principal_of(document: Value) -> str:
    """A user by name, a service by its client."""
    names = (_text(_member(document, "token", name)) for name in ("preferred_username", "azp", "client_id", "sub"))
    return next(filter(None, names), "nobody")


def client_of(document: Value) -> str:
    """The certificate's name."""
    found = _text(_member(document, "mtls", "subject", "CN"))
    uris = _member(document, "mtls", "san", "uri")
    return found or (_text(uris[0]) if isinstance(uris, list) and uris else "")


def _member(value: Value, *names: str) -> Value:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
