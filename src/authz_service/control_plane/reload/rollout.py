"""What serves now, and how another reading of the files takes its place. Reads no configuration, starts no process."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from authz_service.clock import SystemClock
from authz_service.config.model import Config
from authz_service.control_plane.candidate.keeper import CandidatePolicy
from authz_service.control_plane.counters import Counters
from authz_service.control_plane.data_plane.admin import EnvoyAdmin
from authz_service.control_plane.data_plane.decision_cache import CacheKeeper
from authz_service.control_plane.data_plane.door import FILE as DOOR
from authz_service.control_plane.decision_log.delivery import DecisionLog
from authz_service.control_plane.events import Events
from authz_service.control_plane.part import Gauge, Part
from authz_service.control_plane.reload.trust_on_its_way import with_both
from authz_service.control_plane.snapshot import Snapshot
from authz_service.control_plane.sources.certificates import ServedCertificates
from authz_service.control_plane.sources.denylist import ServedDenylist
from authz_service.control_plane.sources.http_clients import HttpClients
from authz_service.control_plane.sources.issuers import Issuers
from authz_service.control_plane.sources.policy_bundle import BundlePoller
from authz_service.control_plane.sources.target_tokens import TargetTokens
from authz_service.control_plane.sources.token_exchanges import TokenExchanges
from authz_service.control_plane.state_dir import StateDirectory
from authz_service.control_plane.workers.control_server import ControlServer
from authz_service.control_protocol import Copies
from authz_service.domain.questions import Active, Answer, Asked, Exchange, Key
from authz_service.domain.rules import IssuerKeys
from authz_service.envoy import secrets
from authz_service.envoy.decision_cache import STATES
from authz_service.envoy.messages import Json
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import connected_anew, steps
from authz_service.envoy.upstreams import all_upstreams
from authz_service.errors import ConfigProblems, Problem

log = logging.getLogger(__name__)

_ON_THEIR_WAY = 8  # changes that Envoy may not have taken over yet
_TAKE_OVER = 1.0  # seconds for Envoy to accept a file
_SETTLE = 20.0  # seconds for the workers to take over the rules: the largest policies are compiled for as long
# Seconds for the workers to leave rules behind. A revocation acts in those that have, and who is stopped ends earlier.
_LEAVE = 5.0


class Rollout(Part):
    """Certificates, keys, tokens, rules and resources of one sidecar, as Envoy and the workers have them."""

    def __init__(self, snapshot: Snapshot, directory: StateDirectory, counters: Counters, events: Events) -> None:
        self.current = snapshot
        self.taken_over = snapshot  # the last one that took over wholly; `current` may be on its way
        self._directory = directory
        self._paths = StatePaths(directory.path)
        self._look, self._reload = events.look, events.reload
        self._written = [snapshot.resources]  # that Envoy may run: what serves, and what is on its way
        self._secrets: dict[str, list[Json]] = {}  # by name; the last ones, for Envoy may refuse one
        self._clients, clock = HttpClients(), SystemClock()
        self.envoy = EnvoyAdmin(self._paths.admin_socket)
        self.certificates = ServedCertificates(self._publish_secret, time.time, counters.reloads)
        self.denylist = ServedDenylist(counters.reloads)
        self.issuers = Issuers(self._clients, self._paths.keys, self._publish_keys, clock, counters.introspections)
        self.target_tokens = TargetTokens(self._clients, self._publish_token, clock)
        self.token_exchanges = TokenExchanges(self._clients, counters.exchanges)
        self.bundles = BundlePoller(clock, counters.reloads, partial(events.reload, "a bundle arrived"))
        self.decision_log = DecisionLog(clock, counters.copies, {"id": str(uuid.uuid4()), "app": "authz-service"})
        self.candidate = CandidatePolicy(counters.candidate, str(self._paths.audit_chain))
        self.decision_cache = CacheKeeper(self._paths, counters.add, time.time)
        self.control_server = ControlServer(
            self._paths.control_socket,
            counters.add,
            self._answer,
            events.look,
            self._take_copies,
            require_walls=snapshot.config.runtime.walls == "required",
            raise_epoch=self.decision_cache.raise_epoch,
        )

    def missing(self, *, starting: bool) -> Iterator[str]:
        serving = self.taken_over
        if serving.config.runtime.walls == "required":
            for wall in self.control_server.missing_walls():
                yield f"walls are required (runtime.walls), and workers have {wall}"
        if serving.ingress:
            active = self.control_server.active(serving.revision)
            # At first all of them, for whoever is asked first may still compile the rules.
            if not active or (starting and active < len(self.control_server.pids())):
                yield "no decision worker has the present rules"

    def degraded(self) -> Iterator[str]:
        for error in self.control_server.errors():
            yield f"a worker could not use the rules: {error}"

    def gauges(self) -> Iterator[Gauge]:
        active = float(self.control_server.active(self.taken_over.revision))
        cache = {str(state): float(state == self.taken_over.cache.state) for state in STATES}
        yield Gauge("authz_decision_cache", "1 for what Envoy's is, or why it has none.", "state", cache)
        yield Gauge("authz_workers", "Decision workers with the present rules.", "", {"": active})

    async def begin(self) -> None:
        """Put down all that Envoy reads when it starts. Raises CertificateProblems or DenylistProblems."""
        snapshot = self.current
        self.certificates.refresh(snapshot.config)
        self.certificates.require_complete()
        self.certificates.renewed.clear()  # nothing is connected yet
        self.denylist.refresh(snapshot.config)
        self.denylist.require_usable()
        self._write_empty_tokens(snapshot.config, only_missing=False)
        self._send_rules()
        if snapshot.door:
            self._directory.write(DOOR, snapshot.door)
        for name, text in snapshot.resources.files().items():
            self._directory.write(name, text)
        await self._update_sources(snapshot.config)

    def known_to_envoy(self, versions: Mapping[str, str]) -> dict[str, dict[str, list[Json]]]:
        """What it may run, by kind and name: what serves alone, once it shows these versions of it."""
        if {name: version for name, version in versions.items() if name.startswith("xds/")} == (
            self.current.resources.versions()
        ):
            self._written = [self.current.resources]
        known: dict[str, dict[str, list[Json]]] = {"listener": {}, "route configuration": {}, "cluster": {}}
        for resources in self._written:
            for kind, those in (("listener", resources.listeners), ("cluster", resources.clusters)):
                for each in those:
                    known[kind].setdefault(str(each["name"]), []).append(each)
            for name, routes in resources.routes.items():
                known["route configuration"].setdefault(name, []).append(routes)
        return {**known, "secret": self._secrets}

    def write_again(self) -> None:
        """All that Envoy reads when it starts. Raises OSError."""
        for name, secrets_ in self._secrets.items():
            self._directory.write(f"sds/{name}.json", json.dumps({"resources": [secrets_[-1]]}))
        for name, text in self.current.resources.files().items():
            self._directory.write(name, text)

    async def replace(self, snapshot: Snapshot) -> None:
        """Workers first, Envoy second. Raises without a change of what serves: routes are judged by their own revision.

        A worker that has the new rules goes on judging by the old ones what Envoy routes by the old ones.
        """
        before = self.current
        try:
            self.current = snapshot
            self.certificates.refresh(snapshot.config)
            self._write_empty_tokens(snapshot.config, only_missing=True)
            self._require_secrets(snapshot)
            await asyncio.to_thread(self.denylist.refresh, snapshot.config)
            if snapshot.config.revocation != before.config.revocation:
                self.denylist.require_usable()
            self.token_exchanges.add(snapshot.config)
            self._send_rules()
            await self.control_server.require_settled(snapshot.revision, _SETTLE)
            await self._hand_over_client_cas()
            await self._write_steps(before, snapshot)
        except BaseException:
            self.current = before
            self.token_exchanges.add(before.config)
            self._send_rules()
            raise
        await self._update_sources(snapshot.config)

    async def follow_certificates_and_denylist(self) -> list[str]:
        """Hand over the files behind the present configuration that changed; the names of the certificates among them.

        Raises OSError when the state directory cannot be written; the rest comes with the next call.
        """
        await asyncio.to_thread(self.denylist.refresh, self.current.config)
        changed = self.certificates.refresh(self.current.config)
        self._send_rules()
        changed += await self._hand_over_client_cas()
        await self._connect_anew()
        self.taken_over = self.current
        # A token may be bound to the certificate before, or refused for the key that signs for it.
        if changed or any(target.auth.proof_files for target in self.current.config.egress.targets.values()):
            await self._update_providers(self.current.config)
        return changed

    async def stop(self) -> None:
        """Nothing is fetched, sent or heard any more."""
        await self.bundles.stop()
        await self.decision_log.stop()
        await self.candidate.stop()
        await self.target_tokens.stop()
        self.token_exchanges.stop()
        await self.issuers.stop()
        await self._clients.aclose()
        self.control_server.stop()
        await self.envoy.close()

    async def _update_sources(self, config: Config) -> None:
        await self._update_providers(config)
        await self.bundles.update(config)
        await self.decision_log.update(config)
        await self.candidate.update(config)
        self.taken_over = self.current

    async def _update_providers(self, config: Config) -> None:
        if config.hosts != self._clients.hosts:
            await self.issuers.stop()
            self.token_exchanges.stop()
            await self._clients.use(config.hosts)
        await self.issuers.update(config)
        self.token_exchanges.update(config)
        await self.target_tokens.update(config)

    def _take_copies(self, copies: Copies) -> None:
        self.decision_log.take(copies)
        self.candidate.take(copies)

    async def _hand_over_client_cas(self) -> list[str]:
        """Of clients, Envoy judges the handshake and the workers each request, and they change one after the other.

        So that nobody gets in meanwhile whom neither the files before nor those after let in, the workers refuse whom
        either refuses, from before Envoy gets the new ones until it has them. Waits for none of both for ever.
        """
        if not self.certificates.is_held:
            return []
        await self.control_server.leave_older_rules(_LEAVE)
        version, file = self.certificates.release(), f"sds/{secrets.CLIENT_CA}.json"
        is_there = not self.current.needs_envoy or await self.envoy.taken_over(file, version, _TAKE_OVER)
        self.certificates.taken_over(is_there=is_there)
        if not is_there:  # it may be starting: until it has them, everybody whom the last ones refused is refused
            asyncio.get_running_loop().call_later(_TAKE_OVER, self._reload, "client CAs are on their way to Envoy")
            return []
        self._send_rules()
        return [secrets.CLIENT_CA]

    async def _connect_anew(self) -> None:
        """To targets that are shown another certificate from now on: on open connections the one before may end before
        they do, and a token that is bound to the new one would be refused there.
        """
        renewed = self.certificates.renewed
        clusters = {
            upstream.cluster
            for upstream in all_upstreams(self.current.config)
            if upstream.target and secrets.target_certificate(upstream.target_name) in renewed
        }
        if clusters:
            resources = connected_anew(self.current.resources, clusters, datetime.now(UTC).isoformat())
            wanted = replace(self.current, resources=resources)
            await self._write_steps(self.current, wanted)
            self.current = wanted
        renewed.clear()  # only now: what could not be written is tried again

    def _require_secrets(self, snapshot: Snapshot) -> None:
        """Envoy refuses a whole listener for the lack of one. Raises ConfigProblems for each that cannot be used."""
        absent = [name for name in snapshot.resources.secrets if not self._paths.secret(name).exists()]
        if absent:
            problems = self.certificates.problems
            fix = "mend the certificate files, then save the configuration again"
            raise ConfigProblems([Problem(name, str(problems.get(name, "is not there")), fix) for name in absent])

    async def _write_steps(self, before: Snapshot, snapshot: Snapshot) -> None:
        """One file after the other, each taken over by Envoy before the next, so that no route is ever without its
        cluster.
        """
        if snapshot.door != before.door:
            self._directory.write(DOOR, snapshot.door)  # asks with its own tag, by which the workers judge
        if not snapshot.needs_envoy:
            return
        self._written = [*self._written[-_ON_THEIR_WAY:], snapshot.resources]
        for name, text in steps(before.resources, snapshot.resources):
            self._directory.write(name, text)
            await self.envoy.taken_over(name, json.loads(text)["version_info"], _TAKE_OVER)

    def _write_empty_tokens(self, config: Config, *, only_missing: bool) -> None:
        """Envoy wants the file to exist; an empty token is 503 for the target until there is one."""
        for name, target in config.egress.targets.items():
            present = self._paths.secret(secrets.target_token(name)).exists()
            if target.auth.has_own_token and not (only_missing and present):
                self._publish_token(name, None)

    async def _answer(self, question: Asked) -> Answer | None:
        """What a worker wants to know, by whoever knows it."""
        match question:
            case Key():
                return await self.issuers.find_key(question)
            case Active():
                return await self.issuers.introspect(question)
            case Exchange():
                return await self.token_exchanges.exchange(question)

    def _send_rules(self) -> None:
        """To every worker; nothing happens when they have these already."""
        rules = self.certificates.with_trust(self.current.rules)
        if self.certificates.is_held:
            rules = with_both(rules, self.control_server.rules)
        self.control_server.set_rules(self.denylist.with_denied(rules))

    def _publish_secret(self, name: str, text: str) -> None:
        self._directory.write(f"sds/{name}.json", text)
        self._secrets[name] = [*self._secrets.get(name, [])[-_ON_THEIR_WAY:], *json.loads(text)["resources"]]

    def _publish_token(self, target: str, token: str | None) -> None:
        name = secrets.target_token(target)
        self._publish_secret(name, secrets.token_secret(name, token or ""))
        self._look()

    def _publish_keys(self, keys: IssuerKeys) -> None:
        self.control_server.set_keys(keys)
        self._look()
