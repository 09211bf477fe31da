"""Until when an allow holds for requests that are alike, and which allows hold for none."""

import pytest
from tests.support.decisions import policy, request, rules
from tests.support.tokens import LEEWAY, NOW

from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Allow, Claims, Decision, Deny
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import GateRules, HeaderRules, RouteRules
from authz_service.ingress.gate import Gate
from authz_service.ingress.repeatable import NEVER, Repeatable, WhyNot
from authz_service.policy.decide.awaited import AwaitedPolicy
from authz_service.policy.decide.engine import PolicyEngine

REMEMBER = 10.0
FOREVER = float("inf")
ROUTE = RouteRules("", auth_required=True, methods=(), downstream="order")
CLAIMS = Claims({"exp": int(NOW) + 300, "auth_time": int(NOW) - 5}, "i", NOW + 300 + LEEWAY)
ALLOWED = Allow(b"", claims=CLAIMS)


def repeatable(body: str = "true", **changes: object) -> Repeatable:
    text = f"package order\nimport rego.v1\nallow if {{\n{body}\n}}"
    given = rules(policy=policy(text), remember=REMEMBER, **changes)
    assert given.policy is not None
    return Repeatable(given, PolicyEngine(given.policy))


def until(
    found: Repeatable, decision: Decision = ALLOWED, route: RouteRules | None = ROUTE, listed_until: float = FOREVER
) -> float:
    return found.until(decision, route, NOW, listed_until)


def test_an_allow_holds_for_so_long() -> None:
    assert until(repeatable()) == NOW + REMEMBER


def test_it_ends_with_what_ends_first() -> None:
    """Token, certificate, the revocation lists."""
    ends = NOW + 3
    assert until(repeatable(), ALLOWED._replace(claims=CLAIMS._replace(expires_at=ends))) == ends
    assert until(repeatable(), ALLOWED._replace(peer=NO_PEER._replace(not_after=ends))) == ends
    assert until(repeatable(), listed_until=ends) == ends


@pytest.mark.parametrize(
    "changed",
    [
        Deny(Reason.ALLOWED, claims=CLAIMS),
        Deny(Reason.POLICY_DENIED, claims=CLAIMS),
        ALLOWED._replace(reason=Reason.POLICY_DENIED),  # proxy.authz.mode: shadow
        ALLOWED._replace(claims=CLAIMS._replace(certificate="ab" * 32)),  # held by grace
    ],
)
def test_no_other_decision_is_repeated(changed: Decision) -> None:
    assert until(repeatable(), changed) == NEVER


def test_a_bound_token_shown_by_its_certificate_is_repeated() -> None:
    peer = NO_PEER._replace(fingerprint="ab" * 32)
    held = ALLOWED._replace(peer=peer, claims=CLAIMS._replace(certificate="ab" * 32))

    assert until(repeatable(), held) == NOW + REMEMBER


def test_a_route_that_asks_the_issuer_asks_each_time() -> None:
    introspects = RouteRules("", auth_required=True, methods=(), downstream="", introspect=True)

    assert until(repeatable(), route=introspects) == NEVER
    assert until(repeatable(), route=None) == NEVER


@pytest.mark.parametrize(
    ("body", "moment"),
    [
        ("input.token.exp + 30 > time.now_ns() / 1000000000", NOW + REMEMBER),
        ("input.token.auth_time + 12 > time.now_ns() / 1000000000", NOW + 6),  # turns at 7; a second before
        ("input.token.auth_time + 1 < time.now_ns() / 1000000000", NOW + REMEMBER),  # has turned
        ("input.token.auth_time + 5 < time.now_ns() / 1000000000", NEVER),  # turns now
        ("input.token.missing < time.now_ns()", NEVER),
        ("input.request.query.at < time.now_ns()", NEVER),
    ],
)
def test_a_comparison_with_the_clock_ends_it_before_it_turns(body: str, moment: float) -> None:
    assert until(repeatable(body)) == moment


def test_a_comparison_with_what_is_no_number_is_judged_each_time() -> None:
    found = repeatable("input.token.exp > time.now_ns() / 1000000000")

    for value in ("x", None, True, [1]):
        claims = CLAIMS._replace(values={"exp": value})
        assert until(found, ALLOWED._replace(claims=claims)) == NEVER
    assert until(found, ALLOWED._replace(claims=NO_CLAIMS)) == NEVER


IDS = ("X-User-Context", "X-Correlation-ID")


@pytest.mark.parametrize(
    ("body", "label"),
    [
        ("time.now_ns() > 5", "clock"),
        ('input.decision_id != ""', "ids"),
        ('input.headers["X-Correlation-ID"] != ""', "ids"),
        ('object.get(input.headers, "X-User-Context", "") == ""', "ids"),
        ("some name\ninput.headers[name]", "ids"),
        ("some name\ninput[name]", "ids"),
        ("count(input) == 6", "ids"),
        ('input.headers["X-User-Context"] == "john"', ""),
        ("input.request.path == input.token.sub", ""),
    ],
)
def test_what_a_policy_reads_may_be_of_one_request_only(body: str, label: str) -> None:
    extract = HeaderRules(pass_token=True, inject=(), extract=IDS)
    found = repeatable(body, headers=extract)

    assert (found.why_not.label if found.why_not else "") == label
    assert (until(found) == NEVER) == bool(label)


def test_all_headers_may_be_read_where_the_id_is_none_of_them() -> None:
    extract = HeaderRules(pass_token=True, inject=(), extract=("X-User-Context",))

    assert repeatable("count(input.headers) == 1", headers=extract).why_not is None


def test_the_place_is_told() -> None:
    found = repeatable("true\ntime.now_ns() > 5").why_not

    assert found == WhyNot("clock", "reads the clock in a way that cannot be bounded, order.rego line 5")


def test_another_engine_is_asked_each_time_and_none_at_all_needs_no_asking() -> None:
    given = rules(policy=None, remember=REMEMBER)

    assert until(Repeatable(given, None)) == NOW + REMEMBER
    other = Repeatable(given, AwaitedPolicy())
    assert other.why_not is not None
    assert until(other) == NEVER


def test_switched_off_nothing_is_repeated() -> None:
    given = rules(remember=0.0)
    assert given.policy is not None

    assert until(Repeatable(given, PolicyEngine(given.policy))) == NEVER


def test_the_gate_asks_its_own_parts() -> None:
    """Where revocation lists end, and what the route of a request is."""

    class Listed:
        listed_until = NOW + 2

    given: GateRules = rules(policy=None, remember=REMEMBER, issuers=())
    gate = Gate(given, Listed(), None, None)  # type: ignore[arg-type]
    assert gate.holds_until(request(), ALLOWED, NOW) == NOW + 2
    assert gate.holds_until(request(route="/elsewhere"), ALLOWED, NOW) == NEVER
    assert gate.holds_until(request(evaluation="{}"), ALLOWED, NOW) == NEVER  # AuthZEN's
