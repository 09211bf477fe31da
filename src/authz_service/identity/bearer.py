"""The Authorization header (RFC 6750 §2.1, RFC 9110 §11.4) taken apart. What the token says is not looked at."""

from authz_service.domain.refusals import Reason, Rejected
from authz_service.identity.token_places import NO_SCHEME


def bearer_token(authorization: str | None, scheme: str) -> str | None:
    """The token, or None when there is no header, or one of another scheme, which has no token of ours (RFC 9110
    §11.6.2). Raises Rejected for anything else but `<scheme> <token>`.

    Which characters a token may have is the strict decoder's business: a token it has not read is never accepted.
    """
    if authorization is None:
        return None
    scheme = scheme.lower()
    if scheme == NO_SCHEME:
        return _bare_token(authorization)
    if "," in authorization and any(part.split()[:1] == [scheme] for part in authorization.lower().split(",")):
        raise Rejected(Reason.TOKEN_MALFORMED, "more than one value")  # joined by a proxy on the way (SECURITY T14)
    found, _, token = authorization.partition(" ")
    if found.lower() != scheme:
        if authorization.lower().split()[:1] == [scheme]:
            raise Rejected(Reason.TOKEN_MALFORMED, "not one space between scheme and token")
        return None
    token = token.lstrip(" ")
    if not token:
        raise Rejected(Reason.TOKEN_MALFORMED, "no token after the scheme")
    return token


def _bare_token(value: str) -> str:
    if "," in value:
        raise Rejected(Reason.TOKEN_MALFORMED, "more than one value")
    token = value.strip(" ")
    if not token:
        raise Rejected(Reason.TOKEN_MALFORMED, "an empty value")
    return token
