"""A policy for the commands that evaluate one themselves: ended when its budget is used up. Not a decision worker's:
that one is ended by the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from authz_rego.explain import Explanation
from authz_rego.values.value import Value
from authz_service.domain.decision import Verdict
from authz_service.errors import AuthzServiceError
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.decide.time_limit import TimeLimit, TooLong

_TRACED = 10  # times as long, at most: an explanation writes down each step


class PolicyTooLong(AuthzServiceError):  # noqa: N818 - it says what is the matter
    """Live, the request would get 503 policy_timeout."""


class BoundedPolicy:
    """Raises PolicyTooLong. Made in the process's main thread."""

    def __init__(self, engine: PolicyEngine, seconds: float, of: str = "") -> None:
        """`seconds`: of processor time. `of`: whose policy it is."""
        self._engine, self._seconds, self._of = engine, seconds, of
        self._limit = TimeLimit()
        self.reads = engine.reads

    def evaluate(self, document: Value) -> Verdict:
        with self._within(self._seconds):
            return self._engine.evaluate(document)

    def explain(self, document: Value, now_ns: int) -> Explanation:
        """Which rule bodies were tried, and where each stopped."""
        with self._within(self._seconds * _TRACED):
            return self._engine.query.explain(document, now_ns=now_ns)

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        try:
            with self._limit.of(seconds):
                yield
        except TooLong:
            whose = f"{self._of}: " if self._of else ""
            told = f"{whose}the policy does not end within {seconds:g} s of processor time"
            raise PolicyTooLong(f"{told} (policy.evaluation_budget); live, it is 503 policy_timeout") from None
