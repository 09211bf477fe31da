"""The section about outgoing requests: `egress`. Values only; what must fit together is in `checks`."""

from functools import cached_property
from hashlib import sha256
from typing import Literal

from pydantic import Field

from authz_service.config.addresses import Address
from authz_service.config.section import Section
from authz_service.config.target_auth_model import TargetAuth
from authz_service.config.values import (
    AccountName,
    CleanPath,
    Duration,
    DurationOrZero,
    File,
    FileMode,
    HostName,
    LocalAddress,
    Secret,
    ServiceUrl,
    SpiffeId,
    StripPrefix,
    TargetName,
    UnixSocket,
    Word,
)


class TokenStore(Section):
    """Where tokens are kept."""

    type: Literal["memory", "redis"] = Field(
        default="memory",
        description="`memory`: each replica has its own. `redis`: the replicas of a sidecar share one token per "
        "target, fetched once; without Redis each goes on with its own.",
    )
    url: Secret | None = Field(
        default=None,
        description="Where Redis is: `redis://`, `rediss://` (TLS) or `unix://`, with user and password if it wants "
        "them. Never printed. Required with `redis`, not used by `memory`.",
        examples=["rediss://authz:${REDIS_PASSWORD}@tokens:6379/0"],
    )
    ca_file: File | None = Field(
        default=None,
        description="The CAs that sign Redis' certificate, PEM, for `rediss://`. By default the system's.",
        examples=["/etc/certs/ca/identity-ca.crt"],
    )
    encryption_key: Secret | None = Field(
        default=None,
        description="What tokens in Redis are encrypted with, the same for all replicas: 32 characters or more, as of "
        "`openssl rand -hex 32`. Never printed. Required with `redis`: this or `encryption_key_file`.",
        examples=["${TOKEN_STORE_KEY}"],
    )
    encryption_key_file: File | None = Field(
        default=None,
        description="A file with the key in it; a line end at its end is ignored.",
        examples=["/run/secrets/token-store"],
    )


class TargetTls(Section):
    """TLS towards the target."""

    enabled: bool = Field(
        default=True,
        description="Whether the target is called over TLS. Must agree with the scheme of `url`. Off without this "
        "section.",
    )
    client_cert: File | None = Field(
        default=None,
        description="The certificate that we show, PEM, signed by the target zone's CA. Reloaded on change. With "
        "`client_key`, or neither.",
        examples=["/etc/certs/order-service/client-zone3.crt"],
    )
    client_key: File | None = Field(
        default=None,
        description="Private key of `client_cert`, PEM, readable by the owner only.",
        examples=["/etc/certs/order-service/client-zone3.key"],
    )
    ca_cert: File | None = Field(
        default=None,
        description="The CAs that sign the target's certificate, PEM. Required when TLS is enabled, unless `sds` "
        "is there: there is no connection without a check.",
        examples=["/etc/certs/ca/zone3-ca.crt"],
    )
    server_name: HostName | None = Field(
        default=None,
        description="The name in the target's certificate. By default the host of `url`.",
        examples=["data-service.zone3.local"],
    )
    spiffe_id: SpiffeId | None = Field(
        default=None,
        description="The SPIFFE ID in the target's certificate, compared whole, in place of a name. The host of `url`, "
        "or `server_name`, is then only what the handshake asks for (SNI).",
        examples=["spiffe://mesh/zone3/data-service"],
    )
    sds: UnixSocket | None = Field(
        default=None,
        description="The socket of an agent, as `http.tls.sds`, in place of `client_cert`, `client_key` and `ca_cert`. "
        "Needs `spiffe_id` or `server_name`.",
        examples=["unix:///run/spire/agent.sock"],
    )
    sds_certificate: Word = Field(
        default="default",
        description="The agent's name for the certificate that we show.",
        examples=["spiffe://mesh/zone2/order-service"],
    )
    sds_ca: Word = Field(
        default="ROOTCA",
        description="The agent's name for the CAs that sign the target's certificate.",
        examples=["spiffe://mesh"],
    )


class Retries(Section):
    """Repetition of requests that failed."""

    attempts: int = Field(
        default=6,
        ge=0,
        le=10,
        description="How often a request is repeated when its connection fails: safe methods (RFC 9110 §9.2.1) always, "
        "others only if nothing was sent. The waits in between grow; six of them outlast a restart of the target's "
        "sidecar. 0 is never.",
    )
    methods: Literal["safe", "idempotent"] = Field(
        default="safe",
        description="Which are repeated although something was sent. `idempotent`: PUT and DELETE too (RFC 9110 "
        "§9.2.2), where the target keeps to it.",
    )


class Target(Section):
    """One service that this one calls."""

    url: ServiceUrl = Field(
        description="Where the target is: scheme, host and port.", examples=["https://data-service.zone3.local:8443"]
    )
    auth: TargetAuth = TargetAuth(type="none")
    tls: TargetTls = TargetTls(enabled=False)
    retries: Retries = Retries()
    timeout: DurationOrZero = Field(
        default=15.0,
        description="The answer must begin this long after the request, unless the route says otherwise. A safe "
        "request without one is repeated (`retries`), for `http.timeouts.idle` in all. `0s` is no limit.",
    )

    connect_timeout: Duration = Field(
        default=1.0, description="A connection to the target must stand this long after it was begun, TLS included."
    )
    idle_timeout: Duration = Field(
        default=60.0,
        description="A connection that nobody used for this long is closed. Shorter than the target's own, or what it "
        "closes meets requests.",
    )

    @cached_property
    def tag(self) -> str:
        """32 hex digits that change with anything in here but secrets: an exchanged token goes with them only."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:32]


class EgressRoute(Section):
    """One path of the egress."""

    path_prefix: CleanPath = Field(
        description="The path, and all below it, that goes to the target.", examples=["/data"]
    )
    target: TargetName = Field(description="The name of the target, from `egress.targets`.", examples=["data-service"])
    strip_prefix: StripPrefix | None = Field(
        default=None, description="Removed from the path on its way to the target.", examples=["/data"]
    )
    timeout: DurationOrZero | None = Field(
        default=None, description="Replaces the target's `timeout` on this route. `0s` is no limit.", examples=["15s"]
    )


class EgressSocket(Section):
    """Who may connect to the egress, where `addr` is a Unix socket: by default the sidecar's own user only."""

    mode: FileMode = Field(
        default=0o600,
        description="Permissions of the socket. Who may write to it calls with this service's credentials.",
        examples=["0660"],
    )
    owner: AccountName | None = Field(
        default=None,
        description="The user that it belongs to, by name or number; the sidecar must run as root, or as him.",
        examples=["app"],
    )
    group: AccountName | None = Field(
        default=None,
        description="The group that it belongs to, by name or number; one of the sidecar's own, or it runs as root.",
        examples=["app"],
    )


class Egress(Section):
    """The egress: what the service calls, and with which credentials."""

    enabled: bool = Field(default=True, description="Whether there is an egress. Off without this section.")
    addr: LocalAddress = Field(
        default=Address("127.0.0.1", 8080),
        description="Where the service reaches the egress: a loopback address, or a Unix socket, such as "
        "`unix:///run/order/egress.sock`. Who can connect here calls with this service's credentials.",
        examples=["127.0.0.1:8080"],
    )
    socket: EgressSocket = EgressSocket()
    strict: bool = Field(
        default=True,
        description="Whether a request is refused that can be read in two ways, as on the way in: a path with `%2F`, "
        "`%25`, `..;` and their like, a header name with `_`, HTTP/1.0. `false`: the service's bytes leave as they "
        "are. Dot segments are resolved first in any case, and the route is found by what is left.",
    )
    token_store: TokenStore = TokenStore()
    targets: dict[TargetName, Target] = Field(
        default={}, description="The services that this one calls, by a name of your choice."
    )
    routes: tuple[EgressRoute, ...] = Field(
        default=(), description="Which path goes to which target. A target that only `proxy.routes` use needs none."
    )
