"""One request through a mesh: the first no is named, with its place and what to do; its twin passes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.mesh.conftest import EXAMPLE, change

from authz_service.mesh.asked import AskedFor
from authz_service.mesh.door import Question, Unjudged
from authz_service.mesh.hop import Journey
from authz_service.mesh.journey import Travel
from authz_service.mesh.load import load_mesh
from authz_service.mesh.shown import NOTHING
from authz_service.mesh.spot import Spot

ORDER: dict[str, Any] = {"method": "POST", "target": "/api/v1/orders", "principal": "john"}
READ: dict[str, Any] = {"method": "GET", "target": "/data/inventory/P-1", "source": "order-service"}


def follow(folder: Path, **asked: Any) -> Journey:
    return Travel(load_mesh(folder), time.time).follow(AskedFor(**asked))


@pytest.mark.parametrize("folder", ["with certificates", "without"])
def test_a_good_request_reaches_its_service_over_every_hop(whole_example: Path, folder: str) -> None:
    """With the certificates of the files; where they are not here, the journey says what it takes to hold."""
    journey = follow(whole_example if folder == "with certificates" else EXAMPLE, **ORDER)

    assert journey.outcome == "allowed"
    assert [hop.sidecar for hop in journey.hops] == ["api-gateway", "order-service"]
    assert journey.hops[1].path == "/orders"
    assert journey.reached == "order-service"
    assert journey.onward == ("/data → data-service",)
    assumed = [line.said for hop in journey.hops for line in hop.lines if line.holds is None]
    assert bool(assumed) == (folder == "without")


def test_a_service_s_own_call_shows_its_own_token_and_certificate(whole_example: Path) -> None:
    journey = follow(whole_example, **READ)

    assert [(hop.sidecar, hop.direction) for hop in journey.hops] == [("order-service", "out"), ("data-service", "in")]
    assert journey.outcome == "allowed"
    assert "order-service-client" in journey.hops[1].certificate
    assert journey.hops[1].token == "service order-service, aud data-service"


CONFIG = "order-service/config.yaml"
FAULTS = {
    "another CA": (
        ORDER,
        (CONFIG, "ca/zone2-ca.crt", "ca/zone1-ca.crt"),
        ("order-service", "tls_refused", "order-service/config.yaml"),
    ),
    "another audience": (
        ORDER,
        (CONFIG, 'audience: "order-service"', 'audience: "orders"'),
        ("order-service", "token_audience_refused", "order-service/config.yaml"),
    ),
    "another client name": (
        ORDER,
        (CONFIG, "CN=api-gateway-client,O=MyOrg", "CN=gateway-client,O=MyOrg"),
        ("order-service", "client_not_allowed", "order-service/config.yaml"),
    ),
    "a path that is not stripped": (
        ORDER,
        ("gateway/config.yaml", '      strip_prefix: "/api/v1"\n', ""),
        ("order-service", "policy_denied", "order-service/policies/order.rego"),
    ),
    "a role that nobody has": (
        ORDER,
        ("realms/users-realm.json", '["customer", "orders:create", "orders:read"', '["customer", "orders:read"'),
        ("order-service", "policy_denied", "order-service/policies/order.rego"),
    ),
    "a scope that the realm lacks": (
        READ,
        (CONFIG, '"data-service:write"]', '"data-service:delete"]'),
        ("order-service", "egress_token_unavailable", "order-service/config.yaml"),
    ),
    "a token that stays behind": (
        ORDER,
        ("gateway/config.yaml", "pass_token: true", "pass_token: false"),
        ("order-service", "token_missing", "gateway/config.yaml"),
    ),
    "another issuer": (
        ORDER,
        (CONFIG, 'issuer: "${IDP_URL:-https://keycloak.example.com}/realms/users"', 'issuer: "https://other.example"'),
        ("order-service", "token_issuer_refused", "order-service/config.yaml"),
    ),
    "a route that is not there": (
        ORDER,
        ("gateway/config.yaml", '"/api/v1/orders/**"', '"/api/v2/orders/**"'),
        ("api-gateway", "route_not_found", "gateway/config.yaml"),
    ),
    "a target whose certificate has another name": (
        ORDER,
        ("gateway/config.yaml", "https://order-service.zone2.local:8443", "https://order-service.zone9.local:8443"),
        ("api-gateway", "tls_refused", "gateway/config.yaml"),
    ),
    "a target whose authority the caller does not know": (
        READ,
        (
            CONFIG,
            'ca_cert: "${CERTS_DIR:-/etc/certs}/ca/zone3-ca.crt"',
            'ca_cert: "${CERTS_DIR:-/etc/certs}/ca/zone1-ca.crt"',
        ),
        ("order-service", "tls_refused", "order-service/config.yaml"),
    ),
    "an unused permission": (
        READ | {"method": "POST", "target": "/data/payments"},
        (CONFIG, "audience", "audience"),
        ("data-service", "policy_denied", "data-service/policies/dataservice.rego"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_no_is_named_with_its_place(example_copy: Path, fault: str) -> None:
    """One planted fault each; the request without it passes (above)."""
    asked, (file, old, new), expected = FAULTS[fault]
    change(example_copy / file, old, new)

    refused = follow(example_copy, **asked).refused

    assert refused is not None
    assert refused.spot is not None
    assert (refused.sidecar, refused.reason, refused.spot.file) == expected
    assert refused.spot.line > 0
    assert refused.fix


def line_of(file: Path, text: str) -> int:
    """Of the last that has it."""
    return max(at for at, line in enumerate(file.read_text().splitlines(), 1) if text in line)


SECOND = """
    reports:
      url: "https://data-service.zone3.local:8443"
      auth:
        type: oauth2_client_credentials
        token_url: "${IDP_URL:-https://keycloak.example.com}/realms/services/protocol/openid-connect/token"
        client_id: "order-service"
        client_secret: "${ORDER_SERVICE_CLIENT_SECRET}"
        scopes: ["data-service:delete"]
      tls: {enabled: false}

  routes:
    - {path_prefix: "/reports", target: reports}
"""


def test_of_two_targets_the_one_that_lacks_a_scope_is_named(example_copy: Path) -> None:
    """And the scope; the first target, with the same client, is as it should be."""
    change(example_copy / CONFIG, "\n  routes:\n", SECOND)

    refused = follow(example_copy, **(READ | {"target": "/reports/1"})).refused

    assert refused is not None
    assert refused.spot == Spot(CONFIG, line_of(example_copy / CONFIG, "data-service:delete"))
    assert refused.fix == (
        "take data-service:delete out of scopes, or give it to order-service in realms/services-realm.json "
        "(optionalClientScopes)"
    )
    assert follow(example_copy, **READ).outcome == "allowed"


def test_a_caller_that_does_not_believe_its_target_is_the_one_that_refuses(example_copy: Path) -> None:
    """Nothing comes to the target; the step is the caller's."""
    change(example_copy / CONFIG, "/ca/zone3-ca.crt", "/ca/zone1-ca.crt")

    (hop,) = follow(example_copy, **READ).hops

    assert [(line.name, line.holds) for line in hop.lines[-2:]] == [("next", True), ("handshake", False)]
    assert hop.spot == Spot(CONFIG, line_of(example_copy / CONFIG, "ca_cert"))
    assert hop.fix.startswith("name the authority that signed that certificate in ca_cert")


def test_a_target_of_another_name_is_looked_for_where_its_name_is_written(example_copy: Path) -> None:
    """Its authority is the right one."""
    change(example_copy / CONFIG, "https://data-service.zone3", "https://data-service.zone9")

    refused = follow(example_copy, **READ).refused

    assert refused is not None
    assert refused.spot == Spot(CONFIG, line_of(example_copy / CONFIG, "https://data-service.zone9"))
    assert "ca_cert" not in refused.fix


@pytest.mark.parametrize(
    ("file", "old", "new", "fix"),
    [
        pytest.param(
            CONFIG,
            "/ca/zone2-ca.crt",
            "/ca/zone3-ca.crt",
            "name the authority that signed client-zone2.crt (O=MyOrg,CN=zone2-CA) in client_ca_file: ",
            id="the authority is another zone's",
        ),
        pytest.param(
            "gateway/config.yaml",
            "/client-zone2.crt",
            "/../order-service/client-zone3.crt",
            "/client-zone3.crt (gateway/config.yaml:",
            id="the certificate is another zone's",
        ),
    ],
)
def test_of_a_certificate_and_its_authority_the_one_of_another_zone_is_to_be_corrected(
    example_copy: Path, file: str, old: str, new: str, fix: str
) -> None:
    """Not the other way: that would let another zone's callers in, or give one out its own."""
    change(example_copy / file, old, new)

    refused = follow(example_copy, **ORDER).refused

    assert refused is not None
    assert refused.reason == "tls_refused"
    assert fix in refused.fix
    assert ("name the authority" in refused.fix) == (file == CONFIG)
    assert ("have /" in refused.fix) == (file != CONFIG)


def test_a_refused_role_is_named_with_the_user_and_the_file(whole_example: Path) -> None:
    """The remedy, and the values that were compared."""
    refused = follow(whole_example, **(ORDER | {"principal": "victor"})).refused

    assert refused is not None
    assert refused.cause is not None
    assert refused.fix.startswith("give victor the role orders:create in realms/users-realm.json")
    assert refused.cause.line == '"orders:create" in input.token.realm_access.roles'
    assert refused.cause.values == ("orders:create", ["customer"])


@pytest.mark.parametrize(
    ("asked", "file", "written", "wanted", "prefix"),
    [
        (
            READ | {"method": "POST", "target": "/data/payments"},
            CONFIG,
            '      strip_prefix: "/data"\n',
            'input.request.segments == ["payments"]',
            "/data",
        ),
        (READ, CONFIG, '      strip_prefix: "/data"\n', 'input.request.segments[0] == "inventory"', "/data"),
        (
            ORDER,
            "gateway/config.yaml",
            '      strip_prefix: "/api/v1"\n',
            'input.request.segments == ["orders"]',
            "/api/v1",
        ),
        (
            ORDER | {"method": "GET", "target": "/api/v1/orders/1"},
            "gateway/config.yaml",
            '      strip_prefix: "/api/v1"\n',
            'input.request.segments[0] in ["orders", "inventory"]',
            "/api/v1",
        ),
    ],
)
def test_a_path_that_arrives_with_its_prefix_is_told_where_to_lose_it(
    example_copy: Path, asked: dict[str, Any], file: str, written: str, wanted: str, prefix: str
) -> None:
    """And the rule that is shown is the one which would take the rest of it."""
    change(example_copy / file, written, "")

    refused = follow(example_copy, **asked).refused

    assert refused is not None
    assert refused.cause is not None
    assert refused.cause.line == wanted
    route = (
        load_mesh(example_copy)
        .sidecars["order-service" if file == CONFIG else "api-gateway"]
        .spot(*(("egress", "routes", 0) if file == CONFIG else ("proxy", "routes", 0)))
    )
    assert refused.fix.endswith(
        f"the path arrives as {asked['target']}: write strip_prefix: {prefix} at the route that leads here ({route})"
    )


def test_a_path_that_no_rule_has_is_not_told_to_lose_anything(whole_example: Path) -> None:
    refused = follow(whole_example, **(READ | {"target": "/data/prices/1"})).refused

    assert refused is not None
    assert "strip_prefix" not in refused.fix


def test_a_policy_that_cannot_be_loaded_is_said_and_nothing_is_decided(example_copy: Path) -> None:
    change(example_copy / "order-service/policies/order.rego", "default allow := false", "default allow := nothing")

    journey = follow(example_copy, **ORDER)

    assert journey.outcome == "unknown"
    assert "order.rego:6" in journey.why_unknown


@pytest.mark.parametrize(
    ("asked", "file", "old", "new"),
    [
        (READ, CONFIG, 'strip_prefix: "/data"', 'strip_prefix: "/dat"'),
        (ORDER, "gateway/config.yaml", 'strip_prefix: "/api/v1"', 'strip_prefix: "/api/v"'),
    ],
)
def test_a_prefix_that_cannot_be_stripped_is_not_judged(
    example_copy: Path, asked: dict[str, Any], file: str, old: str, new: str
) -> None:
    """Such a sidecar would not start; said once, with its place, on the way in and on the way out."""
    change(example_copy / file, old, new)

    journey = follow(example_copy, **asked)

    assert journey.outcome == "unknown"
    assert "would not start: strip_prefix" in journey.why_unknown
    assert journey.why_unknown.count(f"{file}:") == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"principal": "nobody"}, "there are: .*john, mary, victor"),
        ({"source": "shop"}, "there is no service shop"),
    ],
)
def test_a_question_that_means_nothing_is_told_so(asked: dict[str, str], said: str) -> None:
    with pytest.raises(Unjudged, match=said):
        follow(EXAMPLE, **{"method": "GET", "target": "/api/v1/orders/1", **asked})


def test_claims_of_one_s_own_are_judged(whole_example: Path) -> None:
    """As an issuer would have signed them."""
    audience = ["api-gateway", "order-service"]
    claims = {"sub": "u1", "preferred_username": "eve", "typ": "Bearer", "azp": "web-app", "aud": audience}
    good = claims | {"realm_access": {"roles": ["orders:create"]}}

    assert follow(whole_example, method="POST", target="/api/v1/orders", claims=good).outcome == "allowed"
    assert follow(whole_example, method="POST", target="/api/v1/orders", claims=claims).outcome == "refused"


@pytest.mark.parametrize("text", ["proxy: [\n", "proxy: {hedaers: {}}\n"])
@pytest.mark.parametrize("file", [CONFIG, "gateway/config.yaml"])
def test_a_sidecar_that_would_not_start_lets_nobody_through(example_copy: Path, file: str, text: str) -> None:
    """Neither is it taken for somebody outside of the mesh, nor is another one taken for the door."""
    (example_copy / file).write_text(text, encoding="utf-8")

    try:
        outcome = follow(example_copy, **ORDER).outcome
    except Unjudged:
        outcome = "unknown"

    assert outcome == "unknown"


@pytest.mark.ended_by_signal
def test_a_policy_that_does_not_end_is_not_judged(example_copy: Path) -> None:
    """Within its own budget; the service behind it is not said to be reached."""
    loop = "count([1 | some x in numbers.range(1, 100000); some y in numbers.range(1, 100000)]) > 0"
    change(example_copy / "order-service/policies/order.rego", "has_permission\n}\n", f"has_permission\n\t{loop}\n}}\n")

    journey = follow(example_copy, **ORDER)

    assert journey.outcome == "unknown"
    assert "order-service: the policy does not end within 0.25 s" in journey.why_unknown


def test_a_host_is_told_as_envoy_tells_it(whole_example: Path) -> None:
    """Without the dot that ends a whole name (tests/integration/envoy/test_odd_requests.py)."""
    mesh = load_mesh(whole_example)
    door = Travel(mesh, time.time).door(mesh.sidecars["api-gateway"])

    assert door.request(Question("GET", "/", "edge.test.:8443", NOTHING, None), "/").host == "edge.test:8443"


def test_a_missing_denylist_is_said(example_copy: Path) -> None:
    """Nobody is revoked by a file that is not here."""
    config = example_copy / CONFIG
    config.write_text(config.read_text() + "revocation: {path: /etc/authz/denylist.yaml}\n")

    journey = follow(example_copy, **ORDER)

    assert any("denylist.yaml is not here" in line.said for line in journey.hops[1].lines)


def exchanging(folder: Path, *, allowed: bool) -> None:
    """order-service sends the user's token on, exchanged for one to data-service."""
    change(
        folder / CONFIG,
        "type: oauth2_client_credentials",
        "type: oauth2_token_exchange\n        audience: data-service",
    )
    change(folder / CONFIG, "/realms/services/protocol", "/realms/users/protocol")
    change(folder / CONFIG, '        scopes: ["data-service:read", "data-service:write"]', "        scopes: []")
    change(folder / "data-service/config.yaml", "/realms/services", "/realms/users")
    change(folder / "data-service/config.yaml", "service_tokens: all", "service_tokens: auto")
    mapper = {"included.custom.audience": "data-service", "access.token.claim": "true"}
    client = {
        "clientId": "order-service",
        "secret": "s",
        "serviceAccountsEnabled": True,
        "attributes": {"standard.token.exchange.enabled": str(allowed).lower()},
        "protocolMappers": [{"name": "data", "protocolMapper": "oidc-audience-mapper", "config": mapper}],
    }
    realm = json.loads((folder / "realms/users-realm.json").read_text())
    realm["clients"].append(client)
    (folder / "realms/users-realm.json").write_text(json.dumps(realm))


@pytest.mark.parametrize(("allowed", "reason"), [(True, ""), (False, "egress_token_unavailable")])
def test_a_user_s_token_is_exchanged_on_the_way_out(example_copy: Path, reason: str, *, allowed: bool) -> None:
    """For one of the same user to the target, issued to the service; where the realm lets it."""
    exchanging(example_copy, allowed=allowed)

    journey = follow(example_copy, **(READ | {"principal": "john"}))

    assert (journey.refused.reason if journey.refused else "") == reason
    if allowed:
        assert journey.hops[1].token == "user john, aud data-service"
