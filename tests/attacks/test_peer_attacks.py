"""Every hostile client certificate is refused for its own reason, the nearest good one is accepted (SECURITY A4)."""

import pytest
from tests.support.peer_attacks import (
    ALLOWED,
    PeerAttack,
    attacks_on_peer_form,
    attacks_on_peer_names,
    attacks_on_peer_purpose,
    attacks_on_peer_uris,
)
from tests.support.tokens import NOW

from authz_service.domain.refusals import Rejected
from authz_service.domain.rules import PeerRules
from authz_service.identity.certificates import Peers, parse_client_rule

AT_LEAST = 36  # SECURITY A4
ATTACKS = [*attacks_on_peer_form(), *attacks_on_peer_purpose(), *attacks_on_peer_names(), *attacks_on_peer_uris()]


def a_gate_for_peers() -> Peers:
    return Peers(PeerRules(required=True, allowed=tuple(map(parse_client_rule, ALLOWED))), lambda: NOW)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_hostile_certificate_is_refused_for_its_own_reason(attack: PeerAttack) -> None:
    """Also when its good twin is in the cache already, and again when it comes back."""
    peers = a_gate_for_peers()
    peers.require_allowed(attack.twin)

    for _ in range(2):
        with pytest.raises(Rejected) as refusal:
            peers.require_allowed(attack.pem)
        assert refusal.value.reason == attack.reason


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_its_good_twin_is_accepted(attack: PeerAttack) -> None:
    """A table that refuses everything would prove nothing."""
    assert a_gate_for_peers().require_allowed(attack.twin).fingerprint


def test_the_tables_are_as_long_as_promised() -> None:
    """Each row has a name and a certificate of its own."""
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= AT_LEAST
    assert all(attack.pem != attack.twin for attack in ATTACKS)
