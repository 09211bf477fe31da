"""Which bundles of authorities are handed to Envoy, and what a person is told about the others."""

import base64
import contextlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.certificates import SERVER, Authority, Leaf, Life

from authz_service.credentials.certificates import KeyPair, parse_key_pair
from authz_service.errors import CertificateProblems
from authz_service.trust.ca_bundles import CaBundle, parse_ca_bundle, require_own_authority_kept

NOW = 1_800_000_000.0
DAY = 86_400.0
ROOT = Authority.living("zone2-ca", NOW)
OTHER = Authority.living("zone1-ca", NOW)
MIDDLE = Authority("zone2-issuing", ROOT.life, ROOT)
GOOD = ROOT.issue("order-service", dns=("order-service.zone2.local",), usages=(SERVER,))


def pair_of(leaf: Leaf) -> KeyPair:
    return parse_key_pair(leaf.certificate, leaf.key, "server", NOW)


def bundle_of(*authorities: Authority, now: float = NOW) -> CaBundle:
    return parse_ca_bundle(b"".join(one.pem for one in authorities), now, file="ca.crt")


def test_a_bundle_of_authorities_is_taken_once_each() -> None:
    bundle = bundle_of(ROOT, OTHER, ROOT)

    assert bundle.authorities == (ROOT.certificate, OTHER.certificate)
    assert bundle.pem.encode() == ROOT.pem + OTHER.pem
    assert bundle.not_after - NOW == 365 * DAY
    assert bundle.warnings == ()


@pytest.mark.parametrize(
    ("pem", "found"),
    [
        (b"", "no certificate"),
        (b"garbage", "no certificate"),
        (ROOT.pem[:-40], "0 whole blocks"),
        (GOOD.certificate, "is not an authority"),
        (ROOT.pem + GOOD.certificate, "is not an authority"),
        (ROOT.pem + Authority("weak", ROOT.life, key=rsa.generate_private_key(65537, 1024)).pem, "weak or unusual key"),
        (Authority("weak", ROOT.life, key=rsa.generate_private_key(3, 2048)).pem, "weak or unusual key"),
        (ROOT.pem + Authority("old", ROOT.life, ROOT, digest=hashes.SHA224()).pem, "weak or unusual digest"),
        (Authority("old", Life(NOW - DAY, NOW - 1)).pem, "no authority in it is valid"),
        (Authority("new", Life(NOW + 1, NOW + DAY)).pem, "no authority in it is valid"),
    ],
)
def test_a_bundle_that_would_refuse_everybody_or_trust_too_many_is_refused(pem: bytes, found: str) -> None:
    with pytest.raises(CertificateProblems, match=found):
        parse_ca_bundle(pem, NOW)


def test_nothing_but_certificates_gets_out_of_a_bundle() -> None:
    """A private key that somebody left in the file does not reach Envoy."""
    assert "PRIVATE" not in parse_ca_bundle(ROOT.pem + GOOD.key, NOW).pem


def test_a_dead_authority_beside_a_live_one_is_a_warning() -> None:
    """The end of a rollover: the old one ran out in the overlap."""
    bundle = bundle_of(ROOT, Authority("old", Life(NOW - DAY, NOW - 1)))

    assert len(bundle.warnings) == 1
    assert bundle.not_after - NOW == 365 * DAY


def test_a_roots_signature_of_itself_does_not_matter() -> None:
    """Nobody relies on it (RFC 5280 §6.1.1 d); its key does."""
    assert bundle_of(Authority("old-root", ROOT.life, digest=hashes.SHA224())).warnings == ()


def test_a_bundle_that_drops_the_authority_of_our_own_live_leaf_is_refused() -> None:
    """T20: our peers get the same bundle, so they would refuse us."""
    own = pair_of(GOOD)
    with pytest.raises(CertificateProblems, match="drops the authority of our own live certificate"):
        require_own_authority_kept(bundle_of(ROOT), bundle_of(OTHER), own)


def test_a_rollover_in_the_right_order_passes() -> None:
    """Add the new one, replace the leaf, drop the old one."""
    old_leaf, new_leaf = pair_of(GOOD), pair_of(OTHER.issue("order-service", dns=("x",)))

    require_own_authority_kept(bundle_of(ROOT), bundle_of(ROOT, OTHER), old_leaf)
    require_own_authority_kept(bundle_of(ROOT, OTHER), bundle_of(OTHER), new_leaf)


def test_an_authority_of_the_same_name_with_another_key_is_another_one() -> None:
    """The signature counts, not the name."""
    with pytest.raises(CertificateProblems):
        require_own_authority_kept(bundle_of(ROOT), bundle_of(Authority.living("zone2-ca", NOW)), pair_of(GOOD))


def test_a_leaf_that_the_bundle_never_covered_is_not_its_business() -> None:
    """A server certificate of a public authority beside a private bundle for clients."""
    require_own_authority_kept(bundle_of(OTHER), bundle_of(MIDDLE), pair_of(GOOD))


def test_a_chain_is_followed_to_its_end() -> None:
    """The leaf's intermediate is in the pair, its root in the bundle."""
    leaf = MIDDLE.issue("x", dns=("x",))
    chained = pair_of(leaf._replace(certificate=leaf.certificate + MIDDLE.pem))

    assert bundle_of(ROOT).covers(chained.chain)
    assert not bundle_of(ROOT).covers(pair_of(leaf).chain)
    assert bundle_of(MIDDLE).covers(pair_of(leaf).chain)
    assert not bundle_of(OTHER).covers(chained.chain)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=8), st.integers(0, 500))
def test_garbage_is_a_problem_and_never_a_crash(noise: bytes, place: int) -> None:
    """Any byte changed, under a faultless PEM frame: taken or CertificateProblems."""
    first, *lines, last = ROOT.pem.splitlines(keepends=True)
    der = base64.decodebytes(b"".join(lines))
    spoilt = first + base64.encodebytes(der[:place] + noise + der[place + len(noise) :]) + last
    with contextlib.suppress(CertificateProblems):
        parse_ca_bundle(spoilt, NOW)
