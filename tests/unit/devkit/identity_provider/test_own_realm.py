"""A realm of somebody's own, from the command line: whole, or one clear answer without a secret in it."""

import pytest
from click.testing import CliRunner

from authz_devkit.cli import main
from authz_devkit.identity_provider.own_realm import own_realm
from authz_realm.realm import RealmProblems


def test_what_was_said_is_in_the_realm() -> None:
    """Each client with its secret and the audiences, each user with the roles that are his."""
    roles = {"anna": ["buyer", "seller"]}
    users = {"anna": "annas-password", "ben": "bens-password"}

    clients = {"web": "s1", "job": "s2"}
    realm = own_realm("own", clients=clients, users=users, roles=roles, audiences=["shop"])["own"]

    assert {client.client_id: client.secret for client in realm.clients} == {"web": "s1", "job": "s2"}
    assert {client.protocol_mappers[0].config["included.custom.audience"] for client in realm.clients} == {"shop"}
    people = [user for user in realm.users if user.service_account_client_id is None]
    found = {user.username: (user.password, user.realm_roles) for user in people}
    assert found == {"anna": ("annas-password", ("buyer", "seller")), "ben": ("bens-password", ())}


def test_a_role_of_nobody_is_a_problem() -> None:
    """A typing mistake would be a user without rights."""
    with pytest.raises(RealmProblems, match="no user `ana`"):
        own_realm("own", clients={"web": "s"}, users={"anna": "p"}, roles={"ana": ["buyer"]}, audiences=[])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "say either --realms, or --client"),
        (["--realms", ".", "--client", "web=hidden"], "say either --realms, or --client"),
        (["--user", "anna=hidden"], "say either --realms, or --client"),
        (["--client", "=hidden"], "write NAME=VALUE"),
        (["--client", "web="], "write NAME=VALUE"),
        (["--client", "web=hidden", "--client", "web=hidden"], "each name once"),
        (["--client", "web=hidden", "--role", "anna=buyer"], "no user `anna`"),
    ],
)
def test_a_wrong_wish_is_answered_with_what_to_do(arguments: list[str], text: str) -> None:
    """And with no secret."""
    result = CliRunner(env={"COLUMNS": "400"}).invoke(main, ["idp", "--cert", "c", "--key", "k", *arguments])

    assert result.exit_code != 0
    assert text in result.output
    assert "hidden" not in result.output
