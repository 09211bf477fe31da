"""What a user's token is exchanged for (RFC 8693), once that is known. Not the exchanging."""

from collections.abc import Callable

from authz_service.domain.questions import Absent, Exchange, Known, NotReady
from authz_service.domain.refusals import EXCHANGE_REFUSALS, Reason, Rejected
from authz_service.identity import strict_jwt
from authz_service.identity.bearer import bearer_token
from authz_service.identity.claims import seconds_of


class ExchangedTokens:
    def __init__(self, now: Callable[[], float], known: Known) -> None:
        self._now = now
        self._known = known

    def require(self, target: str, authorization: str | None) -> str:
        """The token for the target. Raises Rejected, or NotReady where it is not known."""
        token = bearer_token(authorization, "Bearer")
        if token is None:
            raise Rejected(Reason.TOKEN_MISSING)
        try:
            answer = self._known.require(Exchange(target, token))
        except NotReady:
            left = self._seconds_left(token)
            if left <= 0:
                raise Rejected(Reason.TOKEN_EXPIRED) from None
            raise NotReady(Exchange(target, token, left)) from None
        if isinstance(answer, Absent):
            raise Rejected(EXCHANGE_REFUSALS[answer.why], f"the identity provider says {answer.why}")
        return answer.value

    def _seconds_left(self, token: str) -> float:
        """Of a token in the one form that is passed on. All else in it is its issuer's to judge. Raises Rejected."""
        ends = seconds_of(strict_jwt.decode(token).payload.get("exp"))
        if ends is None:
            raise Rejected(Reason.TOKEN_CLAIMS_INVALID, "exp is missing, or no number")
        return ends - self._now()
