"""`python -m bench.rego`: what a policy costs, beside OPA's own benchmark of the same query, and how it grows.

Ratios within one run. OPA's figures need `make opa`; without it they are left out, and that is said.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import NamedTuple

from rich.console import Console
from tests.support import opa

from authz_rego import Policy
from authz_rego.values.value import Value
from bench.figures import Figure, at_least, at_most, print_figures, write_json

_EXAMPLES = Path("examples/three_zones")
_ROUNDS = 7
_ASKED = 2000
# How many times as long the engine before this one took in the same run, when it was replaced; with the clone, the
# reading of the input's JSON and the writing of the answer's that each question needed.
_BEFORE = {"order": 8.6, "data": 11.5, "payment": 11.4, "gateway": 10.6}


class Question(NamedTuple):
    """A policy and what it is asked."""

    name: str
    modules: tuple[tuple[str, str], ...]
    query: str
    input: dict[str, Value]
    data: Mapping[str, Value] = MappingProxyType({})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rego", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    figures = [*_examples(), *_growth()]
    print_figures(figures, Console(width=120))
    if options.json:
        write_json(figures, options.json)


def _examples() -> Iterable[Figure]:
    for question in _questions():
        ours = _microseconds(question)
        yield Figure("the example's policies", f"{question.name} policy", ours, "µs")
        theirs = _opa_microseconds(question)
        if theirs is not None:
            yield Figure("the example's policies", f"{question.name}: OPA / ours", theirs / ours, "x")
        before = _BEFORE[question.name]
        yield Figure(
            "the example's policies", f"{question.name}: engine before / ours, recorded", before, "x", at_least(5)
        )


def _growth() -> Iterable[Figure]:
    few, many = _routes(10), _routes(1000)
    yield _grows("rules", "1,000 rules over 1,000 routes / 10", few, many, 10)
    small, large = _users(60), _users(60_000)
    yield _grows("data", "10 MB / 10 KB", small, large, 1.2)
    short, long = _roles(10), _roles(1000)
    yield _grows("roles", "1,000 in the token / 10", short, long, 100)
    opas = _opa_microseconds(many)
    if opas is not None:
        yield Figure("how it grows", "1,000 rules: OPA / ours", opas / _microseconds(many), "x", at_least(0.1))


def _grows(name: str, what: str, small: Question, large: Question, bound: float) -> Figure:
    return Figure("how it grows", f"{name}: {what}", _microseconds(large) / _microseconds(small), "x", at_most(bound))


def _microseconds(question: Question) -> float:
    """Processor time of one answer, the median of some rounds."""
    query = Policy.compile(question.modules, question.data).query(question.query)
    now = time.time_ns()

    def round_() -> float:
        start = time.process_time()
        for _ in range(_ASKED):
            query.evaluate(question.input, now_ns=now)
        return (time.process_time() - start) / _ASKED * 1e6

    return median(round_() for _ in range(_ROUNDS))


def _opa_microseconds(question: Question) -> float | None:
    """The mean time of OPA's own benchmark: a prepared query, the input converted before."""
    try:
        opa.binary()
    except FileNotFoundError as missing:
        print(f"without OPA: {missing}")
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name, text in question.modules:
            (Path(folder) / name).write_text(text)
        (Path(folder) / "data.json").write_text(json.dumps(dict(question.data)))
        given = Path(folder) / "input"
        given.write_text(json.dumps(question.input))
        told = opa.run("bench", "-b", folder, "-i", str(given), "--format", "json", question.query, timeout=120)
    if told.returncode:
        raise subprocess.CalledProcessError(told.returncode, "opa bench", told.stdout, told.stderr)
    found = json.loads(told.stdout)
    return float(found["T"]) / float(found["N"]) / 1000


def _questions() -> Iterable[Question]:
    for name, package, query in (
        ("order", "order-service", "data.order.allow"),
        ("payment", "payment-service", "data.payment.allow"),
        ("data", "data-service", "data.dataservice.result"),
        ("gateway", "gateway", "data.gateway.allow"),
    ):
        folder = _EXAMPLES / package / "policies"
        files = [each for each in sorted(folder.glob("*.rego")) if not each.name.endswith("_test.rego")]
        modules = tuple((each.name, each.read_text()) for each in files)
        yield Question(name, modules, query, _document(is_service=name == "data"))


def _document(*, is_service: bool = False, roles: Iterable[str] = ()) -> dict[str, Value]:
    client, party = ("order-service-client", "order-service") if is_service else ("api-gateway-client", "web-app")
    named = [*roles, "customer", "orders:create", "payments:create", "write-orders"]
    return {
        "mtls": {"verified": True, "subject": {"CN": client, "O": "MyOrg"}, "san": {"uri": [], "dns": []}},
        "token": {"sub": "user-123", "azp": party, "exp": 4102444800, "realm_access": {"roles": named}},
        "request": {"method": "POST", "path": "/orders", "segments": ["orders"], "query": {}},
        "headers": {"X-User-Context": "user-123", "X-Correlation-ID": "c-1"},
    }


def _routes(count: int) -> Question:
    rules = "\n".join(
        f'allow if {{\n\tinput.request.path == "/route/{index}"\n\tinput.request.method == "POST"\n'
        f'\t"role-{index}" in input.token.realm_access.roles\n}}\n'
        for index in range(count)
    )
    document = _document(roles=[f"role-{count - 1}"])
    document["request"] = {**document["request"], "path": f"/route/{count - 1}"}
    return Question("routes", (("routes.rego", f"package routes\n\ndefault allow := false\n\n{rules}"),),
                    "data.routes.allow", document)  # fmt: skip


def _users(count: int) -> Question:
    """170 bytes a user."""
    text = 'package users\n\nallow if data.directory[input.token.sub].groups[_] == "staff"\n'
    padding = "x" * 100
    directory = {f"user-{index}": {"groups": ["a", "staff"], "about": padding} for index in range(count)}
    return Question("users", (("users.rego", text),), "data.users.allow", _document() | {
        "token": {"sub": "user-50"}}, {"directory": directory})  # fmt: skip


def _roles(count: int) -> Question:
    text = 'package roles\n\nallow if {\n\tsome role in input.token.realm_access.roles\n\trole == "orders:create"\n}\n'
    return Question("roles", (("roles.rego", text),), "data.roles.allow",
                    _document(roles=[f"role-{index}" for index in range(count)]))  # fmt: skip


if __name__ == "__main__":
    main()
