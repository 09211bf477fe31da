"""The section `proxy`: what happens to an incoming request. Values only; what must fit together is in `checks`."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, Tag, model_validator

from authz_service.config.addresses import Endpoint
from authz_service.config.sections.asked_by import AskedBy
from authz_service.config.sections.cors import Cors
from authz_service.config.sections.section import Section, told_apart
from authz_service.config.values import (
    Client,
    DurationOrZero,
    File,
    HeaderName,
    Off,
    On,
    PolicyQuery,
    RoutePath,
    ServiceUrl,
    StripPrefix,
    TargetName,
    Texts,
    Word,
    is_off,
)
from authz_service.request_form import METHODS, Method


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


_POLICY_IS_ASKED = "Whether the policy is asked."


class NoAuthz(Section):
    """No policy is asked."""

    told_by = "enabled: false"

    enabled: Off = Field(default=False, description=_POLICY_IS_ASKED)


class Candidate(Section):
    """A second policy that decides the same requests after their answers have gone out, and changes none."""

    path: File = Field(
        description="Its folder, as `policy.path`. Asked for the same `policy_query`; followed when it changes.",
        examples=["/etc/authz/candidate"],
    )
    percent: int = Field(default=100, ge=1, le=100, description="Of how many of a hundred requests it is asked.")


class Authz(Section):
    """Authorisation by the policy."""

    told_by = "enabled: true"

    enabled: On = Field(default=True, description=_POLICY_IS_ASKED)
    policy_query: PolicyQuery = Field(
        description="The rule that decides: `true`/`false`, or an object `{allow, reasons, audit, step_up, headers}`. "
        "Required when authorisation is enabled.",
        examples=["data.order.allow"],
    )
    mode: Literal["enforce", "shadow"] = Field(
        default="enforce",
        description="`shadow` asks the policy and records its answer, but refuses nothing because of it.",
    )
    candidate: Candidate | None = Field(
        default=None,
        description="A second policy that decides along, after the answer: what would be another verdict is counted, "
        "and recorded now and then. Off without this section.",
    )
    remember: DurationOrZero = Field(
        default=10.0,
        description="How long an allow holds for requests that are alike: the same in everything that the sidecar asks "
        "about, but for their correlation id. Each is on record all the same. Ends earlier with token, certificate, or "
        "any change of rules, keys and revocations; refusals are never remembered. From 0s, which judges each request "
        "anew, to 60s.",
        examples=["0s", "60s"],
        le=60,
    )


NoAuthz.ignores = (Authz,)

ProxyAuthz = Annotated[
    Annotated[Authz, Tag(Authz.told_by)] | Annotated[NoAuthz, Tag(NoAuthz.told_by)],
    told_apart(lambda keys: NoAuthz if is_off(keys.get("enabled")) else Authz),
]


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
        description="`reverse_proxy` receives and forwards the requests. `decision_only` receives none: other people's "
        "proxies ask it about theirs, at the listeners of `asked_by`.",
    )
    asked_by: dict[TargetName, AskedBy] = Field(
        default={},
        description="With `decision_only`: who asks, and where. Needs at least one.",
        examples=[{"edge": {"protocol": "ext_authz_grpc", "addr": "127.0.0.1:9191"}}],
    )
    upstream: ServiceUrl = Field(
        default=Endpoint("http", "127.0.0.1", 9000),
        description="The service itself. `unix:///path` is a Unix socket. HTTP/1.1 is spoken to it, and HTTP/2 (gRPC) "
        "where it says `h2c://host:port` or `h2c+unix:///path`.",
        examples=["http://127.0.0.1:9000"],
    )
    auth: ProxyAuth = ProxyAuth()
    authz: ProxyAuthz = Field(
        description="Authorisation by the policy.", examples=[{"policy_query": "data.order.allow"}]
    )
    mtls: ProxyMtls = ProxyMtls(enabled=False)
    routes: tuple[Route, ...] = Field(
        default=(),
        description="The paths that are served; others are answered with 404. Without this key everything goes to "
        "`upstream`.",
    )
    headers: Headers = Headers()
    cors: Cors = Cors()

    @model_validator(mode="before")
    @classmethod
    def _what_is_off_asks_no_policy(cls, value: object) -> object:
        if isinstance(value, Mapping) and is_off(value.get("enabled")):
            return {"authz": NoAuthz()} | dict(value)
        return value
