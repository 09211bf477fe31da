"""`authz check`: everything that `authz run` would refuse, told at once, without running it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.config.loader import load_config
from authz_service.config.model import Config
from authz_service.config.read.placeholders import placeholders_left
from authz_service.control_plane.data_plane.door import door_rules
from authz_service.control_plane.gate_rules import gate_rules
from authz_service.control_plane.preflight.audit_file import require_writable_audit
from authz_service.control_plane.sources.certificates import ServedCertificates
from authz_service.control_plane.sources.denylist import load_denylist
from authz_service.control_plane.sources.policy_bundle import require_bundle_keys
from authz_service.control_plane.sources.provider_requests import require_usable_authorities
from authz_service.durations import format_duration
from authz_service.envoy.binary import envoy_version, find_envoy, version_warning
from authz_service.envoy.decision_cache import decision_cache
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.preflight import validate
from authz_service.envoy.resources import render
from authz_service.errors import AuthzServiceError, Problems
from authz_service.identity.client_binding import sharing, unbound
from authz_service.ingress.repeatable import Repeatable
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.sources.folder import read_policy_folder
from authz_service.policy.vetting.vet import check_policies

_T = TypeVar("_T")
_KEYCLOAK_REALM = "/realms/"


def check_all(
    config_path: Path, environment: Mapping[str, str], *, anywhere: bool = False, online: bool = False
) -> int:
    """Print a line per part; 0 when all of it can be used, else 1. With `anywhere` only what this host need not have
    anything for; with `online` what only the network knows, too.
    """
    console = Terminal()
    report = _Report(console)
    config = report.part("configuration", lambda: load_config(config_path, environment, anywhere=anywhere))
    if config is not None:
        console.print(*(f"[yellow]![/] {shown(warning)}" for warning in placeholders_left(config)))
        report.part("allowed clients", lambda: _allowed_clients(config, console))
        if anywhere:
            console.print(
                "[yellow]![/] not looked at: variables and secret files, certificates, keys, denylist, audit file"
            )
        else:
            _of_this_host(report, config, config_path, console)
        if config.policy_bundle is not None and not anywhere:
            report.part("bundle keys", partial(require_bundle_keys, config.policy_bundle))
        asked = config.asked_policy
        if asked is not None and config.has_policy_folder:
            report.part("policies", partial(_policies, config, asked.policy_query))
        if config.is_decision_only:
            report.part("door", lambda: _door(config))
        if config.egress.enabled or not config.is_decision_only:
            report.part("envoy", lambda: _envoy(config, environment, console))
        if online:
            from authz_service.cli.online import try_all

            for outcome in try_all(config):
                report.part(outcome.name, outcome.require)
    console.print("[green]usable[/]" if not report.problems else f"[red]{report.problems} to mend[/]")
    return 1 if report.problems else 0


def _of_this_host(report: _Report, config: Config, config_path: Path, console: Terminal) -> None:
    report.part("certificates", lambda: _certificates(config, console))
    report.part("keys and authorities of our own calls", lambda: require_usable_authorities(config))
    report.part("audit file", lambda: require_writable_audit(config, config_path))
    if config.revocation is not None:
        report.part("denylist", partial(load_denylist, config.revocation.path))


class _Report:
    def __init__(self, console: Terminal) -> None:
        self._console = console
        self.problems = 0

    def part(self, name: str, check: Callable[[], _T]) -> _T | None:
        try:
            value = check()
        except Problems as found:
            self._say(name, [str(problem) for problem in found.problems])
            return None
        except (AuthzServiceError, ValueError) as error:
            self._say(name, [str(error)])
            return None
        detail = f": {value}" if isinstance(value, str) else ""
        self._console.print(f"[green]✓[/] {shown(name + detail)}")
        return value

    def _say(self, name: str, lines: list[str]) -> None:
        self._console.print(f"[red]✗[/] {shown(name)}")
        self._console.print(*(f"  {shown(line)}" for line in lines))
        self.problems += len(lines)


def _allowed_clients(config: Config, console: Terminal) -> None:
    peers = gate_rules(config, None, "").peers
    for client, uris in sharing(peers).items() if peers is not None and config.proxy.auth.enabled else ():
        advice = f"bind each of them, such as proxy.mtls.bindings: {{'{uris[0]}': {client}}}"
        console.print(
            f"[yellow]![/] proxy.mtls.allowed_clients: {shown(' and '.join(uris))} "
            f"may each present the tokens of {shown(client)}: only the last segment is compared. {shown(advice)}"
        )
    for name in unbound(peers) if peers is not None and config.proxy.auth.enabled else ():
        console.print(
            f"[yellow]![/] proxy.mtls.allowed_clients: {shown(name)} may present no service's token, for nothing says "
            f"whose it is; write proxy.mtls.bindings: {{'{shown(name)}': its client}}, if it has any"
        )
    if peers is not None and not peers.required:
        console.print(
            "[yellow]![/] proxy.mtls.allow_anonymous: whoever shows no certificate passes allowed_clients; tokens and "
            "policies must keep him out."
        )
    if peers is None or not peers.bind_service_tokens or not config.proxy.auth.enabled:
        return
    for issuer in config.issuers:
        if issuer.service_tokens == "auto" and _KEYCLOAK_REALM not in issuer.issuer:
            console.print(
                f"[yellow]![/] jwt.service_tokens: auto takes a token of {shown(issuer.issuer)} for a user's where "
                "its client_id or cid is another than its sub. Zitadel's machines look so too: write how its service "
                "tokens are told, such as service_tokens: by_client."
            )


def _certificates(config: Config, console: Terminal) -> None:
    served = ServedCertificates(publish=lambda name, text: None, now=time.time)
    served.refresh(config)
    for warnings in served.warnings.values():
        console.print(*(f"[yellow]![/] {shown(warning)}" for warning in warnings))
    served.require_complete()


def _policies(config: Config, query: str) -> str:
    """How long an allow holds; why it holds for no other request."""
    carried, evaluated = config.proxy.headers.from_policy, bool(config.evaluated_for)
    source = read_policy_folder(config.policy.path, query, carried, evaluated=evaluated)
    check_policies(source, budget=config.policy.evaluation_budget)
    candidate = None if config.asked_policy is None else config.asked_policy.candidate
    if candidate is not None:
        another = read_policy_folder(candidate.path, query, carried, evaluated=evaluated)
        check_policies(another, budget=config.policy.evaluation_budget)
    rules = gate_rules(config, source, "")
    why_not = Repeatable(rules, PolicyEngine(source)).why_not
    if why_not is None:
        return f"an allow holds for {format_duration(rules.remember)} for requests that are alike"
    return f"each request is judged anew: {why_not.words}"


def _door(config: Config) -> str:
    rules = door_rules(config, StatePaths(config.runtime.state_dir))
    return ", ".join(f"{asker.name} ({asker.protocol})" for asker in rules.askers)


def _envoy(config: Config, environment: Mapping[str, str], console: Terminal) -> str:
    """Whether it answers by itself what was allowed before."""
    binary = find_envoy(environment)
    warning = version_warning(envoy_version(binary))
    if warning:
        console.print(f"[yellow]![/] {shown(warning)}")
    cache = decision_cache(config, environment)
    validate(render(config, StatePaths(config.runtime.state_dir), cache.library), binary)
    return cache.words if cache.library is not None else f"without a decision cache: {cache.words}"
