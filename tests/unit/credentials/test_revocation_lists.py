"""Which revocation lists are handed to Envoy (T19)."""

import base64
import contextlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.certificates import Authority, Life

from authz_service.credentials.certificates import CaBundle, parse_ca_bundle
from authz_service.credentials.revocation_lists import ExpiredPolicy, RevocationList, load_crl, parse_crl
from authz_service.errors import CertificateProblems

NOW = 1_800_000_000.0
DAY = 86_400.0
ROOT = Authority.living("zone2-ca", NOW)
OTHER = Authority.living("zone1-ca", NOW)
TWIN = Authority.living("zone2-ca", NOW)
MUTE = Authority("mute-ca", ROOT.life, crl_sign=False)
DEAD = Authority("dead-ca", Life(NOW - 2 * DAY, NOW - DAY))
WEEK = Life(NOW - DAY, NOW + 6 * DAY)
PAST = Life(NOW - 2 * DAY, NOW - 1)


def bundle_of(*authorities: Authority) -> CaBundle:
    return parse_ca_bundle(b"".join(one.pem for one in authorities), NOW)


def read(pem: bytes, *authorities: Authority, expired: ExpiredPolicy = "deny") -> RevocationList:
    return parse_crl(pem, bundle_of(*(authorities or (ROOT,))), expired, NOW, file="crl.pem")


def test_a_good_list_is_taken_with_what_it_revokes() -> None:
    pem = ROOT.revoke(7, 8, life=WEEK)
    crl = read(pem)

    assert crl.pem == pem.decode()
    assert crl.revoked == {("O=MyOrg,CN=zone2-ca", 7), ("O=MyOrg,CN=zone2-ca", 8)}
    assert crl.seconds_to_expiry(NOW) == 6 * DAY
    assert crl.warnings == ()


def test_an_empty_list_revokes_nobody() -> None:
    assert read(ROOT.revoke(life=WEEK)).revoked == frozenset()


@pytest.mark.parametrize(
    ("pem", "authorities", "found"),
    [
        (b"", (ROOT,), "no revocation list"),
        (b"garbage", (ROOT,), "no revocation list"),
        (ROOT.pem, (ROOT,), "no revocation list"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", (ROOT,), "cannot be read"),
        (TWIN.revoke(life=WEEK), (ROOT,), "signature is not that of the authority"),
        (OTHER.revoke(life=WEEK), (ROOT,), "no list of O=MyOrg,CN=zone2-ca"),
        (ROOT.revoke(life=WEEK), (ROOT, OTHER), "no list of O=MyOrg,CN=zone1-ca"),
        (ROOT.revoke(life=WEEK), (ROOT, TWIN), "no list of O=MyOrg,CN=zone2-ca"),
        (MUTE.revoke(life=WEEK), (MUTE,), "may not sign lists"),
        (ROOT.revoke(life=WEEK, delta=True), (ROOT,), "changes only"),
        (ROOT.revoke(life=Life(NOW + 1, NOW + DAY)), (ROOT,), "from the future"),
        (ROOT.revoke(life=PAST), (ROOT,), "has expired"),
    ],
)
def test_one_wrong_thing_is_enough_to_refuse_a_list(pem: bytes, authorities: tuple[Authority, ...], found: str) -> None:
    """Each of these would make Envoy refuse good clients, or let a stranger say who is revoked."""
    with pytest.raises(CertificateProblems, match=found) as refused:
        read(pem, *authorities)

    assert all(problem.fix and problem.file == "crl.pem" for problem in refused.value.problems)


def test_a_list_for_each_authority_passes() -> None:
    """Also for two of one name (a rollover with the same subject)."""
    lists = ROOT.revoke(1, life=WEEK) + OTHER.revoke(2, life=WEEK) + TWIN.revoke(3, life=WEEK)
    crl = read(lists, ROOT, OTHER, TWIN)

    assert (crl.pem or "").count("BEGIN X509 CRL") == 3
    assert {serial for _, serial in crl.revoked} == {1, 2, 3}


def test_a_dead_authority_needs_no_list() -> None:
    """Its clients are refused anyway."""
    assert read(ROOT.revoke(life=WEEK), ROOT, DEAD).warnings == ()


def test_a_list_of_a_stranger_is_left_out_with_a_warning() -> None:
    """An old authority has left the bundle, its list is still in the file: it revokes nothing, and harms nobody."""
    crl = read(ROOT.revoke(1, life=WEEK) + OTHER.revoke(2, life=PAST))

    assert (crl.pem or "").count("BEGIN X509 CRL") == 1
    assert {serial for _, serial in crl.revoked} == {1}
    assert "not used" in crl.warnings[0]


def test_an_expired_list_is_kept_from_envoy_and_still_revokes_when_told_to_ignore() -> None:
    """Envoy would refuse everybody; what the list revoked is for the check on every request."""
    crl = read(ROOT.revoke(7, life=PAST), expired="ignore")

    assert crl.pem is None
    assert {serial for _, serial in crl.revoked} == {7}
    assert crl.seconds_to_expiry(NOW) == -1
    assert "crl_expired: ignore" in crl.warnings[0]


def test_ignore_changes_nothing_else() -> None:
    """A live list goes to Envoy; a forged one is refused."""
    assert read(ROOT.revoke(7, life=WEEK), expired="ignore").pem
    with pytest.raises(CertificateProblems, match="signature"):
        read(TWIN.revoke(life=PAST), expired="ignore")


def test_the_end_of_a_list_is_announced() -> None:
    """The alarm comes before Envoy refuses everybody."""
    assert "ends in" in read(ROOT.revoke(life=Life(NOW - 6 * DAY, NOW + DAY))).warnings[0]


def test_lists_are_loaded_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "crl.pem"
    file.write_bytes(ROOT.revoke(7, life=WEEK))
    assert load_crl(file, bundle_of(ROOT), "deny", NOW).revoked

    file.unlink()
    with pytest.raises(CertificateProblems, match=r"crl\.pem"):
        load_crl(file, bundle_of(ROOT), "deny", NOW)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=8), st.integers(0, 300))
def test_garbage_is_a_problem_and_never_a_crash(noise: bytes, place: int) -> None:
    """Any byte of a list changed, under a faultless PEM frame: taken or CertificateProblems."""
    der = x509.load_pem_x509_crl(ROOT.revoke(7, life=WEEK)).public_bytes(Encoding.DER)
    spoilt = der[:place] + noise + der[place + len(noise) :]
    frame = b"-----BEGIN X509 CRL-----\n%b-----END X509 CRL-----\n"
    with contextlib.suppress(CertificateProblems):
        read(frame % base64.encodebytes(spoilt))
