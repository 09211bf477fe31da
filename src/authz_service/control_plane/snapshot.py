"""What a sidecar should do, from its files: configuration, policies, rules for the workers, resources for Envoy.

Reads, applies nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from authz_service.config.loader import load_config
from authz_service.config.model import Config, EmbeddedPolicy
from authz_service.control_plane.data_plane.door import door_text
from authz_service.control_plane.gate_rules import gate_rules
from authz_service.control_plane.preflight.file_watches import more_watches, require_watches
from authz_service.control_plane.sources.policy_bundle import bundle_folder
from authz_service.control_plane.sources.provider_requests import require_usable_authorities
from authz_service.domain.rules import GateRules, PolicySource
from authz_service.envoy.binary import find_envoy
from authz_service.envoy.decision_cache import NOT_ASKED, DecisionCache, decision_cache
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.preflight import validate
from authz_service.envoy.resources import Resources, render
from authz_service.policy.sources.folder import read_policy_folder
from authz_service.policy.vetting.vet import check_policies


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent reading of the files. `revision` stands in each audit record and in /readyz."""

    config: Config
    rules: GateRules
    resources: Resources
    revision: str
    cache: DecisionCache = NOT_ASKED
    door: str = ""  # what the door to other people's proxies goes by; "" without one

    @property
    def ingress(self) -> bool:
        return self.config.proxy.enabled

    @property
    def needs_envoy(self) -> bool:
        """Not where others forward what comes in, and nothing leaves."""
        return bool(self.resources.listeners) or not self.door


def read_snapshot(config_path: Path, environment: Mapping[str, str]) -> Snapshot:
    """Raises ConfigProblems, PolicyProblems or RenderError.

    Nothing is evaluated and Envoy is not asked yet: see `require_usable`.
    """
    config = load_config(config_path, environment)
    return snapshot_of(config, decision_cache(config, environment))


def snapshot_of(config: Config, cache: DecisionCache) -> Snapshot:
    policy = None
    asked = config.asked_policy
    if asked is not None and isinstance(config.policy, EmbeddedPolicy):
        folder = bundle_folder(config) or config.policy.path
        if config.policy_bundle is None or folder.exists():  # else it has not arrived yet
            policy = read_policy_folder(
                folder,
                asked.policy_query,
                config.proxy.headers.from_policy,
                evaluated=bool(config.evaluated_for),
            )
    revision = _revision(config, policy)
    rules = gate_rules(config, policy, revision, cached_in_envoy=cache.library is not None)
    paths = StatePaths(config.runtime.state_dir)
    return Snapshot(config, rules, render(config, paths, cache.library), revision, cache, door_text(config, paths))


def require_usable(snapshot: Snapshot, environment: Mapping[str, str], last: Snapshot | None = None) -> None:
    """Ask those who must live with it: the policy interpreter, in a child process, and Envoy (`--mode validate`).

    What did not change since `last` is not asked again. Raises CertificateProblems, PolicyProblems or RenderError.
    Blocks for up to seconds.
    """
    require_usable_authorities(snapshot.config)
    require_watches(more_watches(snapshot.resources, None if last is None else last.resources))
    checks: list[Callable[[], None]] = []
    policy = snapshot.rules.policy
    if policy is not None and (last is None or _tried(last.rules) != _tried(snapshot.rules)):
        checks.append(partial(check_policies, policy, budget=snapshot.config.policy.evaluation_budget))
    if snapshot.needs_envoy and (last is None or last.resources != snapshot.resources):
        # On a read-only root there is no other place to write to.
        scratch = snapshot.config.runtime.state_dir
        checks.append(partial(validate, snapshot.resources, find_envoy(environment), scratch))
    with ThreadPoolExecutor(max_workers=2) as pool:  # each waits for a process of its own
        for answer in [pool.submit(check) for check in checks]:
            answer.result()


def _tried(rules: GateRules) -> tuple[PolicySource | None, float]:
    return rules.policy, rules.evaluation_budget


def _revision(config: Config, policy: PolicySource | None) -> str:
    digest = hashlib.sha256(config.model_dump_json().encode())  # secrets print as ***
    digest.update(msgspec.json.encode(policy))
    return digest.hexdigest()[:12]
