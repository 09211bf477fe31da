import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.realm.conftest import EXAMPLE

from authz_realm.realm import RealmProblems, load_realms

Document = dict[str, Any]

SPECIFICATION = {
    "realm": "services",
    "enabled": True,
    "clients": [
        {
            "clientId": "order-service",
            "enabled": True,
            "publicClient": False,
            "serviceAccountsEnabled": True,
            "clientAuthenticatorType": "client-secret",
            "secret": "order-service-secret",
        }
    ],
}


def test_the_specification_s_short_form_gets_what_keycloak_adds(tmp_path: Path) -> None:
    """Built-in scopes and a service account, with the same id at each start."""
    (tmp_path / "services.json").write_text(json.dumps(SPECIFICATION))

    realm = load_realms(tmp_path)["services"]

    client = realm.clients[0]
    account = realm.find_service_account(client)
    assert account is not None
    assert account.username == "service-account-order-service"
    assert account.id == load_realms(tmp_path)["services"].users[0].id
    assert client.default_client_scopes is not None
    assert {"basic", "roles", "service_account"} <= set(client.default_client_scopes)


def test_a_service_account_is_no_person(tmp_path: Path) -> None:
    realm = load_realms(EXAMPLE)["services"]

    assert realm.find_user("service-account-order-service") is None
    assert load_realms(EXAMPLE)["users"].find_user("JOHN@example.com") is not None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda realm: realm.pop("realm"), "missing required field `realm`"),
        (lambda realm: realm["clients"][1].update(enabled="yes"), "$.clients[1].enabled"),
        (lambda realm: realm.update(defaultSignatureAlgorithm="HS256"), "defaultSignatureAlgorithm: `HS256`"),
        (lambda realm: realm["clients"][1].pop("secret"), "clients[order-service].secret"),
        (lambda realm: realm["clients"][1].update(optionalClientScopes=["x"]), "client scope `x`"),
        (lambda realm: realm["clients"].append(realm["clients"][0]), "clients: `api-gateway` is there twice"),
        (lambda realm: realm["users"][1].update(realmRoles=["admin"]), "no role `admin`"),
        (
            lambda realm: realm["users"][1]["clientRoles"].update({"data-service": ["rule"]}),
            "users[service-account-order-service].clientRoles: the client `data-service` has no role `rule`",
        ),
        (lambda realm: realm["users"][1].update(serviceAccountClientId="web"), "no client `web`"),
        (lambda realm: realm["users"][1].update(id=realm["users"][2]["id"]), "is there twice"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_path(
    tmp_path: Path, change: Callable[[Document], object], text: str
) -> None:
    """The good file loads; with one change it does not, and the text leads to the place."""
    document = json.loads((EXAMPLE / "services-realm.json").read_text())
    file = tmp_path / "services-realm.json"
    file.write_text(json.dumps(document))
    load_realms(tmp_path)

    change(document)
    file.write_text(json.dumps(document))

    with pytest.raises(RealmProblems) as caught:
        load_realms(tmp_path)
    assert str(file) in str(caught.value)
    assert text in str(caught.value)


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("not json")
    (tmp_path / "b.json").write_text(json.dumps({**SPECIFICATION, "defaultSignatureAlgorithm": "none"}))
    (tmp_path / "c.json").write_text(json.dumps(SPECIFICATION))

    with pytest.raises(RealmProblems) as caught:
        load_realms(tmp_path)
    assert [problem.partition(": ")[0].rpartition("/")[2] for problem in caught.value.problems] == [
        "a.json",
        "b.json",
        "c.json",
    ]


def test_a_folder_without_realms_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(RealmProblems, match="no realm file"):
        load_realms(tmp_path)
