"""While Envoy takes over other client CAs and lists, whom either the ones before or those to come refuse is refused."""

from itertools import product

import msgspec
import pytest
from tests.support.client_certificates import certificate, in_envoys_form
from tests.support.decisions import rules

from authz_service.control_plane.reload.trust_on_its_way import Listed, with_both
from authz_service.domain.refusals import Rejected
from authz_service.domain.rules import GateRules, PeerRules
from authz_service.identity.certificates import Peers, read_peer

PEM = in_envoys_form(certificate())
PEER = read_peer(PEM)
NOW = (PEER.not_before + PEER.not_after) / 2
GOOD = rules().peers or PeerRules(True, ())
SERIAL = (PEER.issuer, f"{PEER.serial:x}")
LISTED: list[Listed | None] = [
    None, (), ((PEER.issuer, ()),), ((PEER.issuer, ("http://a",)),), ((PEER.issuer, ("http://a", "http://b")),),
    (("CN=another", ()),),
]  # fmt: skip
PEERS = [
    msgspec.structs.replace(GOOD, revoked=revoked, listed=listed, listed_until=until)
    for revoked, listed, until in product([(), (SERIAL,), ((PEER.issuer, "1"),)], LISTED, [None, NOW - 1, NOW + 1])
]


def gets_in(peers: PeerRules | None) -> bool:
    if peers is None:
        return True
    try:
        Peers(peers, lambda: NOW).require_allowed(PEM)
    except Rejected:
        return False
    return True


def given(peers: PeerRules | None, **more: object) -> GateRules:
    return msgspec.structs.replace(rules(), peers=peers, **more)


def test_whoever_is_refused_by_one_of_both_is_refused() -> None:
    """And who is not is not: a change between good lists costs nobody a request."""
    every = [(one, gets_in(one)) for one in (None, *PEERS)]
    assert {True, False} == {found for _, found in every}

    for (before, then), (wanted, soon) in product(every, repeat=2):
        assert gets_in(with_both(given(wanted), given(before)).peers) is (then and soon), (before, wanted)


def test_two_lists_for_different_places_cover_nobody() -> None:
    """No places would mean everybody."""
    one, other = (
        msgspec.structs.replace(GOOD, listed=((PEER.issuer, (place,)), ("CN=x", ())))
        for place in ("http://a", "http://b")
    )
    merged = with_both(given(one), given(other)).peers

    assert merged is not None
    assert merged.listed == (("CN=x", ()),)


def test_whose_authority_is_withdrawn_in_one_of_both_is_refused() -> None:
    one, other = (msgspec.structs.replace(GOOD, withdrawn=(pem,)) for pem in ("one", "other"))
    merged = with_both(given(one), given(other)).peers

    assert merged is not None
    assert set(merged.withdrawn) == {"one", "other"}


def test_what_else_the_rules_say_is_of_the_new_ones() -> None:
    wanted = given(PEERS[0], revision="r2")
    merged = with_both(wanted, given(PEERS[-1], revision="r1"))

    assert msgspec.structs.replace(merged, peers=wanted.peers) == wanted
    assert merged != wanted


@pytest.mark.parametrize("before", [None, given(None)])
def test_before_the_first_lists_there_is_nothing_to_keep(before: GateRules | None) -> None:
    assert with_both(given(PEERS[1]), before) == given(PEERS[1])


def test_another_proxy_makes_its_own_handshakes() -> None:
    """Nothing is handed to it, so nothing is on its way."""
    wanted = given(PEERS[0], callers_elsewhere=True)

    assert with_both(wanted, given(PEERS[-1])) == wanted
