"""The flows of the specification, played on the example's own files: real Envoy, TLS, tokens and services."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.curl import needs_curl
from tests.support.live import Live, lines
from tests.support.neighbours import ask
from tests.support.patience import PATIENCE

from authz_devkit.demo import trail
from authz_devkit.demo.caller import POD, Answer
from authz_devkit.demo.cli import instructions
from authz_service.domain.refusals import Reason

ORDER = {"product_id": "PROD-123", "quantity": 1}
JOHN = "7d0c6a52-1f5e-4b1a-9c57-3f0e6f6d1a01"
Record = dict[str, Any]


def test_a_user_creates_and_reads_an_order_through_the_gateway(mesh: Live) -> None:
    """Example 1; another user does not learn that it exists, and without a token nobody learns anything."""
    created = call(mesh, "john", "POST", "/api/v1/orders", ORDER)
    assert created.status == 201
    path = f"/api/v1/orders/{created.body['id']}"

    assert call(mesh, "john", "GET", path).body == created.body
    assert call(mesh, "mary", "GET", path).status == 404
    refused = call(mesh, None, "GET", path)
    assert (refused.status, refused.reason) == (401, Reason.TOKEN_MISSING)
    assert refused.headers["www-authenticate"].startswith("Bearer ")


@needs_curl
def test_the_lines_that_make_up_prints_do_what_they_say(mesh: Live) -> None:
    """All of them, pasted into a shell: an order, stock through the egress, readiness, the audit trail."""
    pasted = subprocess.run(
        ["bash"], input=instructions(mesh.mesh), capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (pasted.returncode, pasted.stderr) == (0, "")
    for words in ("HTTP/2 201", '"available":', '"ready": true', "req-abc: 1 decision at 1 service"):
        assert words in pasted.stdout, pasted.stdout


def test_a_user_without_the_role_creates_nothing(mesh: Live) -> None:
    """The gateway lets every user in; the order service wants `orders:create`, and says so to the one who asks."""
    name = correlation()
    refused = call(mesh, "victor", "POST", "/api/v1/orders", ORDER, correlation_id=name)

    assert (refused.status, refused.reason) == (403, Reason.POLICY_DENIED)
    found = trail.records(mesh.mesh, name)
    assert [(record["service"], record["decision"]) for record in found] == [
        ("api-gateway", "allow"),
        ("order-service", "deny"),
    ]
    assert call(mesh, "john", "POST", "/api/v1/orders", ORDER).status == 201


def test_a_user_pays_once(mesh: Live) -> None:
    """`payments:create`; the second time is a conflict, and mary cannot pay what is not hers."""
    order = call(mesh, "john", "POST", "/api/v1/orders", ORDER).body["id"]
    pay = {"order_id": order}

    assert call(mesh, "victor", "POST", "/api/v1/payments", pay).reason == Reason.POLICY_DENIED
    assert call(mesh, "mary", "POST", "/api/v1/payments", pay).status == 404
    assert call(mesh, "john", "POST", "/api/v1/payments", pay).status == 201
    assert call(mesh, "john", "POST", "/api/v1/payments", pay).status == 409


def test_a_service_calls_data_through_its_egress(mesh: Live) -> None:
    """Example 2: `curl http://localhost:8080/data/inventory/PROD-123`, without a credential in sight."""
    name = correlation()
    sent = [("X-User-Context", "user-123"), ("X-Correlation-ID", name)]
    answer = ask(egress(mesh, "order"), "GET", "/data/inventory/PROD-123", headers=sent)

    assert answer.status == 200
    assert answer.values("x-correlation-id") == [name]
    [record] = trail.records(mesh.mesh, name)
    assert only(record, "service", "path", "mtls_client", "calling_service", "user_context", "correlation_id") == {
        "service": "data-service",
        "path": "/inventory/PROD-123",
        "mtls_client": "order-service-client",
        "calling_service": "order-service",
        "user_context": "user-123",
        "correlation_id": name,
    }


@pytest.mark.parametrize(
    ("service", "method", "path", "allowed"),
    [
        ("order", "GET", "/data/inventory/PROD-123", True),
        ("payment", "GET", "/data/inventory/PROD-123", False),
        ("payment", "POST", "/data/orders", False),
        ("order", "POST", "/data/payments", False),
        ("order", "DELETE", "/data/inventory/PROD-123", False),
    ],
)
def test_a_service_does_what_its_permissions_say(
    mesh: Live, service: str, method: str, path: str, *, allowed: bool
) -> None:
    """The specification's permission model, and what the data service gives as its reason."""
    name = correlation()
    sent = [("X-User-Context", "user-123"), ("X-Correlation-ID", name), ("content-type", "application/json")]
    answer = ask(egress(mesh, service), method, path, headers=sent, body=b"{}" if method == "POST" else None)

    [record] = trail.records(mesh.mesh, name)
    assert record["decision"] == ("allow" if allowed else "deny")
    assert answer.status == 200 if allowed else answer.problem["reason"] == Reason.POLICY_DENIED
    assert any(f"{service}-service " in reason or "no permission" in reason for reason in record["reasons"])


def test_the_audit_trail_is_the_specifications(mesh: Live) -> None:
    """Its three records, with its field names and values; ids are ids (DESIGN §3, row 13)."""
    name = correlation()
    assert call(mesh, "john", "POST", "/api/v1/orders", ORDER, correlation_id=name).status == 201
    gateway, order, _, data = trail.records(mesh.mesh, name)

    common = {"level": "info", "event": "access", "decision": "allow", "correlation_id": name, "method": "POST"}
    assert contains(gateway, common | {"service": "api-gateway", "path": "/api/v1/orders", "zone": "zone1"})
    assert contains(gateway, {"user_id": JOHN, "user_name": "john", "downstream": "order-service", "mtls_client": ""})
    assert contains(order, common | {"service": "order-service", "path": "/orders", "zone": "zone2"})
    assert contains(order, {"mtls_client": "api-gateway-client", "user_context": JOHN, "calling_service": "web-app"})
    assert contains(data, common | {"service": "data-service", "path": "/orders", "zone": "zone3"})
    assert contains(data, {"mtls_client": "order-service-client", "calling_service": "order-service"})
    assert contains(data, {"user_context": JOHN, "user_name": "service-account-order-service"})
    assert data["reasons"] == ["service order-service has permission write-orders"]
    assert contains(
        data["policy_audit"],
        {"service": "order-service-client", "user_context": JOHN, "correlation_id": name, "resource": "/orders"},
    )
    assert len({record["decision_id"] for record in (gateway, order, data)}) == 3


def test_a_refusal_is_recorded_with_its_reason(mesh: Live) -> None:
    """Every deny too: who, what, where and why, but never the token."""
    name = correlation()
    token = mesh.tokens.expired(mesh.user("john"), "users")
    refused = call(mesh, token, "GET", "/api/v1/orders/1", correlation_id=name)

    [record] = trail.records(mesh.mesh, name)
    assert refused.reason == record["reason"] == Reason.TOKEN_EXPIRED
    assert contains(record, {"level": "warn", "decision": "deny", "service": "api-gateway", "path": "/api/v1/orders/1"})
    assert refused.body["decision_id"] == record["decision_id"]
    assert token not in str(record)


@pytest.mark.parametrize("sent", [True, False])
def test_one_correlation_id_from_the_client_to_the_last_hop(mesh: Live, *, sent: bool) -> None:
    """Client, services, audit records and access logs see the same; it is made where there is none."""
    name = correlation() if sent else None
    answer = call(mesh, "john", "POST", "/api/v1/orders", ORDER, correlation_id=name)
    seen = answer.headers["x-correlation-id"]

    assert seen == name if sent else len(seen) >= 32
    assert [record["service"] for record in trail.records(mesh.mesh, seen)] == [
        "api-gateway",
        "order-service",
        "data-service",
        "data-service",
    ]
    for pod, calls in ((POD["order"], 1), (POD["data"], 2)):
        log = lines(mesh.mesh.log_file(f"{pod.name}/app"), only_json=True)
        assert [entry.get("correlation_id") for entry in log].count(seen) == calls
    other = call(mesh, "john", "POST", "/api/v1/orders", ORDER)
    assert other.headers["x-correlation-id"] != seen


def test_a_user_token_is_no_service_token_and_the_other_way_round(mesh: Live) -> None:
    """Each realm's tokens open the doors that are drawn for them."""
    user, service = mesh.user("john"), mesh.service("order-service")

    at_data = mesh.call(POD["data"], "GET", "/inventory/PROD-123", certificate="order-zone3", token=user)
    at_order = mesh.call(POD["order"], "GET", "/inventory/PROD-123", certificate="gateway-zone2", token=service)
    assert (at_data.reason, at_order.reason) == (Reason.TOKEN_ISSUER_REFUSED, Reason.TOKEN_ISSUER_REFUSED)

    turned = mesh.call(POD["data"], "GET", "/inventory/PROD-123", certificate="order-zone3", token=service)
    assert turned.status == 200
    turned = mesh.call(POD["order"], "GET", "/inventory/PROD-123", certificate="gateway-zone2", token=user)
    assert turned.status == 200


def call(
    mesh: Live, who: str | None, method: str, path: str, body: object = None, *, correlation_id: str | None = None
) -> Answer:
    """As a user (by name, or by a token) through the gateway."""
    token = mesh.user(who) if who in {"john", "mary", "victor"} else who
    headers = {"X-Correlation-ID": correlation_id} if correlation_id else {}
    return mesh.call(POD["gateway"], method, path, token=token, body=body, headers=headers)


def egress(mesh: Live, service: str) -> tuple[str, int]:
    return (mesh.mesh.address(POD[service]), 8080)


def correlation() -> str:
    return f"test-{secrets.token_hex(6)}"


def only(record: Record, *names: str) -> Record:
    return {name: record[name] for name in names}


def contains(record: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
    assert {name: record[name] for name in wanted} == wanted
    return True
