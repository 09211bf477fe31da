"""Every reason an answer can have: one enumeration for bodies, audit records, metrics and docs.

Not the rules themselves.
"""

from enum import StrEnum
from typing import Final, NamedTuple


class Reason(StrEnum):
    """Stable, public names. The first group allows, the others never do."""

    ALLOWED = "allowed"

    CLIENT_CERT_MISSING = "client_cert_missing"
    CLIENT_CERT_INVALID = "client_cert_invalid"
    CLIENT_CERT_EXPIRED = "client_cert_expired"
    CLIENT_CERT_REVOKED = "client_cert_revoked"
    CLIENT_NOT_ALLOWED = "client_not_allowed"

    TOKEN_MISSING = "token_missing"  # noqa: S105 - a reason, not a password
    TOKEN_MALFORMED = "token_malformed"  # noqa: S105
    TOKEN_TOO_LONG = "token_too_long"  # noqa: S105
    TOKEN_ALGORITHM_REFUSED = "token_algorithm_refused"  # noqa: S105
    TOKEN_KEY_UNKNOWN = "token_key_unknown"  # noqa: S105
    TOKEN_SIGNATURE_INVALID = "token_signature_invalid"  # noqa: S105
    TOKEN_TYPE_REFUSED = "token_type_refused"  # noqa: S105
    TOKEN_CLAIMS_INVALID = "token_claims_invalid"  # noqa: S105
    TOKEN_ISSUER_REFUSED = "token_issuer_refused"  # noqa: S105
    TOKEN_AUDIENCE_REFUSED = "token_audience_refused"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"  # noqa: S105
    TOKEN_CLIENT_MISMATCH = "token_client_mismatch"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    TOKEN_INACTIVE = "token_inactive"  # noqa: S105
    TOKEN_BINDING_MISSING = "token_binding_missing"  # noqa: S105
    TOKEN_BINDING_MISMATCH = "token_binding_mismatch"  # noqa: S105
    TOKEN_NOT_EXCHANGEABLE = "token_not_exchangeable"  # noqa: S105
    TOKEN_EXCHANGE_DENIED = "token_exchange_denied"  # noqa: S105

    POLICY_DENIED = "policy_denied"
    POLICY_UNDEFINED = "policy_undefined"
    POLICY_ERROR = "policy_error"
    POLICY_TIMEOUT = "policy_timeout"
    INSUFFICIENT_USER_AUTHENTICATION = "insufficient_user_authentication"

    REQUEST_INVALID = "request_invalid"
    PATH_REFUSED = "path_refused"
    PATH_TOO_LONG = "path_too_long"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BROWSER_REFUSED = "browser_refused"
    ROUTE_NOT_FOUND = "route_not_found"
    REQUEST_TOO_LARGE = "request_too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    PROTOCOL_UNSUPPORTED = "protocol_unsupported"

    KEYS_UNAVAILABLE = "keys_unavailable"
    POLICY_UNAVAILABLE = "policy_unavailable"
    INTROSPECTION_UNAVAILABLE = "introspection_unavailable"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    DECISION_FAILED = "decision_failed"
    DECISION_UNAVAILABLE = "decision_unavailable"
    EGRESS_TOKEN_UNAVAILABLE = "egress_token_unavailable"  # noqa: S105
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_ERROR = "upstream_error"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    NO_LONGER_ALLOWED = "no_longer_allowed"

    __hash__ = str.__hash__  # that of an Enum is a function of Python's


ALLOWED: Final = Reason.ALLOWED  # for the hot path: to look into an Enum costs as much as two calls


class Answer(NamedTuple):
    """What a caller is told: the HTTP status and a sentence that gives nothing away."""

    status: int
    title: str


# What a policy can answer; everything else is decided before or after it.
OF_THE_POLICY = frozenset(
    {
        Reason.ALLOWED,
        Reason.POLICY_DENIED,
        Reason.POLICY_UNDEFINED,
        Reason.POLICY_ERROR,
        Reason.POLICY_TIMEOUT,
        Reason.INSUFFICIENT_USER_AUTHENTICATION,
    }
)

ANSWERS: dict[Reason, Answer] = {
    Reason.ALLOWED: Answer(200, "Allowed"),
    Reason.CLIENT_CERT_MISSING: Answer(403, "A client certificate is required"),
    Reason.CLIENT_CERT_INVALID: Answer(403, "The client certificate cannot be accepted"),
    Reason.CLIENT_CERT_EXPIRED: Answer(403, "The client certificate is not valid at this time"),
    Reason.CLIENT_CERT_REVOKED: Answer(403, "The client certificate is revoked"),
    Reason.CLIENT_NOT_ALLOWED: Answer(403, "This client may not call this service"),
    Reason.TOKEN_MISSING: Answer(401, "An access token is required"),
    Reason.TOKEN_MALFORMED: Answer(401, "The access token is malformed"),
    Reason.TOKEN_TOO_LONG: Answer(431, "The access token is too long"),
    Reason.TOKEN_ALGORITHM_REFUSED: Answer(401, "The access token's algorithm is not accepted"),
    Reason.TOKEN_KEY_UNKNOWN: Answer(401, "The access token's signing key is unknown"),
    Reason.TOKEN_SIGNATURE_INVALID: Answer(401, "The access token's signature is invalid"),
    Reason.TOKEN_TYPE_REFUSED: Answer(401, "The token is of another type"),
    Reason.TOKEN_CLAIMS_INVALID: Answer(401, "The access token's claims are missing or malformed"),
    Reason.TOKEN_ISSUER_REFUSED: Answer(401, "The access token's issuer is not accepted"),
    Reason.TOKEN_AUDIENCE_REFUSED: Answer(401, "The access token is for another audience"),
    Reason.TOKEN_EXPIRED: Answer(401, "The access token has expired"),
    Reason.TOKEN_NOT_YET_VALID: Answer(401, "The access token is not valid yet"),
    Reason.TOKEN_CLIENT_MISMATCH: Answer(401, "The access token was issued to another client"),
    Reason.TOKEN_REVOKED: Answer(401, "The access token is revoked"),
    Reason.TOKEN_INACTIVE: Answer(401, "The access token is no longer active"),
    Reason.TOKEN_BINDING_MISSING: Answer(401, "The access token is not bound to a client certificate"),
    Reason.TOKEN_BINDING_MISMATCH: Answer(401, "The access token is bound to another client certificate"),
    Reason.TOKEN_NOT_EXCHANGEABLE: Answer(401, "The identity provider does not accept the access token"),
    Reason.TOKEN_EXCHANGE_DENIED: Answer(403, "The identity provider gives no token for the target"),
    Reason.POLICY_DENIED: Answer(403, "The policy refuses this request"),
    Reason.POLICY_UNDEFINED: Answer(403, "The policy gives no decision for this request"),
    Reason.POLICY_ERROR: Answer(403, "The policy could not be evaluated"),
    Reason.POLICY_TIMEOUT: Answer(503, "The policy took too long"),
    Reason.INSUFFICIENT_USER_AUTHENTICATION: Answer(401, "A stronger or more recent sign-in is required"),
    Reason.REQUEST_INVALID: Answer(400, "The request is malformed"),
    Reason.PATH_REFUSED: Answer(400, "The request path is ambiguous"),
    Reason.PATH_TOO_LONG: Answer(414, "The request path is too long"),
    Reason.METHOD_NOT_ALLOWED: Answer(405, "The method is not allowed"),
    Reason.BROWSER_REFUSED: Answer(403, "Browsers may not use this address"),
    Reason.ROUTE_NOT_FOUND: Answer(404, "Nothing is served at this path"),
    Reason.REQUEST_TOO_LARGE: Answer(413, "The request body is too large"),
    Reason.HEADERS_TOO_LARGE: Answer(431, "The request headers are too large"),
    Reason.REQUEST_TIMEOUT: Answer(408, "The request took too long to arrive"),
    Reason.PROTOCOL_UNSUPPORTED: Answer(426, "The protocol version is not supported"),
    Reason.KEYS_UNAVAILABLE: Answer(503, "The issuer's keys are not available yet"),
    Reason.POLICY_UNAVAILABLE: Answer(503, "The policy does not answer"),
    Reason.INTROSPECTION_UNAVAILABLE: Answer(503, "The issuer cannot be asked about the token"),
    Reason.AUDIT_UNAVAILABLE: Answer(503, "The decision cannot be recorded"),
    Reason.DECISION_FAILED: Answer(503, "The decision could not be made"),
    Reason.DECISION_UNAVAILABLE: Answer(503, "The decision service does not answer"),
    Reason.EGRESS_TOKEN_UNAVAILABLE: Answer(503, "No access token for the target is available"),
    Reason.UPSTREAM_UNAVAILABLE: Answer(503, "The service is not available"),
    Reason.UPSTREAM_TIMEOUT: Answer(504, "The service did not answer in time"),
    Reason.UPSTREAM_ERROR: Answer(502, "The service's answer could not be used"),
    Reason.OVERLOADED: Answer(503, "Too many requests are in progress"),
    Reason.RATE_LIMITED: Answer(429, "Too many requests in a short time"),
    Reason.NO_LONGER_ALLOWED: Answer(403, "The request is no longer allowed"),
}


# What an identity provider says of a token that it does not exchange (RFC 6749 §5.2, RFC 8693 §2.2.2, RFC 6750 §3.1).
# `invalid_request` may mean something else too. Codes about our own client are not here: they are our trouble.
EXCHANGE_REFUSALS = {
    "invalid_request": Reason.TOKEN_NOT_EXCHANGEABLE,
    "invalid_grant": Reason.TOKEN_NOT_EXCHANGEABLE,
    "invalid_token": Reason.TOKEN_NOT_EXCHANGEABLE,
    "access_denied": Reason.TOKEN_EXCHANGE_DENIED,
    "invalid_target": Reason.TOKEN_EXCHANGE_DENIED,
    "invalid_scope": Reason.TOKEN_EXCHANGE_DENIED,
}


class Rejected(Exception):  # noqa: N818 - a refusal is normal life, not an error
    """The request is refused. `detail` is for the audit record only, never for the caller, never a secret."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail
