"""What users' tokens were exchanged for (RFC 8693), for as long as both are good. Not the exchanging."""

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from authz_service.domain.refusals import EXCHANGE_REFUSALS, ExchangeNeeded, Reason, Rejected
from authz_service.identity import strict_jwt
from authz_service.identity.bearer import bearer_token
from authz_service.identity.claims import seconds_of

MAX_REMEMBERED = 4096
REFUSED_FOR = 3.0  # seconds: the provider is not asked again about a token that it just refused
LONGEST_MARGIN = 10.0  # seconds before its end in which a token is used no more, of a short life a quarter

_Place = tuple[str, bytes]  # whom it is for, and whose it is


class _Known(NamedTuple):
    token: str
    refusal: str  # one of EXCHANGE_REFUSALS; "" = there is a token
    until: float


class ExchangedTokens:
    """Bounded; the oldest goes first. Users' tokens are known by their digests only."""

    def __init__(self, now: Callable[[], float], steady: Callable[[], float]) -> None:
        """`steady` never goes back."""
        self._now = now
        self.steady = steady
        self._known: dict[_Place, _Known] = {}

    def require(self, target: str, authorization: str | None) -> str:
        """The token for the target. Raises Rejected, or ExchangeNeeded where it is not known."""
        token = bearer_token(authorization, "Bearer")
        if token is None:
            raise Rejected(Reason.TOKEN_MISSING)
        known = self._known.get(_place(target, token))
        if known is None or known.until <= self.steady():
            if self._seconds_left(token) <= 0:
                raise Rejected(Reason.TOKEN_EXPIRED)
            raise ExchangeNeeded(target, token)
        if known.refusal:
            raise Rejected(EXCHANGE_REFUSALS[known.refusal], f"the identity provider says {known.refusal}")
        return known.token

    def learn(self, target: str, token: str, asked_at: float, found: str, lifetime: float) -> None:
        """`found` lives for so many seconds from the moment of asking, of `steady`."""
        left = min(lifetime, self._seconds_left(token) + self.steady() - asked_at)
        self._keep(target, token, _Known(found, "", asked_at + left - min(LONGEST_MARGIN, left / 4)))

    def learn_refusal(self, target: str, token: str, code: str) -> None:
        """`code` is one of EXCHANGE_REFUSALS."""
        self._keep(target, token, _Known("", code, self.steady() + REFUSED_FOR))

    def _keep(self, target: str, token: str, known: _Known) -> None:
        place = _place(target, token)
        self._known.pop(place, None)
        if len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[place] = known

    def _seconds_left(self, token: str) -> float:
        """Of a token in the one form that is passed on. All else in it is its issuer's to judge. Raises Rejected."""
        ends = seconds_of(strict_jwt.decode(token).payload.get("exp"))
        if ends is None:
            raise Rejected(Reason.TOKEN_CLAIMS_INVALID, "exp is missing, or no number")
        return ends - self._now()


def _place(target: str, token: str) -> _Place:
    return target, sha256(token.encode("latin-1")).digest()
