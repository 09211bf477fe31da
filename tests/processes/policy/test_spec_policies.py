"""The policies of the specification and of the examples, through the whole gate."""

from pathlib import Path

import pytest

from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.sources.folder import read_policy_folder
from authz_service.policy.vetting.checks import problems_of
from authz_service.policy.vetting.vet import check_policies

HERE = Path(__file__).parent
SPEC = HERE.parents[1] / "meshes" / "spec_as_written"
EXAMPLES = HERE.parents[2] / "examples" / "three_zones"


def as_written(name: str, rule: str) -> PolicySource:
    """One of the specification's four policies, to the letter."""
    (file,) = SPEC.glob(f"*/policies/{name}.rego")
    return PolicySource(f"data.{name}.{rule}", ((file.name, file.read_text()),))


@pytest.mark.parametrize("name", ["gateway", "order", "payment"])
def test_three_of_the_specifications_policies_pass_as_written(name: str) -> None:
    """And the fourth shows why the gate is there."""
    source = as_written(name, "allow")

    assert problems_of(source, [], lambda _, __: None) == []
    check_policies(source)


def test_the_specifications_data_policy_is_refused_with_its_variable() -> None:
    """DESIGN §3 row 5: `required_permission` is used where no statement gives it a value."""
    source = as_written("dataservice", "result")
    with pytest.raises(PolicyProblems) as caught:
        check_policies(source)

    (problem,) = caught.value.problems
    assert str(problem).startswith("dataservice.rego:30:")
    assert "rego_unsafe_var_error: var required_permission is unsafe. Fix: " in str(problem)
    assert "it is local to `has_service_permission` (dataservice.rego:" in str(problem)
    (file, text) = source.modules[0]
    corrected = text.replace("[service_name, required_permission]", "[service_name, get_required_permission]")
    check_policies(PolicySource(source.query, ((file, corrected),)))


@pytest.mark.parametrize(
    ("folder", "query"),
    [
        ("gateway", "data.gateway.allow"),
        ("order-service", "data.order.allow"),
        ("payment-service", "data.payment.allow"),
        ("data-service", "data.dataservice.result"),
    ],
)
def test_the_examples_policies_pass(folder: str, query: str) -> None:
    """As they lie there; a query that names nothing in them does not."""
    path = EXAMPLES / folder / "policies"

    check_policies(read_policy_folder(path, query))
    with pytest.raises(PolicyProblems, match="did you mean"):
        check_policies(read_policy_folder(path, f"{query}s"))


def test_the_order_policy_decides_as_the_specification_says() -> None:
    """Step 5 of the walk-through; without the role it is another answer."""
    engine = PolicyEngine(as_written("order", "allow"))
    request: dict[str, dict[str, object]] = {
        "mtls": {"verified": True, "subject": {"CN": "api-gateway-client"}},
        "token": {"sub": "user-123", "exp": 4102444800, "realm_access": {"roles": ["orders:create"]}},
        "request": {"method": "POST", "path": "/orders"},
    }

    assert engine.evaluate(request).reason is Reason.ALLOWED
    request["token"]["realm_access"] = {"roles": ["orders:read"]}
    assert engine.evaluate(request).reason is Reason.POLICY_DENIED
