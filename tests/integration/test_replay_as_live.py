"""`authz replay` beside a live sidecar: the flips that it foretells are those that come."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar, until

from authz_service.cli.main import authz
from authz_service.cli.replay import ReplayDocument

NOW = """package lone

default allow := false

allow if input.request.method == "GET"

allow if {
	input.request.method == "POST"
	"orders:create" in input.token.realm_access.roles
}

result := {"allow": allow}
"""
# Gains victor's orders, loses what begins with an `a`; the rest is decided alike.
NEXT = """package lone

default allow := false

allow if {
	input.request.method in ["GET", "POST"]
	not startswith(input.request.segments[0], "a")
}

result := {"allow": allow}
"""
METHODS, NAMES, USERS = ("GET", "POST", "DELETE"), ("apples", "orders", "a", "b"), ("john", "victor")


def test_the_flips_are_exactly_those_of_a_live_run(
    start_sidecar: Callable[..., LoneSidecar], live: Live, tmp_path: Path
) -> None:
    """Every request under both policies; refusals before the policy (no token) are in the log, and do not flip."""
    log = tmp_path / "decisions.jsonl"
    sidecar = start_sidecar({"audit.opa_decision_log": {"path": str(log)}}, policy=NOW)

    def run() -> list[dict[str, Any]]:
        """What was recorded of this run."""
        before = len(log.read_text().splitlines()) if log.exists() else 0
        for method, name, user in itertools.product(METHODS, NAMES, USERS):
            sidecar.call(method, f"/{name}/1", token=live.user(user))
        sidecar.call("GET", "/apples/1")
        wanted = len(METHODS) * len(NAMES) * len(USERS) + 1
        until(lambda: log.exists() and len(log.read_text().splitlines()) == before + wanted)
        return [json.loads(line) for line in log.read_text().splitlines()[before:]]

    first = run()
    recorded = tmp_path / "first.jsonl"
    recorded.write_text("".join(f"{json.dumps(event)}\n" for event in first))
    revision = sidecar.readyz()["revision"]
    sidecar.write_policy(NEXT)
    until(lambda: sidecar.readyz()["revision"] != revision)
    second = {_key(event): event["result"]["reason"] for event in run()}
    came = Counter((_key(event), event["result"]["reason"], second[_key(event)]) for event in first)
    flipped = {flip: count for flip, count in came.items() if flip[1] != flip[2]}

    words = ["replay", str(sidecar.config_file), str(recorded), "--format", "json"]
    found = msgspec.json.decode(CliRunner().invoke(authz, words).stdout, type=ReplayDocument)
    told = Counter[tuple[Any, ...]]()
    for flips in found.flips:
        told[flips.principal, flips.was, flips.becomes] += flips.count
    expected = Counter[tuple[Any, ...]]()
    for (key, was, becomes), count in flipped.items():
        expected[key[2], was, becomes] += count
    assert told == expected
    assert told == {
        ("victor", "policy_denied", "allowed"): 2,
        ("john", "allowed", "policy_denied"): 4,
        ("victor", "allowed", "policy_denied"): 2,
    }
    assert (found.records, found.judged) == (len(first), len(first) - 1)


def _key(event: dict[str, Any]) -> tuple[str, str, str]:
    asked = event["input"]["request"]
    return asked["method"], asked["path"], event["input"]["token"].get("preferred_username", "nobody")
