"""The gate of what leaves with a user's token: what the target is shown instead (RFC 8693). Not the exchanging."""

from collections.abc import Callable, Iterable

from authz_service import headers
from authz_service.domain.decision import Allow, Deny
from authz_service.domain.questions import Absent, Exchange, Known, NotReady
from authz_service.domain.refusals import EXCHANGE_REFUSALS, Reason, Rejected
from authz_service.domain.rules import ExchangeRules
from authz_service.identity import strict_jwt
from authz_service.identity.bearer import bearer_token
from authz_service.identity.claims import seconds_of

_UNKNOWN = Deny(Reason.DECISION_UNAVAILABLE, "routed by a configuration that is not known here")


class EgressGate:
    """One revision of the rules. Nothing that the user's token says is verified here."""

    def __init__(self, exchanges: Iterable[ExchangeRules], known: Known, now: Callable[[], float]) -> None:
        self._exchanges = {exchange.route: exchange for exchange in exchanges}
        self._known = known
        self._now = now

    def exchange_for(self, route: str) -> ExchangeRules | None:
        return self._exchanges.get(route)

    def decide(self, exchange: ExchangeRules | None, authorization: str | None) -> Allow | Deny:
        """Allowed with a token for this very target, or refused. Raises NotReady: have it exchanged, and ask again."""
        if exchange is None:
            return _UNKNOWN
        try:
            token = self._require_exchanged(exchange.key, authorization)
        except Rejected as refusal:
            return Deny(refusal.reason, refusal.detail)
        return Allow(f"{headers.EGRESS_AUTHORIZATION}: Bearer {token}\r\n".encode("ascii"))

    def _require_exchanged(self, target: str, authorization: str | None) -> str:
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
