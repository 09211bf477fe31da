"""Which pairs are handed to Envoy, and what a person is told about the others."""

import base64
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.certificates import CLIENT, SERVER, Authority, Leaf, Life, private_pem

from authz_service.credentials.certificates import KeyPair, Purpose, load_key_pair, parse_key_pair
from authz_service.errors import CertificateProblems
from authz_service.trust.ca_bundles import load_ca_bundle

NOW = 1_800_000_000.0
DAY = 86_400.0
ROOT = Authority.living("zone2-ca", NOW)
OTHER = Authority.living("zone1-ca", NOW)
MIDDLE = Authority("zone2-issuing", ROOT.life, ROOT)
AS_LEAF = Leaf(MIDDLE.pem, private_pem(MIDDLE.private), 0)


def below_weak(**odd: Any) -> Leaf:
    """A good leaf below an issuing authority that is odd in one thing."""
    middle = Authority("odd-issuing", ROOT.life, ROOT, **odd)
    leaf = middle.issue("x", dns=("x",))
    return leaf._replace(certificate=leaf.certificate + middle.pem)


GOOD = ROOT.issue("order-service", dns=("order-service.zone2.local",), usages=(SERVER,))


def pair_of(leaf: Leaf, purpose: Purpose = "server", now: float = NOW) -> KeyPair:
    return parse_key_pair(leaf.certificate, leaf.key, purpose, now, files=("server.crt", "server.key"))


def test_a_good_pair_is_taken_with_its_facts() -> None:
    pair = pair_of(GOOD)

    assert pair.subject == "O=MyOrg,CN=order-service"
    assert pair.issuer == "O=MyOrg,CN=zone2-ca"
    assert pair.names == ("order-service.zone2.local",)
    assert pair.not_after - NOW == 365 * DAY
    assert pair.warnings == ()
    assert pair.chain_pem.encode() == GOOD.certificate
    assert pair.key_pem.reveal().encode() == GOOD.key
    assert len(pair.fingerprint) == 64


def test_the_key_is_not_printed() -> None:
    assert "PRIVATE KEY" not in repr(pair_of(GOOD))


@pytest.mark.parametrize(
    ("leaf", "found"),
    [
        (ROOT.issue("x", dns=("x",), life=Life(NOW - DAY, NOW)), "expired at"),
        (ROOT.issue("x", dns=("x",), life=Life(NOW + 1, NOW + DAY)), "valid only from"),
        (ROOT.issue("x", dns=("x",), usages=(CLIENT,)), "not made for a TLS server"),
        (ROOT.issue("x", dns=("x",), key=rsa.generate_private_key(65537, 1024)), "TLS peers refuse"),
        (ROOT.issue("x", dns=("x",), key=ec.generate_private_key(ec.SECP256K1())), "TLS peers refuse"),
        (ROOT.issue("x", dns=("x",), key=ec.generate_private_key(ec.SECP224R1())), "TLS peers refuse"),
        (ROOT.issue("x", dns=("x",), key=rsa.generate_private_key(3, 2048)), "TLS peers refuse"),
        (AS_LEAF, "is an authority, and no peer"),
        (below_weak(key=rsa.generate_private_key(65537, 1024)), "has a weak or unusual key"),
        (below_weak(key=ec.generate_private_key(ec.SECP224R1())), "has a weak or unusual key"),
        (below_weak(digest=hashes.SHA224()), "is signed with a weak or unusual digest"),
        (GOOD._replace(key=ROOT.issue("y").key), "does not belong to the certificate"),
        (GOOD._replace(key=b""), "not a PEM private key"),
        (GOOD._replace(key=GOOD.certificate), "not a PEM private key"),
        (GOOD._replace(key=private_pem(ec.generate_private_key(ec.SECP256R1()), b"pass")), "it is encrypted"),
        (GOOD._replace(certificate=b""), "no certificate"),
        (GOOD._replace(certificate=GOOD.key), "no certificate"),
        (GOOD._replace(certificate=GOOD.certificate[:-40]), "0 whole blocks"),
        (GOOD._replace(certificate=GOOD.certificate + OTHER.pem), "not issued by the next"),
        (GOOD._replace(certificate=ROOT.pem + GOOD.certificate), "does not belong"),
    ],
)
def test_one_wrong_thing_is_enough_to_refuse_a_pair(leaf: Leaf, found: str) -> None:
    """The good pair above passes; each problem says what was found and what to do."""
    with pytest.raises(CertificateProblems) as refused:
        pair_of(leaf)

    assert any(found in problem.found and problem.fix for problem in refused.value.problems)


@pytest.mark.parametrize(
    "leaf",
    [
        ROOT.issue("x", dns=("x",), usages=()),
        ROOT.issue("x", dns=("x",), usages=(SERVER, CLIENT)),
        ROOT.issue("x", addresses=("127.0.0.1",)),
        ROOT.issue("x", dns=("x",), key=rsa.generate_private_key(65537, 2048)),
        ROOT.issue("x", dns=("x",), key=ec.generate_private_key(ec.SECP384R1())),
        ROOT.issue("x", dns=("x",), key=ec.generate_private_key(ec.SECP521R1())),
        ROOT.issue("x", dns=("x",), key=ed25519.Ed25519PrivateKey.generate()),
        below_weak(),
        GOOD._replace(certificate=GOOD.certificate + ROOT.pem),
    ],
)
def test_other_good_forms_pass(leaf: Leaf) -> None:
    """The twins of the refused ones, changed in the one thing."""
    assert pair_of(leaf).warnings == ()


def test_a_client_pair_is_judged_as_a_client() -> None:
    """It needs no name, but the right usage."""
    assert pair_of(ROOT.issue("x", usages=(CLIENT,)), "client").warnings == ()
    with pytest.raises(CertificateProblems, match="not made for a TLS client"):
        pair_of(GOOD, "client")


def test_everything_wrong_is_told_at_once() -> None:
    leaf = ROOT.issue("x", usages=(CLIENT,), life=Life(NOW - DAY, NOW - 1))
    with pytest.raises(CertificateProblems) as refused:
        pair_of(leaf._replace(key=b"garbage"))

    assert [problem.at for problem in refused.value.problems] == ["certificate", "certificate", "private key"]
    assert {problem.file for problem in refused.value.problems} == {"server.crt", "server.key"}


def test_a_server_certificate_without_a_name_is_a_warning() -> None:
    """The spec's own script makes such ones (CN only)."""
    assert "subject alternative name" in pair_of(ROOT.issue("x")).warnings[0]


@pytest.mark.parametrize(
    ("life", "left", "warned"),
    [
        (DAY, 0.21, False),
        (DAY, 0.19, True),
        (10 * DAY, 0.19, True),
        (3650 * DAY, 0.19, False),
        (3650 * DAY, 0.008, True),
    ],
)
def test_expiry_is_announced_in_the_last_fifth_or_month_of_a_life(life: float, left: float, warned: bool) -> None:
    end = NOW + life * left
    leaf = ROOT.issue("x", dns=("x",), life=Life(end - life, end))

    assert bool(pair_of(leaf).warnings) == warned
    assert (pair_of(leaf).near_end < NOW) == warned
    assert pair_of(leaf).near_end == pytest.approx(end - min(life / 5, 30 * DAY), abs=1)


def test_an_open_key_file_is_a_warning(tmp_path: Path) -> None:
    """And the private one beside it is not."""
    cert_file, key_file = GOOD.write(tmp_path, "server")
    assert load_key_pair(cert_file, key_file, "server", NOW).warnings == ()

    key_file.chmod(0o644)
    assert "chmod 600" in load_key_pair(cert_file, key_file, "server", NOW).warnings[0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.unlink(),
        lambda file: (file.unlink(), file.mkdir()),
        lambda file: file.write_bytes(b"x" * (2 << 20)),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_with_its_name(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    cert_file, key_file = GOOD.write(tmp_path, "server")
    spoil(key_file)
    with pytest.raises(CertificateProblems) as refused:
        load_key_pair(cert_file, key_file, "server", NOW)
    assert refused.value.problems[0].file == str(key_file)

    ca_file = tmp_path / "ca.crt"
    ca_file.write_bytes(ROOT.pem)
    assert load_ca_bundle(ca_file, NOW).authorities == (ROOT.certificate,)
    spoil(ca_file)
    with pytest.raises(CertificateProblems, match=r"ca\.crt"):
        load_ca_bundle(ca_file, NOW)


@pytest.mark.parametrize(
    ("place", "byte"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"),  # a version that does not exist
        (b"\x0c\x05MyOrg", b"\x03\x05MyOrg"),  # a name that is a bit string
        (b"\x82\x19order-service.zone2.local", b"\xa3\x19order-service.zone2.local"),  # an x400Address
    ],
)
def test_forms_for_which_the_parser_has_errors_of_its_own_are_problems(place: bytes, byte: bytes) -> None:
    """Each of them raises something that is no ValueError."""
    first, *lines, last = GOOD.certificate.splitlines(keepends=True)
    der = base64.decodebytes(b"".join(lines))
    assert place in der
    spoilt = first + base64.encodebytes(der.replace(place, byte)) + last

    with pytest.raises(CertificateProblems, match="no certificate that can be read"):
        parse_key_pair(spoilt, GOOD.key, "server", NOW)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=8), st.integers(0, 500), st.sampled_from([GOOD.certificate, ROOT.pem, GOOD.key]))
def test_garbage_is_a_problem_and_never_a_crash(noise: bytes, place: int, pem: bytes) -> None:
    """Any byte changed, under a faultless PEM frame: taken or CertificateProblems."""
    first, *lines, last = pem.splitlines(keepends=True)
    der = base64.decodebytes(b"".join(lines))
    spoilt = first + base64.encodebytes(der[:place] + noise + der[place + len(noise) :]) + last
    with contextlib.suppress(CertificateProblems):
        parse_key_pair(spoilt, GOOD.key, "server", NOW)
    with contextlib.suppress(CertificateProblems):
        parse_key_pair(GOOD.certificate, spoilt, "server", NOW)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_key_that_our_own_group_may_read_is_no_alarm(tmp_path: Path, mode: int) -> None:
    """What Kubernetes' `fsGroup` makes of every secret; more than that, or another's group, is told."""
    cert_file, key_file = GOOD.write(tmp_path, "server")
    os.chown(key_file, -1, os.getegid())
    key_file.chmod(mode)
    assert load_key_pair(cert_file, key_file, "server", NOW).warnings == ()

    for wrong in (mode | 0o020, mode | 0o004):
        key_file.chmod(wrong)
        assert "chmod" in load_key_pair(cert_file, key_file, "server", NOW).warnings[0]
    if os.geteuid() == 0 and mode & 0o040:
        key_file.chmod(mode)
        os.chown(key_file, -1, 54_321)
        assert "chmod" in load_key_pair(cert_file, key_file, "server", NOW).warnings[0]
