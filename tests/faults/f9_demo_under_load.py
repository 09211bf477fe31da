"""F9: the mesh of the example under load, while all goes wrong that a good day does not have.

The identity provider is stopped, a worker killed, each Envoy killed, every certificate rotated and every policy
reloaded. The clients behave as the documentation asks of them: what may be repeated safely is repeated, an order with
its `Idempotency-Key`. Within the mesh nobody notices; the clients of a killed gateway must connect again themselves.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psutil
from tests.faults.ground import first, long_token, waited
from tests.support.live import Live, lines
from tests.support.load import Load, get
from tests.support.neighbours import ask
from tests.torture.row import Outcome, Progress, Row

from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import LEAVES, ca_bundle
from authz_devkit.demo.caller import POD
from authz_devkit.demo.mesh import EXAMPLE, PODS, Pod

_ORDER = json.dumps({"product_id": "PROD-BULK", "quantity": 1}).encode()
_BUYER_PATIENCE = 20.0  # seconds
_CALM = 1.2  # seconds; an Envoy that dies within a second of its birth is started again with a pause, on purpose


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """Disturbances in turn, on a mesh of our own: the session's goes on undisturbed."""
    with _own_mesh() as mine:
        mesh = DisturbedMesh(mine)
        with mesh.under_load():
            for number in range(size):
                mesh.disturb(number)
                progress(number + 1)
        failures, deviations = mesh.judge()
        return Outcome(size, failures, deviations, mesh.figures())


@contextmanager
def _own_mesh() -> Iterator[Live]:
    """With its own copy of the example, whose policies can be changed."""
    mine = Live()
    mine.mesh.example = mine.mesh.folder / "example"
    shutil.copytree(EXAMPLE, mine.mesh.example)
    try:
        mine.start()
        mine.start_pods()
        yield mine
    finally:
        mine.stop()


class Buyer:
    """Places one order after the other, each under one key, until it is answered; repeats only what it may repeat."""

    def __init__(self, live: Live, token: str) -> None:
        self.placed: list[str] = []
        self.lost: list[str] = []
        self.repeated = 0
        self._place = (live.mesh.address(POD["gateway"]), 8443)
        self._tls, self._token = _tls(live), token
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(_BUYER_PATIENCE + 5)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._buy(f"order-{secrets.token_hex(8)}")
            time.sleep(0.1)

    def _buy(self, key: str) -> None:
        end, said = time.monotonic() + _BUYER_PATIENCE, "nothing"
        while time.monotonic() < end:
            try:
                status, said = self._post(key)
            except OSError as error:
                status, said = 0, type(error).__name__
            if status == 201:
                self.placed.append(key)
                return
            if status not in {0, 503}:  # nothing else may be repeated
                break
            self.repeated += 1
            time.sleep(0.2)
        self.lost.append(f"order {key}: {said}")

    def _post(self, key: str) -> tuple[int, str]:
        headers = [
            ("authorization", f"Bearer {self._token}"),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ]
        answer = ask(
            self._place, "POST", "/api/v1/orders", headers=headers, body=_ORDER, tls=self._tls, host=POD["gateway"].host
        )
        return answer.status, f"{answer.status} {answer.body[:200].decode(errors='replace')}"


class DisturbedMesh:
    """What is asked of it, what is done to it, and what came of it."""

    def __init__(self, live: Live) -> None:
        self.live, self.mesh = live, live.mesh
        self.failures: list[str] = []
        self.done: dict[str, int] = {}
        self._at_the_edge: dict[Load, set[int]] = {}  # failures that no sidecar can hide, by their number
        john = long_token(live)
        self.buyer = Buyer(live, john)
        gateway, tls = (self.mesh.address(POD["gateway"]), 8443), _tls(live)
        name = POD["gateway"].host
        own = f"/api/v1/orders/{self._an_order(john)}"

        def edge(path: str, token: str) -> Load:
            request = get(path, name, authorization=f"Bearer {token}")
            return Load(gateway, request, tls, server_name=name, clients=2, pause=0.03)

        self.safe = {
            "john reads his order": edge(own, john),
            "order-service asks data": Load(
                (self.mesh.address(POD["order"]), 8080), get("/data/inventory/PROD-123", "localhost"), None, clients=1,
                pause=0.03,
            ),
        }  # fmt: skip
        self.bad = {
            "a stranger": edge(own, "x.y.z"),
            "mary reads john's order": edge(own, long_token(live, "mary")),
            "john without the gateway": Load(
                (self.mesh.address(POD["order"]), 8443), get("/orders/1", POD["order"].host), tls,
                server_name=POD["order"].host, clients=1, pause=0.1,
            ),
        }  # fmt: skip

    @contextmanager
    def under_load(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(self.buyer)
            for load in (*self.safe.values(), *self.bad.values()):
                stack.enter_context(load)
            yield
            time.sleep(1)

    def disturb(self, number: int) -> None:
        """Five kinds in turn; which pod, changes from round to round."""
        pod = PODS[-1 - (number // 5) % len(PODS)]  # the gateway last: only there is anything to notice
        kinds: tuple[tuple[str, Callable[[Pod], None]], ...] = (
            ("identity provider stopped", self._stop_identity_provider),
            ("worker killed", self._kill_worker),
            ("Envoy killed", self._kill_envoy),
            ("all certificates rotated", self._rotate),
            ("all policies reloaded", self._reload_policies),
        )
        name, act = kinds[number % 5]
        act(pod)
        for each in PODS:
            if waited(lambda each=each: self._state(each)["ready"]) is None:  # type: ignore[misc]
                self.failures.append(f"{name}: {each.name} is not ready again")
        self.done[name] = self.done.get(name, 0) + 1

    def judge(self) -> tuple[list[str], list[str]]:
        found = [*self.failures, *self.buyer.lost]
        for name, load in self.safe.items():
            expected = self._at_the_edge.get(load, set())
            lost = [one for number, one in enumerate(load.failures) if number not in expected]
            found += [f"{name}: {one}" for one in first(lost)]
            if not load.answered:
                found.append(f"{name}: no request was answered")
        for name, load in self.bad.items():
            if load.answered:
                found.append(f"{name}: {load.answered} wrong allows")
            if not load.failures and not load.refused:
                found.append(f"{name}: was never refused")
        twice = self._orders_in_database() - len(self.buyer.placed) - 1
        if twice:
            found.append(f"{twice} orders more or less than were placed")
        if not self.buyer.placed:
            found.append("no order was placed")
        broken = sum(len(numbers) for numbers in self._at_the_edge.values())
        return found, [f"{broken} requests of clients whose own gateway or egress was killed: nobody stands in between"]

    def figures(self) -> dict[str, str | int | float]:
        return {
            "safe requests": sum(load.answered for load in self.safe.values()),
            "orders": len(self.buyer.placed),
            "repeated by their buyer": self.buyer.repeated,
            "audit records": sum(len(lines(self.mesh.audit_file(pod))) for pod in PODS),
            **self.done,
        }

    # What goes wrong

    def _stop_identity_provider(self, _: Pod) -> None:
        psutil.Process(self.mesh.processes["identity-provider"].pid).kill()
        time.sleep(1.5)
        self.live.run(self.live._start_identity_provider())

    def _kill_worker(self, pod: Pod) -> None:
        forkserver = next(one for one in self._children(pod) if not one.name().startswith("envoy"))
        forkserver.children()[0].kill()
        time.sleep(0.5)

    def _kill_envoy(self, pod: Pod) -> None:
        """The clients that hold a connection to this very Envoy see it break: their failures of now are no surprise."""
        loads = [self.safe["john reads his order"]] if pod is POD["gateway"] else []
        loads += [self.safe["order-service asks data"]] if pod is POD["order"] else []
        before = {load: len(load.failures) for load in loads}
        envoy = next(one for one in self._children(pod) if one.name().startswith("envoy"))
        envoy.kill()
        if waited(lambda: not envoy.is_running() and self._answers(pod)) is None:
            self.failures.append(f"the Envoy of {pod.name} is not back")
        for load in loads:
            self._at_the_edge.setdefault(load, set()).update(range(before[load], len(load.failures)))
        time.sleep(_CALM)

    def _rotate(self, _: Pod) -> None:
        for name in LEAVES:
            rotate_leaf(self.mesh.certs, name, now=datetime.now(UTC))
        time.sleep(1)

    def _reload_policies(self, _: Pod) -> None:
        before = {pod.name: self._state(pod)["revision"] for pod in PODS}
        for file in self.mesh.example.glob("*/policies/*.rego"):
            if not file.name.endswith("_test.rego"):
                _replace(file, file.read_text() + f"\n# changed at {time.time()}\n")
        for pod in PODS:
            if waited(lambda pod=pod: self._state(pod)["revision"] != before[pod.name]) is None:  # type: ignore[misc]
                self.failures.append(f"the policy of {pod.name} was not reloaded")

    # Looking

    def _children(self, pod: Pod) -> list[psutil.Process]:
        return psutil.Process(self.mesh.processes[f"{pod.name}/sidecar"].pid).children()

    def _answers(self, pod: Pod) -> bool:
        try:
            ask((self.mesh.address(pod), 8443), "GET", "/", tls=_tls(self.live), host=pod.host)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # it wants a certificate
        return True

    def _state(self, pod: Pod) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ask((self.mesh.address(pod), 9901), "GET", "/readyz").body)
        return found

    def _an_order(self, token: str) -> str:
        answer = self.live.call(
            POD["gateway"], "POST", "/api/v1/orders", token=token, body={"product_id": "PROD-123", "quantity": 1}
        )
        assert answer.status == 201, answer
        return str(answer.body["id"])

    def _orders_in_database(self) -> int:
        with sqlite3.connect(self.mesh.folder / "database" / "data.db") as database:
            return int(database.execute("select count(*) from orders").fetchone()[0])


def _tls(live: Live) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_bundle(live.mesh.certs, "zone1"))
    context.load_verify_locations(ca_bundle(live.mesh.certs, "zone2"))
    context.load_verify_locations(ca_bundle(live.mesh.certs, "zone3"))
    return context


def _replace(file: Path, text: str) -> None:
    fresh = file.with_name(f".{file.name}.fresh")
    fresh.write_text(text)
    fresh.rename(file)


ROW = Row(
    id="F9",
    title="the mesh under load, on a very bad day",
    promise="0 requests lost within the mesh, 0 orders lost or doubled, 0 wrong allows",
    full=40,
    sample=5,
    budget=90,
    run=run,
)
