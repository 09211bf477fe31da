"""Revoked tokens: refused when they arrive, forgotten when the list changes; nobody else's request suffers."""

import pytest
from msgspec.structs import replace
from tests.support.decisions import AllAsked
from tests.support.tokens import (
    AUDIENCE,
    ISSUER,
    LEEWAY,
    NOW,
    an_rsa_signer,
    good_claims,
    jwk,
    jwks,
    mint,
    service_claims,
)

from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import IssuerKeys, IssuerRules, TokenDenials
from authz_service.identity.tokens import TokenVerifier

OTHER = "https://idp.example/realms/services"
RULES = IssuerRules(ISSUER, (AUDIENCE,), ("RS256",), LEEWAY)
CLAIMS = good_claims(sid="s-1")
TOKEN, TWIN = mint(CLAIMS), mint({**CLAIMS, "jti": "j-2", "sub": "u-2", "sid": "s-2", "azp": "app-2"})
ISSUED = int(NOW) - 10


@pytest.fixture
def verifier() -> TokenVerifier:
    verifier = TokenVerifier((RULES, replace(RULES, issuer=OTHER)), lambda: NOW, AllAsked())
    for issuer in (ISSUER, OTHER):
        verifier.set_keys(IssuerKeys(issuer, jwks(jwk(an_rsa_signer()))))
    return verifier


def reason(verifier: TokenVerifier, token: str) -> Reason:
    try:
        verifier.verify(token)
    except Rejected as refusal:
        return refusal.reason
    return Reason.ALLOWED


@pytest.mark.parametrize("issuer", ["", ISSUER])
@pytest.mark.parametrize("claim", ["jti", "sub", "sid", "azp"])
@pytest.mark.parametrize("remembered", [True, False])
def test_a_listed_claim_revokes_its_tokens_and_no_other(
    verifier: TokenVerifier, claim: str, issuer: str, *, remembered: bool
) -> None:
    """Also when it was accepted a moment ago; and it is accepted again when the list lets it go."""
    if remembered:
        assert reason(verifier, TOKEN) is reason(verifier, TWIN) is Reason.ALLOWED
    verifier.deny(TokenDenials(claims=((issuer, claim, str(CLAIMS[claim])),)))

    assert reason(verifier, TOKEN) is Reason.TOKEN_REVOKED
    assert reason(verifier, TWIN) is Reason.ALLOWED
    verifier.deny(TokenDenials())
    assert reason(verifier, TOKEN) is Reason.ALLOWED


def test_an_issuers_entry_is_about_its_own_tokens(verifier: TokenVerifier) -> None:
    """The same `sub` in another realm is another user."""
    theirs = mint({**CLAIMS, "iss": OTHER})
    verifier.deny(TokenDenials(claims=((OTHER, "sub", str(CLAIMS["sub"])),)))

    assert reason(verifier, TOKEN) is Reason.ALLOWED
    assert reason(verifier, theirs) is Reason.TOKEN_REVOKED


def test_a_client_is_known_by_either_name(verifier: TokenVerifier) -> None:
    """RFC 9068 writes `client_id` where Keycloak writes `azp`."""
    by_rfc = mint(service_claims("order-service", azp=...))
    assert reason(verifier, by_rfc) is Reason.ALLOWED
    verifier.deny(TokenDenials(claims=(("", "azp", "order-service"),)))

    assert reason(verifier, by_rfc) is Reason.TOKEN_REVOKED
    assert reason(verifier, mint(service_claims("order-service"))) is Reason.TOKEN_REVOKED
    assert reason(verifier, mint(service_claims("payment-service"))) is Reason.ALLOWED


@pytest.mark.parametrize("remembered", [True, False])
@pytest.mark.parametrize(
    ("moment", "expected"),
    [(ISSUED, Reason.ALLOWED), (ISSUED + 1, Reason.TOKEN_REVOKED), (ISSUED + 0.5, Reason.TOKEN_REVOKED)],
)
def test_what_was_issued_before_the_moment_is_refused(
    verifier: TokenVerifier, moment: float, expected: Reason, *, remembered: bool
) -> None:
    """To the second, without leeway; another issuer's tokens live on."""
    theirs = mint({**CLAIMS, "iss": OTHER})
    if remembered:
        assert reason(verifier, TOKEN) is Reason.ALLOWED
    verifier.deny(TokenDenials(not_before=((ISSUER, moment),)))

    assert reason(verifier, TOKEN) is expected
    assert reason(verifier, theirs) is Reason.ALLOWED


def test_a_token_without_its_moment_was_issued_before(verifier: TokenVerifier) -> None:
    without = mint({name: value for name, value in CLAIMS.items() if name != "iat"})
    assert reason(verifier, without) is Reason.ALLOWED
    verifier.deny(TokenDenials(not_before=((ISSUER, 1.0),)))

    assert reason(verifier, without) is Reason.TOKEN_REVOKED
    assert reason(verifier, TOKEN) is Reason.ALLOWED


@pytest.mark.parametrize("value", [7, ["5a1c"], None, {}])
def test_a_claim_of_another_type_is_nobodys(verifier: TokenVerifier, value: object) -> None:
    """And breaks nothing."""
    odd = mint({**CLAIMS, "jti": value})
    verifier.deny(TokenDenials(claims=(("", "jti", "5a1c"),)))

    assert reason(verifier, odd) is Reason.ALLOWED
    assert reason(verifier, TOKEN) is Reason.TOKEN_REVOKED
