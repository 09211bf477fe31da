"""Events of a decision log, as sidecars write them, without a sidecar."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_numbers = itertools.count(1)
_EVENT: dict[str, Any] = {
    "labels": {"id": "7a9c", "app": "authz-service", "service": "order-service", "zone": "zone2"},
    "bundles": {"authz-service": {"revision": "r1"}},
    "path": "order/allow",
    "input": {
        "mtls": {
            "verified": True,
            "subject": {"CN": "api-gateway-client", "O": "MyOrg"},
            "san": {"uri": [], "dns": []},
            "fingerprint_sha256": "ab",
        },
        "token": {"sub": "u1", "preferred_username": "john", "azp": "web-app", "exp": 1795001000},
        "request": {"method": "GET", "path": "/orders/1", "segments": ["orders", "1"], "query": {}, "host": "order"},
        "headers": {},
        "route": "",
    },
    "result": {"allow": True, "reason": "allowed", "reasons": []},
    "timestamp": "2026-11-18T10:00:00.000Z",  # 1794996000
    "metrics": {"timer_server_handler_ns": 250_000},
    "custom": {"correlation_id": "req-1"},
}


def event(reason: str = "allowed", *, roles: tuple[str, ...] = ("customer",), **changes: Any) -> dict[str, Any]:
    """`changes` are values at dotted paths, with `__` for the dot."""
    made = copy.deepcopy(_EVENT)
    made["decision_id"] = made["input"]["decision_id"] = f"d{next(_numbers)}"
    made["input"]["token"]["realm_access"] = {"roles": list(roles)}
    made["result"] |= {"allow": reason == "allowed", "reason": reason}
    for place, value in changes.items():
        *above, last = place.split("__")
        node = made
        for step in above:
            node = node[step]
        node[last] = value
    return made


def request(method: str, *segments: str) -> Mapping[str, Any]:
    return {
        "method": method,
        "path": "/" + "/".join(segments),
        "segments": list(segments),
        "query": {},
        "host": "order",
    }


def written(file: Path, *events: Mapping[str, Any]) -> Path:
    file.write_text("".join(f"{json.dumps(one)}\n" for one in events))
    return file
