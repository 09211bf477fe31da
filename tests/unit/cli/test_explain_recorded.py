"""`authz explain --correlation-id`: what was recorded of a request, and why, by the mesh's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.support.audit_trails import ID, order_flow, record, written
from tests.support.meshes import example_mesh

from authz_service.audit.record import AuditRecord
from authz_service.cli.explain_recorded import ExplainRecordedDocument
from authz_service.cli.main import authz

USER: Mapping[str, Any] = {"user_id": "u-2", "user_name": "victor", "calling_service": "web-app", "user_context": "u-2"}
GATEWAY = record("api-gateway", 103, method="POST", path="/api/v1/orders", downstream="order-service", **USER)
DENIED: Mapping[str, Any] = {"decision": "deny", "reason": "policy_denied"}
AT_ORDER = record(
    "order-service", 107, method="POST", path="/orders", mtls_client="api-gateway-client", **DENIED, **USER
)
OWN: Mapping[str, Any] = {
    "mtls_client": "payment-service-client",
    "calling_service": "payment-service",
    "user_name": "service-account-payment-service",
}
AT_DATA = record("data-service", 114, path="/inventory/PROD-123", **DENIED, **OWN)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example_mesh(tmp_path_factory.mktemp("example") / "mesh")


def explain(mesh: Path, folder: Path, *records: AuditRecord, form: str = "text") -> Result:
    (file,) = written(folder, {"audit.jsonl": list(records)})
    return CliRunner().invoke(authz, ["explain", str(mesh), "--correlation-id", ID, file, "--format", form])


def test_a_refusal_behind_the_gateway_is_explained_from_the_users_request(files: Path, tmp_path: Path) -> None:
    """The tree first, then each step up to the no, with its place and what to do."""
    ended = explain(files, tmp_path, GATEWAY, AT_ORDER)

    assert ended.exit_code == 1
    assert "└─ ✗ order-service (zone2) POST /orders  +4\N{NO-BREAK SPACE}ms" in ended.output
    assert "Why, by the files here: POST /api/v1/orders as victor" in ended.output
    assert "refused by order-service: 403 policy_denied" in ended.output
    assert "order-service/policies/order.rego:33" in ended.output
    assert ended.output.splitlines()[-1] == "· this is what was recorded"


def test_a_refusal_behind_an_egress_is_explained_from_what_the_service_asked_for(files: Path, tmp_path: Path) -> None:
    """With the prefix that the egress took away; whether or not the service's own record is there."""
    began = record("payment-service", 107, method="POST", path="/payments")
    for records in ([began, AT_DATA], [AT_DATA]):
        ended = explain(files, tmp_path, *records)
        assert "GET /data/inventory/PROD-123 of payment-service" in ended.output
        assert "refused by data-service: 403 policy_denied" in ended.output
        assert ended.output.splitlines()[-1] == "· this is what was recorded"


def test_a_request_that_vanished_was_refused_in_the_handshake(files: Path, tmp_path: Path) -> None:
    """If the files say so: with another CA at the order service, and not with the right one."""
    broken = example_mesh(tmp_path / "mesh")
    config = broken / "order-service" / "config.yaml"
    config.write_text(config.read_text().replace('zone2-ca.crt"  # correction 1', 'zone1-ca.crt"  # correction 1'))
    ended = explain(broken, tmp_path, GATEWAY)

    assert ended.exit_code == 1
    assert "of which no record is here" in ended.output
    assert "order-service/config.yaml:" in ended.output
    assert ended.output.splitlines()[-1] == "· this is what was recorded"
    whole = explain(files, tmp_path, GATEWAY)
    assert "recorded was: sent on by api-gateway, and lost" in whole.output


def test_what_the_files_do_not_say_any_more_is_told(files: Path, tmp_path: Path) -> None:
    """Victor was given the role since; or his token had ended, which files cannot know."""
    mended = example_mesh(tmp_path / "mesh")
    realm = mended / "realms" / "users-realm.json"
    realm.write_text(
        realm.read_text().replace('"realmRoles": ["customer"]', '"realmRoles": ["customer", "orders:create"]')
    )
    later = explain(mended, tmp_path, GATEWAY, AT_ORDER)
    assert (later.exit_code, "recorded was: policy_denied at order-service." in later.output) == (1, True)

    expired = explain(files, tmp_path, msgspec.structs.replace(GATEWAY, decision="deny", reason="token_expired"))
    assert "recorded was: token_expired at api-gateway." in expired.output


def test_another_certificate_than_the_files_give_is_told(files: Path, tmp_path: Path) -> None:
    """A token that came with another service's certificate; the own one is not told of."""
    token = {"calling_service": "order-service", "user_name": "service-account-order-service"}
    mismatch: Mapping[str, Any] = {"decision": "deny", "reason": "token_client_mismatch", **token}
    began = record("order-service", 107, method="POST", path="/orders")
    stolen = record("data-service", 114, path="/inventory/P-1", mtls_client="payment-service-client", **mismatch)
    own = msgspec.structs.replace(stolen, mtls_client="order-service-client")

    told = explain(files, tmp_path, began, stolen).output
    assert (
        "recorded: token of order-service with certificate payment-service-client; "
        "the files give O=MyOrg,CN=order-service-client"
    ) in " ".join(told.split())
    assert "the page of reasons says what token_client_mismatch means" in told
    assert "; the files give" not in explain(files, tmp_path, began, own).output


def test_where_nothing_was_refused_nothing_is_explained(files: Path, tmp_path: Path) -> None:
    ended = explain(files, tmp_path, *(one for made in order_flow().values() for one in made))

    assert (ended.exit_code, ended.output.splitlines()[-1]) == (0, "Nothing of it was refused.")
    assert explain(files, tmp_path, msgspec.structs.replace(GATEWAY, correlation_id="other")).exit_code == 1


def test_json_is_as_its_schema_says(files: Path, tmp_path: Path) -> None:
    """And a service that the mesh has not is no question to it."""
    ended = explain(files, tmp_path, GATEWAY, AT_ORDER, form="json")
    document = msgspec.json.decode(ended.output, type=ExplainRecordedDocument)

    assert json.loads(msgspec.json.encode(document)) == json.loads(ended.output)
    assert document.agrees
    assert document.explained is not None
    assert document.explained.outcome == "refused"
    stranger = explain(files, tmp_path, record("stranger", decision="deny", reason="policy_denied"))
    assert (stranger.exit_code, "there is no service stranger" in stranger.output) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "MESH", "--correlation-id", ID),
        ("trail", ID),
        ("suggest", "MESH"),
        ("replay", "MESH"),
        ("audit", "verify"),
    ],
)
def test_a_folder_in_place_of_audit_files_is_told_how_to_be_named(
    files: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """By every command that reads them."""
    given = [str(files) if word == "MESH" else word for word in words]
    ended = CliRunner().invoke(authz, [*given, f"{tmp_path}/"])

    assert ended.exit_code == 2
    assert f"is a folder: name its files, such as {tmp_path}/*.jsonl" in "".join(ended.output.splitlines())


@pytest.mark.parametrize("words", [("explain", "--correlation-id", ID), ("suggest",)])
def test_an_audit_file_is_no_mesh(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Whoever forgets the mesh is told so."""
    (file,) = written(tmp_path, {"audit.jsonl": [GATEWAY]})
    ended = CliRunner().invoke(authz, [*words, file, file])

    assert (ended.exit_code, "MESH comes first: the folder of the configurations" in ended.output) == (2, True)


def test_the_request_is_given_in_one_way(files: Path) -> None:
    for words in (["GET"], ["GET", "/x", "/y"]):
        assert CliRunner().invoke(authz, ["explain", str(files), *words]).exit_code == 2
