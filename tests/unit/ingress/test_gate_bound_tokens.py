"""Tokens that are bound to a certificate (RFC 8705 §3), through the whole gate; and the grace after a renewal."""

import itertools
from hashlib import sha256

import pytest
from cryptography.x509 import DNSName, UniformResourceIdentifier
from msgspec.structs import replace
from tests.support.client_certificates import CN, GATEWAY, SPIFFE_ID, O, certificate, in_envoys_form
from tests.support.decisions import PEERS, gate, request, rules
from tests.support.tokens import NOW, b64, good_claims, mint

from authz_service.domain.decision import Allow, Decision
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import ClientRule, GateRules, RouteRules
from authz_service.ingress.gate import Gate

GRACE = 60.0
FORMER = certificate(valid=(NOW - 3600, NOW + 3600))
RENEWED = certificate(valid=(NOW - 10, NOW + 7200))


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> float:
        return self.time


def thumbprint(der: bytes) -> str:
    return b64(sha256(der).digest())


def bound_to(der: bytes) -> str:
    return mint(good_claims(NOW, cnf={"x5t#S256": thumbprint(der)}))


def with_issuer(given: GateRules, **changes: object) -> GateRules:
    return replace(given, issuers=(replace(given.issuers[0], **changes),))


def ask(subject: Gate, der: bytes | None, token: str | None) -> Decision:
    peer = b"" if der is None else in_envoys_form(der)
    authorization = None if token is None else f"Bearer {token}"
    return subject.decide(request(peer=peer, authorization=authorization), "d1", "c1")


def reason(subject: Gate, der: bytes | None, token: str | None) -> Reason:
    decision = ask(subject, der, token)
    assert isinstance(decision, Allow) == (decision.reason is Reason.ALLOWED)
    return decision.reason


def test_a_bound_token_is_accepted_over_its_own_certificate_and_over_no_other() -> None:
    """The other one has the same name and is as good, and goes with the token that is bound to it."""
    subject, other = gate(rules()), certificate(serial=78)

    assert reason(subject, FORMER, bound_to(FORMER)) is Reason.ALLOWED
    assert reason(subject, other, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH
    assert reason(subject, other, bound_to(other)) is Reason.ALLOWED


def test_without_a_certificate_a_bound_token_is_nobodys() -> None:
    """Neither where none was shown nor where none is looked at; a free token passes both."""
    optional = gate(with_policy_for_all(replace(rules(), peers=replace(PEERS, required=False))))
    off = gate(with_policy_for_all(replace(rules(), peers=None)))

    for subject in (optional, off):
        assert reason(subject, None, mint()) is Reason.ALLOWED
        assert reason(subject, None, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH
    assert reason(off, FORMER, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH


def with_policy_for_all(given: GateRules) -> GateRules:
    return replace(given, policy=None)


def test_a_free_token_is_refused_only_where_binding_is_required() -> None:
    """A public route still needs no token."""
    free, demanding = gate(rules()), gate(with_issuer(rules(), require_binding=True))
    public = RouteRules("", auth_required=False, methods=(), downstream="order")
    open_to_all = gate(with_policy_for_all(replace(with_issuer(rules(), require_binding=True), routes=(public,))))

    assert reason(free, FORMER, mint()) is Reason.ALLOWED
    assert reason(demanding, FORMER, mint()) is Reason.TOKEN_BINDING_MISSING
    assert reason(demanding, FORMER, bound_to(FORMER)) is Reason.ALLOWED
    assert reason(open_to_all, FORMER, None) is Reason.ALLOWED
    assert reason(open_to_all, FORMER, mint()) is Reason.TOKEN_BINDING_MISSING


@pytest.mark.parametrize(
    ("confirmation", "expected"),
    [
        ({"x5t#S256": thumbprint(FORMER)}, Reason.ALLOWED),
        ({"x5t#S256": thumbprint(FORMER) + "="}, Reason.TOKEN_CLAIMS_INVALID),
        ({"x5t#S256": thumbprint(FORMER)[:-1]}, Reason.TOKEN_CLAIMS_INVALID),
        ({"x5t#S256": sha256(FORMER).hexdigest()}, Reason.TOKEN_CLAIMS_INVALID),
        ({"x5t#S256": ""}, Reason.TOKEN_CLAIMS_INVALID),
        ({"x5t#S256": [thumbprint(FORMER)]}, Reason.TOKEN_CLAIMS_INVALID),
        ({"x5t#S256": "é" * 43}, Reason.TOKEN_CLAIMS_INVALID),
        ({"x5t#S256": thumbprint(FORMER), "jkt": thumbprint(FORMER)}, Reason.TOKEN_TYPE_REFUSED),
        ({"jkt": thumbprint(FORMER)}, Reason.TOKEN_TYPE_REFUSED),
        ({"x5t": thumbprint(FORMER)}, Reason.TOKEN_TYPE_REFUSED),
        ({}, Reason.TOKEN_TYPE_REFUSED),
        (None, Reason.TOKEN_TYPE_REFUSED),
        (thumbprint(FORMER), Reason.TOKEN_TYPE_REFUSED),
    ],
    ids=itertools.count(),  # the thumbprint is another one in every run
)
def test_only_one_form_of_confirmation_is_understood(confirmation: object, expected: Reason) -> None:
    """What we cannot check is refused, never passed over."""
    assert reason(gate(rules()), FORMER, mint(good_claims(NOW, cnf=confirmation))) is expected


def test_a_renewed_certificate_has_the_grace_that_is_configured_and_no_more() -> None:
    """From the moment when the new certificate was first seen; not a second of it by default."""
    for grace, within in ((GRACE, Reason.ALLOWED), (0.0, Reason.TOKEN_BINDING_MISMATCH)):
        clock = Clock()
        subject = gate(with_issuer(rules(), binding_grace=grace), clock)
        assert reason(subject, FORMER, bound_to(FORMER)) is Reason.ALLOWED
        clock.time += 5

        assert reason(subject, RENEWED, bound_to(FORMER)) is within
        clock.time += GRACE - 0.1
        assert reason(subject, RENEWED, bound_to(FORMER)) is within
        clock.time += 0.2
        assert reason(subject, RENEWED, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH
        assert reason(subject, RENEWED, bound_to(RENEWED)) is Reason.ALLOWED


def in_grace() -> tuple[Gate, Clock]:
    clock = Clock()
    return gate(with_issuer(rules(), binding_grace=GRACE), clock), clock


def test_the_grace_goes_from_the_former_certificate_to_the_new_one_only() -> None:
    """Not back, not over two renewals, not to one that was never seen here."""
    subject, clock = in_grace()
    third = certificate(valid=(NOW - 5, NOW + 7200))

    assert reason(subject, RENEWED, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH  # FORMER was not seen yet
    assert reason(subject, FORMER, bound_to(RENEWED)) is Reason.TOKEN_BINDING_MISMATCH  # issued before: no renewal
    assert reason(subject, RENEWED, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH
    clock.time += 1
    assert reason(subject, third, bound_to(RENEWED)) is Reason.ALLOWED
    assert reason(subject, third, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH
    assert reason(subject, RENEWED, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH


@pytest.mark.parametrize(
    "other",
    [
        certificate([(CN, "api-gateway-client"), (O, "MyOrg"), (O, "Other")], valid=(NOW - 10, NOW + 7200)),
        certificate(GATEWAY, names=[DNSName("gateway")], valid=(NOW - 10, NOW + 7200)),
        certificate(GATEWAY, names=[UniformResourceIdentifier(SPIFFE_ID)], valid=(NOW - 10, NOW + 7200)),
        certificate(GATEWAY, valid=(NOW - 3600, NOW + 7200), serial=78),  # issued at the same moment
    ],
    ids=["subject", "dns", "uri", "same age"],
)
def test_whoever_is_not_the_very_same_client_has_no_grace(other: bytes) -> None:
    """One difference in what the certificate says is enough."""
    cn_alone = replace(PEERS, allowed=(ClientRule((("CN", "api-gateway-client"),)),))
    clock = Clock()
    subject = gate(with_issuer(rules(peers=cn_alone), binding_grace=GRACE), clock)

    assert reason(subject, FORMER, bound_to(FORMER)) is Reason.ALLOWED
    assert reason(subject, other, bound_to(other)) is Reason.ALLOWED
    assert reason(subject, other, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH
    assert reason(subject, RENEWED, bound_to(FORMER)) is Reason.ALLOWED
    assert reason(subject, other, bound_to(FORMER)) is Reason.TOKEN_BINDING_MISMATCH


def test_an_ended_certificate_lends_no_grace() -> None:
    """A token outlives no certificate that it is bound to."""
    subject, clock = in_grace()
    ending = certificate(valid=(NOW - 3600, NOW + 30))
    assert reason(subject, ending, bound_to(ending)) is Reason.ALLOWED

    assert reason(subject, RENEWED, bound_to(ending)) is Reason.ALLOWED
    clock.time += 31
    assert reason(subject, RENEWED, bound_to(ending)) is Reason.TOKEN_BINDING_MISMATCH


@pytest.mark.parametrize("claims", [("tenant",), ("tenant", "acr")])
def test_a_claim_that_is_required_must_be_there(claims: tuple[str, ...]) -> None:
    """Null is not there; without the rule nobody misses it."""
    subject = gate(with_issuer(rules(), required_claims=claims))
    whole = dict.fromkeys(claims, "x")

    assert reason(subject, FORMER, mint(good_claims(NOW, **whole))) is Reason.ALLOWED
    for missing in claims:
        assert reason(subject, FORMER, mint(good_claims(NOW, **{**whole, missing: ...}))) is Reason.TOKEN_CLAIMS_INVALID
        assert (
            reason(subject, FORMER, mint(good_claims(NOW, **{**whole, missing: None}))) is Reason.TOKEN_CLAIMS_INVALID
        )
    assert reason(gate(rules()), FORMER, mint()) is Reason.ALLOWED
