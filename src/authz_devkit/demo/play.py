"""The spec's example flows, played against a running mesh, each step with what must come of it.

Not how they are shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from authz_devkit.demo import trail
from authz_devkit.demo.caller import POD, Answer, Caller, Tokens
from authz_devkit.demo.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that must hold; `make demo JSON=FILE` writes these."""

    name: str
    held: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Step:
    """What was sent, by whom, and what came back."""

    who: str
    what: str
    answer: Answer
    expectation: Expectation


class Play:
    """Runs the flows in order; each step is told to `show` as it happens."""

    def __init__(self, mesh: Mesh, caller: Caller, tokens: Tokens, show: Callable[[Step], None]) -> None:
        self._mesh = mesh
        self._caller = caller
        self._tokens = tokens
        self._show = show
        self.expectations: list[Expectation] = []
        self._run = f"demo-{secrets.token_hex(4)}"

    async def run(self) -> None:
        john, mary = await self._tokens.user("john"), await self._tokens.user("mary")
        order = {"product_id": "PROD-123", "quantity": 2}
        orders, payments = "/api/v1/orders", "/api/v1/payments"

        created = await self._step("john", "creates an order", 201, self._call("order", "POST", orders, john, order))
        order_id = created.body.get("id", "") if isinstance(created.body, dict) else ""
        got, sent = created.headers.get("x-correlation-id"), self.correlation_id("order")
        self._expect("the client gets its correlation id back", got, sent)
        own, paid = f"{orders}/{order_id}", {"order_id": order_id}
        await self._step("john", "reads his order", 200, self._call("read", "GET", own, john))
        await self._step(
            "mary", "reads john's order: for her there is none", 404, self._call("other", "GET", own, mary)
        )
        await self._step("john", "pays for it", 201, self._call("payment", "POST", payments, john, paid))
        await self._step("john", "pays for it again", 409, self._call("again", "POST", payments, john, paid))
        await self._step("nobody", "creates an order", 401, self._call("nobody", "POST", orders, None, order))
        await self._step("order-service", "asks data through its egress", 200, self._inventory())
        self._check_trail()

    def correlation_id(self, step: str) -> str:
        return f"{self._run}-{step}"

    async def _call(self, step: str, method: str, path: str, token: str | None, body: object = None) -> Answer:
        headers = {"X-Correlation-ID": self.correlation_id(step)}
        return await self._caller.call(POD["gateway"], method, path, token=token, body=body, headers=headers)

    async def _inventory(self) -> Answer:
        """The spec's second example: `curl http://localhost:8080/data/inventory/PROD-123`."""
        headers = {"X-User-Context": "user-123", "X-Correlation-ID": self.correlation_id("internal")}
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://{self._mesh.address(POD['order'])}:8080/data/inventory/PROD-123"
            answer = await client.get(url, headers=headers)
        return Answer(answer.status_code, "", answer.json(), answer.headers, answer.elapsed.total_seconds())

    async def _step(self, who: str, what: str, status: int, call: Awaitable[Answer]) -> Answer:
        answer = await call
        name = f"{who} {what}"
        expectation = Expectation(
            name, answer.status == status, f"expected {status}, got {answer.status} {answer.reason}".rstrip()
        )
        self.expectations.append(expectation)
        self._show(Step(who, what, answer, expectation))
        return answer

    def _expect(self, name: str, found: object, wanted: object) -> None:
        self.expectations.append(Expectation(name, found == wanted, f"expected {wanted}, got {found}"))

    def _check_trail(self) -> None:
        """Every hop left a record, in order, with the user it was for (the spec's audit example)."""
        found = trail.records(self._mesh, self.correlation_id("order"))
        made = [(r["service"], r["method"], r["path"]) for r in found if r["decision"] == "allow"]
        wanted = [
            ("api-gateway", "POST", "/api/v1/orders"),
            ("order-service", "POST", "/orders"),
            ("data-service", "GET", "/inventory/PROD-123"),
            ("data-service", "POST", "/orders"),
        ]
        self._expect("each hop of the order left its audit record", made, wanted)
        users = {r["user_context"] for r in found}
        self._expect("each hop names the same user", len(users), 1)
        internal = trail.records(self._mesh, self.correlation_id("internal"))
        self._expect("the internal call is recorded for its user", [r["user_context"] for r in internal], ["user-123"])
