"""Audit records of one request as sidecars write them, in the shape of a line, without a sidecar."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec

from authz_service.audit.record import AuditRecord, GapRecord

ID = "req-abc-123"
_numbers = itertools.count(1)


def record(service: str, millisecond: int = 0, **more: Any) -> AuditRecord:
    """An allowed GET; change what matters."""
    made = AuditRecord(
        time=f"2026-11-30T10:15:{millisecond // 1000:02d}.{millisecond % 1000:03d}Z",
        level="info",
        service=service,
        zone="zone2",
        event="access",
        decision="allow",
        reason="allowed",
        reasons=(),
        decision_id=f"decision-{next(_numbers)}",
        correlation_id=ID,
        method="GET",
        path="/",
        route="",
        mtls_client="",
        mtls_fingerprint="",
        user_id="",
        user_name="",
        calling_service="",
        user_context="",
        downstream="",
        remote="127.0.0.1",
        revision="r1",
        duration_us=88,
    )
    return msgspec.structs.replace(made, **more)


def line(made: AuditRecord | GapRecord, seal: str = "") -> bytes:
    """`seal`: what stands at its end, such as `,"writer":…`."""
    text = msgspec.json.encode(made)
    return text[:-1] + seal.encode() + b"}\n" if seal else text + b"\n"


def seal(seq: int, writer: str = "0123456789ab-0") -> str:
    return f',"writer":"{writer}","seq":{seq},"chain":"{"0" * 32}"'


def order_flow() -> dict[str, list[AuditRecord]]:
    """John creates an order: the specification's example, by file."""
    user = {"user_id": "u-1", "user_name": "john", "calling_service": "web-app", "user_context": "u-1"}
    own = {"mtls_client": "order-service-client", "calling_service": "order-service", "user_context": "u-1"}
    own["user_name"] = "service-account-order-service"
    gateway = record("api-gateway", 103, method="POST", path="/api/v1/orders", downstream="order-service", **user)
    order = record("order-service", 107, method="POST", path="/orders", mtls_client="api-gateway-client", **user)
    data = [
        record("data-service", 114, path="/inventory/PROD-123", **own),
        record("data-service", 120, method="POST", path="/orders", **own),
    ]
    return {"gateway.jsonl": [gateway], "order.jsonl": [order], "data.jsonl": data}


def written(folder: Path, files: dict[str, list[AuditRecord]]) -> list[str]:
    for name, records in files.items():
        (folder / name).write_bytes(b"".join(map(line, records)))
    return [str(folder / name) for name in files]
