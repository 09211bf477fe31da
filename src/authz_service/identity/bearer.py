"""The Authorization header (RFC 6750 §2.1, RFC 9110 §11.4) taken apart. What the token says is not looked at."""

from authz_service.domain.refusals import Reason, Rejected


def bearer_token(authorization: str | None, scheme: str) -> str | None:
    """The token, or None when there is no header. Raises Rejected for anything but `<scheme> <token>`.

    Which characters a token may have is the strict decoder's business: a token it has not read is never accepted.
    """
    if authorization is None:
        return None
    if "," in authorization:  # two headers, joined by a proxy on the way (SECURITY T14)
        raise Rejected(Reason.TOKEN_MALFORMED, "more than one value")
    found, _, token = authorization.partition(" ")
    if found.lower() != scheme.lower():
        raise Rejected(Reason.TOKEN_MALFORMED, "another authentication scheme")
    token = token.lstrip(" ")
    if not token:
        raise Rejected(Reason.TOKEN_MALFORMED, "no token after the scheme")
    return token
