"""`authz suggest`: what the example grants, beside records in which all of it was used, and less and less of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.support.audit_trails import record, written
from tests.support.meshes import EXAMPLE, correct_mesh

from authz_service.audit.record import AuditRecord
from authz_service.cli.main import authz
from authz_service.cli.suggest import SuggestDocument

JOHN: dict[str, Any] = {"user_name": "john", "user_id": "u-1", "calling_service": "web-app"}
VIA_GATEWAY: dict[str, Any] = {"mtls_client": "api-gateway-client", **JOHN}


def own(service: str) -> dict[str, Any]:
    return {
        "mtls_client": f"{service}-client",
        "user_name": f"service-account-{service}",
        "user_id": f"id-of-{service}",
        "calling_service": service,
    }


def gateway(method: str, what: str, **more: Any) -> AuditRecord:
    route = f"/api/v1/{what}/**"
    path = f"/api/v1/{what}" if method == "POST" else f"/api/v1/{what}/1"
    return record("api-gateway", method=method, path=path, route=route, **{**JOHN, **more})


USED = [
    gateway("POST", "orders"),
    gateway("GET", "orders"),
    gateway("POST", "payments"),
    record("order-service", method="POST", path="/orders", **VIA_GATEWAY),
    record("payment-service", method="POST", path="/payments", **VIA_GATEWAY),
    record("data-service", path="/orders/1", **own("order-service")),
    record("data-service", path="/orders/1", **own("payment-service")),
]


def suggest(folder: Path, records: list[AuditRecord], *words: str, mesh: Path = EXAMPLE) -> Result:
    (file,) = written(folder, {"audit.jsonl": records})
    return CliRunner().invoke(authz, ["suggest", str(mesh), file, *words])


def found(folder: Path, records: list[AuditRecord], mesh: Path = EXAMPLE) -> set[tuple[str, str]]:
    document = msgspec.json.decode(suggest(folder, records, "--format", "json", mesh=mesh).output, type=SuggestDocument)
    return {(one.kind, one.what) for one in document.suggestions}


def test_what_was_used_is_not_suggested_and_what_was_not_is(tmp_path: Path) -> None:
    """Clients, routes, methods, egress routes: each appears when its last request is left out, or was refused."""
    whole = found(tmp_path, USED)
    assert not {what for kind, what in whole if kind in {"client", "route", "egress_route"}}
    assert ("methods", "/api/v1/orders/**: HEAD, PUT, PATCH, DELETE, OPTIONS") in whole

    without_payments = [one for one in USED if one.service != "data-service" or "payment" not in one.mtls_client]
    assert found(tmp_path, without_payments) - whole == {
        ("client", "CN=payment-service-client,O=MyOrg"),
        ("egress_route", "/data"),
        ("principal", "payment-service"),
    }
    refused = [
        msgspec.structs.replace(one, decision="deny", reason="policy_denied") if "payments" in one.path else one
        for one in USED
    ]
    assert ("route", "/api/v1/payments/**") in found(tmp_path, refused)


def test_a_role_is_needed_where_a_request_would_be_refused_without_it(tmp_path: Path) -> None:
    """By the policies of the mesh; one that nobody asks for is not."""
    roles = {what for kind, what in found(tmp_path, USED) if kind == "role"}
    assert {"orders:read", "payments:read", "customer"} <= roles
    assert not {"orders:create", "payments:create"} & roles

    reads = [one for one in USED if one.path not in {"/orders", "/payments"}]
    reads += [record(name, path="/orders/1", **VIA_GATEWAY) for name in ("order-service", "payment-service")]
    assert "orders:create" in {what for kind, what in found(tmp_path, reads) if kind == "role"}


def test_of_services_without_records_nothing_is_said(tmp_path: Path) -> None:
    """Nor of the roles and users that they might have needed."""
    partly = [one for one in USED if one.service != "payment-service"]
    ended = suggest(tmp_path, partly)

    assert "without a record, so nothing is said of: payment-service" in ended.output
    assert not {(kind, what) for kind, what in found(tmp_path, partly) if "users-realm" in what or kind == "client"}
    assert not [line for line in ended.output.splitlines() if line.startswith("- realms/users-realm")]
    assert [line for line in suggest(tmp_path, USED).output.splitlines() if line.startswith("- realms/users-realm")]


def test_a_scope_that_brings_more_is_left_alone(tmp_path: Path) -> None:
    """The ledger's policy wants its scope; the stock's brings the audience."""
    mesh = correct_mesh("four_zones", tmp_path / "mesh")
    records = [
        record("stock", path="/levels/1", route="/levels/**", **own("shop")),
        record("ledger", method="POST", path="/entries", route="/entries", **own("stock")),
    ]
    assert not {what for kind, what in found(tmp_path, records, mesh) if kind == "scope"}
    assert ("route", "/reservations") in found(tmp_path, records, mesh)
    assert ("role", "stock: reserve") in found(tmp_path, records, mesh)
    assert ("role", "stock: read-levels") not in found(tmp_path, records, mesh)


def test_spiffe_ids_are_clients_too(tmp_path: Path) -> None:
    mesh = correct_mesh("spiffe", tmp_path / "mesh")
    for client, unused in (
        ("cart-client", set()),
        ("spiffe://mesh/back/cart", set()),
        ("other", {"spiffe://mesh/back/cart"}),
    ):
        record_ = record("stock", path="/levels", **{**own("cart"), "mtls_client": client})
        assert {what for kind, what in found(tmp_path, [record_], mesh) if kind == "client"} == unused


def test_the_patch_takes_out_what_is_named(tmp_path: Path) -> None:
    """Lines of an item and all below it; a route's methods are written where they are, or below its path."""
    ended = suggest(tmp_path, [*USED[:2], *(one for one in USED[2:] if "payment" not in str(one))])

    assert ended.exit_code == 1
    lines = ended.output.splitlines()
    assert '-    - path: "/api/v1/payments/**"' in lines
    assert '-      upstream: "https://payment-service.zone2.local:8443"' in lines
    assert "+      methods: [GET, POST]" in lines
    assert '-      - "CN=payment-service-client,O=MyOrg"' in lines
    assert "--- a/gateway/config.yaml" in lines


def test_json_is_as_its_schema_says_and_without_records_nothing_is_judged(tmp_path: Path) -> None:
    ended = suggest(tmp_path, USED, "--format", "json")
    document = msgspec.json.decode(ended.output, type=SuggestDocument)

    assert json.loads(msgspec.json.encode(document)) == json.loads(ended.output)
    assert (document.records, document.services["data-service"]) == (len(USED), 2)
    assert suggest(tmp_path, []).exit_code == 2


@pytest.mark.parametrize("noise", [b"", b"no record\n", b'{"time":"x"\n', b'{"time":7}\n'])
def test_what_is_no_record_is_passed_over(tmp_path: Path, noise: bytes) -> None:
    (file,) = written(tmp_path, {"audit.jsonl": USED})
    Path(file).write_bytes(noise + Path(file).read_bytes())

    assert f"{len(USED)} records of 4 services" in CliRunner().invoke(authz, ["suggest", str(EXAMPLE), file]).output
