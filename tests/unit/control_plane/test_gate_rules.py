"""From configuration to the workers' rules: what keeps somebody out keeps him out there."""

from pathlib import Path

import pytest
from tests.support.config_files import changed, load_tree

from authz_service.control_plane.gate_rules import gate_rules
from authz_service.domain.rules import GateRules


def rules(folder: Path, changes: dict[str, object]) -> GateRules:
    return gate_rules(load_tree(folder, changed(changes)), None, "r1")


@pytest.mark.parametrize(
    ("client_auth", "anonymous", "required"),
    [("require", None, True), ("request", None, True), ("request", "false", True), ("request", "true", False)],
)
def test_only_a_key_of_its_own_lets_callers_without_a_certificate_by(
    tmp_path: Path, client_auth: str, anonymous: str | None, required: bool
) -> None:
    changes: dict[str, object] = {"http.tls.client_auth": client_auth}
    if anonymous is not None:
        changes["proxy.mtls.allow_anonymous"] = anonymous

    peers = rules(tmp_path, changes).peers

    assert peers is not None
    assert peers.required is required


def test_whose_tokens_they_are_reaches_the_workers(tmp_path: Path) -> None:
    """Another claim for the audience, the clients of users, and several clients of one certificate."""
    changes: dict[str, object] = {
        "jwt.audience_claim": "client_id",
        "jwt.service_tokens": "by_client",
        "jwt.user_clients": ["web", "app"],
        "proxy.mtls.bindings": {"orders": ["a", "b"], "data": "c"},
    }
    found = rules(tmp_path, changes)
    (issuer,), (default,) = found.issuers, rules(tmp_path, {}).issuers

    assert (issuer.audience_claim, issuer.user_clients) == ("client_id", ("web", "app"))
    assert (default.audience_claim, default.user_clients) == ("aud", ())
    assert found.peers is not None
    assert found.peers.bindings == (("data", "c"), ("orders", "a"), ("orders", "b"))


def test_how_service_tokens_are_told_reaches_the_workers(tmp_path: Path) -> None:
    told = {"service_tokens": "claim", "service_claims": {"idtyp": "app"}, "client_claim": "appid"}
    (issuer,) = rules(tmp_path, {f"jwt.{name}": value for name, value in told.items()}).issuers
    (default,) = rules(tmp_path, {}).issuers

    assert (issuer.service_tokens, issuer.service_claims, issuer.client_claim) == (
        "claim",
        (("idtyp", "app"),),
        "appid",
    )
    assert (default.service_tokens, default.service_claims, default.client_claim) == ("auto", (), "")
