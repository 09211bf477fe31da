"""Each rule of `authz lint` fires where its fault is planted, at the planted place, and nowhere in a correct mesh."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.generated_mesh import Size, generate_mesh
from tests.support.meshes import CORRECT, correct_mesh, mesh_of_the_specification
from tests.unit.mesh.conftest import change

from authz_service.mesh.lint.catalogue import BY_ID, RULES
from authz_service.mesh.lint.run import Linted, lint
from authz_service.mesh.load import load_mesh


def linted(folder: Path) -> Linted:
    return lint(load_mesh(folder), time.time())


def ids(found: Linted) -> set[str]:
    return {one.rule.id for one in (*found.findings, *found.notes)}


Plant = Callable[[Path], None]


def replaced(file: str, old: str, new: str) -> Plant:
    return lambda folder: change(folder / file, old, new)


def _another_pair(folder: Path) -> None:
    shutil.copy(folder / "certs/payment-service/server.crt", folder / "certs/order-service/server.crt")


def _routes_of_order(folder: Path) -> None:
    routes = '  routes: [{path: "/orders/**"}, {path: "/internal/**"}]\n'
    change(folder / ORDER, "  mode: reverse_proxy\n", "  mode: reverse_proxy\n" + routes)


def _serves(folder: Path) -> None:
    (folder / "mesh.yaml").write_text("serves: {order-service: [/purchases/**]}\n")


def _no_prefix_taken(folder: Path) -> None:
    change(folder / PAYMENT, '      strip_prefix: "/data"\n', "")


def _policy_for_any_path(folder: Path) -> None:
    """What arrives below /data is let in by a rule that looks at no path."""
    _no_prefix_taken(folder)
    text = (folder / DATA_REGO).read_text()
    (folder / DATA_REGO).write_text(f'{text}\nallow if input.request.method == "PUT"\n')


def _no_prefix_in_the_policy(folder: Path) -> None:
    _no_prefix_taken(folder)
    change(
        folder / DATA_REGO, 'input.request.segments == ["payments"]', 'input.request.segments == ["data", "payments"]'
    )


def _no_prefix_at_the_service(folder: Path) -> None:
    _no_prefix_taken(folder)
    (folder / "mesh.yaml").write_text(
        (folder / "mesh.yaml").read_text() + "serves: {data-service: [/data/**, /orders/**]}\n"
    )


def _optional_audience(folder: Path) -> None:
    """Of a scope that john may ask for."""
    PLANTS["AZ214"][0](folder)
    config = {"included.custom.audience": "gateway-api", "access.token.claim": "true"}
    mapper = {"name": "aud", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper", "config": config}
    realm = json.loads((folder / USERS).read_text())
    scope = {"name": "gateway", "protocol": "openid-connect", "protocolMappers": [mapper]}
    realm.setdefault("clientScopes", []).append(scope)
    client = next(one for one in realm["clients"] if one["clientId"] == "web-app")
    client["optionalClientScopes"] = ["gateway"]
    (folder / USERS).write_text(json.dumps(realm))


def _no_token_wanted(folder: Path) -> None:
    PLANTS["AZ214"][0](folder)
    change(folder / GATEWAY, '  auth:\n    enabled: true\n    header: "Authorization"', "  auth:\n    enabled: false")


def _no_client_certificate(folder: Path) -> None:
    config = folder / GATEWAY
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if "client_cert:" not in line and "client_key:" not in line))


GATEWAY, ORDER, DATA = "gateway/config.yaml", "order-service/config.yaml", "data-service/config.yaml"
PAYMENT, DATA_REGO = "payment-service/config.yaml", "data-service/policies/dataservice.rego"
ORDER_REGO, USERS = "order-service/policies/order.rego", "realms/users-realm.json"
_PAYMENTS_ROUTE = """    - path: "/api/v1/payments/**"
      upstream: "https://payment-service.zone2.local:8443"
      strip_prefix: "/api/v1"
      auth_required: true
"""
PLANTS: dict[str, tuple[Plant, str]] = {
    "AZ001": (replaced(ORDER, "pass_token: false", "pass_tokens: false"), ORDER),
    "AZ002": (replaced(ORDER, "  token_store:", "  # authz-lint: ignore AZ601\n  token_store:"), ORDER),
    "AZ101": (replaced(ORDER, "ca/zone2-ca.crt", "ca/zone1-ca.crt"), ORDER),
    "AZ102": (replaced(ORDER, "CN=api-gateway-client", "CN=web-client"), ORDER),
    "AZ103": (replaced(GATEWAY, "order-service.zone2.local", "order-service.zone9.local"), ORDER),
    "AZ104": (replaced(GATEWAY, "ca/zone2-ca.crt", "ca/zone3-ca.crt"), GATEWAY),
    "AZ106": (_another_pair, ORDER),
    "AZ107": (_no_client_certificate, GATEWAY),
    "AZ201": (replaced(ORDER, 'audience: "order-service"', 'audience: "orders"'), ORDER),
    "AZ202": (replaced(ORDER, "/realms/users", "/realms/services"), ORDER),
    "AZ203": (lambda folder: (folder / USERS).unlink(), GATEWAY),
    "AZ204": (replaced(ORDER, 'client_id: "order-service"', 'client_id: "orders"'), ORDER),
    "AZ205": (replaced(ORDER, '"data-service:write"]', '"data-service:delete"]'), ORDER),
    "AZ206": (replaced(DATA, 'audience: "data-service"', 'audience: "data"'), DATA),
    "AZ207": (replaced(USERS, '"realmRoles": ["customer"]', '"realmRoles": ["ghost"]'), USERS),
    "AZ208": (replaced(ORDER, 'client_id: "order-service"', 'client_id: "payment-service"'), ORDER),
    "AZ212": (replaced(GATEWAY, "pass_token: true", "pass_token: false"), GATEWAY),
    "AZ213": (replaced(ORDER, "/realms/services/protocol", "/realms/users/protocol"), DATA),
    "AZ214": (replaced(GATEWAY, 'audience: "api-gateway"', 'audience: "gateway-api"'), GATEWAY),
    "AZ301": (replaced(ORDER_REGO, "default allow := false", "default allow := nothing"), ORDER_REGO),
    "AZ303": (
        replaced(ORDER_REGO, 'input.request.segments == ["orders"]', 'startswith(input.request.path, "/orders")'),
        ORDER_REGO,
    ),
    "AZ304": (replaced(ORDER_REGO, '"orders:create" in', '"orders:make" in'), ORDER_REGO),
    "AZ305": (replaced(ORDER_REGO, '"api-gateway-client"', '"web-client"'), ORDER_REGO),
    "AZ306": (replaced(ORDER_REGO, "is_string(input.token.sub)", "is_string(input.token.department)"), ORDER_REGO),
    "AZ307": (replaced(ORDER_REGO, "one_item if {", "unused if input.mtls.verified\n\none_item if {"), ORDER_REGO),
    "AZ401": (_serves, GATEWAY),
    "AZ403": (_routes_of_order, ORDER),
    "AZ404": (replaced(GATEWAY, _PAYMENTS_ROUTE, ""), GATEWAY),
    "AZ405": (_no_prefix_taken, PAYMENT),
    "AZ501": (
        replaced(
            ORDER, '- "CN=api-gateway-client,O=MyOrg"', '- "CN=api-gateway-client,O=MyOrg"\n      - "CN=x,O=MyOrg"'
        ),
        ORDER,
    ),
    "AZ601": (lambda folder: (folder / "certs/order-service/server.key").chmod(0o644), ORDER),
    "AZ602": (replaced(ORDER, "${ORDER_SERVICE_CLIENT_SECRET}", "hunter2"), ORDER),
    "AZ603": (replaced(ORDER, "http://${LOOPBACK_IP:-127.0.0.1}:9000", "http://orders.example:9000"), ORDER),
    "AZ906": (replaced(GATEWAY, "payment-service.zone2.local", "pay.example"), GATEWAY),
}
# Row of "What differs from the specification" (examples/three_zones/README.md) → the rules that name it, and where.
ROWS = {
    1: ("AZ101", (ORDER, "payment-service/config.yaml", DATA)),
    2: ("AZ102", (ORDER, "payment-service/config.yaml", DATA)),
    3: ("AZ103", (ORDER, "payment-service/config.yaml", DATA)),
    4: ("AZ105", (ORDER, DATA)),
    5: ("AZ301", ("data-service/policies/dataservice.rego",)),
    6: ("AZ302", ("data-service/policies/dataservice.rego",)),
    7: ("AZ201", (ORDER, "payment-service/config.yaml")),
    8: ("AZ203 AZ205 AZ206 AZ209 AZ210 AZ211", ()),
    9: ("AZ402", (GATEWAY,)),
    10: ("AZ901", (GATEWAY,)),
    11: ("AZ902", (ORDER, "payment-service/config.yaml", DATA)),
    12: ("AZ903", (ORDER, "payment-service/config.yaml")),
    13: ("AZ904", (DATA,)),
    14: ("AZ303 AZ308", ()),
    15: ("AZ905", (ORDER_REGO,)),
    16: ("AZ604 AZ605", ("compose.yaml",)),
    17: ("AZ601", (ORDER, "payment-service/config.yaml", DATA, GATEWAY)),
}
IN_THE_SPECIFICATION = {name for names, _ in ROWS.values() for name in names.split()} | {"AZ108"}


@pytest.fixture(scope="module")
def specification(tmp_path_factory: pytest.TempPathFactory) -> Linted:
    return linted(mesh_of_the_specification(tmp_path_factory.mktemp("lint") / "spec"))


@pytest.mark.parametrize("row", ROWS)
def test_each_contradiction_of_the_specification_is_named(specification: Linted, row: int) -> None:
    """With its place and what to do."""
    names, files = ROWS[row]
    for name in names.split():
        found = [one.what for one in (*specification.findings, *specification.notes) if one.rule.id == name]
        assert found, name
        assert all(one.fix and one.spot.line + (".json" in one.spot.file) > 0 for one in found)
        assert set(files) <= {one.spot.file for one in found}


def test_the_missing_scopes_roles_and_clients_are_named_by_name(specification: Linted) -> None:
    """Row 8 is several things, and each has its words."""
    said = "\n".join(f"{one.what.found} {one.what.fix} {one.what.other_says}" for one in specification.findings)

    for words in ("realm users", "data-service:read", "no realm has a client data-service", "take read-orders out"):
        assert words in said


@pytest.mark.parametrize("rule", PLANTS)
def test_a_rule_fires_where_its_fault_is(example_copy: Path, rule: str) -> None:
    """One planted fault; without it nothing is found (below)."""
    plant, file = PLANTS[rule]
    plant(example_copy)

    found = linted(example_copy)
    places = {one.what.spot.file for one in (*found.findings, *found.notes) if one.rule.id == rule}

    assert file in places, ids(found)


@pytest.mark.parametrize(
    ("plant", "rule"),
    [
        (_optional_audience, "AZ214"),
        (_no_token_wanted, "AZ214"),
        (PLANTS["AZ201"][0], "AZ214"),  # said of the arrow already
        (PLANTS["AZ206"][0], "AZ214"),
        (_policy_for_any_path, "AZ405"),
        (_no_prefix_in_the_policy, "AZ405"),
        (_no_prefix_at_the_service, "AZ405"),
        (replaced(GATEWAY, '      strip_prefix: "/api/v1"\n', ""), "AZ405"),  # AZ402 says it
    ],
)
def test_what_is_no_fault_of_a_rule_is_not_said(example_copy: Path, plant: Plant, rule: str) -> None:
    """Each is a fault of the rule's kind, but for one thing."""
    plant(example_copy)

    assert rule not in ids(linted(example_copy))


def said(folder: Path, rule: str) -> list[str]:
    found = [one.what for one in linted(folder).findings if one.rule.id == rule]
    return [f"{one.found}; {one.other_says}; {one.fix}" for one in found]


def test_a_scope_that_is_defined_need_not_be_defined(example_copy: Path) -> None:
    """First what takes away; what gives comes after it."""
    change(example_copy / ORDER, '"data-service:write"]', '"data-service:write-payments"]')
    (defined,) = said(example_copy, "AZ205")
    change(example_copy / ORDER, '"data-service:write-payments"]', '"data-service:delete"]')
    (undefined,) = said(example_copy, "AZ205")

    given = "give them to order-service (optionalClientScopes)"
    assert defined.endswith(f"; take data-service:write-payments out of scopes, or {given}")
    assert undefined.endswith(f"; take data-service:delete out of scopes, or define them in clientScopes and {given}")


def test_all_who_are_alike_are_named(example_copy: Path) -> None:
    PLANTS["AZ304"][0](example_copy)

    (one,) = said(example_copy, "AZ304")

    assert "nobody whose token it accepts has it (john, mary, victor)" in one


def test_certificates_that_are_not_here_are_named(example_copy: Path) -> None:
    """All are here; then all but one."""
    assert linted(example_copy).certificates_not_here == ()
    (example_copy / "certs/ca/zone2-ca.crt").unlink()
    assert linted(example_copy).certificates_not_here == ("/etc/certs/ca/zone2-ca.crt",)


def test_every_rule_is_tried() -> None:
    """By a planted fault, or by the specification."""
    assert set(PLANTS) | IN_THE_SPECIFICATION == {*BY_ID, "AZ002"}
    assert len(BY_ID) == len(RULES)


def test_nothing_is_found_in_the_corrected_mesh(whole_example: Path) -> None:
    assert linted(whole_example).findings == ()


@pytest.mark.parametrize("name", CORRECT)
def test_nothing_is_found_in_a_correct_mesh(tmp_path: Path, name: str) -> None:
    """Of another shape."""
    assert linted(correct_mesh(name, tmp_path / name)).findings == ()


def test_nothing_is_found_in_a_generated_mesh(tmp_path: Path) -> None:
    """A small one of its kind; `python -m bench.mesh` has the large one."""
    assert linted(generate_mesh(tmp_path, Size(services=8, routes=24, users=12))).findings == ()


@pytest.mark.parametrize(("comment", "ignored"), [("the key is of the example", True), ("", False)])
def test_what_is_ignored_needs_a_reason(example_copy: Path, comment: str, *, ignored: bool) -> None:
    """In the line above; it is counted all the same."""
    PLANTS["AZ601"][0](example_copy)
    change(example_copy / ORDER, "    key_file:", f"    # authz-lint: ignore AZ601 {comment}\n    key_file:")

    found = linted(example_copy)

    assert ("AZ601" in ids(found)) is not ignored
    assert ("AZ002" in ids(found)) is not ignored
    assert [one.rule.id for one in found.ignored] == (["AZ601"] if ignored else [])


@pytest.mark.parametrize("comment", ["a reader reads all of it", ""])
def test_a_policy_s_comment_needs_a_reason_too(example_copy: Path, comment: str) -> None:
    """In the file that is read, whatever it ignores."""
    line = f"# authz-lint: ignore AZ303 {comment}\ndefault allow := false"
    change(example_copy / ORDER_REGO, "default allow := false", line)

    spots = [one.what.spot.file for one in linted(example_copy).findings if one.rule.id == "AZ002"]

    assert spots == ([] if comment else [ORDER_REGO])


def test_an_ignored_rule_leaves_the_others(example_copy: Path) -> None:
    """The comment names one id."""
    PLANTS["AZ601"][0](example_copy)
    change(example_copy / ORDER, "    key_file:", "    # authz-lint: ignore AZ602 of the example\n    key_file:")

    assert "AZ601" in ids(linted(example_copy))
