"""Certificates, CAs and revocation lists change while requests pass: none is lost; what is taken back is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import GATEWAY, HOST, LoneSidecar, ask_again, replace, until
from tests.support.target_service import target_service

from authz_devkit.certs.authority import KeyPair, client_request
from authz_devkit.certs.revocation import refresh_crl, revoke
from authz_devkit.certs.rotation import finish_ca_overlap, rotate_leaf, start_ca_overlap
from authz_devkit.certs.tree import ca_bundle, ca_crl, leaf_cert, leaf_key, load_authority, load_leaf
from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]
SERVER = "order-service/server"
CLIENT = "order-service/client-zone3"


def now() -> datetime:
    return datetime.now(UTC)


def serial(sidecar: LoneSidecar, name: str) -> str:
    return f"{load_leaf(sidecar.certs, name).certificate.serial_number:x}"


def a_load(sidecar: LoneSidecar, token: str, *, new_connections: bool = False) -> Load:
    request = get("/orders/1", HOST, authorization=f"Bearer {token}")
    return Load(sidecar.place, request, sidecar.tls(), server_name=HOST, new_connections=new_connections)


def is_refused(sidecar: LoneSidecar, token: str, certificate: str | tuple[Path, Path] = GATEWAY) -> bool:
    """On a new connection: in the handshake, or by the gate."""
    try:
        return sidecar.call("GET", "/orders/1", token=token, certificate=certificate).status == 403
    except OSError:  # ssl.SSLError, ConnectionError
        return True


@pytest.mark.parametrize("new_connections", [True, False])
def test_a_new_server_certificate_is_served_and_no_request_is_lost(
    start_sidecar: StartSidecar, live: Live, *, new_connections: bool
) -> None:
    """Three times under load, and no request is lost, on old connections and on new ones."""
    sidecar = start_sidecar(own_certs=True)
    with a_load(sidecar, live.user("john"), new_connections=new_connections) as load:
        for _ in range(3):
            assert sidecar.served_serial() == serial(sidecar, SERVER)
            rotate_leaf(sidecar.certs, SERVER, now=now())
            until(lambda: sidecar.served_serial() == serial(sidecar, SERVER))
    assert load.failures == []
    assert load.refused == 0
    assert load.answered > 10
    until(lambda: sidecar.metric('authz_reloads_total{result="ok",what="certificates"}') == 3)


def test_a_pair_that_does_not_match_or_is_cut_is_no_certificate(start_sidecar: StartSidecar, live: Live) -> None:
    """The last good one goes on and /readyz tells; the mended pair is served."""
    sidecar = start_sidecar(own_certs=True)
    good = sidecar.served_serial()
    with a_load(sidecar, live.user("john"), new_connections=True) as load:
        certificate = leaf_cert(sidecar.certs, SERVER)
        leaf, other = certificate.read_text(), leaf_cert(sidecar.certs, "payment-service/server").read_text()
        for broken, told in ((other, "does not belong"), (leaf + other[:-60], "2 BEGIN, 1 whole blocks")):
            replace(certificate, broken)
            until(lambda: told in str(sidecar.readyz()["degraded"]))  # noqa: B023 - it ends before the next
            assert sidecar.readyz()["ready"]
            assert "certificate server" in str(sidecar.readyz()["degraded"])
            assert sidecar.served_serial() == good
        rotate_leaf(sidecar.certs, SERVER, now=now())
        until(lambda: sidecar.served_serial() == serial(sidecar, SERVER))
        until(lambda: not sidecar.readyz()["degraded"])
    assert load.failures == []


@pytest.mark.parametrize("query", ["?last=1", ""], ids=["new connections", "open connections"])
def test_a_new_client_certificate_is_shown_to_the_target(start_sidecar: StartSidecar, live: Live, query: str) -> None:
    """Under load through the egress. Connections that the target would leave open are made anew, too."""
    with target_service(live) as target:
        sidecar = start_sidecar(target=(target.host, target.port), own_certs=True)
        with Load((sidecar.address, 8080), get(f"/data/x{query}", "localhost"), None, clients=3) as load:
            for _ in range(3):
                until(lambda: target.seen and target.seen[-1].peer_serial == serial(sidecar, CLIENT))
                rotate_leaf(sidecar.certs, CLIENT, now=now())
                until(lambda: target.seen[-1].peer_serial == serial(sidecar, CLIENT))
        assert load.failures == []
        assert len({seen.peer_serial for seen in target.seen}) == 4


def test_a_certificate_in_another_file_is_shown_to_the_target(start_sidecar: StartSidecar, live: Live) -> None:
    """Over a connection that stays open, by a change of the configuration."""
    with target_service(live) as target:
        sidecar = start_sidecar(target=target.place)
        renewed = shutil.copytree(sidecar.certs, sidecar.folder / "renewed")
        rotate_leaf(renewed, CLIENT, now=now())
        tls = "egress.targets.data-service.tls"
        with Load((sidecar.address, 8080), get("/data/x", "localhost"), None, clients=1) as load:
            until(lambda: target.seen and target.seen[-1].peer_serial == serial(sidecar, CLIENT))
            sidecar.write_config(
                {
                    f"{tls}.client_cert": str(leaf_cert(renewed, CLIENT)),
                    f"{tls}.client_key": str(leaf_key(renewed, CLIENT)),
                }
            )
            number = f"{load_leaf(renewed, CLIENT).certificate.serial_number:x}"
            until(lambda: target.seen[-1].peer_serial == number)
    assert load.failures == []


def test_a_ca_changes_in_steps_and_nobody_notices(start_sidecar: StartSidecar, live: Live) -> None:
    """Both are trusted, the leaves move, the old one goes; a client of the old CA is refused from then on."""
    sidecar, john = start_sidecar(own_certs=True), live.user("john")
    files = kept(sidecar, "old", load_leaf(sidecar.certs, GATEWAY))
    with a_load(sidecar, john, new_connections=True) as load:
        start_ca_overlap(sidecar.certs, "zone2", now=now())
        load.replace(tls=sidecar.tls())
        for name in (SERVER, "payment-service/server", GATEWAY):
            rotate_leaf(sidecar.certs, name, now=now())
        until(lambda: sidecar.served_serial() == serial(sidecar, SERVER))
        until(lambda: not is_refused(sidecar, john))
        load.replace(tls=sidecar.tls())
        assert not is_refused(sidecar, john, files)
        open_connection = sidecar.connection(sidecar.tls(files))
        assert ask_again(open_connection, john) == (200, "")

        finish_ca_overlap(sidecar.certs, "zone2", now=now())
        until(lambda: is_refused(sidecar, john, files))
        until(lambda: ask_again(open_connection, john) == (403, Reason.CLIENT_CERT_REVOKED))
        open_connection.close()
        assert not is_refused(sidecar, john)
    assert load.failures == []


def test_a_revoked_certificate_is_refused_on_open_connections_too(start_sidecar: StartSidecar, live: Live) -> None:
    """In new handshakes and on open connections; another certificate of the same name loses no request."""
    sidecar, john = a_sidecar_with_crl(start_sidecar), live.user("john")
    pair = load_authority(sidecar.certs, "zone2").issue(client_request("api-gateway", "zone1", now=now()))
    open_connection = sidecar.connection(sidecar.tls())
    assert ask_again(open_connection, john) == (200, "")
    request = get("/orders/1", HOST, authorization=f"Bearer {john}")
    with Load(sidecar.place, request, sidecar.tls(kept(sidecar, "second", pair)), server_name=HOST) as load:
        revoke(sidecar.certs, GATEWAY, now=now())
        until(lambda: is_refused(sidecar, john))
        until(lambda: ask_again(open_connection, john) == (403, Reason.CLIENT_CERT_REVOKED))
        open_connection.close()

        rotate_leaf(sidecar.certs, GATEWAY, now=now())
        assert not is_refused(sidecar, john)
    assert load.failures == []


def test_a_list_that_is_garbage_changes_nothing(start_sidecar: StartSidecar, live: Live) -> None:
    """It would refuse everybody, silently (SECURITY T19)."""
    sidecar, john = a_sidecar_with_crl(start_sidecar), live.user("john")
    crl = ca_crl(sidecar.certs, "zone2")
    good = crl.read_text()
    for garbage in ("", good[: len(good) // 2], ca_bundle(sidecar.certs, "zone2").read_text(), foreign_crl(sidecar)):
        replace(crl, garbage)
        until(lambda: sidecar.readyz()["degraded"])
        assert sidecar.readyz()["ready"]
        assert not is_refused(sidecar, john)
        replace(crl, good)
        until(lambda: not sidecar.readyz()["degraded"])

    revoke(sidecar.certs, GATEWAY, now=now())
    until(lambda: is_refused(sidecar, john))


def test_a_bundle_without_our_own_ca_is_refused(start_sidecar: StartSidecar, live: Live) -> None:
    """It would cut us off from everybody whose certificate is as old as ours (SECURITY T20)."""
    sidecar, john = start_sidecar(own_certs=True), live.user("john")
    bundle = ca_bundle(sidecar.certs, "zone2")
    good = bundle.read_text()
    for bad in (ca_bundle(sidecar.certs, "zone3").read_text(), "", "garbage"):
        replace(bundle, bad)
        until(lambda: sidecar.readyz()["degraded"])
        replace(bundle, good)  # for our own client's sake
        assert sidecar.readyz()["ready"]
        assert not is_refused(sidecar, john)
        until(lambda: not sidecar.readyz()["degraded"])


def kept(sidecar: LoneSidecar, name: str, pair: KeyPair) -> tuple[Path, Path]:
    """As files outside the tree."""
    cert, key = leaf_cert(sidecar.folder, name), leaf_key(sidecar.folder, name)
    cert.write_bytes(pair.cert_pem)
    key.write_bytes(pair.key_pem)
    return cert, key


def a_sidecar_with_crl(start_sidecar: StartSidecar) -> LoneSidecar:
    def prepare(sidecar: LoneSidecar) -> None:
        refresh_crl(sidecar.certs, "zone2", now=now())
        sidecar.write_config({"http.tls.crl_file": str(ca_crl(sidecar.certs, "zone2"))})

    return start_sidecar(own_certs=True, prepare=prepare)


def foreign_crl(sidecar: LoneSidecar) -> str:
    refresh_crl(sidecar.certs, "zone1", now=now())
    return ca_crl(sidecar.certs, "zone1").read_text()
