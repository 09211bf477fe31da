"""A14: tokens in the shapes of some twenty providers at a live ingress, configured as their page in docs/ says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.support import tokens
from tests.support.certificates import SERVER, Authority
from tests.support.faulty_server import Answer, FaultyServer, Seen
from tests.support.keep_alive import Connections, all_of, get
from tests.support.live import Live
from tests.support.lone_sidecar import GATEWAY, HOST, LoneSidecar
from tests.support.provider_tokens import Printed, Shape, printed, shapes
from tests.support.tokens import Changes, Signer, changed, jwk, jwks, mint
from tests.torture.row import Outcome, Progress, Row

from authz_devkit.certs.authority import client_request
from authz_service.domain.refusals import Reason

_AT_LEAST = 260  # the table
_NAME = "idp.example"
_OWNER, _THIEF = "reports", "billing"  # services with certificates of their own; the machines are all `reports`
_PASSES = (200, "")
_CREDENTIAL = "what-the-api-server-wants"


class Attempt(NamedTuple):
    """One token over one certificate, and the answer that the page promises."""

    name: str
    certificate: str
    token: str
    answer: tuple[int, str]


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """All providers at once, in one sidecar: each token must find its own issuer's rules."""
    pages = {one.heading: one for one in printed()}
    untried = pages.keys() - {heading for heading, _ in shapes()}
    failures = [f"{heading}: on the page, and not tried" for heading in sorted(untried)]
    with FaultyServer(_server_certificate(live), address=(address := live.free_address())) as provider:
        changes = _configuration(live, list(pages.values()), provider)
        with LoneSidecar(live, {**changes, "hosts": {_NAME: address}}) as sidecar:
            attempts = list(_attempts(pages, time.time()))
            tls = {name: sidecar.tls(_certificate(sidecar, name)) for name in (_OWNER, _THIEF)}
            tls["gateway"] = sidecar.tls(GATEWAY)
            async with AsyncExitStack() as stack:
                doors = {
                    name: await stack.enter_async_context(Connections(sidecar.place, context, HOST, count=4))
                    for name, context in tls.items()
                }

                async def attempt(one: Attempt) -> None:
                    answer = await doors[one.certificate].ask(get("/orders/1", HOST, one.token))
                    if (answer.status, answer.reason) != one.answer:
                        failures.append(f"{one.name} with {one.certificate}: {answer.status} {answer.reason}")

                async for done in all_of(attempts, attempt, at_once=8):
                    progress(done)
            served = len(sidecar.echo.seen)
            if served != sum(one.answer == _PASSES for one in attempts):
                failures.append(f"{served} requests at the service")
    return Outcome(len(attempts), failures, figures={"providers": len(pages), "served": served})


def _attempts(pages: dict[str, Printed], now: float) -> Iterator[Attempt]:
    mismatch = (401, Reason.TOKEN_CLIENT_MISMATCH)
    for heading, shape in shapes():
        page, name = pages[heading], f"{heading}, {shape.name}"
        token = _token(page, shape, now)
        yield Attempt(name, _OWNER, token, _PASSES)
        for other in ("gateway", _THIEF):
            yield Attempt(name, other, token, mismatch if shape.is_machine else _PASSES)
        elsewhere = _token(page, shape, now, {page.issuer.get("audience_claim", "aud"): "somebody-else"})
        yield Attempt(f"{name}, another audience", _OWNER, elsewhere, (401, Reason.TOKEN_AUDIENCE_REFUSED))
        stranger = next(other for other in pages.values() if other is not page)
        forged = _token(page, shape, now, signer=_signer(stranger))
        yield Attempt(f"{name}, another issuer's key", _OWNER, forged, (401, Reason.TOKEN_SIGNATURE_INVALID))


def _token(
    page: Printed, shape: Shape, now: float, changes: Changes | None = None, *, signer: Signer | None = None
) -> str:
    audience = page.issuer["audience"]
    common = {
        "iss": page.issuer["issuer"],
        "aud": audience if isinstance(audience, str) else audience[0],
        "iat": int(now) - 1,
        "exp": int(now) + 300,
    }
    claims = changed(changed(common, shape.claims), changes or {})
    return mint(
        claims, signer=signer or _signer(page), header={k: ... if v is None else v for k, v in shape.header.items()}
    )


def _signer(page: Printed) -> Signer:
    """Each provider has a key of its own, and all call it by the same name."""
    return Signer("key-1", "ES256", tokens.ec_key(page.heading))


def _configuration(live: Live, pages: list[Printed], provider: FaultyServer) -> dict[str, object]:
    """What the page prints, but for where the keys are: on this host."""
    issuers: list[object] = []
    bindings: dict[str, list[str]] = {}
    for number, page in enumerate(pages):
        provider.script_with(f"/{number}", partial(_published, page))
        ours = {"jwks_url": provider.url(f"/{number}", host=_NAME), "ca_file": str(_folder(live) / "ca.crt")}
        ours |= {key: str(_folder(live) / key) for key in ("jwks_token_file", "jwks_file") if key in page.issuer}
        if "jwks_file" in ours:
            del ours["jwks_url"]
            Path(ours["jwks_file"]).write_bytes(_published(page).body)
        issuers.append({**page.issuer, **ours})
        for certificate, clients in page.bindings.items():
            listed = bindings.setdefault(certificate, [_OWNER])
            listed += [clients] if isinstance(clients, str) else clients
    allowed = [f"CN={name}-client,O=MyOrg" for name in ("api-gateway", _OWNER, _THIEF)]
    return {"jwt": {"issuers": issuers}, "proxy.mtls": {"allowed_clients": allowed, "bindings": bindings}}


def _published(page: Printed, asked: Seen | None = None) -> Answer:
    """Who wants a credential gives nothing without it, and the others are shown none."""
    wanted = f"Bearer {_CREDENTIAL}" if "jwks_token_file" in page.issuer else ""
    refused = asked is not None and asked.headers.get("authorization", "") != wanted
    return Answer(status=401) if refused else Answer(body=jwks(jwk(_signer(page))).encode())


def _server_certificate(live: Live) -> tuple[Path, Path]:
    authority = Authority.living("idp-ca", time.time())
    folder = _folder(live)
    folder.mkdir(exist_ok=True)
    (folder / "ca.crt").write_bytes(authority.pem)
    (folder / "jwks_token_file").write_text(_CREDENTIAL)
    return authority.issue(_NAME, dns=(_NAME,), usages=(SERVER,)).write(folder, "idp")


def _folder(live: Live) -> Path:
    return live.mesh.folder / "identity-providers"


def _certificate(sidecar: LoneSidecar, service: str) -> tuple[Path, Path]:
    return sidecar.issued(service, client_request(service, "zone1", now=datetime.now(UTC)))


ROW = Row(
    id="A14",
    title="identity providers",
    promise="users pass, machines with their own certificate only",
    full=_AT_LEAST,
    sample=_AT_LEAST,
    budget=30,
    run=run,
)
