"""The traps of SECURITY §1 that lie in tokens, sent to a real sidecar: T8, T9, T14, T17."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support import tokens
from tests.support.certificates import SERVER, Authority
from tests.support.echo_service import nothing_arrives
from tests.support.faulty_server import Answer, FaultyServer
from tests.support.jwt_attacks import KEYS, OTHER_ISSUER, OTHER_KEYS, Attack, attacks_on_header, attacks_on_signature
from tests.support.jwt_claim_attacks import attacks_on_claims, attacks_on_issuers
from tests.support.jwt_form_attacks import attacks_on_encoding, attacks_on_json
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar

from authz_devkit.certs.tree import ca_bundle
from authz_service.domain.refusals import Reason

_IDP = "idp.example"


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("exp", "9999999999"), ("exp", []), ("exp", ...), ("exp", True), ("exp", {}), ("sub", {}), ("sub", ""),
        ("sub", ...),
        ("sub", ["a"]), ("sub", "a\r\nx-user-id: root"), ("azp", 7), ("azp", ""), ("realm_access", []),
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


def all_attacks(now: float) -> Iterator[Attack]:
    """The hostile tokens of tests/support that a header can carry and that attack the keys of our issuer."""
    for table in (attacks_on_encoding, attacks_on_json, attacks_on_header, attacks_on_signature, attacks_on_claims,
                  attacks_on_issuers):  # fmt: skip
        yield from (
            attack
            for attack in table(now)
            if attack.keys == attack.twin_keys == KEYS and _is_header_value(attack.token)
        )


def _is_header_value(token: str) -> bool:
    """HTTP has no room for line breaks, trims spaces at the ends, and ends at 32 KiB."""
    return token == token.strip() and re.fullmatch(r"[ -~\x80-\xff]{1,30000}", token) is not None


@pytest.fixture
def issuers(tmp_path: Path, live: Live) -> Iterator[tuple[str, FaultyServer]]:
    """An identity provider with the tables' keys, and the file with its CA."""
    authority = Authority.living("idp-ca", time.time())
    ca_file = tmp_path / "idp-ca.crt"
    ca_file.write_bytes(authority.pem)
    leaf = authority.issue(_IDP, dns=(_IDP,), usages=(SERVER,)).write(tmp_path, "idp")
    with FaultyServer(leaf, address=live.free_address()) as server:
        server.script("/users", Answer(body=KEYS.encode()))
        server.script("/services", Answer(body=OTHER_KEYS.encode()))
        yield str(ca_file), server


def test_t17_every_hostile_token_is_refused_at_the_door(live: Live, issuers: tuple[str, FaultyServer]) -> None:
    """For the reason that its table names; its good twin is served (SECURITY A2)."""
    ca_file, server = issuers
    published = ((tokens.ISSUER, "/users"), (OTHER_ISSUER, "/services"))
    one = {"audience": tokens.AUDIENCE, "ca_file": ca_file, "algorithms": ["RS256", "PS256", "ES256", "ES384"]}
    trusted = [{"issuer": issuer, "jwks_url": server.url(path, host=_IDP), **one} for issuer, path in published]
    attacks = list(all_attacks(time.time()))
    with LoneSidecar(live, {"jwt": {"issuers": trusted}, "hosts": {_IDP: server.address}}) as sidecar:
        connection = sidecar.connection(sidecar.tls())
        with nothing_arrives(sidecar.echo):
            wrong = {one.name: found for one in attacks if (found := _refusal(connection, one.token)) != one.reason}
        served = [one.name for one in attacks if _refusal(connection, one.twin) == ""]
        connection.close()

    assert wrong == {}
    assert served == [one.name for one in attacks]
    assert len(served) >= 60


def _refusal(connection: http.client.HTTPConnection, token: str) -> str:
    """The reason; "" when the request was served."""
    connection.request("GET", "/orders/1", headers={"authorization": f"Bearer {token}".encode("latin-1")})
    answer = connection.getresponse()
    return str(json.loads(answer.read()).get("reason", ""))
