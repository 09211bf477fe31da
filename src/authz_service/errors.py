"""The ways in which the product itself can be broken. A refused request is not one of them (see `domain.refusals`)."""

from collections.abc import Sequence
from dataclasses import dataclass


class AuthzServiceError(Exception):
    """Something is broken. The caller gets 503, the log gets the traceback; never an allow."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a person has to mend: where it is, what was found, what to do."""

    at: str
    found: str
    fix: str
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        return f"{place + ': ' if self.file else ''}{self.at}: {self.found}. Fix: {self.fix}"


class Problems(AuthzServiceError):  # noqa: N818 - it is the list of them
    """Everything that is wrong with an input, all at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class ConfigProblems(Problems):
    """The configuration cannot be used."""


class PolicyProblems(Problems):
    """The policies cannot be used."""


class BundleRefused(AuthzServiceError):  # noqa: N818 - it names what happened
    """A policy bundle cannot be believed or read; the last good one stays."""


class CertificateProblems(Problems):
    """A certificate, key, CA bundle or revocation list cannot be used."""


class DenylistProblems(Problems):
    """A list of revoked certificates and tokens cannot be used."""


class RenderError(AuthzServiceError):
    """Envoy refuses what we rendered."""


class FetchError(AuthzServiceError):
    """An HTTP call of the control plane (keys, tokens, discovery) failed.

    `retry_after` is in seconds, if the peer named it. `permanent`: the same question gets the same answer until
    somebody mends something.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, permanent: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.permanent = permanent


class AuditUnavailable(AuthzServiceError):  # noqa: N818 - it names the state, as the answer's reason does
    """The audit record could not be written; what it records must not happen."""


class AuditTorn(AuditUnavailable):
    """The same, but a part of the record, or all of it without its end, is at the destination."""


class KeysUnavailable(AuthzServiceError):  # noqa: N818 - it names the state, as the answer's reason does
    """An issuer's keys were never fetched, so its tokens can be neither accepted nor refused."""
