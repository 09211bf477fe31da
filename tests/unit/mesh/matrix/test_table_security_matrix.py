"""`authz matrix` on the example is the matrix that was written by hand, before the code: cell by cell."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from authz_devkit.certs.authority import Authority, client_request
from authz_devkit.certs.tree import load_authority
from authz_devkit.demo.matrix import Cell, load_matrix
from authz_service.mesh.load import load_mesh
from authz_service.mesh.matrix.resources import OTHER, Asked
from authz_service.mesh.matrix.table import NO_TOKEN, Matrix, MatrixMaker
from authz_service.mesh.shown import NOTHING, Shown, shown_from
from authz_service.mesh.target_token import TokenInHand

EXAMPLE = Path(__file__).parents[4] / "examples/three_zones"
CELLS = load_matrix(EXAMPLE / "security_matrix.yaml")
SIDECARS = {"gateway": "api-gateway", "order": "order-service", "payment": "payment-service", "data": "data-service"}
FILES = {
    "gateway-zone2": "gateway/client-zone2.crt",
    "order-zone3": "order-service/client-zone3.crt",
    "payment-zone3": "payment-service/client-zone3.crt",
}
_NUMBER = re.compile(r"(?<=/)(?:0{32}|PROD-123)$")


@pytest.fixture(scope="module")
def maker(whole_example: Path) -> MatrixMaker:
    return MatrixMaker(load_mesh(whole_example), time.time())


@pytest.fixture(scope="module")
def matrix(maker: MatrixMaker) -> Matrix:
    return maker.make()


@pytest.fixture(scope="module")
def certificates(whole_example: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shown]:
    """As the demo makes them for the live matrix."""
    root, folder, now = whole_example / "certs", tmp_path_factory.mktemp("strangers"), datetime.now(UTC)
    good = client_request("order-service", "zone2", now=now)
    past = client_request("order-service", "zone2", now=now - timedelta(days=2), lifetime=timedelta(days=1))
    shown = {"none": NOTHING, **{name: shown_from(root / file) for name, file in FILES.items()}}
    for name, pair in (
        ("rogue-ca", Authority.create("zone3-CA", now=now).issue(good)),
        ("expired", load_authority(root, "zone3").issue(past)),
    ):
        (folder / f"{name}.crt").write_bytes(pair.cert_pem)
        shown[name] = shown_from(folder / f"{name}.crt")
    return shown


@pytest.fixture(scope="module")
def bearer(maker: MatrixMaker) -> Callable[[Cell], TokenInHand]:
    """The tokens that the table names; the spoilt ones are of the kind that would be right."""
    principals = {one.name: one for one in load_mesh(maker.asker.mesh.folder).principals}

    def of(cell: Cell) -> TokenInHand:
        if cell.token == "none":
            return TokenInHand(None, None, "none")
        right = "john" if cell.destination != "data" else cell.source
        name = cell.token if cell.token in principals else right if right in principals else "order-service"
        good = maker.asker.token(principals[name])
        if cell.token == "expired":
            return replace(good, text=maker.asker.mint.token(principals[name].claims, "RS256", expired=True))
        return replace(good, text=_tampered(good.text or "")) if cell.token == "tampered" else good

    return of


def _tampered(token: str) -> str:
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) | {"sub": "somebody-else"}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{forged}.{signature}"


@pytest.mark.parametrize("door", SIDECARS)
def test_every_cell_is_as_it_was_written(
    maker: MatrixMaker, certificates: dict[str, Shown], bearer: Callable[[Cell], TokenInHand], door: str
) -> None:
    """All that the table has, also the tokens and certificates that nobody has."""
    sidecar = maker.asker.mesh.sidecars[SIDECARS[door]]
    wrong = []
    for cell in (one for one in CELLS if one.destination == door):
        headers = tuple((name.lower(), value) for name, value in cell.headers.items())
        said = maker.asker.ask(sidecar, certificates[cell.certificate], bearer(cell), cell.method, cell.path, headers)
        if said.reason != cell.expected_reason:
            wrong.append((cell.name, cell.expected_reason, said.reason))

    assert wrong == []


@pytest.mark.parametrize("door", SIDECARS)
def test_the_printed_table_says_the_same(matrix: Matrix, certificates: dict[str, Shown], door: str) -> None:
    """Of all callers that the files know: what is printed is what was written."""
    table = matrix.find(SIDECARS[door])
    assert table is not None
    wrong, compared = [], 0
    clients = {row.caller.principal: row.caller.client for row in table.rows}
    for cell in (one for one in CELLS if one.destination == door):
        if cell.token in {"expired", "tampered"} or cell.certificate in {"rogue-ca", "expired"}:
            continue
        principal = NO_TOKEN if cell.token == "none" else cell.token
        certificate = certificates[cell.certificate].name if door != "gateway" else "none"
        key = (certificate, principal, clients.get(principal, ""))
        found = table.find(key, _column(table.columns, cell))
        compared += 1
        if found is None or found.reason != cell.expected_reason:
            wrong.append((cell.name, cell.expected_reason, found))

    assert wrong == []
    assert compared > 100


def _column(columns: tuple[Asked, ...], cell: Cell) -> Asked:
    """Of the path, or of one that nothing names; of the method, or of one that nothing names."""
    path = _NUMBER.sub("{id}", cell.path)
    there = [one for one in columns if one.path == path] or [one for one in columns if one.path == f"/{OTHER}"]
    return next((one for one in there if one.method == cell.method), there[-1])
