"""The section about outgoing requests: `egress`. Values only; what must fit together is in `checks`."""

from functools import cached_property
from hashlib import sha256
from typing import Literal

from pydantic import Field

from authz_service.config.addresses import Address
from authz_service.config.sections.section import Section
from authz_service.config.sections.target_auth import NoAuth, TargetAuth
from authz_service.config.sections.target_tls import NoTls, TargetTls
from authz_service.config.sections.token_store import TokensInMemory, TokenStore
from authz_service.config.values import (
    AccountName,
    CleanPath,
    Duration,
    DurationOrZero,
    FileMode,
    LocalAddress,
    ServiceUrl,
    StripPrefix,
    TargetName,
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
    auth: TargetAuth = Field(
        default=NoAuth(type="none"),
        description="How the sidecar identifies itself to the target, beside its certificate.",
    )
    tls: TargetTls = Field(default=NoTls(), description="TLS towards the target.")
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
    token_store: TokenStore = Field(default=TokensInMemory(), description="Where tokens are kept.")
    targets: dict[TargetName, Target] = Field(
        default={}, description="The services that this one calls, by a name of your choice."
    )
    routes: tuple[EgressRoute, ...] = Field(
        default=(), description="Which path goes to which target. A target that only `proxy.routes` use needs none."
    )
