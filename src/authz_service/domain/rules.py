"""What the control plane tells its decision workers: plain values without a secret. Not the user's configuration.

The control plane derives these from the configuration and sends them over a private Unix socket (msgspec, JSON);
a worker never sees a configuration file, a client secret or a private key.
"""

from msgspec import Struct

from authz_service.domain.time_budget import EVALUATION


class ClientRule(Struct, frozen=True):
    """One of `proxy.mtls.allowed_clients`, parsed: a set of subject attributes, a SPIFFE ID or a DNS name."""

    attributes: tuple[
        tuple[str, str], ...
    ] = ()  # (("CN", "api-gateway-client"), ("O", "MyOrg")); all, and no others of these types
    uri: str = ""  # "spiffe://mesh/zone1/api-gateway", compared whole
    dns: str = ""  # "gateway.zone1.example", in small letters: one of the certificate's alternative names


class PeerRules(Struct, frozen=True):
    """Who may connect. `required` False: no certificate is an anonymous peer, a wrong one is still refused."""

    required: bool
    allowed: tuple[ClientRule, ...]
    bind_service_tokens: bool = True  # a service account's token must come from that service's certificate
    bindings: tuple[tuple[str, str], ...] = ()  # (CN, URI or dns:name; azp) in place of CN == azp + "-client"
    # A connection outlives its handshake: what has been revoked or withdrawn since is refused on its next request.
    revoked: tuple[tuple[str, str], ...] = ()  # (issuer as in Peer.issuer, serial in lower-case hex)
    revoked_fingerprints: tuple[str, ...] = ()  # as Peer.fingerprint
    # Whom the revocation lists are for: (authority as in Peer.issuer, the distribution points that its lists are for;
    # none: all of its clients), and their end in seconds since the epoch. None: there are no lists, or they have ended.
    listed: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    listed_until: float | None = None
    withdrawn: tuple[str, ...] = ()  # PEM of the authorities that we trusted since the start, and no longer do


class IssuerRules(Struct, frozen=True):
    """Which tokens are accepted (RFC 7519, RFC 8725)."""

    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: float  # seconds
    audience_claim: str = "aud"  # where the audience is; an `aud` that is there is judged in any case
    types: tuple[str, ...] = ("JWT", "at+jwt")  # header `typ`, compared without case; absent counts as JWT
    required_claims: tuple[str, ...] = ()  # top-level names that must be there, beside those that we check anyway
    require_binding: bool = False  # a token without `cnf.x5t#S256` is refused
    binding_grace: float = 0.0  # seconds; see identity.token_binding
    service_tokens: str = "auto"  # how a service's own token is known; see identity.service_tokens
    service_claims: tuple[tuple[str, str], ...] = ()  # (claim, value): with "claim", one of them is enough
    user_clients: tuple[str, ...] = ()  # with "by_client", those whose tokens are users'
    client_claim: str = ""  # where the token's client is; "": wherever providers write it


class TokenDenials(Struct, frozen=True):
    """Tokens that are refused although their issuer signed them. Sorted, so that equal lists are equal values."""

    claims: tuple[tuple[str, str, str], ...] = ()  # (issuer, "" = any; "jti" | "sub" | "sid" | "azp"; its value)
    not_before: tuple[tuple[str, float], ...] = ()  # (issuer, seconds since the epoch): issued earlier is refused


class PolicySource(Struct, frozen=True):
    """The policies that passed the vetting, as text, so that the worker evaluates what was checked."""

    query: str  # "data.order.allow"
    modules: tuple[tuple[str, str], ...]  # (path below the policy folder, Rego text), sorted by path
    data: str = "{}"  # data.json|yaml, merged, as JSON
    headers: tuple[str, ...] = ()  # what its answers may set for the service (proxy.headers.from_policy)
    evaluated: bool = False  # AuthZEN's questions are put to it, too


class PolicyServer(Struct, frozen=True):
    """A real OPA that is asked in place of the embedded engine: at a Unix socket, or at a loopback address."""

    query: str  # "data.order.allow"
    timeout: float  # seconds for one answer
    socket: str = ""
    host: str = ""
    port: int = 0
    headers: tuple[str, ...] = ()  # what its answers may set for the service (proxy.headers.from_policy)


class RouteRules(Struct, frozen=True):
    """One route of the ingress, by the name that Envoy reports; those of one path have one name, and other methods."""

    name: str
    auth_required: bool
    methods: tuple[str, ...]
    downstream: str  # the audit record's `downstream`: the target's name, or the service itself
    introspect: bool = False  # the token's issuer is asked whether it is still active
    ignore_tokens: bool = False
    encoded_slashes: bool = False  # `%2F` and `%25` are part of a segment


class ExchangeRules(Struct, frozen=True):
    """One route of the egress whose requests leave with a token that the user's was exchanged for (RFC 8693)."""

    route: str  # its path prefix
    target: str  # its name, for the audit record
    key: str  # the target with all its settings: what was exchanged for other ones is not used


class HeaderRules(Struct, frozen=True):
    """Which headers the service gets (names as configured)."""

    pass_token: bool
    # (claim, header name): a name, with dots that may descend into objects, or the names on the way
    inject: tuple[tuple[str | tuple[str, ...], str], ...]
    extract: tuple[str, ...]
    auth_header: str = "Authorization"
    auth_scheme: str = "Bearer"  # "none": the header's whole value is the token
    auth_cookie: str = ""  # a cookie that may carry it, too
    auth_websocket_protocol: str = ""  # what an offered subprotocol that carries it begins with
    auth_over_tls: bool = True  # a page of ours comes over TLS, too
    auth_origins: tuple[str, ...] = ()  # whose pages may have the browser send that cookie, beside our own
    user_key: bool = False  # tell Envoy whose request it is (headers.USER_KEY), for http.limits.per_user
    from_policy: tuple[str, ...] = ()  # header names that the policy's answer may set
    cut: bool = False  # a list that is too long for its header is cut, instead of left out

    @property
    def owned(self) -> frozenset[str]:
        """In lower case: what the service gets from us alone."""
        return frozenset(name.lower() for name in (*(name for _, name in self.inject), *self.from_policy))


class GateRules(Struct, frozen=True):
    """Everything that one revision of a decision worker knows, but for keys (they change on their own)."""

    revision: str
    service: str
    zone: str
    peers: PeerRules | None  # None: proxy.mtls is off, the peer is not looked at
    issuers: tuple[IssuerRules, ...]  # empty: proxy.auth is off
    policy: PolicySource | None  # None: proxy.authz is off, or a server is asked
    shadow: bool
    headers: HeaderRules
    routes: tuple[RouteRules, ...]
    audit_path: str
    audit_required: bool  # audit.on_failure: deny
    policy_server: PolicyServer | None = None  # instead of `policy`
    policy_awaited: bool = False  # instead of `policy`: a bundle that has not arrived yet, so nobody is let in
    audit_chain: str = ""  # the file that keeps the ends of the audit chains; "": they end with their worker
    evaluation_budget: float = EVALUATION  # seconds of processor time for one decision
    tag: str = ""  # of the configuration; Envoy's routes carry it (Config.tag)
    denials: TokenDenials = TokenDenials()
    exchanges: tuple[ExchangeRules, ...] = ()
    remember: float = 0.0  # seconds for which an allow holds for requests that are alike; 0: each is judged
    evaluated_for: tuple[str, ...] = ()  # the listeners at which AuthZEN's questions are asked
    callers_elsewhere: bool = False  # another proxy has checked their certificates: our lists are not about them
    copies: bool = False  # the control plane wants copies of records (audit.opa_decision_log, proxy.authz.candidate)
    copied_percent: int = 100  # of how many of a hundred decisions
    cached_in_envoy: bool = False  # its decision cache may repeat allows, where nobody wants copies


class IssuerKeys(Struct, frozen=True):
    """An issuer's current key set (RFC 7517), as fetched and filtered; empty: not known yet."""

    issuer: str
    jwks: str  # JSON text {"keys": [...]}, public keys only
