"""Whether a verified token was revoked by hand (`revocation.path`). Not whether its issuer thinks so (RFC 7662)."""

from authz_service.domain.decision import Claims
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import TokenDenials
from authz_service.identity.claims import seconds_of
from authz_service.identity.service_tokens import CLIENT_CLAIMS

# The client that Keycloak calls `azp` has other names elsewhere.
_CLAIMS = (("jti", "jti"), ("sub", "sub"), ("sid", "sid"), *((name, "azp") for name in CLIENT_CLAIMS))


class DeniedTokens:
    """Looked through when a token is first verified, and when the list changes: never on a remembered token."""

    def __init__(self, denials: TokenDenials) -> None:
        self._claims = frozenset(denials.claims)
        self._not_before = dict(denials.not_before)

    def require_not_denied(self, claims: Claims) -> None:
        """Raises Rejected."""
        values, issuer = claims.values, claims.issuer
        for claim, listed_as in _CLAIMS:
            value = values.get(claim)
            if isinstance(value, str) and (
                (issuer, listed_as, value) in self._claims or ("", listed_as, value) in self._claims
            ):
                raise Rejected(Reason.TOKEN_REVOKED, f"its {claim} is on the denylist")
        not_before = self._not_before.get(issuer)
        if not_before is None:
            return
        issued = seconds_of(values.get("iat"))  # a number, if it is there: the claims are type-checked
        if issued is None or issued < not_before:
            raise Rejected(Reason.TOKEN_REVOKED, "issued before the denylist's not_before of its issuer")
