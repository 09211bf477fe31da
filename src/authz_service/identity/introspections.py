"""What issuers said about tokens (RFC 7662 §2.2), for as long as they may be believed. Not the asking."""

from collections.abc import Callable, Iterable

from authz_service.domain.decision import Claims
from authz_service.domain.refusals import IntrospectionNeeded, Reason, Rejected
from authz_service.domain.rules import IssuerRules

MAX_REMEMBERED = 4096


class Introspections:
    """Bounded; the oldest answer goes first. Only tokens that are verified get here."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` never goes back."""
        self.now = now
        self._lifetimes: dict[str, float] = {}
        self._known: dict[str, tuple[bool, float]] = {}  # token -> (active, until)

    def use(self, issuers: Iterable[IssuerRules]) -> None:
        """How long the answers to come will hold."""
        self._lifetimes = {rules.issuer: rules.introspection_cache for rules in issuers}

    def require_active(self, token: str, claims: Claims) -> None:
        """Raises Rejected for a token that its issuer has given up, IntrospectionNeeded where that is not known."""
        known = self._known.get(token)
        if known is None or known[1] <= self.now():
            raise IntrospectionNeeded(claims.issuer, token)
        if not known[0]:
            raise Rejected(Reason.TOKEN_INACTIVE)

    def learn(self, issuer: str, token: str, asked_at: float, *, active: bool) -> None:
        """The issuer's answer, as of the moment of asking."""
        self._known.pop(token, None)
        if len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[token] = (active, asked_at + self._lifetimes.get(issuer, 0.0))
