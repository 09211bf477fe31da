"""The identity provider is away: what is cached serves while it is valid, nothing goes without a token; it heals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from tests.support.echo_service import EchoService, nothing_arrives
from tests.support.live import Live, decoded
from tests.support.load import Load, get
from tests.support.lone_sidecar import HOST, LoneSidecar, until
from tests.support.private_idp import PrivateIdp
from tests.support.target_service import target_service

from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]
RECOVERS_WITHIN = 30.0  # seconds; SECURITY F3 asks for 5, which a quiet machine holds


@pytest.fixture
def idp(live: Live) -> Iterator[PrivateIdp]:
    with PrivateIdp(live) as running:
        yield running


@pytest.fixture
def hasty_idp(live: Live) -> Iterator[PrivateIdp]:
    """Its tokens live for six seconds."""
    with PrivateIdp(live, lifetime=6) as running:
        yield running


@pytest.fixture
def target(live: Live) -> Iterator[EchoService]:
    with target_service(live) as service:
        yield service


def test_cached_keys_and_tokens_go_on(start_sidecar: StartSidecar, idp: PrivateIdp, target: EchoService) -> None:
    """No request notices the outage, in neither direction; a token of a key that nobody knows is still refused."""
    sidecar = start_sidecar({"hosts": {**idp.hosts, "data-service.zone3.local": target.host}}, target=target.place)
    john = idp.user("john")
    request = get("/orders/1", HOST, authorization=f"Bearer {john}")
    with (
        Load(sidecar.place, request, sidecar.tls(), server_name=HOST, clients=3) as incoming,
        Load((sidecar.address, 8080), get("/data/x", "localhost"), None, clients=3) as outgoing,
    ):
        until(lambda: incoming.answered > 5 and outgoing.answered > 5)
        idp.stop()
        time.sleep(2)
    assert incoming.failures == outgoing.failures == []

    with nothing_arrives(sidecar.echo):
        for strange in (other_signature(john), "x.y.z"):
            assert sidecar.call("GET", "/orders/1", token=strange).status == 401


def test_a_restart_in_the_outage_uses_the_saved_keys(start_sidecar: StartSidecar, idp: PrivateIdp) -> None:
    """And says that they are stale; without saved keys it is not ready, answers 503, and heals by itself."""
    sidecar = start_sidecar({"hosts": idp.hosts})
    john = idp.user("john")
    idp.stop()

    assert sidecar.stop() == 0
    sidecar.start()
    sidecar.wait_ready()
    assert sidecar.call("GET", "/orders/1", token=john).status == 200
    assert "are stale" in str(sidecar.readyz()["degraded"])

    sidecar.kill()
    for saved in (sidecar.folder / "state" / "keys").glob("*.json"):
        saved.unlink()
    sidecar.start()
    told = f"no keys yet of {sidecar.config['jwt']['issuer']}: "

    def only_keys_are_missing() -> bool:  # else Envoy may not listen yet
        missing = sidecar.readyz()["missing"]
        return len(missing) == 1 and missing[0].startswith(told) and "attempts failed" in missing[0]

    until(only_keys_are_missing)
    with nothing_arrives(sidecar.echo):
        refused = sidecar.call("GET", "/orders/1", token=john)
    assert (refused.status, refused.problem["reason"]) == (503, Reason.KEYS_UNAVAILABLE)
    assert refused.values("retry-after")

    idp.start()
    assert until(lambda: sidecar.readyz()["ready"]) < RECOVERS_WITHIN
    assert sidecar.call("GET", "/orders/1", token=john).status == 200
    until(lambda: sidecar.readyz()["degraded"] == [])


def test_an_expired_token_is_withdrawn_and_the_next_one_comes(
    start_sidecar: StartSidecar, hasty_idp: PrivateIdp, target: EchoService
) -> None:
    """503 with Retry-After meanwhile, and nothing reaches the target: not without a token, not with a dead one."""
    sidecar = start_sidecar(
        {"hosts": {**hasty_idp.hosts, "data-service.zone3.local": target.host}}, target=target.place
    )
    assert sidecar.call_egress("GET", "/data/x").status == 200
    hasty_idp.stop()
    until(lambda: sidecar.call_egress("GET", "/data/x").status == 503)
    assert "is missing" in str(sidecar.readyz()["degraded"])
    assert sidecar.readyz()["ready"]

    with nothing_arrives(target):
        for method in ("GET", "POST"):
            refused = sidecar.call_egress(method, "/data/x", headers=[("authorization", "Bearer own")])
            assert (refused.status, refused.problem["reason"]) == (503, Reason.EGRESS_TOKEN_UNAVAILABLE)
            assert refused.values("retry-after")

    hasty_idp.start()
    assert until(lambda: sidecar.call_egress("GET", "/data/x").status == 200) < RECOVERS_WITHIN
    used = [decoded(seen.values("authorization")[0].removeprefix("Bearer "))[1] for seen in target.seen]
    assert {claims["azp"] for claims in used} == {"order-service"}
    assert len({claims["jti"] for claims in used}) >= 2


def test_tokens_are_renewed_before_they_end(
    start_sidecar: StartSidecar, hasty_idp: PrivateIdp, target: EchoService
) -> None:
    """Over several lifetimes no request is lost, and every token was valid when it was used."""
    sidecar = start_sidecar(
        {"hosts": {**hasty_idp.hosts, "data-service.zone3.local": target.host}}, target=target.place
    )
    with Load((sidecar.address, 8080), get("/data/x", "localhost"), None, clients=2) as load:
        time.sleep(10)
    assert load.failures == []
    used = [(seen.at, decoded(seen.values("authorization")[0].removeprefix("Bearer "))[1]) for seen in target.seen]
    assert all(moment < claims["exp"] + 0.5 for moment, claims in used)
    assert len({claims["jti"] for _, claims in used}) >= 3


def other_signature(token: str) -> str:
    head, payload, signature = token.split(".")
    return f"{head}.{payload}.{signature[::-1]}"
