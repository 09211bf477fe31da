"""F7: policies and configuration change under load, every second time to something that must never become active.

Whatever is broken would also let everybody in, and say so in the audit: the service and the records show it.
Two sidecars side by side, so that it fits into its time.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psutil
from tests.faults.ground import Traffic, Waits, first, long_token
from tests.support.live import Live
from tests.support.lone_config import POLICY
from tests.support.lone_sidecar import LoneSidecar
from tests.torture.row import Outcome, Progress, Row

_SIDECARS = 2
_OPEN = POLICY.replace("default allow := false", "default allow := true")
_BROKEN_POLICIES = {
    "no Rego": _OPEN + "\nallow if {",
    "another package": _OPEN.replace("package lone", "package other"),
    "an unknown builtin": _OPEN + "\nnice := no.such.builtin(1)\n",
    "a stub": _OPEN + '\nallow if not http.send({"method": "GET", "url": "http://x"})\n',
    "recursion": _OPEN + "\nallow if loop\nloop if loop\n",
    "two defaults": _OPEN + "\ndefault allow := true\n",
    "an unsafe variable": _OPEN + "\nallow if x > 1\n",
}
_BROKEN_CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "an unknown key": {"proxy": {"authorization": {"enabled": False}}},
    "a wrong value": {"http": {"max_connections": "many"}},
    "a policy that is not there": {"policy": {"path": "/nowhere"}},
    "a key that only a restart changes": {"runtime": {"decision_workers": 5}},
    "a client that is no name": {"proxy": {"mtls": {"allowed_clients": ["everybody"]}}},
    "a certificate that is not there": {"http": {"tls": {"client_auth": "none", "crl_file": "/nowhere/crl.pem"}}},
}


async def run(live: Live, size: int, progress: Progress) -> Outcome:
    token, each = long_token(live), size // _SIDECARS
    with ExitStack() as stack:
        changed = [Changed(stack.enter_context(LoneSidecar(live)), token) for _ in range(_SIDECARS)]
        threads = [threading.Thread(target=one.suffer, args=(each,)) for one in changed]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            progress(sum(one.done for one in changed))
        failures = [failure for one in changed for failure in [*one.failures, *one.active.never, *one.records()]]
        deviations = [text for one in changed for text in one.active.deviations("a change was active")]
    return Outcome(
        sum(one.done for one in changed),
        failures,
        deviations,
        {
            "good requests": sum(one.answered for one in changed),
            "revisions in the audit": sum(len(one.seen) for one in changed),
            "active after": changed[0].active.figure,
            "broken refused after": changed[0].refused.figure,
        },
    )


class Changed:
    """A sidecar whose files change."""

    def __init__(self, sidecar: LoneSidecar, token: str) -> None:
        self.done = self.answered = 0
        self.failures: list[str] = []
        self.active, self.refused = Waits(promised=2.0), Waits(promised=60.0)
        self.seen: dict[str, set[tuple[str, str]]] = defaultdict(set)  # by revision: policy version, zone
        self._sidecar, self._token = sidecar, token
        self._zone = ""

    def suffer(self, times: int) -> None:
        """Never raises: what went wrong stands in `failures`."""
        try:
            broken = _broken()
            with Traffic(self._sidecar, self._token) as traffic:
                for number in range(times):
                    if number % 2:
                        self._good(number)
                    else:
                        self._broken(*next(broken))
                    self.done += 1
                self._good(times)
            self.answered = traffic.good.answered
            self.failures += [*first(traffic.good.failures), *traffic.wrong_allows()]
            if not traffic.bad_were_tried() or self.answered < times:
                self.failures.append("the load was no load")
        except (OSError, psutil.Error, KeyError, AssertionError) as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    def records(self) -> list[str]:
        """Every record names a revision, and a revision is one policy and one configuration."""
        for record in self._sidecar.audit:
            version = _version(record)
            self.seen[record["revision"]].add((version, record["zone"]))
        mixed = [revision for revision, found in self.seen.items() if len({one for one in found if one[0]}) > 1]
        found = [f"revision {revision} stands for {self.seen[revision]}" for revision in mixed]
        if "" in self.seen:
            found.append("a record without its revision")
        if any("broken" in version for pairs in self.seen.values() for version, _ in pairs):
            found.append("a broken policy decided")
        return found

    def _good(self, number: int) -> None:
        """The zone stands in each record, and so does what the policy adds; the files are mended by this, too."""
        begun, before = time.monotonic(), self._sidecar.readyz()["revision"]
        self._sidecar.write_policy(_policy(POLICY, f"good-{number}"))
        self._zone = f"zone{number}"
        self._sidecar.write_config({"service.zone": self._zone})
        self.active.add(f"change {number}", lambda: self._acts(number, before), since=begun)

    def _acts(self, number: int, before: str) -> bool:
        if self._sidecar.call("GET", "/orders/1", token=self._token).status != 200:
            self.failures.append(f"change {number}: a good request was refused")
        last = self._sidecar.audit_tail()
        state = self._sidecar.readyz()
        new = any(
            _version(record) == f"good-{number}"
            and record["zone"] == self._zone
            and record["revision"] == state["revision"] != before
            for record in last
        )
        return new and not state["degraded"]

    def _broken(self, name: str, policy: str | None, change: dict[str, Any] | None) -> None:
        """It must be told, and change nothing."""
        before = self._sidecar.readyz()["revision"]
        begun = time.monotonic()
        if policy is not None:
            self._sidecar.write_policy(_policy(policy, "broken"))
        else:
            good = self._sidecar.config
            self._sidecar.config = _merged(good, change or {})
            self._sidecar.write_config({})
            self._sidecar.config = good
        self.refused.add(f"{name}: told", lambda: self._sidecar.readyz()["degraded"], since=begun)
        state = self._sidecar.readyz()
        if state["revision"] != before or not state["ready"]:
            self.failures.append(f"{name}: revision {before} became {state['revision']}, ready: {state['ready']}")
        if self._sidecar.metric("authz_degraded") < 1:
            self.failures.append(f"{name}: no alarm in the metrics")


def _broken() -> Iterator[tuple[str, str | None, dict[str, Any] | None]]:
    """Endlessly, a policy and a configuration in turn."""
    policies, configurations = (
        itertools.cycle(_BROKEN_POLICIES.items()),
        itertools.cycle(_BROKEN_CONFIGURATIONS.items()),
    )
    while True:
        name, policy = next(policies)
        yield name, policy, None
        name, change = next(configurations)
        yield name, None, change


def _policy(text: str, version: str) -> str:
    return text.replace('"audit": {', f'"audit": {{"version": "{version}", ')


def _version(record: dict[str, Any]) -> str:
    """Of the policy; "" where the token was refused before it."""
    return str((record["policy_audit"] or {}).get("version", ""))


def _merged(tree: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    found = dict(tree)
    for name, value in change.items():
        found[name] = _merged(found.get(name, {}), value) if isinstance(value, dict) else value
    return found


ROW = Row(
    id="F7",
    title="policies and configuration change under load",
    promise="0 failed requests, a broken one never active, the revision in each record",
    full=500,
    sample=8,
    budget=130,
    run=run,
)
