"""What issuers said about tokens holds for its time, and through the whole gate: never longer, never for another."""

import pytest
from msgspec.structs import replace
from tests.support.decisions import gate, keys, request, rules
from tests.support.tokens import ISSUER, NOW, good_claims, mint

from authz_service.domain.decision import Claims
from authz_service.domain.refusals import IntrospectionNeeded, Reason, Rejected
from authz_service.domain.rules import GateRules, RouteRules
from authz_service.identity import introspections as product
from authz_service.identity.introspections import Introspections
from authz_service.identity.tokens import TokenVerifier
from authz_service.ingress.gate import Gate

ASKING = RouteRules("", auth_required=True, methods=(), downstream="order", introspect=True)
CLAIMS = Claims({}, ISSUER, 0.0)


def asking_rules(**changes: object) -> GateRules:
    given = rules(routes=(ASKING,), **changes)
    return replace(given, issuers=(replace(given.issuers[0], introspection_cache=5.0),))


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def known() -> tuple[Introspections, Clock]:
    clock = Clock()
    found = Introspections(clock)
    found.use(asking_rules().issuers)
    return found, clock


@pytest.mark.parametrize("active", [True, False])
def test_an_answer_holds_for_its_time_from_the_moment_of_asking(
    known: tuple[Introspections, Clock], *, active: bool
) -> None:
    """And for its own token."""
    found, clock = known
    found.learn(ISSUER, "t", clock() - 1.0, active=active)

    clock.time += 3.9
    if active:
        found.require_active("t", CLAIMS)
    else:
        with pytest.raises(Rejected) as refusal:
            found.require_active("t", CLAIMS)
        assert refusal.value.reason is Reason.TOKEN_INACTIVE
    with pytest.raises(IntrospectionNeeded):
        found.require_active("other", CLAIMS)
    clock.time += 0.2
    with pytest.raises(IntrospectionNeeded) as needed:
        found.require_active("t", CLAIMS)
    assert (needed.value.issuer, needed.value.token) == (ISSUER, "t")
    assert "t" not in needed.value.args


def test_an_issuer_that_nobody_may_ask_is_not_believed(known: tuple[Introspections, Clock]) -> None:
    found, clock = known
    found.learn("https://other", "t", clock(), active=True)
    with pytest.raises(IntrospectionNeeded):
        found.require_active("t", CLAIMS)


def test_answers_are_bounded(known: tuple[Introspections, Clock], monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first; one that is learnt anew is not old."""
    monkeypatch.setattr(product, "MAX_REMEMBERED", 2)
    found, clock = known
    for token in ("a", "b", "a", "c"):
        found.learn(ISSUER, token, clock(), active=True)

    found.require_active("a", CLAIMS)
    found.require_active("c", CLAIMS)
    with pytest.raises(IntrospectionNeeded):
        found.require_active("b", CLAIMS)


def asking_gate(given: GateRules) -> tuple[Gate, Introspections]:
    found = Introspections(lambda: NOW)
    found.use(given.issuers)
    return gate(given, introspections=found), found


def test_the_gate_asks_about_a_good_token_on_a_route_that_wants_it() -> None:
    """Again when it was answered, it decides; another route's requests wait for nobody."""
    subject, found = asking_gate(asking_rules())
    with pytest.raises(IntrospectionNeeded) as needed:
        subject.decide(request(), "d", "c")
    found.learn(ISSUER, needed.value.token, NOW, active=True)
    assert subject.decide(request(), "d", "c").reason is Reason.ALLOWED

    found.learn(ISSUER, needed.value.token, NOW, active=False)
    refused = subject.decide(request(), "d", "c")
    assert (refused.allowed, refused.reason) == (False, Reason.TOKEN_INACTIVE)
    assert gate(rules()).decide(request(), "d", "c").allowed


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("x", Reason.TOKEN_MALFORMED),
        (mint(good_claims(NOW, exp=NOW - 100)), Reason.TOKEN_EXPIRED),
        (mint(good_claims(NOW, cnf={"x5t#S256": "a" * 43})), Reason.TOKEN_CLAIMS_INVALID),
        (mint(good_claims(NOW, cnf={"x5t#S256": "A" * 43})), Reason.TOKEN_BINDING_MISMATCH),
        (mint(header={"kid": "new"}), Reason.TOKEN_KEY_UNKNOWN),
    ],
)
def test_nobody_is_asked_about_a_token_that_is_refused_anyway(token: str, reason: Reason) -> None:
    """Strangers cannot make us ask."""
    subject, _ = asking_gate(asking_rules())
    refused = subject.decide(request(authorization=f"Bearer {token}"), "d", "c", final=True)

    assert refused.reason is reason


def test_a_public_route_asks_only_about_a_token_that_was_sent() -> None:
    subject, _ = asking_gate(replace(asking_rules(policy=None), routes=(replace(ASKING, auth_required=False),)))

    assert subject.decide(request(authorization=None), "d", "c").allowed
    with pytest.raises(IntrospectionNeeded):
        subject.decide(request(), "d", "c")


def test_without_somebody_who_asks_there_is_no_gate() -> None:
    """It would be an open door."""
    given = replace(asking_rules(), peers=None, policy=None)
    tokens = TokenVerifier(given.issuers, lambda: NOW)
    tokens.set_keys(keys())

    with pytest.raises(ValueError, match="introspected"):
        Gate(given, None, tokens, None)
    Gate(replace(given, routes=(replace(ASKING, introspect=False),)), None, tokens, None)
