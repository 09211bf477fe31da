"""The hot half of the policies: one question to the checked Rego, one `Verdict`. Not the checks (`vetting`)."""

from __future__ import annotations

import time
from collections.abc import Callable

from authz_rego import Policy
from authz_rego.errors import RegoError
from authz_rego.values.json_text import from_json
from authz_rego.values.value import Value
from authz_service.domain.decision import Verdict
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems, Problem
from authz_service.policy.decide.answers import read_answer

_FAILED = Verdict(Reason.POLICY_ERROR, ("policy error",), None)


def data_of(source: PolicySource) -> dict[str, Value]:
    """Raises ValueError for what is no object."""
    data = from_json(source.data)
    if type(data) is not dict:
        raise ValueError("data is no object")
    return data


class PolicyEngine:
    """Evaluates one query over policies that passed the vetting."""

    def __init__(
        self, source: PolicySource, now_ns: Callable[[], int] = time.time_ns, *, policy: Policy | None = None
    ) -> None:
        """`policy`: the source, compiled already. Raises PolicyProblems for what the vetting has ruled out: it cannot
        be compiled, or has no such rule.
        """
        try:
            policy = policy or Policy.compile(source.modules, data_of(source))
            self.query = policy.query(source.query)
        except (RegoError, ValueError) as error:
            raise PolicyProblems(
                [Problem(source.query, "the policies cannot be loaded", "run `authz check`: it names the place")]
            ) from error
        self.reads = policy.reads
        self.clock = policy.clock
        self._evaluate = self.query.evaluate
        self._may_set = frozenset(name.lower() for name in source.headers)
        self._now_ns = now_ns

    def evaluate(self, document: Value) -> Verdict:
        """The policy's answer; whatever goes wrong is a refusal. Says nothing about the inside of the policy.

        Raises MemoryError: what is left of this process is not to be relied on.
        """
        try:
            return read_answer(self._evaluate(document, now_ns=self._now_ns()), self._may_set)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - the policy is somebody else's program: it may fail in any way
            return _FAILED

    def ask(self, document: Value) -> Value:
        """The rule's value, or UNDEFINED; raises EvaluationError. For the vetting."""
        return self._evaluate(document, now_ns=self._now_ns())

    def read(self, value: Value) -> Verdict:
        """What such a value means. Raises BadAnswer."""
        return read_answer(value, self._may_set)
