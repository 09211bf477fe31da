"""The mesh across the specification's six networks: the drawn arrows connect, and no others; a cable may be pulled."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.networked_mesh import NetworkedMesh, can_connect
from tests.support.networks import PODS, Networks
from tests.support.patience import PATIENCE

from authz_devkit.demo import mesh as demo
from authz_devkit.demo.caller import POD, Answer, Caller, Tokens
from authz_devkit.demo.leftovers import new_folder

INGRESS, EGRESS, SERVICE, ADMIN = 8443, 8080, 9000, 9901
# Written from the specification's drawing. Order and payment share their networks: what keeps them apart is that
# neither has a certificate for the other's zone (the security matrix).
ARROWS = {
    ("user", "api-gateway"),
    ("api-gateway", "order-service"),
    ("api-gateway", "payment-service"),
    ("order-service", "data-service"),
    ("payment-service", "data-service"),
    ("order-service", "payment-service"),
    ("payment-service", "order-service"),
    *((pod, "identity-provider") for pod in PODS if pod != "identity-provider"),
}
# Neighbours in a network can answer each other's calls, so they can also call back.
BACK = {
    *(("identity-provider", pod) for pod in PODS if pod not in {"identity-provider", "user"}),
    ("order-service", "api-gateway"), ("payment-service", "api-gateway"),
        ("data-service", "order-service"), ("data-service", "payment-service")}  # fmt: skip


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    with Networks() as networks:
        yield networks


@pytest.fixture(scope="module")
def mesh(networks: Networks) -> Iterator[NetworkedMesh]:
    """Started and stopped in one event loop, which runs in a thread of its own meanwhile."""
    mesh = NetworkedMesh(new_folder(), 1, networks=networks)
    with asyncio.Runner() as runner:
        runner.run(mesh.start())
        try:
            yield mesh
        finally:
            runner.run(mesh.stop())


def called(mesh: NetworkedMesh, source: str, **request: Any) -> Answer:
    """John's request, as sent from the source's network."""

    async def work() -> Answer:
        caller = Caller(mesh)
        try:
            return await caller.call(token=await Tokens(mesh).user("john"), **request)
        finally:
            await caller.close()

    return mesh.networks.call(source, lambda: asyncio.run(work()))


def an_order(mesh: NetworkedMesh, **headers: str) -> Answer:
    body = {"product_id": "PROD-BULK", "quantity": 1}
    return called(mesh, "user", pod=POD["gateway"], method="POST", path="/api/v1/orders", body=body, headers=headers)


def test_an_order_and_its_payment_pass_from_zone_1_to_zone_3(mesh: NetworkedMesh) -> None:
    """And each sidecar on the way has recorded it."""
    order = an_order(mesh, **{"X-Correlation-ID": "across-six-networks"})
    assert order.status == 201, order
    paid = called(
        mesh, "user", pod=POD["gateway"], method="POST", path="/api/v1/payments", body={"order_id": order.body["id"]}
    )
    assert paid.status == 201, paid

    recorded = {
        pod.name
        for pod in demo.PODS
        for line in mesh.audit_file(pod).read_text().splitlines()
        if json.loads(line).get("correlation_id") == "across-six-networks"
    }
    assert recorded == {"api-gateway", "order-service", "data-service"}


@pytest.mark.parametrize("source", PODS)
@pytest.mark.parametrize("target", PODS)
def test_only_the_drawn_arrows_connect(mesh: NetworkedMesh, source: str, target: str) -> None:
    """Whatever address of the target is tried; and never the egress, the service or the admin page of another pod."""
    if source == target:
        return
    networks = mesh.networks
    addresses = networks.addresses(target).values()
    reached = {
        (address, port)
        for address in addresses
        for port in (INGRESS, EGRESS, SERVICE, ADMIN)
        if networks.call(source, lambda a=address, p=port: can_connect(a, p))  # type: ignore[misc]
    }

    assert {port for _, port in reached} <= {INGRESS}
    listens = target != "user"
    assert bool(reached) == (listens and (source, target) in ARROWS | BACK)


def test_the_gateway_cannot_even_open_a_connection_to_data(mesh: NetworkedMesh) -> None:
    """Not by its own networks and not by the one of the identity provider, in which both are; order can."""
    networks = mesh.networks
    for address in networks.addresses("data-service").values():
        assert not networks.call("api-gateway", lambda a=address: can_connect(a, INGRESS))  # type: ignore[misc]
    assert networks.call("order-service", lambda: can_connect(networks.address("data-service", "zone2-zone3"), INGRESS))


def test_order_has_no_certificate_that_payment_accepts(mesh: NetworkedMesh) -> None:
    """The two share a network; the gateway's certificate is accepted from the gateway's place."""
    request = {"pod": POD["payment"], "method": "GET", "path": "/orders/x"}
    assert called(mesh, "order-service", certificate="order-zone3", **request).reason in {
        "tls_refused",
        "connection_failed",
    }
    assert called(mesh, "api-gateway", certificate="gateway-zone2", **request).status == 404


def test_a_cut_cable_is_503_and_heals(mesh: NetworkedMesh) -> None:
    """Order loses data: its requests fail soon and with a reason; payment's own cable is another; then all is well."""
    networks = mesh.networks
    order = an_order(mesh)
    assert order.status == 201

    networks.cut("order-service", "zone2-zone3")
    try:
        for _ in range(2):
            began = time.monotonic()
            answer = an_order(mesh)
            assert answer.status in {502, 503, 504}, answer
            assert time.monotonic() - began < 45
        path = "/api/v1/payments"
        paid = called(mesh, "user", pod=POD["gateway"], method="POST", path=path, body={"order_id": order.body["id"]})
        assert paid.status == 201, paid
    finally:
        networks.heal("order-service", "zone2-zone3")

    end = time.monotonic() + PATIENCE
    while (answer := an_order(mesh)).status != 201:
        assert time.monotonic() < end, answer
        time.sleep(0.2)


def test_without_the_identity_provider_tokens_in_hand_go_on(mesh: NetworkedMesh) -> None:
    """Keys and tokens are kept: only new sign-ins have to wait."""
    networks = mesh.networks

    async def token() -> str:
        return await Tokens(mesh).user("john")

    in_hand = networks.call("user", lambda: asyncio.run(token()))
    networks.cut("identity-provider", "identity")
    try:

        async def work() -> Answer:
            caller = Caller(mesh)
            try:
                body = {"product_id": "PROD-BULK", "quantity": 1}
                return await caller.call(POD["gateway"], "POST", "/api/v1/orders", token=in_hand, body=body)
            finally:
                await caller.close()

        assert networks.call("user", lambda: asyncio.run(work())).status == 201
        with pytest.raises(httpx.TransportError):
            networks.call("user", lambda: asyncio.run(token()))
    finally:
        networks.heal("identity-provider", "identity")
