"""The demo services as plain processes, without sidecars, and the calls that several tests make of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import httpx
import pytest
from tests.support.patience import PATIENCE
from tests.support.ports import free_port

from authz_devkit.demo.services.problems import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JOHN = {"X-User-ID": "john-sub"}
MARY = {"X-User-ID": "mary-sub"}
FOR_JOHN = {"X-User-Context": "john-sub"}
UNKNOWN = "0" * 32


NewDatabase: TypeAlias = "Callable[[], str]"  # the DATABASE_URL of an empty database


class Shop(NamedTuple):
    order: httpx.Client
    payment: httpx.Client
    data: httpx.Client
    logs: Path


@contextmanager
def running(service: str, logs: Path, *options: str, **environment: str) -> Iterator[str]:
    """A service as its own process; gives its URL, ends the process."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "authz_devkit.demo.services", service, "--listen", address, *options]
    with (logs / f"{service}-{address[10:]}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment})
    try:
        await_health(f"http://{address}{options[-1] if options else ''}/healthz", process)
        yield f"http://{address}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) in {0, -signal.SIGTERM}


def await_health(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "the service ended by itself"
        try:
            if httpx.get(url, trust_env=False, timeout=PATIENCE).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"{url} does not answer")


@contextmanager
def open_shop(folder: Path, database: str) -> Iterator[Shop]:
    """`folder` gets the logs; `database` is a DATABASE_URL."""
    with ExitStack() as stack:
        data = stack.enter_context(running("data", folder, "--prefix", "/data", DATABASE_URL=database))
        orders = stack.enter_context(running("order", folder, EGRESS_URL=data))
        payments = stack.enter_context(running("payment", folder, EGRESS_URL=data))
        urls = (orders, payments, data + "/data")
        first, second, third = (
            stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE)) for url in urls
        )
        yield Shop(first, second, third, folder)


def available(shop: Shop, product: str) -> int:
    stock: int = shop.data.get(f"/inventory/{product}").json()["available"]
    return stock


def an_order(product: str = "PROD-BULK", quantity: int = 2) -> dict[str, object]:
    return {"product_id": product, "quantity": quantity}


def placed(shop: Shop, **headers: str) -> str:
    answer = shop.order.post("/orders", json=an_order(), headers={**JOHN, **headers})
    assert answer.status_code == 201, answer.text
    order_id: str = answer.json()["id"]
    return order_id


def code(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code == PROBLEMS.get(body["code"], (answer.status_code,))[0]
    found: str = body["code"]
    return found
