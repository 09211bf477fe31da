"""The configuration as frozen values; attribute names are the YAML keys. Not its loading, not its rules (`checks`).

Durations are seconds (float), sizes bytes (int), secrets print as `***`. Descriptions and examples here are the source
of docs/configuration.md and docs/config.schema.json.
"""

from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import Field

from authz_service.config.addresses import Address, Endpoint, UnixAddress
from authz_service.config.audit_model import Audit, OpaDecisionLog
from authz_service.config.egress_model import (
    Egress,
    EgressRoute,
    EgressSocket,
    Retries,
    Target,
    TargetTls,
    TokenStore,
)
from authz_service.config.ingress_model import (
    Headers,
    Http,
    HttpTimeouts,
    HttpTls,
    Proxy,
    ProxyAuth,
    ProxyAuthz,
    ProxyMtls,
    Route,
)
from authz_service.config.jwt_model import Introspection, Jwt, JwtIssuer
from authz_service.config.limits_model import Limits, Rate
from authz_service.config.policy_model import PolicyBundle, PolicyConfig, PolicyServer
from authz_service.config.section import Section
from authz_service.config.target_auth_model import TargetAuth
from authz_service.config.values import (
    Duration,
    File,
    HostName,
    HttpUrl,
    IpAddress,
    ListenAddress,
    Name,
)

# fmt: off
__all__ = [
    "Address", "Admin", "Audit", "Config", "Egress", "EgressRoute", "EgressSocket", "Endpoint", "Headers", "Http",
    "HttpTimeouts", "HttpTls", "Introspection", "Jwt", "JwtIssuer", "Limits", "OpaDecisionLog",
    "PolicyBundle", "PolicyConfig", "PolicyServer", "Proxy", "ProxyAuth", "ProxyAuthz", "ProxyMtls", "Rate",
    "Retries", "Revocation", "Route", "Runtime", "Service", "Target", "TargetAuth", "TargetTls", "TokenStore",
    "Tracing", "UnixAddress",
]
# fmt: on


class Service(Section):
    """Who this sidecar stands beside."""

    name: Name = Field(
        default="",
        description="The service's name in audit records and metrics. By default the `client_id` of its first "
        "egress target, "
        "else the package of `policy_query`.",
        examples=["order-service"],
    )
    zone: Name = Field(
        default="",
        description="The security zone, for audit records and metrics.",
        examples=["zone2"],
    )


class Revocation(Section):
    """What is revoked by hand, beside certificate revocation lists; off without this section."""

    path: File = Field(
        description="File with the certificates and tokens that are refused, YAML or JSON. "
        "Reloaded on change; acts on open connections too.",
        examples=["/etc/authz/denylist.yaml"],
    )


class Admin(Section):
    """Health, metrics and state."""

    addr: ListenAddress = Field(
        default=Address("127.0.0.1", 9901),
        description="Where `/livez`, `/readyz`, `/metrics`, `/tokens` and `/audit` answer to this host: a loopback "
        "address.",
        examples=["127.0.0.1:9901"],
    )
    network_addr: ListenAddress | None = Field(
        default=None,
        description="Where kubelet and Prometheus reach `/livez`, `/readyz` (without its reasons) and `/metrics` from "
        "other hosts. Off by default.",
        examples=[":9902"],
    )


class Runtime(Section):
    """The processes of the sidecar."""

    state_dir: File = Field(
        default=Path("/run/authz"),
        description="A private folder (0700), best on tmpfs, for sockets, rendered resources and secrets. One per "
        "sidecar.",
    )
    envoy_threads: int = Field(default=1, ge=1, le=64, description="Worker threads of Envoy.")
    decision_workers: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Processes that decide; the last one stands by and answers where another fails. With one, a crash "
        "of it is felt by callers. One keeps up with one of `envoy_threads` unless policies are slow.",
    )
    walls: Literal["if_possible", "required"] = Field(
        default="if_possible",
        description="What the workers do where the kernel lacks a wall around them (seccomp, Landlock): decide behind "
        "the others, and `/readyz` says so; or decide nothing.",
    )
    drain: Duration = Field(
        default=30.0,
        description="How long requests in progress may take to end when the sidecar stops.",
    )


class Tracing(Section):
    """Export of traces; off without this section. W3C trace context is passed on in any case."""

    otlp_url: HttpUrl = Field(
        description="OTLP over HTTP: where the spans go.", examples=["http://127.0.0.1:4318/v1/traces"]
    )
    sampling: float = Field(
        default=100.0, ge=0, le=100, description="Per cent of the requests that are traced.", examples=[10]
    )


class Config(Section):
    """One sidecar."""

    service: Service = Service()
    http: Http = Http()
    jwt: Jwt | None = None
    proxy: Proxy = Proxy(enabled=False)
    egress: Egress = Egress(enabled=False)
    hosts: dict[HostName, IpAddress] = Field(
        default={},
        description="Name → address, in place of DNS. TLS names and certificate checks stay on the name.",
        examples=[{"data-service.zone3.local": "10.0.3.17"}],
    )
    policy: PolicyConfig = PolicyConfig()
    revocation: Revocation | None = None
    audit: Audit = Audit()
    admin: Admin = Admin()
    runtime: Runtime = Runtime()
    tracing: Tracing | None = None

    @cached_property
    def tag(self) -> str:
        """Eight hex digits that change with anything in here but secrets; they tell two revisions' routes apart."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:8]

    @property
    def sds_sockets(self) -> frozenset[Endpoint]:
        """The agents that hand out certificates: one at most, as `checks` demands."""
        found = [target.tls.sds for target in self.egress.targets.values()] if self.egress.enabled else []
        found += [self.http.tls.sds] if self.proxy.enabled and self.http.tls.enabled else []
        return frozenset(socket for socket in found if socket is not None)

    @property
    def issuers(self) -> tuple[JwtIssuer, ...]:
        return self.jwt.issuers if self.jwt else ()
