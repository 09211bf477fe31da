"""The policies of examples/three_zones, and the input document that they are asked about."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from authz_rego import Policy as Compiled

EXAMPLES = Path(__file__).parents[2] / "examples" / "three_zones"
NEVER = 4102444800  # 2100-01-01

Json = dict[str, Any]


class Policy(NamedTuple):
    folder: str
    query: str

    @property
    def file(self) -> Path:
        package = self.query.split(".")[1]
        return EXAMPLES / self.folder / "policies" / f"{package}.rego"

    @property
    def tests(self) -> Path:
        return self.file.with_name(f"{self.file.stem}_test.rego")


GATEWAY = Policy("gateway", "data.gateway.allow")
ORDER = Policy("order-service", "data.order.allow")
PAYMENT = Policy("payment-service", "data.payment.allow")
DATA = Policy("data-service", "data.dataservice.result")
POLICIES = (GATEWAY, ORDER, PAYMENT, DATA)


@cache
def compiled(policy: Policy, *, with_tests: bool = False) -> Compiled:
    """Once for each process: the files stay as they are."""
    files = (policy.file, policy.tests) if with_tests else (policy.file,)
    return Compiled.compile([(file.name, file.read_text()) for file in files])


def document(peer: Json, token: Json, method: str, segments: list[str]) -> Json:
    """The policy's input (docs/policies.md)."""
    return {
        "mtls": peer,
        "token": token,
        "request": {"method": method, "path": "/" + "/".join(segments), "segments": segments, "query": {}, "host": "h"},
        "headers": {"X-User-Context": "user-123", "X-Correlation-ID": "req-1"},
        "route": "default",
        "decision_id": "d-1",
    }
