"""Decides recorded decisions anew, by other policies, and says which verdicts are another one now. Changes nothing.

The records are of `audit.opa_decision_log`, so parts of the input may be left out of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from authz_rego.explain import Explanation, Tried
from authz_rego.values.json_text import from_json
from authz_rego.values.value import Value
from authz_service.domain.refusals import OF_THE_POLICY, Reason
from authz_service.domain.rules import PolicySource
from authz_service.domain.time_budget import EVALUATION
from authz_service.errors import PolicyProblems, Problem
from authz_service.mesh.decision_event import Example, Recorded, client_of, principal_of
from authz_service.mesh.model import Mesh
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.decide.reads import Reads
from authz_service.policy.decide.time_limit import TimeLimit, TooLong
from authz_service.policy.sources.folder import read_policy_folder

_EXAMPLES = 3


class Flips(msgspec.Struct):
    """Verdicts that are another one now, of one principal and by one rule."""

    service: str
    was: str  # reasons, as in audit records
    becomes: str
    rule: str  # of the new policies: the last one that held, or that did not
    place: str
    line: str  # where it stopped
    principal: str
    client: str  # the certificate's name
    count: int = 0
    unsure: int = 0  # of these the log lacks something that the policy reads
    examples: list[Example] = []

    @property
    def gained(self) -> bool:
        return self.becomes == Reason.ALLOWED

    @property
    def lost(self) -> bool:
        return self.was == Reason.ALLOWED


class Verdicts(NamedTuple):
    """What a replay found. `passed_over`: why, and how many records."""

    records: int
    alike: int
    flips: tuple[Flips, ...]
    passed_over: Mapping[str, int]
    lacking: Mapping[str, int]  # what policies read and records lack (JSON pointers), and in how many decided anew
    first: str
    last: str

    @property
    def judged(self) -> int:
        return self.alike + sum(flips.count for flips in self.flips)


Policies = Callable[[str, str], PolicySource | None]
"""Service and rule (`order/allow`) → what decides now; None: nobody."""


def policies_of_mesh(mesh: Mesh, *, own_host: bool = False) -> Policies:
    """Each service's, by its configuration's own query. `own_host`: the configurations' paths are this machine's.

    Raises PolicyProblems for a folder that cannot be read.
    """
    sources: dict[str, PolicySource] = {}
    for sidecar in mesh.sidecars.values():
        config = sidecar.config
        folder = sidecar.find_file(config.policy.path)
        if folder is None and own_host and config.policy.path.is_dir():
            folder = config.policy.path
        if config.asked_policy is None:
            continue
        if not config.has_policy_folder or folder is None:
            continue  # what it decides by is elsewhere
        query = config.asked_policy.policy_query
        carried, evaluated = config.proxy.headers.from_policy, bool(config.evaluated_for)
        sources[config.service.name] = read_policy_folder(folder, query, carried, evaluated=evaluated)
    if not sources:
        fix = "name a mesh, a configuration or a folder of policies"
        raise PolicyProblems([Problem("replay", f"no policies are found below {mesh.folder}", fix)])
    return lambda service, _: sources.get(service)


class Replay:
    """`take` every record, then ask for the `verdicts`."""

    def __init__(self, policies: Policies, budget: float = EVALUATION) -> None:
        """`budget`: seconds of processor time for one decision."""
        self._policies, self._budget, self._limit = policies, budget, TimeLimit()
        self._judges: dict[tuple[str, str], _Judge | None] = {}
        self._flips: dict[tuple[str, ...], Flips] = {}
        self._passed_over: Counter[str] = Counter()
        self._lacking: Counter[str] = Counter()
        self._records = self._alike = 0
        self._first = self._last = ""

    def take(self, event: Recorded) -> None:
        """Raises PolicyProblems when the policies that are to decide it cannot be loaded."""
        self._records += 1
        self._first = min(self._first or event.timestamp, event.timestamp)
        self._last = max(self._last, event.timestamp)
        why = self._decide(event)
        if why:
            self._passed_over[why] += 1

    def take_unreadable(self) -> None:
        self._records += 1
        self._passed_over["no event of a decision log"] += 1

    def verdicts(self) -> Verdicts:
        """Gained first, then lost; by rule, and there the most frequent first."""
        kept = tuple(sorted(self._flips.values(), key=_order))
        return Verdicts(
            self._records, self._alike, kept, dict(self._passed_over), dict(self._lacking), self._first, self._last
        )

    def _decide(self, event: Recorded) -> str:
        """Why it cannot be decided anew, or nothing."""
        was = event.reason
        if was is None:
            return "its answer is none that we know"
        if not event.path or was not in OF_THE_POLICY:
            return "decided before a policy was asked"
        if not event.input or "/input" in event.erased:
            return "its input is not in the log"
        judge = self._judge(event.service, event.path)
        if judge is None:
            return f"no policies for {event.service or 'a service without a name'} here"
        document = from_json(bytes(event.input))
        try:
            now_ns = event.nanoseconds()
        except ValueError:
            return "its time is none"
        becomes = judge.decide(document, now_ns, self._budget)
        lacking = [pointer for pointer in event.erased if _is_read(pointer, judge.engine.reads)]
        self._lacking.update(lacking)
        if becomes == was:
            self._alike += 1
        else:
            self._note(
                event, document, was, becomes, judge.explain(document, now_ns, self._budget), unsure=bool(lacking)
            )
        return ""

    def _judge(self, service: str, path: str) -> _Judge | None:
        key = (service, path)
        if key not in self._judges:
            source = self._policies(service, path)
            self._judges[key] = None if source is None else _Judge(source, self._limit)
        return self._judges[key]

    def _note(
        self, event: Recorded, document: Value, was: Reason, becomes: Reason, tried: Tried | None, *, unsure: bool
    ) -> None:
        rule, place, line = "", "", ""
        if tried is not None:
            at = tried.place if tried.held or not tried.stopped.row else tried.stopped
            rule, place, line = tried.rule, f"{at.file}:{at.row}", tried.line
        principal, client = principal_of(document), client_of(document)
        key = (event.service, was, becomes, rule, place, principal, client)
        flips = self._flips.get(key)
        if flips is None:
            flips = self._flips[key] = Flips(
                event.service, was.value, becomes.value, rule, place, line, principal, client, examples=[]
            )
        flips.count += 1
        flips.unsure += unsure
        if len(flips.examples) < _EXAMPLES:
            flips.examples.append(event.example(document))


def _order(one: Flips) -> tuple[object, ...]:
    rule = (one.service, one.was, one.becomes, one.rule, one.place)
    return (not one.gained, not one.lost, *rule, -one.count, one.principal)


class _Judge:
    """One query over one source."""

    def __init__(self, source: PolicySource, limit: TimeLimit) -> None:
        self._now_ns, self._limit = 0, limit
        self.engine = PolicyEngine(source, lambda: self._now_ns)
        self._query = source.query

    def decide(self, document: Value, now_ns: int, budget: float) -> Reason:
        self._now_ns = now_ns
        try:
            with self._limit.of(budget):
                return self.engine.evaluate(document).reason
        except (TooLong, MemoryError):
            return Reason.POLICY_TIMEOUT

    def explain(self, document: Value, now_ns: int, budget: float) -> Tried | None:
        """The rule that made the difference, as far as the new policies show it."""
        try:
            with self._limit.of(budget * 4):  # it notes down everything that it tries
                explained = self.engine.query.explain(document, now_ns=now_ns)
        except (TooLong, MemoryError):
            return None
        return telling(explained, self._query)


def telling(explained: Explanation, query: str) -> Tried | None:
    """Allowed: the last body below the query's own that held. Refused: of the last rule, that which came furthest."""
    allowed = explained.value is True or (
        isinstance(explained.value, dict) and True in {explained.value.get("allow"), explained.value.get("allowed")}
    )
    bodies = [one for one in explained.tried if one.held is allowed]
    bodies = [one for one in bodies if one.rule != query] or bodies
    if allowed or not bodies:
        return next(reversed(bodies), None)
    alike = [one for one in reversed(bodies) if one.rule == bodies[-1].rule]
    return max(alike, key=lambda one: one.stopped.row - one.place.row)


def _is_read(pointer: str, reads: Reads) -> bool:
    """Whether the policy reads what a JSON pointer below /input names, or something in it."""
    for step in pointer.split("/")[2:]:
        if reads is None:
            return True
        name = step.replace("~1", "/").replace("~0", "~")
        if name not in reads:
            return False
        reads = reads[name]
    return True
