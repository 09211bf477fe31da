"""F1: server and client certificates change under load, again and again; now and then a pair does not match."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime

from tests.faults.ground import Waits, first, long_token, waited
from tests.support.echo_service import EchoService
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import HOST, LoneSidecar, replace
from tests.support.target_service import target_service
from tests.torture.row import Outcome, Progress, Row

from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import leaf_cert, load_leaf

_SERVER, _CLIENT = "order-service/server", "order-service/client-zone3"
_STRANGER = "payment-service/server"  # its certificate beside our key is no pair
_BROKEN_EVERY = 10  # rotations


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """Half of the rotations are the server's, half the client's; both are looked at from outside."""
    served = Waits(promised=2.0)
    failures: list[str] = []
    broken = 0
    with ExitStack() as stack:
        target = stack.enter_context(target_service(live))
        sidecar = stack.enter_context(LoneSidecar(live, target=target.place, own_certs=True))
        loads = _loads(sidecar, long_token(live))
        with ExitStack() as loaded:
            for load in loads.values():
                loaded.enter_context(load)
            for number in range(0, size, 2):
                if number % _BROKEN_EVERY == 0:
                    failures += _a_broken_pair(sidecar)
                    broken += 1
                _rotate(sidecar, target, served)
                progress(number + 2)
        for name, load in loads.items():
            failures += [f"{name}: {one}" for one in first(load.failures)]
            if load.refused:
                failures.append(f"{name}: {load.refused} connections were refused")
            if load.answered < size:
                failures.append(f"{name}: only {load.answered} requests were answered")
        shown = len({seen.peer_serial for seen in target.seen})
    if shown < size // 2:
        failures.append(f"the target saw only {shown} client certificates")
    return Outcome(
        size + size % 2,
        failures + served.never,
        served.deviations("a new certificate was served"),
        {
            "requests": sum(load.answered for load in loads.values()),
            "new certificate served after": served.figure,
            "broken pairs": broken,
        },
    )


def _loads(sidecar: LoneSidecar, token: str) -> dict[str, Load]:
    request = get("/orders/1", HOST, authorization=f"Bearer {token}")
    outgoing = get("/data/x?last=1", "localhost")  # each on a connection of its own: who is shown what is seen
    tls = sidecar.tls()
    return {
        "ingress, kept connections": Load(sidecar.place, request, tls, server_name=HOST, clients=2),
        "ingress, new connections": Load(
            sidecar.place, request, tls, server_name=HOST, clients=2, new_connections=True
        ),
        "egress": Load((sidecar.address, 8080), outgoing, None, clients=2),
    }


def _rotate(sidecar: LoneSidecar, target: EchoService, served: Waits) -> None:
    now = datetime.now(UTC)
    begun = time.monotonic()
    rotate_leaf(sidecar.certs, _SERVER, now=now)
    rotate_leaf(sidecar.certs, _CLIENT, now=now)
    server, client = (_serial(sidecar, name) for name in (_SERVER, _CLIENT))
    served.add(f"server certificate {server}", lambda: sidecar.served_serial() == server, since=begun)
    served.add(f"client certificate {client}", lambda: target.seen[-1].peer_serial == client, since=begun)


def _a_broken_pair(sidecar: LoneSidecar) -> list[str]:
    """What must hold while it lies there; the next rotation mends it."""
    good = sidecar.served_serial()
    replace(leaf_cert(sidecar.certs, _SERVER), leaf_cert(sidecar.certs, _STRANGER).read_text())
    found = []
    if waited(lambda: "certificate server" in str(sidecar.readyz()["degraded"])) is None:
        found.append("a broken pair raised no alarm in /readyz")
    if sidecar.metric("authz_degraded") < 1:
        found.append("a broken pair raised no alarm in the metrics")
    if not sidecar.readyz()["ready"] or sidecar.served_serial() != good:
        found.append("a broken pair replaced a good one")
    return found


def _serial(sidecar: LoneSidecar, name: str) -> str:
    return f"{load_leaf(sidecar.certs, name).certificate.serial_number:x}"


ROW = Row(
    id="F1",
    title="certificates change under load",
    promise="0 failed requests, the new one served, a broken pair ignored with an alarm",
    full=200,
    sample=4,
    budget=50,
    run=run,
)
