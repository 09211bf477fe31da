"""A list of revoked certificates and tokens acts within seconds, on open connections and remembered tokens too."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from tests.support.live import Live, decoded
from tests.support.load import Load, get
from tests.support.lone_sidecar import GATEWAY, HOST, LoneSidecar, ask_again, replace, until
from tests.support.patience import PATIENCE

from authz_devkit.certs.tree import load_leaf
from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]
Open = Callable[[LoneSidecar], http.client.HTTPConnection]


def listed(sidecar: LoneSidecar) -> Path:
    return sidecar.folder / "etc" / "denylist.json"


def revoke(sidecar: LoneSidecar, **sections: Any) -> None:
    replace(listed(sidecar), json.dumps(sections))


@pytest.fixture
def opened() -> Iterator[Open]:
    """Connections that stay open until the test ends."""
    with ExitStack() as stack:
        yield lambda sidecar: stack.enter_context(closing(sidecar.connection(sidecar.tls())))


def a_sidecar(start_sidecar: StartSidecar, first: str = "{}") -> LoneSidecar:
    def prepare(sidecar: LoneSidecar) -> None:
        listed(sidecar).write_text(first)
        sidecar.write_config({"revocation.path": str(listed(sidecar))})

    return start_sidecar(prepare=prepare)


def test_a_token_is_revoked_by_each_of_its_names(start_sidecar: StartSidecar, live: Live, opened: Open) -> None:
    """On an open connection, where it was accepted a moment before; another user's requests go on, and none is lost."""
    sidecar, john, mary = a_sidecar(start_sidecar), live.user("john"), live.user("mary")
    claims = decoded(john)[1]
    connection = opened(sidecar)
    request = get("/orders/1", HOST, authorization=f"Bearer {mary}")
    with Load(sidecar.place, request, sidecar.tls(), server_name=HOST) as load:
        for entry in ({"jti": claims["jti"]}, {"sub": claims["sub"], "issuer": claims["iss"]}, {"sid": claims["sid"]}):
            assert ask_again(connection, john) == (200, "")
            revoke(sidecar, tokens=[entry])
            until(lambda: ask_again(connection, john) == (401, Reason.TOKEN_REVOKED))
            revoke(sidecar)
            until(lambda: ask_again(connection, john) == (200, ""))
    assert load.failures == []
    assert load.refused == 0

    revoke(sidecar, tokens=[{"azp": claims["azp"]}])
    until(lambda: ask_again(connection, john) == (401, Reason.TOKEN_REVOKED))
    assert ask_again(connection, mary) == (401, Reason.TOKEN_REVOKED)


def test_what_an_issuer_issued_before_a_moment_is_revoked(
    start_sidecar: StartSidecar, live: Live, opened: Open
) -> None:
    sidecar, john = a_sidecar(start_sidecar), live.user("john")
    claims = decoded(john)[1]
    younger = live.signed("users", john, iat=claims["iat"] + 5)
    connection = opened(sidecar)
    assert ask_again(connection, john) == ask_again(connection, younger) == (200, "")

    revoke(sidecar, not_before={claims["iss"]: claims["iat"] + 5})
    until(lambda: ask_again(connection, john) == (401, Reason.TOKEN_REVOKED))
    assert ask_again(connection, younger) == (200, "")


def test_a_certificate_is_revoked_by_its_fingerprint_and_by_its_serial(
    start_sidecar: StartSidecar, live: Live, opened: Open
) -> None:
    """On an open connection, without a list of its CA."""
    sidecar, john = a_sidecar(start_sidecar), live.user("john")
    certificate = load_leaf(sidecar.certs, GATEWAY).certificate
    connection = opened(sidecar)
    by_serial = {"issuer": certificate.issuer.rfc4514_string(), "serial": f"{certificate.serial_number:X}"}
    for entry in ({"fingerprint_sha256": certificate.fingerprint(SHA256()).hex()}, by_serial):
        assert ask_again(connection, john) == (200, "")
        revoke(sidecar, certificates=[entry])
        until(lambda: ask_again(connection, john) == (403, Reason.CLIENT_CERT_REVOKED))
        revoke(sidecar, certificates=[{**by_serial, "serial": "1"}])
        until(lambda: ask_again(connection, john) == (200, ""))


def test_a_broken_list_changes_nothing_and_is_told(start_sidecar: StartSidecar, live: Live) -> None:
    """The last good one acts, and a broken configuration beside it does not keep a new list away."""
    john, mary = live.user("john"), live.user("mary")
    sidecar = a_sidecar(start_sidecar, json.dumps({"tokens": [{"jti": decoded(john)[1]["jti"]}]}))
    assert sidecar.call("GET", "/orders/1", token=john).status == 401
    assert sidecar.metric("authz_denylist_entries") == 1

    replace(listed(sidecar), '{"tokens": [')
    until(lambda: "denylist was refused" in str(sidecar.readyz()["degraded"]))
    assert sidecar.readyz()["ready"]
    assert sidecar.metric('authz_reloads_total{result="refused",what="denylist"}') == 1
    assert sidecar.call("GET", "/orders/1", token=john).status == 401
    assert sidecar.call("GET", "/orders/1", token=mary).status == 200

    sidecar.write_config({"nonsense": "1"})
    until(lambda: "nonsense" in str(sidecar.readyz()["degraded"]))
    revoke(sidecar, tokens=[{"jti": decoded(mary)[1]["jti"]}])
    until(lambda: sidecar.call("GET", "/orders/1", token=mary).status == 401)
    assert sidecar.call("GET", "/orders/1", token=john).status == 200
    assert "denylist" not in str(sidecar.readyz()["degraded"])


def test_without_its_list_it_does_not_start(start_sidecar: StartSidecar, live: Live) -> None:
    """`authz check` says the same, with the place; a running one keeps its rules."""
    sidecar = a_sidecar(start_sidecar)
    john = live.user("john")
    before = sidecar.readyz()["revision"]
    sidecar.write_config({"revocation.path": str(sidecar.folder / "etc" / "absent.json")})
    until(lambda: "changed files were refused" in str(sidecar.readyz()["degraded"]))
    assert "absent.json" in str(sidecar.readyz()["degraded"])
    assert sidecar.readyz()["revision"] == before
    assert sidecar.call("GET", "/orders/1", token=john).status == 200

    check = [*sidecar.command[:-3], "check", *sidecar.command[-2:]]
    found = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (found.returncode, "absent.json: denylist: cannot be read" in found.stdout) == (1, True)
    assert sidecar.stop() == 0
    sidecar.start()
    assert sidecar.process is not None
    assert sidecar.process.wait(PATIENCE) == 1
    assert "absent.json: denylist: cannot be read" in sidecar.log
