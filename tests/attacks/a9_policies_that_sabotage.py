"""A9: policies that sabotage. Refused when they are loaded; or, hidden from the gate, stopped on a request, alone."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tests.support.hidden_sabotage import HIDDEN, Hidden, path_of, policy
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_sidecar import HOST, LoneSidecar, until
from tests.torture.row import Outcome, Progress, Row, seed
from tests.unit.policy.sabotage import DEADLY, PROBED, STATIC, Sabotage

from authz_service.domain.rules import PolicySource
from authz_service.domain.time_budget import ATTEMPTS
from authz_service.errors import PolicyProblems
from authz_service.policy.vetting.vet import check_policies

# Stopped, crashed, failed, or come to nothing: none of them lets anybody in, and none is somebody else's trouble.
_ENDINGS = {
    (503, "policy_timeout"): "stopped",
    (503, "decision_failed"): "crashed its worker",
    (403, "policy_error"): "failed",
    (403, "policy_denied"): "came to nothing",
    (503, "decision_unavailable"): "was given up by Envoy",  # on a machine that has no time to restart a worker
}
_PER_LOADED = 2  # the gate tries two at a time: the machine has two cores


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    """Two in five are for the gate; the others pass it, and meet a running sidecar under load."""
    loaded: Sequence[Sabotage] = (*STATIC, *PROBED, *DEADLY)
    lots = random.Random(seed())
    hidden = lots.sample(HIDDEN, min(len(HIDDEN), size - size * 2 // 5))
    loaded = lots.sample(loaded, min(len(loaded), size - len(hidden)))
    failures: list[str] = []
    with ThreadPoolExecutor(_PER_LOADED) as pool:
        for tried, found in enumerate(pool.map(_at_the_gate, loaded), 1):
            failures += found
            progress(tried)
    # A small part of an attempt of Envoy's: used up in time on a busy machine too.
    with LoneSidecar(live, {"policy.evaluation_budget": "50ms"}, policy=policy(tuple(hidden))) as sidecar:
        token = live.user("john")
        load = Load(
            sidecar.place, get("/orders/1", HOST, authorization=f"Bearer {token}"), sidecar.tls(), server_name=HOST
        )
        endings: list[str] = []
        with load:
            until(lambda: load.answered > 5)
            for tried, ending in enumerate(_on_requests(sidecar, token, hidden), len(loaded) + 1):
                endings.append(ending)
                progress(tried)
        failures += [ending for ending in endings if ending not in _ENDINGS.values()]
        failures += [f"somebody else's request: {failure}" for failure in load.failures]
        failures += _records(sidecar, hidden)
        reached = [seen.target for seen in sidecar.echo.seen if not seen.target.startswith("/orders")]
        failures += [f"reached the service: {target}" for target in reached]
    figures: dict[str, str | int | float] = {name: endings.count(name) for name in _ENDINGS.values()}
    figures["refused at load"] = len(loaded)
    figures["others' requests"] = load.answered
    return Outcome(len(loaded) + len(hidden), failures, figures=figures)


def _at_the_gate(sabotage: Sabotage) -> list[str]:
    """The bad one is refused for what it does, and its good twin is not."""
    found = []
    try:
        check_policies(_source(sabotage.bad))
        found.append(f"{sabotage.name}: not refused")
    except PolicyProblems as refused:
        if not any(sabotage.found in problem.found for problem in refused.problems):
            found.append(f"{sabotage.name}: refused for something else: {refused}")
    try:
        check_policies(_source(sabotage.good))
    except PolicyProblems as refused:
        found.append(f"{sabotage.name}: the good twin is refused: {refused}")
    return found


def _source(text: str) -> PolicySource:
    return PolicySource("data.p.allow", (("p.rego", f"package p\n{text}"),))


def _on_requests(sidecar: LoneSidecar, token: str, hidden: Sequence[Hidden]) -> Iterator[str]:
    """How each ends; anything else than an ending is said with its name."""
    for number, each in enumerate(hidden):
        answer = sidecar.call("GET", path_of(number), token=token, headers=[("x-correlation-id", f"a9-{number}")])
        reason = json.loads(answer.body).get("reason", "") if answer.status != 200 else ""
        yield _ENDINGS.get((answer.status, reason), f"{each.name}: {answer.status} {reason}")


def _records(sidecar: LoneSidecar, hidden: Sequence[Hidden]) -> list[str]:
    """Each has one, whatever became of its worker; what nobody asked again is recorded when Envoy has given up. Where
    Envoy did not wait for a worker that judged all the same, there is one of the worker that was asked next, too.
    """
    with suppress(AssertionError):
        until(lambda: len(set(_ids(sidecar))) >= len(hidden))
    counts = Counter(_ids(sidecar))
    found = {each.name: counts[f"a9-{number}"] for number, each in enumerate(hidden)}
    return [f"{name}: {count} records" for name, count in found.items() if not 1 <= count <= ATTEMPTS]


def _ids(sidecar: LoneSidecar) -> list[str]:
    return [record["correlation_id"] for record in sidecar.audit if record["correlation_id"].startswith("a9-")]


ROW = Row(
    id="A9",
    title="policies that sabotage",
    promise="refused at load, or stopped; nobody else's request refused or allowed by it",
    full=len(STATIC) + len(PROBED) + len(DEADLY) + len(HIDDEN),
    sample=15,
    budget=165,
    run=run,
)
