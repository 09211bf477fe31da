"""In the place of policies that have not arrived yet (`policy.bundle`): nobody is let in. Not the fetching."""

from authz_rego.values.value import Value
from authz_service.domain.decision import Verdict
from authz_service.domain.refusals import Reason
from authz_service.policy.decide.reads import Reads

_NOT_YET = Verdict(Reason.POLICY_UNAVAILABLE, ("no policy bundle has arrived yet",), None)


class AwaitedPolicy:
    """Answers every question with 503."""

    reads: Reads = None

    def evaluate(self, document: Value) -> Verdict:  # noqa: ARG002 - as every policy's
        return _NOT_YET
