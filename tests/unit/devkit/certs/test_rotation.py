import ssl
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.devkit.certs.handshake import Files, handshake

from authz_devkit.certs.revocation import load_crls, refresh_crl, refresh_worn_crls, revoke
from authz_devkit.certs.rotation import finish_ca_overlap, rotate_leaf, start_ca_overlap
from authz_devkit.certs.tree import (
    CertsError,
    create_tree,
    ip_addresses,
    leaf_cert,
    leaf_key,
    load_certificates,
    load_leaf,
)

CLIENT = "order-service/client-zone3"
ZONE3 = (CLIENT, "payment-service/client-zone3", "data-service/server")


def test_a_rotated_leaf_is_new_but_says_the_same(tree: Path, now: datetime) -> None:
    create_tree(tree, now=now, ips={"data-service": ["127.5.3.1"]})
    old = load_leaf(tree, "data-service/server")

    rotate_leaf(tree, "data-service/server", now=now)

    new = load_leaf(tree, "data-service/server")
    assert new.certificate.public_key() != old.certificate.public_key()
    assert new.certificate.serial_number != old.certificate.serial_number
    assert new.certificate.subject == old.certificate.subject
    assert ip_addresses(new.certificate) == ("127.5.3.1",)
    assert new.certificate.not_valid_after_utc == old.certificate.not_valid_after_utc
    assert leaf_key(tree, "data-service/server").stat().st_mode & 0o777 == 0o600


def test_a_reader_during_rotations_never_sees_half_a_file(tree: Path, now: datetime) -> None:
    """Each file is whole at any moment, and the pair fits again after the last rename."""
    stop = threading.Event()
    halves: list[str] = []

    def read() -> None:
        while not stop.is_set():
            try:
                load_leaf(tree, CLIENT)
            except CertsError as problem:
                if "does not belong to its key" not in str(problem):
                    halves.append(str(problem))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(30):
        rotate_leaf(tree, CLIENT, now=now)
    stop.set()
    reader.join()

    assert halves == []
    load_leaf(tree, CLIENT)
    assert not list(tree.rglob("*.new"))


def test_a_ca_changes_without_a_moment_in_which_the_mesh_is_cut(tree: Path, now: datetime) -> None:
    """At every step old and new leaves meet; after the last one the old leaves are strangers."""
    old_client, old_bundle = _copy(tree, CLIENT, "old"), load_certificates(tree / "ca/zone3-ca.crt")
    _shake(tree, old_client)

    start_ca_overlap(tree, "zone3", now=now)
    assert load_certificates(tree / "ca/zone3-ca.crt")[1:] == old_bundle
    _shake(tree, old_client)

    rotate_leaf(tree, "data-service/server", now=now)
    _shake(tree, old_client)

    for name in ZONE3:
        rotate_leaf(tree, name, now=now)
    _shake(tree, old_client)
    _shake(tree, _pair(tree, CLIENT))

    finish_ca_overlap(tree, "zone3", now=now)
    assert len(load_certificates(tree / "ca/zone3-ca.crt")) == 1
    assert sorted(path.name for path in (tree / "ca").glob("zone3*")) == ["zone3-ca.crt", "zone3-ca.key"]
    _shake(tree, _pair(tree, CLIENT))
    with pytest.raises(ssl.SSLError, match="unable to get"):
        _shake(tree, old_client)


def test_the_old_ca_stays_while_one_leaf_still_needs_it(tree: Path, now: datetime) -> None:
    """Trap T20, at the source."""
    start_ca_overlap(tree, "zone3", now=now)
    rotate_leaf(tree, CLIENT, now=now)

    with pytest.raises(CertsError, match="payment-service/client-zone3, data-service/server; rotate them"):
        finish_ca_overlap(tree, "zone3", now=now)
    assert len(load_certificates(tree / "ca/zone3-ca.crt")) == 2


def test_a_rotation_is_begun_once_and_finished_once(tree: Path, now: datetime) -> None:
    with pytest.raises(CertsError, match="start with"):
        finish_ca_overlap(tree, "zone3", now=now)
    start_ca_overlap(tree, "zone3", now=now)
    with pytest.raises(CertsError, match="finish this rotation first"):
        start_ca_overlap(tree, "zone3", now=now)


def test_two_cas_never_share_a_name(tree: Path, now: datetime) -> None:
    for generation in ("zone3-CA-2", "zone3-CA-3"):
        start_ca_overlap(tree, "zone3", now=now)
        for name in ZONE3:
            rotate_leaf(tree, name, now=now)
        finish_ca_overlap(tree, "zone3", now=now)
        assert f"CN={generation}" in load_certificates(tree / "ca/zone3-ca.crt")[0].subject.rfc4514_string()


def test_a_revoked_client_is_refused_and_the_others_are_not(tree: Path, now: datetime) -> None:
    refresh_crl(tree, "zone3", now=now)
    _shake(tree, _pair(tree, CLIENT), crl=True)

    serial = revoke(tree, CLIENT, now=now)

    assert serial == load_leaf(tree, CLIENT).certificate.serial_number
    with pytest.raises(ssl.SSLError, match="revoked"):
        _shake(tree, _pair(tree, CLIENT), crl=True)
    _shake(tree, _pair(tree, "payment-service/client-zone3"), crl=True)


def test_revocations_add_up_and_outlive_a_rotation_of_the_leaf(tree: Path, now: datetime) -> None:
    old = _copy(tree, CLIENT, "old")
    revoke(tree, CLIENT, now=now)
    rotate_leaf(tree, CLIENT, now=now)
    revoke(tree, "payment-service/client-zone3", now=now)

    assert sum(len(list(crl)) for crl in load_crls(tree / "ca/zone3-ca.crl")) == 2
    _shake(tree, _pair(tree, CLIENT), crl=True)
    with pytest.raises(ssl.SSLError, match="revoked"):
        _shake(tree, old, crl=True)


def test_the_list_covers_both_cas_of_an_overlap(tree: Path, now: datetime) -> None:
    """Trap T19: a CA without a list means that all its leaves are refused."""
    old = _copy(tree, CLIENT, "old")
    revoke(tree, "payment-service/client-zone3", now=now)
    start_ca_overlap(tree, "zone3", now=now)
    rotate_leaf(tree, CLIENT, now=now)

    assert len(load_crls(tree / "ca/zone3-ca.crl")) == 2
    _shake(tree, old, crl=True)
    _shake(tree, _pair(tree, CLIENT), crl=True)
    with pytest.raises(ssl.SSLError, match="revoked"):
        _shake(tree, _pair(tree, "payment-service/client-zone3"), crl=True)

    for name in ZONE3:
        rotate_leaf(tree, name, now=now)
    finish_ca_overlap(tree, "zone3", now=now)
    assert len(load_crls(tree / "ca/zone3-ca.crl")) == 1


def test_a_worn_list_is_signed_again_and_keeps_its_entries(tree: Path, now: datetime) -> None:
    serial = revoke(tree, CLIENT, now=now)
    fresh = (tree / "ca/zone3-ca.crl").read_bytes()

    refresh_worn_crls(tree, now=now + timedelta(days=14))
    assert (tree / "ca/zone3-ca.crl").read_bytes() == fresh

    refresh_worn_crls(tree, now=now + timedelta(days=16))
    (crl,) = load_crls(tree / "ca/zone3-ca.crl")
    assert crl.next_update_utc is not None
    assert crl.next_update_utc > now + timedelta(days=45)
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None
    assert not (tree / "ca/zone1-ca.crl").exists()


def _shake(tree: Path, client: Files, *, crl: bool = False) -> None:
    handshake(
        server=_pair(tree, "data-service/server"),
        client=client,
        trusted=tree / "ca/zone3-ca.crt",
        host="data-service.zone3.local",
        crl=tree / "ca/zone3-ca.crl" if crl else None,
    )


def _pair(tree: Path, name: str) -> Files:
    return Files(leaf_cert(tree, name), leaf_key(tree, name))


def _copy(tree: Path, name: str, suffix: str) -> Files:
    pair = load_leaf(tree, name)
    files = Files(tree.parent / f"{suffix}.crt", tree.parent / f"{suffix}.key")
    files.cert.write_bytes(pair.cert_pem)
    files.key.write_bytes(pair.key_pem)
    return files
