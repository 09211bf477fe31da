"""The traps of SECURITY §1 that lie in tokens, sent to a real sidecar: T8, T9, T14. T17: row A2."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest
from tests.support.echo_service import nothing_arrives
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar

from authz_devkit.certs.tree import ca_bundle
from authz_service.domain.refusals import Reason


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("exp", "9999999999"), ("exp", []), ("exp", ...), ("exp", True), ("exp", {}), ("sub", {}), ("sub", ""),
        ("sub", ...),
        ("sub", ["a"]), ("sub", "a\r\nx-user-id: root"), ("azp", 7), ("azp", " "), ("realm_access", []),
        ("realm_access", {"roles": "admin"}), ("realm_access", {"roles": [7]}), ("iat", "now"), ("nbf", "never"),
    ],
)  # fmt: skip
def test_t08_a_claim_of_another_type_is_refused(
    door: LoneSidecar, live: Live, john: str, claim: str, value: object
) -> None:
    """Rego puts types in an order, so `exp > now` holds for any text; the signature here is the true one."""
    with nothing_arrives(door.echo):
        refused = door.call("GET", "/orders/1", token=live.signed("users", john, **{claim: value}))
    assert (refused.status, refused.problem["reason"]) == (401, Reason.TOKEN_CLAIMS_INVALID)

    assert door.call("GET", "/orders/1", token=live.signed("users", john, nbf=int(time.time()))).status == 200


@pytest.fixture(scope="module")
def data(live: Live, module_stack: ExitStack) -> LoneSidecar:
    """Called by services, as the data service is."""
    changes = {
        "http.tls.client_ca_file": str(ca_bundle(live.mesh.certs, "zone3")),
        "jwt.issuer": f"{live.mesh.identity_url}/realms/services",
        "jwt.audience": "data-service",
        "proxy.mtls.allowed_clients": ["CN=order-service-client,O=MyOrg", "CN=payment-service-client,O=MyOrg"],
    }
    return module_stack.enter_context(LoneSidecar(live, changes))


@pytest.mark.parametrize(
    ("bearer", "other"), [("order-service", "payment-service"), ("payment-service", "order-service")]
)
def test_t09_a_services_token_comes_with_its_own_certificate(
    data: LoneSidecar, live: Live, bearer: str, other: str
) -> None:
    """One stolen token, or one careless configuration, does not make order-service of payment-service."""
    token = live.service(bearer, "data-service:read")

    with nothing_arrives(data.echo):
        refused = data.call("GET", "/orders/1", token=token, certificate=f"{other}/client-zone3")
    assert (refused.status, refused.problem["reason"]) == (401, Reason.TOKEN_CLIENT_MISMATCH)

    assert data.call("GET", "/orders/1", token=token, certificate=f"{bearer}/client-zone3").status == 200


@pytest.mark.parametrize("second", ["{same}", "{other}", "Basic am9objpzZWNyZXQ="])
def test_t14_two_authorization_headers_are_no_token(door: LoneSidecar, live: Live, john: str, second: str) -> None:
    """They arrive joined by a comma, and gate and service might each read another one."""
    value = second.format(same=f"Bearer {john}", other=f"Bearer {live.user('mary')}")

    with nothing_arrives(door.echo):
        refused = door.call("GET", "/orders/1", token=john, headers=[("Authorization", value)])
    assert (refused.status, refused.problem["reason"]) == (401, Reason.TOKEN_MALFORMED)
    assert refused.values("www-authenticate")[0].startswith("Bearer ")

    assert door.call("GET", "/orders/1", token=john).status == 200
