"""Random requests to a running mesh, and what `authz explain` says of each. By command, at any number:

python -m tests.support.explain_agrees 10000 [SEED]
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from authz_devkit.demo.caller import POD
from authz_devkit.demo.mesh import EXAMPLE, get
from authz_service.mesh.asked import AskedFor
from authz_service.mesh.hop import Journey
from authz_service.mesh.journey import Travel
from authz_service.mesh.load import load_mesh

if TYPE_CHECKING:
    from tests.support.live import Live

_METHODS = (
    "GET",
    "GET",
    "POST",
    "POST",
    "DELETE",
    "PUT",
    "PATCH",
    "OPTIONS",
)  # the answer to a HEAD has no body, and so no reason
_SEGMENTS = (
    "orders", "orders", "payments", "inventory", "PROD-123", "1", "admin", "orders-admin", "api", "v1", "",
    "%6frders", "a%20b", "%41", "x;y=1", "..;", "%2F", "%252e", "%c3%a9", "a+b", "~", "(x)",
)  # fmt: skip
_KNOWN = (
    "/api/v1/orders", "/api/v1/orders/1", "/api/v1/payments", "/orders", "/orders/1", "/payments",
    "/inventory/PROD-123", "/inventory", "/admin",
)  # fmt: skip
_QUERIES = ("", "", "", "?a=1", "?a=%20&b=2")
_AT_ONCE = 8
_CONTEXT = {"X-User-Context": "random-user"}


class Sent(NamedTuple):
    """One random request."""

    at: str
    method: str
    target: str
    certificate: str
    token: str  # a name of `tokens`


class Difference(NamedTuple):
    sent: Sent
    live: str
    explained: str


def requests(number: int, seed: int, certificates: list[str], tokens: list[str]) -> list[Sent]:
    """Half of the paths are the mesh's own, so that all steps of the gate are come to."""
    chance = random.Random(seed)
    found = []
    for _ in range(number):
        at = chance.choice(sorted(POD))
        path = chance.choice(_KNOWN)
        if chance.random() < 0.5:
            path = "/" + "/".join(chance.choice(_SEGMENTS) for _ in range(chance.randint(1, 5)))
        target = path + chance.choice(_QUERIES)
        fitting = {"order": "gateway-zone2", "payment": "gateway-zone2", "data": "order-zone3"}.get(at, "none")
        certificate = fitting if chance.random() < 0.8 else chance.choice(certificates)
        likely = "order-service" if at == "data" else "john"
        token = likely if chance.random() < 0.5 else chance.choice(tokens)
        found.append(Sent(at, chance.choice(_METHODS), target, certificate, token))
    return found


def model_of(live: Live, folder: Path) -> Path:
    """The example as it runs: its files, its certificates, its provider's URL."""
    shutil.copytree(EXAMPLE, folder)
    said = {"files": {"/etc/certs": str(live.mesh.certs)}, "environment": {"IDP_URL": live.mesh.identity_url}}
    (folder / "mesh.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
    return folder


def differences(live: Live, folder: Path, number: int, seed: int) -> list[Difference]:
    """Those requests that the mesh and `explain` judge in two ways: another reason, or a no that is a yes."""
    keys = live.run(_keys(live))
    tokens = _tokens(live)
    sent = requests(number, seed, sorted(live.caller.certificates), sorted(tokens))
    answers = live.run(_answers(live, sent, tokens))
    travel = Travel(load_mesh(model_of(live, folder)), time.time)
    found = []
    for one, answer in zip(sent, answers, strict=True):
        files = live.caller.certificates[one.certificate]
        asked = AskedFor(
            method=one.method,
            target=one.target,
            at=POD[one.at].name,
            token=tokens[one.token],
            certificate=None if files is None else files[0],
            headers=tuple((name.lower(), value) for name, value in _CONTEXT.items()),
            keys=keys,
            host=f"{POD[one.at].host}:8443",
        )
        explained = said_of(travel.follow(asked))
        if explained != answer:
            found.append(Difference(one, answer, explained))
    return found


def said_of(journey: Journey) -> str:
    refused = journey.refused
    return journey.outcome if refused is None else refused.reason


async def _answers(live: Live, sent: list[Sent], tokens: dict[str, str | None]) -> list[str]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Sent) -> str:
        async with room:
            answer = await live.caller.call(
                POD[each.at],
                each.method,
                each.target,
                certificate=each.certificate,
                token=tokens[each.token],
                headers=_CONTEXT,
            )
        return answer.reason or "allowed"

    return await asyncio.gather(*(one(each) for each in sent))


def _tokens(live: Live) -> dict[str, str | None]:
    good: dict[str, str] = {name: live.user(name) for name in ("john", "victor")}
    good |= {"order-service": live.service("order-service")}
    good |= {"payment-service": live.service("payment-service", "data-service:read data-service:write-payments")}
    john = good["john"]
    return {
        **good,
        "none": None,
        "tampered": live.tokens.tampered(john),
        "expired": live.tokens.expired(john, "users"),
        "another audience": live.signed("users", john, aud="another"),
        "no subject": live.signed("users", john, sub=...),
        "no token": "nonsense",
    }


async def _keys(live: Live) -> tuple[dict[str, object], ...]:
    async with live.mesh.client() as client:
        found = []
        for realm in ("users", "services"):
            url = f"{live.mesh.identity_url}/realms/{realm}/protocol/openid-connect/certs"
            answer = await get(client, live.mesh.hosts, url)
            found += answer.json()["keys"]
    return tuple(found)


def main(arguments: list[str]) -> int:
    """Print what differs; 1 when something does."""
    from tempfile import TemporaryDirectory

    from tests.support.live import Live

    number, seed = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else random.getrandbits(32)
    live = Live()
    try:
        live.start()
        live.start_pods()
        with TemporaryDirectory() as folder:
            found = differences(live, Path(folder) / "mesh", number, seed)
    finally:
        live.stop()
    for one in found:
        print(one)
    print(f"{len(found)} of {number} differ (seed {seed})")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
