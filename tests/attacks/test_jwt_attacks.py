"""Every hostile token is refused for its own reason, and the nearest good token is accepted (SECURITY A2)."""

from collections.abc import Iterator

import pytest
from tests.support.decisions import AllAsked
from tests.support.jwt_attacks import (
    ALGORITHMS,
    OTHER_ISSUER,
    OTHER_KEYS,
    Attack,
    attacks_on_header,
    attacks_on_signature,
)
from tests.support.jwt_claim_attacks import attacks_on_claims, attacks_on_issuers, attacks_on_keys
from tests.support.jwt_form_attacks import attacks_on_encoding, attacks_on_json
from tests.support.tokens import AUDIENCE, ISSUER, LEEWAY, NOW

from authz_service.domain.refusals import Rejected
from authz_service.domain.rules import IssuerKeys, IssuerRules
from authz_service.identity.tokens import TokenVerifier

AT_LEAST = 60  # SECURITY A2


def all_attacks() -> Iterator[Attack]:
    for table in (
        attacks_on_encoding,
        attacks_on_json,
        attacks_on_header,
        attacks_on_signature,
        attacks_on_claims,
        attacks_on_issuers,
        attacks_on_keys,
    ):
        yield from table()


ATTACKS = list(all_attacks())


def a_verifier(keys: str) -> TokenVerifier:
    issuers = tuple(IssuerRules(issuer, (AUDIENCE,), ALGORITHMS, LEEWAY) for issuer in (ISSUER, OTHER_ISSUER))
    verifier = TokenVerifier(issuers, lambda: NOW, AllAsked())
    verifier.set_keys(IssuerKeys(ISSUER, keys))
    verifier.set_keys(IssuerKeys(OTHER_ISSUER, OTHER_KEYS))
    return verifier


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_hostile_token_is_refused_for_its_own_reason(attack: Attack) -> None:
    """Also when its good twin is in the cache already."""
    verifier = a_verifier(attack.keys)
    if attack.keys == attack.twin_keys:
        verifier.verify(attack.twin)

    with pytest.raises(Rejected) as refusal:
        verifier.verify(attack.token)

    assert refusal.value.reason == attack.reason


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_its_good_twin_is_accepted(attack: Attack) -> None:
    """A table that refuses everything would prove nothing."""
    assert a_verifier(attack.twin_keys).verify(attack.twin).values["aud"]


def test_the_tables_are_as_long_as_promised() -> None:
    """Each row has a name and a token of its own."""
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= AT_LEAST
    assert all(attack.token != attack.twin or attack.keys != attack.twin_keys for attack in ATTACKS)
