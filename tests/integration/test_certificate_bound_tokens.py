"""RFC 8705 §3 over real TLS: a stolen token is worth nothing without the key of the certificate that it names."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from tests.support.live import Live
from tests.support.lone_sidecar import GATEWAY, LoneSidecar, until

from authz_devkit.certs.authority import client_request
from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import leaf_cert, leaf_key, load_authority, load_leaf
from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]
Certificate = str | tuple[Path, Path]


def now() -> datetime:
    return datetime.now(UTC)


def confirmation(sidecar: LoneSidecar, name: str = GATEWAY) -> dict[str, str]:
    digest = load_leaf(sidecar.certs, name).certificate.fingerprint(SHA256())
    return {"x5t#S256": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}


def second_certificate(sidecar: LoneSidecar) -> tuple[Path, Path]:
    """Of the same client, by the same CA."""
    pair = load_authority(sidecar.certs, "zone2").issue(client_request("api-gateway", "zone1", now=now()))
    cert, key = leaf_cert(sidecar.folder, "second"), leaf_key(sidecar.folder, "second")
    cert.write_bytes(pair.cert_pem)
    key.write_bytes(pair.key_pem)
    return cert, key


def answer(sidecar: LoneSidecar, token: str, certificate: Certificate = GATEWAY) -> tuple[int, str]:
    """Status, and the reason of a refusal."""
    found = sidecar.call("GET", "/orders/1", token=token, certificate=certificate)
    if found.status == 401:
        assert 'error="invalid_token"' in str(found.headers)
    return found.status, "" if found.status == 200 else sidecar.audit[-1]["reason"]


def test_a_bound_token_goes_with_its_own_certificate_only(start_sidecar: StartSidecar, live: Live) -> None:
    """A second certificate of the very same client does not do, and a thumbprint of DPoP is not understood."""
    sidecar, john = start_sidecar(own_certs=True), live.user("john")
    bound = live.signed("users", john, cnf=confirmation(sidecar))
    by_key = live.signed("users", john, cnf={"jkt": confirmation(sidecar)["x5t#S256"]})
    second = second_certificate(sidecar)

    assert answer(sidecar, bound) == (200, "")
    assert answer(sidecar, bound, second) == (401, Reason.TOKEN_BINDING_MISMATCH)
    assert answer(sidecar, john, second) == (200, "")
    assert answer(sidecar, by_key) == (401, Reason.TOKEN_TYPE_REFUSED)

    sidecar.write_config({"jwt.require_binding": "true"})
    until(lambda: answer(sidecar, john) == (401, Reason.TOKEN_BINDING_MISSING))
    assert answer(sidecar, bound) == (200, "")


def test_after_a_renewal_the_grace_holds_and_then_ends(start_sidecar: StartSidecar, live: Live) -> None:
    """One worker, because each has seen only what it was asked about."""
    changes = {"runtime.decision_workers": "1", "jwt.binding_grace": "3s"}
    sidecar, john = start_sidecar(changes, own_certs=True), live.user("john")
    bound = live.signed("users", john, cnf=confirmation(sidecar))
    assert answer(sidecar, bound) == (200, "")

    rotate_leaf(sidecar.certs, GATEWAY, now=now())
    assert answer(sidecar, bound) == (200, "")
    until(lambda: answer(sidecar, bound) == (401, Reason.TOKEN_BINDING_MISMATCH))
    assert answer(sidecar, live.signed("users", john, cnf=confirmation(sidecar))) == (200, "")
