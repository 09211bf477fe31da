"""The security matrix: the file expands to every combination, once, and says what the drawing says."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml
from tests.support.example_policies import DATA, GATEWAY, NEVER, ORDER, PAYMENT, Policy, compiled, document

from authz_devkit.demo.matrix import Cell, load_matrix, one_of_each
from authz_rego import Query
from authz_service.domain.refusals import ANSWERS, Reason

FILE = Path(__file__).parents[4] / "examples" / "three_zones" / "security_matrix.yaml"

# The specification's table "Security Matrix": source, destination, certificate, token.
ARROWS = {
    ("user", "gateway", "none", "john"),
    ("api-gateway", "order", "gateway-zone2", "john"),
    ("api-gateway", "payment", "gateway-zone2", "john"),
    ("order-service", "data", "order-zone3", "order-service"),
    ("payment-service", "data", "payment-zone3", "payment-service"),
}


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    return load_matrix(FILE)


def arrow(cell: Cell) -> tuple[str, str, str, str]:
    return cell.source, cell.destination, cell.certificate, cell.token


def test_the_whole_product_is_there_once(cells: list[Cell]) -> None:
    """6 holders of certificates, 4 destinations, 8 tokens, 3 methods, 5 resources; SECURITY A8 wants 192 at least."""
    assert len(cells) == 6 * 4 * 8 * 3 * 5 == 2880
    assert len({cell.name for cell in cells}) == len({(*arrow(cell), cell.method, cell.path) for cell in cells}) == 2880


def test_every_value_of_every_dimension_is_used(cells: list[Cell]) -> None:
    """Each as often as any other of its dimension, but for the source that holds two certificates."""
    for dimension, count in {"destination": 4, "certificate": 6, "token": 8, "method": 3, "resource": 5}.items():
        used = Counter(getattr(cell, dimension) for cell in cells)
        assert len(used) == count
        assert set(used.values()) == {2880 // count}
    assert Counter(cell.source for cell in cells) == {
        source: 480 * (1 + (source == "order-service"))
        for source in ("user", "stranger", "api-gateway", "order-service", "payment-service")
    }


def test_every_drawn_arrow_reaches_its_service(cells: list[Cell]) -> None:
    """And nothing reaches a service in zone 2 or 3 but along them (victor is a user too)."""
    reached = {arrow(cell) for cell in cells if cell.reached}
    assert reached >= ARROWS
    also = ("api-gateway", "order", "gateway-zone2", "victor")
    inner = {path for path in reached if path[1] != "gateway"}
    assert inner == {path for path in ARROWS if path[1] != "gateway"} | {also}
    assert {path[3] for path in reached if path[1] == "gateway"} == {"john", "victor"}


def test_what_reaches_a_service_is_what_its_owner_may_do(cells: list[Cell]) -> None:
    """Method and resource of each reached cell, by destination and token: the model of permissions."""
    permitted: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        if cell.reached:
            permitted.setdefault((cell.destination, cell.token), set()).add(f"{cell.method} {cell.resource}")
    assert permitted == {
        ("gateway", "john"): {"GET orders", "POST orders", "POST payments"},
        ("gateway", "victor"): {"GET orders"},
        ("order", "john"): {"GET orders", "POST orders", "GET inventory"},
        ("order", "victor"): {"GET orders", "GET inventory"},
        ("payment", "john"): {"GET orders", "POST payments"},
        ("data", "order-service"): {"GET inventory", "GET orders", "POST orders"},
        ("data", "payment-service"): {"GET orders", "POST payments"},
    }


def test_a_wrong_certificate_is_refused_before_anything_else(cells: list[Cell]) -> None:
    """In zones 2 and 3 whatever the token says; at the gateway no certificate matters."""
    trusted = {"order": {"gateway-zone2"}, "payment": {"gateway-zone2"}, "data": {"order-zone3", "payment-zone3"}}
    for cell in cells:
        refused = cell.expected_reason == "tls_refused"
        assert refused == (cell.destination in trusted and cell.certificate not in trusted[cell.destination]), cell
    outcomes: dict[tuple[str, str, str], set[tuple[int, str]]] = {}
    for cell in cells:
        if cell.destination == "gateway":
            asked = (cell.token, cell.method, cell.resource)
            outcomes.setdefault(asked, set()).add((cell.expected_status, cell.expected_reason))
    assert {len(seen) for seen in outcomes.values()} == {1}


def test_reasons_and_statuses_are_the_products_own(cells: list[Cell]) -> None:
    """A reason that the product does not know, or answers otherwise, could never be seen live."""
    for status, reason in {(cell.expected_status, cell.expected_reason) for cell in cells if not cell.reached}:
        if reason == "tls_refused":
            assert status == 0
        else:
            assert status == ANSWERS[Reason(reason)].status
    assert {cell.expected_status for cell in cells if cell.reached} == {200, 201, 404}


PEERS = {
    "gateway-zone2": "api-gateway-client",
    "order-zone3": "order-service-client",
    "payment-zone3": "payment-service-client",
}
ROLES = {"john": ["orders:create", "payments:create", "payments:read"], "victor": []}
NEXT = {"orders": "order", "payments": "payment"}  # behind the gateway
QUERIES = {"gateway": GATEWAY, "order": ORDER, "payment": PAYMENT, "data": DATA}


def allows(destination: str, certificate: str, cell: Cell, path: str) -> bool:
    """What the destination's policy says of the cell's request."""
    name = PEERS.get(certificate, "")
    peer = {"verified": bool(name) and destination != "gateway", "subject": {"CN": name}}
    token = {"sub": "s", "azp": cell.token, "exp": NEVER, "realm_access": {"roles": ROLES.get(cell.token, [])}}
    answer = asked_of(QUERIES[destination]).evaluate(document(peer, token, cell.method, path.split("/")[1:]))
    return bool(answer["allow"] if isinstance(answer, dict) else answer)


@cache
def asked_of(policy: Policy) -> Query:
    return compiled(policy).query(policy.query)


def test_table_and_policies_agree(cells: list[Cell]) -> None:
    """What comes as far as the policies is allowed by each on its way if and only if the table says so."""
    asked = [cell for cell in cells if cell.expected_reason in {"", "policy_denied"}]
    for cell in asked:
        allowed = allows(cell.destination, cell.certificate, cell, cell.path)
        if cell.destination == "gateway":
            behind = cell.path.removeprefix("/api/v1")
            allowed = allowed and allows(NEXT[cell.resource], "gateway-zone2", cell, behind)
        assert allowed == cell.reached, cell
    assert len(asked) > 100


def test_a_cell_is_a_whole_request(cells: list[Cell]) -> None:
    """Path below the destination's prefix, a body for POST only, and data is told for whom."""
    for cell in cells:
        assert cell.path.startswith("/api/v1/" if cell.destination == "gateway" else "/")
        assert (cell.body is None) == (cell.method != "POST")
        assert dict(cell.headers) == ({"X-User-Context": "matrix-user"} if cell.destination == "data" else {})
        assert cell.because


def test_one_of_each_leaves_no_way_and_no_outcome_out(cells: list[Cell]) -> None:
    """What a person is shown: all 192 ways, each with every rule that it meets, none twice."""
    chosen = one_of_each(cells)
    assert len({arrow(cell) for cell in chosen}) == 192
    assert {(*arrow(cell), cell.because) for cell in chosen} == {(*arrow(cell), cell.because) for cell in cells}
    assert len(chosen) == len({(*arrow(cell), cell.because) for cell in chosen}) < 400


@pytest.mark.parametrize(
    ("wrong", "right", "complaint"),
    [
        ("    then: tls_refused\n", "    then: tls_refuse\n", "rule 1: then is"),
        ("then: reached 201", "then: reached", "invalid literal"),
        ("then: token_missing", "then: token_missing 401", "rule 4: then is"),
        ("  - token: none\n", "  - token: nobody\n", "rule 4: token has unknown values .*nobody"),
        ("  - token: none\n", "  - token: []\n", "rule 4: token has unknown values"),
        ("  - token: none\n", "  - tokens: none\n", "rule 4 needs the keys"),
        ("  - {then: policy_denied, because: what no policy allows is denied}\n", "", "no rule says"),
        (
            "  - token: none\n",
            "  - {then: policy_denied, because: x}\n  - token: none\n",
            "rules .* match no combination",
        ),
        ("\nmethods:", "\nmethod:", "the file needs the keys"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, wrong: str, right: str, complaint: str) -> None:
    """Nothing is tried with an expectation that somebody mistyped."""
    text = FILE.read_text()
    assert wrong in text
    changed = tmp_path / "matrix.yaml"
    changed.write_text(text.replace(wrong, right, 1))
    assert yaml.safe_load(changed.read_text())
    with pytest.raises(ValueError, match=complaint):
        load_matrix(changed)
