"""What travels through the gate: the question, who asks, and the answer. Values only, no behaviour."""

from typing import NamedTuple

from authz_rego.values.value import Value
from authz_service.domain.refusals import Reason


class Request(NamedTuple):
    """One question of Envoy's. Text is what the wire said, decoded as latin-1, nothing interpreted yet."""

    method: str
    path: str  # normalised by Envoy, percent-escapes kept, without the query
    query: str  # raw, without '?'
    host: str
    route: str  # the name of the Envoy route that matched
    peer: bytes  # %DOWNSTREAM_PEER_CERT%: the URL-encoded PEM of the client certificate; b"" = none
    authorization: str | None  # the whole header value; None = absent
    correlation_id: str  # as it arrived; unchecked
    extracted: dict[str, str]  # configured `headers.extract`: lower-case name -> value, absent ones are absent
    remote: str  # the address of the TCP peer, or what a trusted proxy says
    listener: bytes = b""  # the tag of the listener that accepted the connection (headers.listener_tag)
    of_another_page: bool = False  # a browser sent the token's cookie along for a page that is not ours
    evaluation: str = ""  # of AuthZEN, in place of an HTTP request: subject, action, resource and context as JSON


class Peer(NamedTuple):
    """The verified client certificate, parsed once (RFC 5280)."""

    common_name: str  # "" = none
    organization: str
    subject: frozenset[tuple[str, str]]  # {("CN", "api-gateway-client"), ("O", "MyOrg")}
    uris: tuple[str, ...]
    dns: tuple[str, ...]
    fingerprint: str  # SHA-256 of the DER, lower-case hex
    serial: int
    issuer: str  # RFC 4514
    not_before: float  # seconds since the epoch
    not_after: float
    document: dict[str, Value]  # the policy input's `mtls` object

    @property
    def name(self) -> str:
        """What to call it: its CN, or its first URI or DNS name."""
        return self.common_name or next(iter((*self.uris, *self.dns)), "")


NO_PEER = Peer(
    "",
    "",
    frozenset(),
    (),
    (),
    "",
    0,
    "",
    0.0,
    float("inf"),
    {"verified": False, "subject": {}, "san": {"uri": [], "dns": []}},
)


class Claims(NamedTuple):
    """The verified claims of one token (RFC 7519), type-checked. Never changed: a policy is given them as they are."""

    values: dict[str, Value]  # the policy input's `token` object; numbers keep their digits
    issuer: str
    expires_at: float  # `exp` plus leeway, seconds since the epoch
    certificate: str = ""  # the only one it may be used with (RFC 8705 §3): SHA-256, lower-case hex; "" = any
    is_service: bool = True  # a service's own token, or one that could be
    client: str = ""  # whom it was issued to; "" = it does not say, or says two


NO_CLAIMS = Claims({}, "", float("inf"))


class StepUp(NamedTuple):
    """Which sign-in would do (RFC 9470 §3). Checked: it can stand in a header as it is."""

    acr_values: str  # separated by spaces, "" = any
    max_age: int | None  # seconds


class Verdict(NamedTuple):
    """What the policy said: `true`/`false`, or `{allow, reasons, audit, step_up, headers}`."""

    # ALLOWED, POLICY_…, INSUFFICIENT_USER_AUTHENTICATION, or how it ended a worker (decision_worker.poison_requests)
    reason: Reason
    reasons: tuple[str, ...]
    audit: object  # what the policy adds to the record, as msgspec writes it (JSON already: msgspec.Raw), or None
    step_up: StepUp | None = None  # with INSUFFICIENT_USER_AUTHENTICATION, and never else
    headers: tuple[tuple[str, str], ...] = ()  # for the service: lower-case names, only with ALLOWED


class Allow(NamedTuple):
    """The permit. Only a gate builds one, and this with all that it earned: `ingress.gate`, `egress.gate`."""

    headers: bytes  # lines with CRLF for the service, or for the target
    reason: Reason = Reason.ALLOWED  # or, in shadow mode, the refusal that was not enforced
    detail: str = ""  # for the audit record only
    peer: Peer = NO_PEER
    claims: Claims = NO_CLAIMS
    verdict: Verdict | None = None


class Deny(NamedTuple):
    """The refusal, with what the audit record needs to know: as far as the gate got."""

    reason: Reason
    detail: str = ""  # for the audit record only
    peer: Peer = NO_PEER
    claims: Claims = NO_CLAIMS
    verdict: Verdict | None = None


Decision = Allow | Deny
