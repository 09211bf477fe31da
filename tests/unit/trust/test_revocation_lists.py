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
from tests.support.revocations import OTHER_URL, URL, Scope, revocations

from authz_service.errors import CertificateProblems
from authz_service.trust.ca_bundles import CaBundle, parse_ca_bundle
from authz_service.trust.crl import read_lists
from authz_service.trust.revocation_lists import ExpiredPolicy, RevocationList, RevocationLists, judged_lists

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
    return judged_lists(
        read_lists(pem, "crl.pem"), bundle_of(*(authorities or (ROOT,))), expired, NOW, "crl.pem", gate=True
    )


def test_a_good_list_is_taken_with_what_it_revokes() -> None:
    pem = ROOT.revoke(7, 8, life=WEEK)
    crl = read(pem)

    assert crl.pem == pem.decode()
    assert crl.revoked == {("O=MyOrg,CN=zone2-ca", 7), ("O=MyOrg,CN=zone2-ca", 8)}
    assert crl.next_update - NOW == 6 * DAY
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


@pytest.mark.parametrize("identified", [True, False])
def test_a_list_for_each_authority_passes(identified: bool) -> None:
    """Also for two of one name (a CA that changes its key). Envoy tells their lists apart by the key's identifier, and
    else takes one for the other's and refuses everybody: then they are for the gate.
    """
    before, after = (Authority("zone2-ca", ROOT.life, identified=identified) for _ in range(2))
    lists = [revocations(one, serial, life=WEEK) for serial, one in enumerate((before, OTHER, after), 1)]
    crl = read(b"".join(lists), before, OTHER, after)

    assert {serial for _, serial in crl.revoked} == {1, 2, 3}
    assert (crl.pem or "").count("BEGIN X509 CRL") == (3 if identified else 0)
    assert crl.listed == (("O=MyOrg,CN=zone1-ca", ()), ("O=MyOrg,CN=zone2-ca", ()))


def test_an_authority_that_is_renewed_with_its_key_is_the_same() -> None:
    """Its list is for both of its certificates, without any identifier."""
    renewed = Authority("zone2-ca", WEEK, key=ROOT.private)

    assert read(ROOT.revoke(1, life=WEEK), ROOT, renewed).pem is not None


def test_a_dead_authority_needs_no_list() -> None:
    """Its clients are refused anyway."""
    assert read(ROOT.revoke(life=WEEK), ROOT, DEAD).warnings == ()


def test_an_expired_list_of_a_stranger_is_left_out_with_a_warning() -> None:
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
    assert crl.next_update - NOW == -1
    assert "crl_expired: ignore" in crl.warnings[0]


def test_a_list_that_may_end_goes_from_envoy_before_it_ends() -> None:
    """After its end Envoy refuses everybody, until somebody looks. With `deny` it stays to the end."""
    lists = ROOT.revoke(7, life=Life(NOW - DAY, NOW + 4))
    crl = read(lists, expired="ignore")

    assert crl.pem is None
    assert {serial for _, serial in crl.revoked} == {7}
    assert read(lists).pem is not None
    assert read(ROOT.revoke(7, life=Life(NOW - DAY, NOW + 60)), expired="ignore").pem is not None


def test_a_later_list_is_in_place_of_an_earlier_one() -> None:
    """What is taken out of it is revoked no more, and its end counts. One of another key or scope replaces nothing."""
    earlier = revocations(ROOT, 7, life=Life(NOW - 2 * DAY, NOW + DAY))
    crl = read(earlier + ROOT.revoke(8, life=WEEK))

    assert {serial for _, serial in crl.revoked} == {8}
    assert crl.next_update - NOW == 6 * DAY
    of_both = read(earlier + TWIN.revoke(8, life=WEEK), ROOT, TWIN)
    for both in (of_both, read(earlier + listed(ROOT, 8, scope=USERS))):
        assert {serial for _, serial in both.revoked} == {7, 8}


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
    lists = RevocationLists()
    assert lists.load(file, bundle_of(ROOT), "deny", NOW).revoked
    assert lists.load(file, bundle_of(ROOT), "deny", NOW).revoked

    file.write_bytes(ROOT.revoke(life=WEEK))
    assert not lists.load(file, bundle_of(ROOT), "deny", NOW).revoked
    for broken in (ROOT.revoke(7, life=WEEK) + b"-----BEGIN X509 CRL-----\nMII", b"", None):
        if broken is None:
            file.unlink()
        else:
            file.write_bytes(broken)
        with pytest.raises(CertificateProblems, match=r"crl\.pem"):
            lists.load(file, bundle_of(ROOT), "deny", NOW)


def test_a_long_list_is_read() -> None:
    """Serial numbers as long as authorities make them; what was larger than 1 MiB was refused."""
    crl = read(revocations(ROOT, *range(2**150, 2**150 + 21_000), life=WEEK))

    assert len(crl.revoked) == 21_000
    assert len(crl.pem or "") > 1 << 20


ISSUING = Authority("issuing-ca", ROOT.life, ROOT)
NAME = {one: parse_ca_bundle(one.pem, NOW).authorities[0].subject.rfc4514_string() for one in (ROOT, ISSUING)}
AT_URL, USERS, CAS = Scope(url=URL), Scope(only_user=True), Scope(only_ca=True)


def serial_of(authority: Authority) -> int:
    return authority.certificate.serial_number


def listed(authority: Authority, *serials: int, scope: Scope | None = None, **more: bool) -> bytes:
    return revocations(authority, *serials, life=WEEK, scope=scope, **more)


@pytest.mark.parametrize(
    ("lists", "authorities"),
    [
        (listed(ROOT), (ROOT,)),
        (listed(ROOT, version_1=True), (ROOT,)),
        (listed(ROOT) + listed(ISSUING), (ROOT, ISSUING)),
        (listed(ROOT) + listed(ISSUING), (ROOT,)),
        (listed(ROOT, scope=CAS) + listed(ROOT, scope=USERS), (ROOT,)),
        (listed(ROOT, scope=AT_URL) + listed(ROOT), (ROOT,)),
    ],
    ids=[
        "plain",
        "version 1",
        "root and issuing",
        "issuing not in the bundle",
        "for CAs and for users",
        "one is plain",
    ],
)
def test_what_envoy_processes_goes_to_envoy(lists: bytes, authorities: tuple[Authority, ...]) -> None:
    """All of it: a list of an authority below a root of the bundle is looked for when its clients come."""
    crl = read(lists, *authorities)

    assert (crl.pem or "").count("BEGIN") == lists.count(b"BEGIN")
    assert crl.listed is not None  # whose clients they are for, which the gate asks on connections that are open
    assert crl.listed == tuple(sorted({(one.name, ()) for one in read_lists(lists, "")}))


@pytest.mark.parametrize(
    ("lists", "authorities", "expected"),
    [
        (listed(ROOT, scope=AT_URL), (ROOT,), ((NAME[ROOT], (URL,)),)),
        (listed(ROOT, scope=AT_URL, critical=False), (ROOT,), ((NAME[ROOT], (URL,)),)),
        (listed(ROOT, scope=USERS), (ROOT,), ((NAME[ROOT], ()),)),
        (listed(ISSUING), (ISSUING,), ((NAME[ISSUING], ()),)),
        (listed(ROOT) + listed(ISSUING, scope=AT_URL), (ROOT, ISSUING), ((NAME[ISSUING], (URL,)), (NAME[ROOT], ()))),
        (
            listed(ROOT, scope=AT_URL) + listed(ROOT, scope=Scope(url=OTHER_URL)),
            (ROOT,),
            ((NAME[ROOT], (URL, OTHER_URL)),),
        ),
        (
            listed(ROOT, ISSUING.certificate.serial_number, scope=AT_URL) + listed(ISSUING),
            (ROOT, ISSUING),
            ((NAME[ROOT], (URL,)),),
        ),
    ],
    ids=["place", "place, not critical", "for users", "no root", "one of two", "two places", "issuing is revoked"],
)
def test_what_envoy_does_not_process_is_for_the_gate(
    lists: bytes, authorities: tuple[Authority, ...], expected: object
) -> None:
    """Envoy would refuse every client, and say nothing. Without a gate that looks at certificates they are refused."""
    crl = read(lists, *authorities)

    assert crl.pem is None
    assert crl.listed == expected
    with pytest.raises(CertificateProblems, match=r"proxy\.mtls|Envoy would refuse all"):
        judged_lists(read_lists(lists, ""), bundle_of(*authorities), "deny", NOW, "", gate=False)


@pytest.mark.parametrize(
    ("lists", "found"),
    [
        (listed(ROOT, scope=Scope(indirect=True)), "indirect"),
        (listed(ROOT, scope=Scope(directory=True)), "no URL"),
        (listed(ROOT, scope=Scope(relative=True)), "no URL"),
        (listed(ROOT, weak=True), "weak or unusual digest"),
        (listed(ROOT, 7, of_another=True), r"2\.5\.29\.29"),
        (listed(ROOT, scope=Scope(reasons=True)), "some reasons"),
        (listed(ROOT, scope=Scope(only_attribute=True)), "attribute"),
        (listed(ROOT, unknown=True), r"critical extension that is not known here \(1\.2\.3\.4\.5\)"),
        (listed(ROOT, scope=CAS), "no list of"),
        (listed(ROOT, scope=AT_URL) + listed(OTHER), "no authority of the bundle, and the gate"),
    ],
)
def test_what_nobody_processes_is_refused(lists: bytes, found: str) -> None:
    """The last good one stays, and check says so."""
    with pytest.raises(CertificateProblems, match=found):
        read(lists)


OLD, NEW = Authority("old-root", ROOT.life), Authority("new-root", ROOT.life)
NEW_BY_OLD = Authority("new-root", ROOT.life, OLD, key=NEW.private)


@pytest.mark.parametrize(
    ("lists", "authorities", "revoked"),
    [
        (listed(ROOT, serial_of(ISSUING)) + listed(ISSUING), (ROOT, ISSUING), {ISSUING}),
        (listed(ROOT) + listed(ISSUING, serial_of(ROOT)), (ROOT, ISSUING), set()),
        (listed(OLD, serial_of(NEW_BY_OLD)) + listed(NEW), (OLD, NEW, NEW_BY_OLD), {NEW_BY_OLD}),
    ],
    ids=["issuing", "not by another's list", "cross-signed, by one of two"],
)
def test_what_is_below_a_revoked_authority_is_revoked(
    lists: bytes, authorities: tuple[Authority, ...], revoked: set[Authority]
) -> None:
    """A root is below nobody, whoever else has signed its key."""
    assert set(read(lists, *authorities).revoked_authorities) == {one.certificate for one in revoked}


def test_authorities_of_one_name_that_cannot_be_told_apart_are_told() -> None:
    """Envoy knows the clients of the first of them only. With identifiers, or by one key, all is well."""
    apart = [Authority("zone2-ca", ROOT.life, identified=True) for _ in range(2)]
    renewed = Authority("zone2-ca", WEEK, key=ROOT.private)

    assert "two authorities are named O=MyOrg,CN=zone2-ca" in bundle_of(ROOT, TWIN).warnings[0]
    assert bundle_of(*apart).warnings == bundle_of(ROOT, renewed).warnings == ()


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=8), st.integers(0, 300))
def test_garbage_is_a_problem_and_never_a_crash(noise: bytes, place: int) -> None:
    """Any byte of a list changed, under a faultless PEM frame: taken or CertificateProblems."""
    der = x509.load_pem_x509_crl(ROOT.revoke(7, life=WEEK)).public_bytes(Encoding.DER)
    spoilt = der[:place] + noise + der[place + len(noise) :]
    frame = b"-----BEGIN X509 CRL-----\n%b-----END X509 CRL-----\n"
    with contextlib.suppress(CertificateProblems):
        read(frame % base64.encodebytes(spoilt))
