"""The sections about incoming requests: `http`, `proxy`. Values only; what must fit together is in `checks`."""

from typing import Annotated, Literal

from pydantic import Field

from authz_service.config.addresses import EVERY_ADDRESS, Address, Endpoint
from authz_service.config.cors_model import Cors
from authz_service.config.limits_model import Limits
from authz_service.config.section import Section
from authz_service.config.values import (
    Client,
    Duration,
    DurationOrZero,
    File,
    HeaderName,
    ListenAddress,
    Network,
    PolicyQuery,
    RoutePath,
    ServiceUrl,
    Size,
    StripPrefix,
    Texts,
    UnixSocket,
    Word,
)
from authz_service.request_form import METHODS, Method


class HttpTls(Section):
    """TLS of the ingress listener."""

    enabled: bool = Field(
        default=True,
        description="Whether the ingress speaks TLS. Plain HTTP must be asked for, and excludes `proxy.mtls`.",
    )
    cert_file: File | None = Field(
        default=None,
        description="Server certificate and its chain, PEM. Reloaded on change. Required when TLS is enabled, "
        "unless `sds` is there.",
        examples=["/etc/certs/order-service/server.crt"],
    )
    key_file: File | None = Field(
        default=None,
        description="Private key of `cert_file`, PEM, readable by the owner only. Reloaded on change. Required when "
        "TLS is enabled.",
        examples=["/etc/certs/order-service/server.key"],
    )
    client_ca_file: File | None = Field(
        default=None,
        description="The CAs that sign the certificates of callers, PEM. Required when `client_auth` is `request` "
        "or `require`.",
        examples=["/etc/certs/ca/zone2-ca.crt"],
    )
    client_auth: Literal["none", "request", "require"] = Field(
        default="none",
        description="Whether a caller must show a certificate: `none` does not ask, `request` accepts a caller "
        "without one, "
        "`require` ends the handshake. A wrong certificate is refused in both of the latter.",
        examples=["require"],
    )
    crl_file: File | None = Field(
        default=None,
        description="Certificate revocation lists, PEM, one of each CA in a client's chain, up to 8 MiB. "
        "Reloaded on change.",
        examples=["/etc/certs/ca/zone2.crl"],
    )
    crl_expired: Literal["deny", "ignore"] = Field(
        default="deny",
        description="What an expired revocation list means: `deny` refuses every caller, `ignore` goes on without "
        "the list.",
    )
    sds: UnixSocket | None = Field(
        default=None,
        description="The socket of an agent, such as SPIRE's, that hands out certificates by Envoy's SDS, in place of "
        "`cert_file`, `key_file` and `client_ca_file`. The same for the whole sidecar; a change needs a restart.",
        examples=["unix:///run/spire/agent.sock"],
    )
    sds_certificate: Word = Field(
        default="default",
        description="The agent's name for our certificate. SPIRE: `default`, or the SPIFFE ID.",
        examples=["spiffe://mesh/zone2/order-service"],
    )
    sds_ca: Word = Field(
        default="ROOTCA",
        description="The agent's name for the CAs that sign the certificates of callers. SPIRE: `ROOTCA`, or the trust "
        "domain.",
        examples=["spiffe://mesh"],
    )
    min_version: Literal["1.2", "1.3"] = Field(default="1.2", description="The oldest TLS version that is accepted.")


class HttpTimeouts(Section):
    """How long the ingress waits."""

    request: DurationOrZero = Field(
        default=15.0,
        description="The answer must begin this long after the request, unless the route says otherwise. "
        "`0s` is no limit.",
    )
    idle: DurationOrZero = Field(
        default=60.0, description="A stream on which nothing moves is ended after this time. `0s` is no limit."
    )
    headers: Duration = Field(default=10.0, description="A client has this long to send the request's headers.")


class Http(Section):
    """The ingress listener: where callers arrive."""

    addr: ListenAddress = Field(
        default=Address(EVERY_ADDRESS, 8443),
        description="Where the ingress listens: `:8443` on every IPv4 address, `[::]:8443` on those of IPv6 too.",
        examples=[":8443"],
    )
    tls: HttpTls = HttpTls()
    max_body_bytes: Size = Field(
        default=10 << 20, description="A longer request body is answered with 413.", examples=["10MiB"]
    )
    max_connections: int = Field(
        default=1000, ge=1, le=1_000_000, description="Connections above this number are closed at once."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(),
        description="Balancers and proxies in front of the sidecar, by address. What they say in X-Forwarded-For is "
        "the caller's address, in records, limits and for the service; their X-Forwarded-Proto, -Host and -Port pass.",
        examples=[["10.0.0.0/8"]],
    )
    proxy_protocol: bool = Field(
        default=False,
        description="Whether `trusted_proxies` begin each connection with a PROXY header (version 1 or 2) in place of "
        "these. Connections of others are closed.",
    )
    limits: Limits = Limits()
    timeouts: HttpTimeouts = HttpTimeouts()


class ProxyAuth(Section):
    """Authentication of the request's token."""

    enabled: bool = Field(default=True, description="Whether a request needs a valid token. Needs `jwt`.")
    header: HeaderName = Field(default="Authorization", description="The request header that carries the token.")
    scheme: Word = Field(
        default="Bearer",
        description="The word before the token in that header. `none`: there is none, the whole value is the token.",
    )
    cookie: HeaderName | None = Field(
        default=None,
        description="A cookie that may carry the token, in place of the header. Not for pages of other origins, except "
        "those of `proxy.cors.allow_origins` with `allow_credentials`. Needs `pass_token`.",
        examples=["access_token"],
    )
    websocket_protocol: HeaderName | None = Field(
        default=None,
        description="How a WebSocket subprotocol begins whose rest is the token: all that a page can send. It offers a "
        "second one, which the service takes. Needs `pass_token`.",
        examples=["bearer."],
    )


class ProxyAuthz(Section):
    """Authorisation by the policy."""

    enabled: bool = Field(default=True, description="Whether the policy is asked.")
    policy_query: PolicyQuery | None = Field(
        default=None,
        description="The rule that decides: `true`/`false`, or an object `{allow, reasons, audit, step_up, headers}`. "
        "Required when authorisation is enabled.",
        examples=["data.order.allow"],
    )
    mode: Literal["enforce", "shadow"] = Field(
        default="enforce",
        description="`shadow` asks the policy and records its answer, but refuses nothing because of it.",
    )


class ProxyMtls(Section):
    """Which client certificates may call."""

    enabled: bool = Field(
        default=True,
        description="Whether a caller's certificate is checked against `allowed_clients`. Off without this section.",
    )
    allowed_clients: tuple[Client, ...] = Field(
        default=(),
        description="Who may call: subject attributes that must all be equal (one that occurs twice, such as `DC`, "
        "with all of its values), a SPIFFE ID that must be the certificate's only URI, or `dns:` and one of its "
        "alternative names. Required when mTLS is enabled.",
        examples=[["CN=api-gateway-client,O=MyOrg", "spiffe://mesh/zone1/api-gateway", "dns:gateway.zone1.example"]],
    )
    allow_anonymous: bool = Field(
        default=False,
        description="With `client_auth: request`: whether who shows no certificate may pass `allowed_clients`. "
        "Policies then see `input.mtls.verified: false`.",
    )
    bind_service_tokens: bool = Field(
        default=True,
        description="A service's own token (`jwt.service_tokens`) is accepted only over that service's own "
        "certificate: the CN is the token's client + `-client`, or the last segment of the SPIFFE ID is the "
        "client. Where IDs end alike, set `bindings`.",
    )
    bindings: dict[str, Texts] = Field(
        default={},
        description="CN, SPIFFE ID or `dns:` and a DNS name → the token's client (`azp`), or clients (of several "
        "issuers), for services whose certificate is not named after the client, in place of what the name itself "
        "says.",
        examples=[{"legacy-orders": "order-service", "spiffe://mesh/zone2/orders": "order-service"}],
    )


class Route(Section):
    """One path of the ingress."""

    path: RoutePath = Field(
        description="An exact path, or `/path/**` for the path and all below it. The longest that fits is taken. "
        "Several routes may have one path, each with other `methods`.",
        examples=["/api/v1/orders/**"],
    )
    upstream: ServiceUrl | None = Field(
        default=None,
        description="Where the request goes; by default `proxy.upstream`. The `url` of an egress target uses that "
        "target's TLS, token and timeout.",
        examples=["https://order-service.zone2.local:8443"],
    )
    strip_prefix: StripPrefix | None = Field(
        default=None,
        description="Removed from the path on its way to the upstream. The policy sees the whole path.",
        examples=["/api/v1"],
    )
    auth_required: bool = Field(
        default=True,
        description="`false` lets requests without a token pass to the policy. A wrong token is refused all the same; "
        "another scheme than `proxy.auth.scheme` is no token.",
    )
    ignore_tokens: bool = Field(
        default=False,
        description="Whether no token is looked at, not even a wrong one: for `/metrics` with a password of its own. "
        "The policy sees nobody. Needs `auth_required: false`.",
    )
    methods: tuple[Method, ...] = Field(
        METHODS, min_length=1, description="Accepted methods; those of no route of this path are answered with 405."
    )
    encoded_slashes: bool = Field(
        default=False,
        description="Whether a segment may have an escaped `/` or `%` in it (`%2F`, `%25`), as GitLab, npm and "
        "RabbitMQ want. The service gets the same bytes, the policy such a segment decoded: `a/b` in "
        "`input.request.segments`.",
    )
    introspect: bool = Field(
        default=False,
        description="Whether the token's issuer is asked if it is still active (RFC 7662). Needs `jwt.introspection`.",
    )
    timeout: DurationOrZero | None = Field(
        default=None, description="Replaces `http.timeouts.request` on this route. `0s` is no limit.", examples=["15s"]
    )


class Headers(Section):
    """Which headers the service gets, and which the policy and the audit record see."""

    pass_token: bool = Field(default=True, description="Whether the service gets the header that carried the token.")
    inject_user_id: HeaderName | None = Field(
        default=None, description="The header that carries the token's `sub`.", examples=["X-User-ID"]
    )
    inject_claims: dict[Word, HeaderName] = Field(
        default={},
        description="Claim → header. Dots descend into objects, lists are joined by commas. A client's own value "
        "never passes. A token that has both a claim with dots in its name and the way through objects is refused.",
        examples=[{"email": "X-User-Email", "realm_access.roles": "X-User-Roles"}],
    )
    inject_paths: dict[HeaderName, Annotated[tuple[Word, ...], Field(min_length=1)]] = Field(
        default={},
        description="Header → the names on the way to its claim, where one of them has dots.",
        examples=[{"X-Namespace": ["kubernetes.io", "namespace"]}],
    )
    too_long: Literal["omit", "cut"] = Field(
        default="omit",
        description="When all of these need more than 8 KiB, the longest are left out (`omit`), or lists of them end "
        "after as many items as there is room for (`cut`). The audit record says so.",
    )
    from_policy: tuple[HeaderName, ...] = Field(
        default=(),
        description="Headers that the policy may set in an answer that allows (`headers`). A client's own value never "
        "passes; what the policy does not set is removed.",
        examples=[["X-Plan"]],
    )
    extract: tuple[HeaderName, ...] = Field(
        default=(),
        description="Request headers that the policy sees as `input.headers`, and the audit record too.",
        examples=[["X-User-Context", "X-Correlation-ID"]],
    )


class Proxy(Section):
    """The ingress: what happens to an incoming request."""

    enabled: bool = Field(default=True, description="Whether there is an ingress. Off without this section.")
    mode: Literal["reverse_proxy", "decision_only"] = Field(
        default="reverse_proxy",
        description="`reverse_proxy` receives and forwards the requests. `decision_only` is not supported yet.",
    )
    upstream: ServiceUrl = Field(
        default=Endpoint("http", "127.0.0.1", 9000),
        description="The service itself. `unix:///path` is a Unix socket. HTTP/1.1 is spoken to it, and HTTP/2 (gRPC) "
        "where it says `h2c://host:port` or `h2c+unix:///path`.",
        examples=["http://127.0.0.1:9000"],
    )
    auth: ProxyAuth = ProxyAuth()
    authz: ProxyAuthz = ProxyAuthz()
    mtls: ProxyMtls = ProxyMtls(enabled=False)
    routes: tuple[Route, ...] = Field(
        default=(),
        description="The paths that are served; others are answered with 404. Without this key everything goes to "
        "`upstream`.",
    )
    headers: Headers = Headers()
    cors: Cors = Cors()
