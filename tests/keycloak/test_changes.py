"""What an administrator changes on Keycloak, and what our sidecars make of it. The last test restarts Keycloak."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import RSAKey
from tests.support.changed_clients import ChangeClient
from tests.support.echo_service import EchoService
from tests.support.keycloak_changes import change_key, change_user
from tests.support.live import Live, decoded
from tests.support.lone_sidecar import REMOVED, LoneSidecar, replace, until
from tests.support.target_service import target_service

from authz_devkit.demo.caller import POD
from authz_devkit.demo.mesh import at_address
from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]
AUTH = "egress.targets.data-service.auth"
ORDER = {"product_id": "PROD-123", "quantity": 1}
LIFETIME = "8"  # seconds, of a hasty client's tokens
SHORT = {f"{AUTH}.refresh_before_expiry": "5s"}


@pytest.fixture
def target(live: Live) -> Iterator[EchoService]:
    with target_service(live) as service:
        yield service


def test_a_new_signing_key_is_learnt_and_a_disabled_one_forgotten(start_sidecar: StartSidecar, live: Live) -> None:
    """While the old key is published its tokens serve; when it is disabled they do not, and the new ones go on."""
    sidecar, old = start_sidecar({"jwt.jwks_refresh_interval": "10s"}), live.user("john")
    old_kid = decoded(old)[0]["kid"]
    assert sidecar.call("GET", "/orders/1", token=old).status == 200
    keys_age = 'authz_keys_age_seconds{issuer="' + sidecar.config["jwt"]["issuer"] + '"}'
    until(lambda: sidecar.metric(keys_age) > 5.5)  # the pause between two questions about unknown keys

    pem = RSAKey.generate_key(2048).as_pem(private=True).decode()
    new_kid = live.administer(lambda admin: admin.add_signing_key("users", pem, priority=300))
    try:
        new = live.user("john")
        assert decoded(new)[0]["kid"] == new_kid
        assert sidecar.call("GET", "/orders/1", token=new).status == 200
        assert sidecar.call("GET", "/orders/1", token=old).status == 200

        live.administer(lambda admin: change_key(admin, "users", old_kid, active=False, enabled=False))
        until(lambda: sidecar.call("GET", "/orders/1", token=old).status == 401)
        assert sidecar.call("GET", "/orders/1", token=old).problem["reason"] == Reason.TOKEN_KEY_UNKNOWN
        assert sidecar.call("GET", "/orders/1", token=new).status == 200
    finally:
        live.administer(lambda admin: change_key(admin, "users", old_kid, active=True, enabled=True))
        live.administer(lambda admin: change_key(admin, "users", new_kid, active=False, enabled=False))


def test_a_disabled_user_gets_no_token_but_keeps_the_one_he_has(start_sidecar: StartSidecar, live: Live) -> None:
    """That is what a token is: valid until it ends. Whoever cannot wait puts the user on the denylist."""
    sidecar, token = start_sidecar(), live.user("mary")
    live.administer(lambda admin: change_user(admin, "users", "mary", enabled=False))
    try:
        with pytest.raises(Exception, match="Account disabled"):
            live.user("mary")
        assert sidecar.call("GET", "/orders/1", token=token).status == 200
    finally:
        live.administer(lambda admin: change_user(admin, "users", "mary", enabled=True))
    assert live.user("mary")


def test_not_before_ends_old_tokens_at_keycloak_and_on_the_denylist(
    start_sidecar: StartSidecar, live: Live, tmp_path: Path
) -> None:
    """Keycloak calls them inactive from then on, but nobody tells a sidecar: that moment belongs on its denylist."""
    denylist = tmp_path / "denylist.yaml"
    denylist.write_text("{}")
    sidecar = start_sidecar({"revocation": {"path": str(denylist)}})
    service, user = live.service("order-service"), live.user("john")
    assert introspected(live, service)
    time.sleep(1.1)  # `iat` has whole seconds
    moment = int(time.time())
    revoke(live, moment)
    try:
        assert not introspected(live, service)
        assert sidecar.call("GET", "/orders/1", token=user).status == 200
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        replace(denylist, f'not_before: {{"{sidecar.config["jwt"]["issuer"]}": "{at}"}}\n')
        until(lambda: sidecar.call("GET", "/orders/1", token=user).status == 401)
        assert sidecar.call("GET", "/orders/1", token=user).problem["reason"] == Reason.TOKEN_REVOKED
        assert sidecar.call("GET", "/orders/1", token=live.user("john")).status == 200
    finally:
        revoke(live, 0)


def test_a_disabled_client_loses_its_token_when_it_ends(
    start_sidecar: StartSidecar, live: Live, change_client: ChangeClient, target: EchoService
) -> None:
    """Then nothing leaves, and the reason is said; enabled again, it heals by itself."""
    change_client("order-service", attributes={"access.token.lifespan": LIFETIME})
    hosts = {**live.mesh.hosts, "data-service.zone3.local": target.host}
    sidecar = start_sidecar({"hosts": hosts, **SHORT}, target=target.place)
    assert sidecar.call_egress("GET", "/data/x").status == 200

    change_client("order-service", enabled=False)
    until(lambda: sidecar.call_egress("GET", "/data/x").status == 503)
    assert sidecar.call_egress("GET", "/data/x").problem["reason"] == Reason.EGRESS_TOKEN_UNAVAILABLE
    assert "invalid_client" in str(sidecar.readyz()["degraded"])

    change_client("order-service", enabled=True)
    until(lambda: sidecar.call_egress("GET", "/data/x").status == 200)


def test_a_new_secret_is_taken_over_without_losing_a_request(
    start_sidecar: StartSidecar, live: Live, change_client: ChangeClient, target: EchoService, tmp_path: Path
) -> None:
    """The old token serves until the new secret is in its file."""
    change_client("order-service", attributes={"access.token.lifespan": "20"})
    secret = tmp_path / "secret"
    secret.write_text("order-service-secret")
    hosts = {**live.mesh.hosts, "data-service.zone3.local": target.host}
    changes = {"hosts": hosts, f"{AUTH}.client_secret": REMOVED, f"{AUTH}.client_secret_file": str(secret)}
    sidecar = start_sidecar({**changes, f"{AUTH}.refresh_before_expiry": "15s"}, target=target.place)
    first = token_seen(sidecar, target)

    change_client("order-service", secret="rotated-secret")
    until(lambda: "unauthorized_client" in str(sidecar.readyz()["degraded"]))
    assert sidecar.call_egress("GET", "/data/x").status == 200
    replace(secret, "rotated-secret")

    until(lambda: decoded(token_seen(sidecar, target))[1]["jti"] != decoded(first)[1]["jti"])
    until(lambda: sidecar.readyz()["degraded"] == [])


def test_keys_and_tokens_outlast_keycloak_and_find_it_again(mesh: Live) -> None:
    """Gone: what was issued serves, through all four sidecars. Back with its database: old tokens are still good."""
    john = mesh.user("john")
    process = mesh.mesh.processes["identity-provider"]
    process.send_signal(signal.SIGTERM)
    mesh.run(process.wait())

    assert mesh.call(POD["gateway"], "POST", "/api/v1/orders", token=john, body=ORDER).status == 201
    with pytest.raises(httpx.TransportError):
        mesh.user("john")

    mesh.run(mesh.mesh.start_identity_provider())
    for token in (john, mesh.user("john")):
        assert mesh.call(POD["gateway"], "POST", "/api/v1/orders", token=token, body=ORDER).status == 201


def revoke(live: Live, moment: int) -> None:
    """Both realms disown what they issued before."""
    live.administer(lambda admin: admin.call("PUT", "/users", {"notBefore": moment}))
    live.administer(lambda admin: admin.call("PUT", "/services", {"notBefore": moment}))


def token_seen(sidecar: LoneSidecar, target: EchoService) -> str:
    assert sidecar.call_egress("GET", "/data/x").status == 200
    [value] = target.seen[-1].values("authorization")
    return value.removeprefix("Bearer ")


def introspected(live: Live, token: str) -> bool:
    """Whether Keycloak calls it active."""
    url = f"{live.mesh.identity_url}/realms/services/protocol/openid-connect/token/introspect"
    with httpx.Client(verify=live.identity_tls, trust_env=False, timeout=30) as http:
        form = {"token": token, "client_id": "data-service", "client_secret": "data-service-secret"}
        request = http.build_request("POST", url, data=form)
        return bool(http.send(at_address(request, live.mesh.hosts)).json()["active"])
