"""Whether there is a policy to ask: the server that answers, or the bundle that arrived. Asks for no decision."""

from __future__ import annotations

from collections.abc import Iterator

from authz_service.control_plane.part import Part
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.policy.decide.opa_server import health_problem

_PATIENCE = 1.0  # seconds: the other looks wait for this one


class PolicyWatch(Part):
    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._server_problem = ""

    async def look(self) -> None:
        server = self._rollout.current.rules.policy_server
        why = "" if server is None else await health_problem(server, _PATIENCE)
        self._server_problem = f"the policy server does not answer: {why}" if why else ""

    def missing(self, *, starting: bool) -> Iterator[str]:
        if starting and self._server_problem:
            yield self._server_problem
        # Until the workers have taken it over: they compile it first.
        if self._rollout.taken_over.rules.policy_awaited:
            yield f"no policy bundle yet: {self._rollout.bundles.problem or 'asking'}"

    def degraded(self) -> Iterator[str]:
        if self._server_problem:
            yield self._server_problem
        if self._rollout.bundles.problem:
            yield f"no new policy bundle: {self._rollout.bundles.problem}"
