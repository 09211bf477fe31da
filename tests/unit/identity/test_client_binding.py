"""Whose certificate may present whose token (SECURITY T9)."""

import pytest
from tests.support.tokens import ISSUER, changed, good_claims, service_claims

from authz_service.domain.decision import NO_PEER, Claims, Peer
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import ClientRule, IssuerRules, PeerRules
from authz_service.identity.client_binding import require_same_client, sharing, unbound
from authz_service.identity.service_tokens import client_of, is_service

RULES = PeerRules(required=True, allowed=())
BOUND = PeerRules(required=True, allowed=(), bindings=(("legacy-7", "order-service"), ("spiffe://mesh/x", "payment")))


def a_peer(common_name: str = "", *uris: str) -> Peer:
    return NO_PEER._replace(common_name=common_name, uris=uris)


def the_claims(values: dict[str, object]) -> Claims:
    rules = IssuerRules(ISSUER, ("order-service",), ("RS256",), 30.0)
    return Claims(values, ISSUER, 0.0, is_service=is_service(values, rules), client=client_of(values, rules))


def assert_mismatch(peer: Peer, claims: dict[str, object], rules: PeerRules = RULES) -> None:
    with pytest.raises(Rejected) as refusal:
        require_same_client(peer, the_claims(claims), rules)
    assert refusal.value.reason is Reason.TOKEN_CLIENT_MISMATCH


ORDER = service_claims("order-service")


@pytest.mark.parametrize(
    "claims",
    [
        ORDER,
        changed(ORDER, {"client_id": ...}),
        changed(ORDER, {"preferred_username": ...}),
        changed(ORDER, {"preferred_username": ..., "client_id": ...}),
    ],
    ids=["both", "name", "id", "neither"],
)
def test_a_services_token_comes_from_its_certificate(claims: dict[str, object]) -> None:
    """Whichever of Keycloak's optional marks it has; any other certificate is refused, and none as well."""
    require_same_client(a_peer("order-service-client"), the_claims(claims), RULES)

    for thief in ("payment-service-client", "order-service", "order-service-client-client", "-client", "x", ""):
        assert_mismatch(a_peer(thief), claims)
    assert_mismatch(NO_PEER, claims)


def test_a_certificate_with_a_dns_name_alone_presents_the_tokens_that_it_is_bound_to() -> None:
    """And says nothing by itself: without a binding it presents none. A CN that is spelt so is no DNS name."""
    rules = PeerRules(
        required=True,
        allowed=(ClientRule(dns="orders.zone2.example"), ClientRule(dns="other.example")),
        bindings=(("dns:orders.zone2.example", "order-service"),),
    )
    peer = NO_PEER._replace(dns=("x.example", "Orders.zone2.example"))

    require_same_client(peer, the_claims(ORDER), rules)
    assert_mismatch(peer._replace(dns=("other.example",)), ORDER, rules)
    for name in ("orders.zone2.example", "dns:orders.zone2.example"):
        assert_mismatch(a_peer(name), ORDER, rules)
        assert_mismatch(a_peer("", name), ORDER, rules)
    assert_mismatch(peer, service_claims("payment"), rules)
    assert unbound(rules) == ["dns:other.example"]


def test_a_users_token_comes_from_anybody_who_may_connect() -> None:
    """The gateway presents the users' tokens."""
    require_same_client(a_peer("api-gateway-client"), the_claims(good_claims()), RULES)


def test_a_service_token_names_one_client() -> None:
    """Without any, or with another client_id, nobody may present it."""
    peer = a_peer("order-service-client")

    require_same_client(peer, the_claims(changed(ORDER, {"azp": ...})), RULES)
    assert_mismatch(peer, changed(ORDER, {"azp": ..., "client_id": ...}))
    assert_mismatch(peer, changed(ORDER, {"client_id": "payment-service"}))


def test_a_spiffe_id_ends_with_its_client() -> None:
    """When there is no CN, one URI, and it is a SPIFFE ID."""
    require_same_client(a_peer("", "spiffe://mesh/zone2/order-service"), the_claims(ORDER), RULES)

    for uris in (
        ("spiffe://mesh/zone2/payment-service",),
        ("spiffe://mesh/order-service/payment-service",),
        ("https://mesh/zone2/order-service",),
        ("spiffe://mesh/zone2/order-service", "spiffe://mesh/zone2/payment-service"),
        ("spiffe://mesh/zone2/order-service/",),
    ):
        assert_mismatch(a_peer("", *uris), ORDER)
    assert_mismatch(a_peer("payment-service-client", "spiffe://mesh/zone2/order-service"), ORDER)


def test_a_binding_replaces_the_name_rule() -> None:
    """For the names that have one; the others keep the rule."""
    require_same_client(a_peer("legacy-7"), the_claims(ORDER), BOUND)
    require_same_client(a_peer("order-service-client"), the_claims(ORDER), BOUND)
    require_same_client(a_peer("", "spiffe://mesh/x"), the_claims(service_claims("payment")), BOUND)

    assert_mismatch(a_peer("legacy-7"), service_claims("legacy-7"), BOUND)
    assert_mismatch(a_peer("legacy-7"), service_claims("payment"), BOUND)
    assert_mismatch(a_peer("", "spiffe://mesh/x"), service_claims("x"), BOUND)
    nobody = PeerRules(required=False, allowed=(), bindings=(("", "order-service"),))
    assert_mismatch(NO_PEER, ORDER, nobody)
    other = PeerRules(required=True, allowed=(), bindings=(("order-service-client", "other"),))
    assert_mismatch(a_peer("order-service-client"), ORDER, other)


def test_the_binding_can_be_switched_off() -> None:
    """`proxy.mtls.bind_service_tokens: false`."""
    off = PeerRules(required=True, allowed=(), bind_service_tokens=False)

    require_same_client(a_peer("payment-service-client"), the_claims(ORDER), off)


def allowed(*uris: str, **more: object) -> PeerRules:
    rules = (*(ClientRule(uri=uri) for uri in uris), ClientRule(attributes=(("CN", "order-service-client"),)))
    return PeerRules(True, rules, **more)  # type: ignore[arg-type]


ONE, TWO = "spiffe://mesh/zone1/order-service", "spiffe://mesh/zone2/order-service"


def test_ids_that_end_alike_are_found() -> None:
    """Each may present the other's tokens, as long as neither is bound by name."""
    require_same_client(a_peer("", ONE), the_claims(ORDER), allowed(ONE, TWO))
    require_same_client(a_peer("", TWO), the_claims(ORDER), allowed(ONE, TWO))
    assert sharing(allowed(ONE, TWO)) == {"order-service": [ONE, TWO]}


@pytest.mark.parametrize(
    "rules",
    [
        allowed(ONE),
        allowed(ONE, ONE),
        allowed(ONE, "spiffe://mesh/zone2/payment-service"),
        allowed(ONE, TWO, bindings=((TWO, "order-of-zone-2"),)),
        allowed(ONE, TWO, bind_service_tokens=False),
    ],
    ids=["one", "one twice", "other ends", "bound", "nothing is bound"],
)
def test_nothing_is_said_of_ids_that_cannot_be_mistaken(rules: PeerRules) -> None:
    assert sharing(rules) == {}
