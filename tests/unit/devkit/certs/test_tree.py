from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.devkit.certs.handshake import Files, handshake

from authz_devkit.certs.tree import (
    LEAVES,
    CertsError,
    authorities,
    create_tree,
    ip_addresses,
    issuer_of,
    leaf_cert,
    leaf_key,
    load_certificates,
    load_leaf,
)

SPEC_TREE = [
    "ca/identity-ca.crt",
    "ca/identity-ca.key",
    "ca/zone1-ca.crt",
    "ca/zone1-ca.key",
    "ca/zone2-ca.crt",
    "ca/zone2-ca.key",
    "ca/zone3-ca.crt",
    "ca/zone3-ca.key",
    "data-service/server.crt",
    "data-service/server.key",
    "gateway/client-zone2.crt",
    "gateway/client-zone2.key",
    "gateway/server.crt",
    "gateway/server.key",
    "identity-provider/server.crt",
    "identity-provider/server.key",
    "order-service/client-zone3.crt",
    "order-service/client-zone3.key",
    "order-service/server.crt",
    "order-service/server.key",
    "payment-service/client-zone3.crt",
    "payment-service/client-zone3.key",
    "payment-service/server.crt",
    "payment-service/server.key",
]


def test_the_tree_is_the_one_of_the_specification(tree: Path) -> None:
    assert sorted(_files(tree)) == SPEC_TREE


def test_keys_and_folders_are_their_owners_alone(tree: Path, now: datetime) -> None:
    """DESIGN §3 row 17; also where somebody opened a folder or made it before us."""
    (tree / "gateway").chmod(0o755)
    create_tree(tree, now=now)

    assert {path.stat().st_mode & 0o777 for path in tree.rglob("*.key")} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in [tree, *tree.iterdir()]} == {0o700}


@pytest.mark.parametrize("name", LEAVES)
def test_a_leaf_is_signed_by_the_zone_that_verifies_it_and_by_no_other(tree: Path, name: str) -> None:
    """DESIGN §3 row 1: a client's certificate comes from the CA of the zone that it calls."""
    certificate = load_leaf(tree, name).certificate
    zone = name.rpartition("client-")[2] if "client-" in name else LEAVES[name].authority

    signers = [
        ca
        for ca in authorities(LEAVES)
        if issuer_of(certificate, load_certificates(tree / "ca" / f"{ca}-ca.crt")) is not None
    ]
    assert signers == [zone]


def test_a_caller_and_its_target_shake_hands_with_the_files_as_they_are(tree: Path) -> None:
    for server, client, zone in (
        ("order-service", "gateway/client-zone2", "zone2"),
        ("payment-service", "gateway/client-zone2", "zone2"),
        ("data-service", "order-service/client-zone3", "zone3"),
        ("data-service", "payment-service/client-zone3", "zone3"),
    ):
        handshake(
            server=Files(leaf_cert(tree, f"{server}/server"), leaf_key(tree, f"{server}/server")),
            client=Files(leaf_cert(tree, client), leaf_key(tree, client)),
            trusted=tree / "ca" / f"{zone}-ca.crt",
            host=f"{server}.{zone}.local",
        )


def test_a_second_run_changes_nothing(tree: Path, now: datetime) -> None:
    before = _files(tree)

    assert create_tree(tree, now=now) == ()
    assert _files(tree) == before


def test_a_second_run_mends_what_is_broken_and_only_that(tree: Path, now: datetime) -> None:
    """Gone, mismatched (a crash between the two renames), garbage, foreign: each one is made again."""
    before = _files(tree)
    leaf_key(tree, "gateway/server").unlink()
    leaf_key(tree, "order-service/server").write_bytes(leaf_key(tree, "payment-service/server").read_bytes())
    leaf_cert(tree, "data-service/server").write_text("garbage")
    for suffix in (".crt", ".key"):
        (tree / f"payment-service/client-zone3{suffix}").write_bytes(before[f"payment-service/server{suffix}"])

    made = create_tree(tree, now=now)

    broken = ("gateway/server", "order-service/server", "payment-service/client-zone3", "data-service/server")
    assert sorted(made) == sorted(broken)
    after = _files(tree)
    assert [name for name in after if after[name] != before[name]] == sorted(
        f"{name}{suffix}" for name in broken for suffix in (".crt", ".key")
    )


def test_a_leaf_is_renewed_in_the_last_third_of_its_life(tree: Path, now: datetime) -> None:
    assert create_tree(tree, now=now + timedelta(days=4)) == ()
    assert set(create_tree(tree, now=now + timedelta(days=5))) == set(LEAVES)


def test_an_address_is_added_to_the_servers_that_ask_for_it(tree: Path, now: datetime) -> None:
    made = create_tree(tree, now=now, ips={"gateway": ["127.77.1.1"]})

    assert made == ("gateway/server",)
    assert ip_addresses(load_leaf(tree, "gateway/server").certificate) == ("127.77.1.1",)
    assert ip_addresses(load_leaf(tree, "gateway/client-zone2").certificate) == ()
    assert create_tree(tree, now=now, ips={"gateway": ["127.77.1.1"]}) == ()


def test_an_address_for_a_stranger_is_refused(tree: Path, now: datetime) -> None:
    with pytest.raises(CertsError, match="api-gateway; known are gateway"):
        create_tree(tree, now=now, ips={"api-gateway": ["127.0.0.1"]})


def test_a_root_is_never_replaced_silently(tree: Path, now: datetime) -> None:
    """Without its key nothing can be signed; a new root would cut off everybody who trusts the old one."""
    (tree / "ca/zone2-ca.key").unlink()

    with pytest.raises(CertsError, match=r"zone2-ca\.key"):
        create_tree(tree, now=now)


def _files(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}
