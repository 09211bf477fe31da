"""What is compared: each part of the mesh with its authorisation against the same without, and the figures of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from authz_devkit.demo.mesh import Pod
from bench.figures import Figure, Goal, at_least, at_most
from bench.load import Target
from bench.many_tokens import enough, write_tokens
from bench.neighbours import CHAIN
from bench.rounds import CONNECTIONS, Comparison, Rounds, Run, Side
from bench.stage import DATA, GATEWAY, ORDER, Stage

PYTHON_PER_DECISION = at_most(40)  # µs; DESIGN §8 has these goals and where they come from
EXTRA_ENVOY = at_most(45)  # µs
_JSON = "Content-Type: application/json"
_ORDER_BODY = '{"product_id":"7","quantity":2}'
INGRESS_RATIO = at_least(0.90)
UNSEEN_RATIO = at_least(0.62)
NEW_TOKEN_RATIO = at_least(0.50)
EGRESS_RATIO = at_least(0.97)
CHAIN_RATIO = at_least(0.85)
_PACE = 1000  # requests a second


@dataclass(frozen=True, slots=True)
class Scenario:
    part: str
    ours: Side
    bare: Side
    ratio: Goal | None = None
    extra_envoy: Goal | None = None
    python: Goal | None = None
    decisions: int = 1  # per request
    late: Goal | None = (
        None  # ms, of the slowest hundredth over Envoy's own; then the load has a pace, and no throughput
    )


async def scenarios(stage: Stage) -> list[Scenario]:
    token = await stage.user_token()
    many = stage.live.folder / "tokens.txt"
    write_tokens(token, stage.signing_key(), enough(stage.workers), many)
    return [
        _ingress(stage, token),
        _ingress_at_a_pace(stage, token),
        _ingress_unlike(stage, token),
        _ingress_new_tokens(stage, many),
        _egress(stage),
        _chain(stage, token),
    ]


async def measure(scenario: Scenario, rounds: Rounds) -> list[Figure]:
    return figures(scenario, await rounds.compare(scenario.ours, scenario.bare))


def figures(scenario: Scenario, found: Comparison) -> list[Figure]:
    part, ours, bare = scenario.part, found.with_it, found.without

    def figure(name: str, value: float, unit: str, goal: Goal | None = None) -> Figure:
        return Figure(part, name, value, unit, goal)

    def of(runs: Sequence[Run], pick: Callable[[Run], float]) -> float:
        return median(map(pick, runs))

    latencies = [
        figure(f"{name}{suffix}", of(runs, pick) / 1000, "ms")
        for suffix, runs in (("", ours), (" without", bare))
        for name, pick in (("p50", _p50), ("p99", _p99))
    ]
    if scenario.late is not None:
        over = (of(ours, _p99) - of(bare, _p99)) / 1000
        rate = figure("load", of(ours, lambda run: run.load.rate), "requests/s")
        return [rate, *latencies, figure("p99 over Envoy's own", over, "ms", scenario.late)]
    rows = [
        figure("throughput, with / without", found.throughput_ratio, "ratio", scenario.ratio),
        figure("throughput", of(ours, lambda run: run.load.rate), "requests/s"),
        figure("throughput without", of(bare, lambda run: run.load.rate), "requests/s"),
        figure("Envoy's CPU", of(ours, lambda run: run.envoy_us), "µs/request"),
        figure("Envoy's CPU without", of(bare, lambda run: run.envoy_us), "µs/request"),
        figure("Envoy's extra CPU", found.extra_envoy_us, "µs/request", scenario.extra_envoy),
    ]
    if scenario.ours.workers:
        python = of(ours, lambda run: run.python_us)
        rows.append(figure("Python's CPU", python / scenario.decisions, "µs/decision", scenario.python))
    return [*rows, *latencies]


def _p50(run: Run) -> float:
    return run.load.p50_us


def _p99(run: Run) -> float:
    return run.load.p99_us


def _ingress(stage: Stage, token: str) -> Scenario:
    headers = (_JSON, _host(ORDER), f"Authorization: Bearer {token}")
    live, bare = (_post(f"{stage.caller_url(mesh)}/orders", headers) for mesh in (stage.live, stage.bare))
    return Scenario(
        "ingress: mTLS, token known, request seen before",
        _live(stage, live, ORDER),
        Side(bare, (stage.bare_envoy(ORDER, stage.bare),)),
        ratio=INGRESS_RATIO,
        extra_envoy=EXTRA_ENVOY,
        python=PYTHON_PER_DECISION,
    )


def _ingress_at_a_pace(stage: Stage, token: str) -> Scenario:
    """So few that nobody waits for a processor: how long one request takes, and not how many there may be."""
    headers = (_JSON, _host(ORDER), f"Authorization: Bearer {token}")
    live, bare = (
        replace(_post(f"{stage.caller_url(mesh)}/orders", headers), pause=CONNECTIONS / _PACE)
        for mesh in (stage.live, stage.bare)
    )
    return Scenario(
        f"ingress: the same at {_PACE} requests a second",
        _live(stage, live, ORDER),
        Side(bare, (stage.bare_envoy(ORDER, stage.bare),)),
        late=at_most(1.0),
    )


def _ingress_unlike(stage: Stage, token: str) -> Scenario:
    """Nothing that was allowed is asked for again."""
    headers = (_JSON, _host(ORDER), f"Authorization: Bearer {token}")
    live, bare = (
        replace(_post(f"{stage.caller_url(mesh)}/orders", headers), unlike=True) for mesh in (stage.live, stage.bare)
    )
    return Scenario(
        "ingress: mTLS, token known, request never seen",
        _live(stage, live, ORDER),
        Side(bare, (stage.bare_envoy(ORDER, stage.bare),)),
        ratio=UNSEEN_RATIO,
        python=PYTHON_PER_DECISION,
    )


def _ingress_new_tokens(stage: Stage, tokens: Path) -> Scenario:
    headers = (_JSON, _host(ORDER))
    live, bare = (_post(f"{stage.caller_url(mesh)}/orders", headers, tokens) for mesh in (stage.live, stage.bare))
    return Scenario(
        "ingress: mTLS, a new token on every request",
        _live(stage, live, ORDER),
        Side(bare, (stage.bare_envoy(ORDER, stage.bare),)),
        ratio=NEW_TOKEN_RATIO,
    )


def _egress(stage: Stage) -> Scenario:
    """Both sides end at the same data service, which asks nobody: the difference is the token alone."""
    live, bare = (
        Target(f"http://{mesh.address(ORDER)}:8080/data/inventory/7", ("Host: localhost:8080",))
        for mesh in (stage.egress, stage.bare)
    )
    data = stage.bare_envoy(DATA, stage.bare)
    return Scenario(
        "egress: token and mTLS to the data service",
        Side(live, (stage.bare_envoy(ORDER, stage.egress), data)),
        Side(bare, (stage.bare_envoy(ORDER, stage.bare), data)),
        ratio=EGRESS_RATIO,
    )


def _chain(stage: Stage, token: str) -> Scenario:
    headers = (_JSON, _host(GATEWAY), f"Authorization: Bearer {token}", f"{CHAIN}: all")
    pods = (GATEWAY, ORDER, DATA)
    live, bare = (
        _post(f"https://{mesh.address(GATEWAY)}:8443/api/v1/orders", headers) for mesh in (stage.live, stage.bare)
    )
    return Scenario(
        "chain: user → gateway → order → egress → data",
        _live(stage, live, *pods),
        Side(bare, tuple(stage.bare_envoy(pod, stage.bare) for pod in pods)),
        ratio=CHAIN_RATIO,
        decisions=len(pods),
    )


def _post(url: str, headers: tuple[str, ...], tokens: Path | None = None) -> Target:
    return Target(url, headers, tokens, method="POST", body=_ORDER_BODY)


def _live(stage: Stage, target: Target, *pods: Pod) -> Side:
    sidecars = [stage.sidecars[pod.name] for pod in pods]
    return Side(
        target,
        tuple(sidecar.envoy for sidecar in sidecars),
        tuple(worker for sidecar in sidecars for worker in sidecar.workers),
        tuple(sidecar.control_plane for sidecar in sidecars),
    )


def _host(pod: Pod) -> str:
    return f"Host: {pod.host}"
