"""The configuration as frozen values; attribute names are the YAML keys. Not its loading, not its rules (`checks`).

Durations are seconds (float), sizes bytes (int), secrets print as `***`. Descriptions and examples here are the source
of docs/configuration.md and docs/config.schema.json.
"""

from functools import cached_property
from hashlib import sha256

from pydantic import Field

from authz_service.config.addresses import Address, Endpoint, UnixAddress
from authz_service.config.sections.admin import Admin
from authz_service.config.sections.audit import Audit, OpaDecisionLog
from authz_service.config.sections.egress import Egress, EgressRoute, EgressSocket, Retries, Target
from authz_service.config.sections.http import Http, HttpTimeouts, HttpTls
from authz_service.config.sections.jwt import Introspection, Jwt, JwtIssuer
from authz_service.config.sections.limits import Limits, Rate
from authz_service.config.sections.policy import PolicyBundle, PolicyConfig, PolicyServer
from authz_service.config.sections.proxy import Headers, Proxy, ProxyAuth, ProxyAuthz, ProxyMtls, Route
from authz_service.config.sections.revocation import Revocation
from authz_service.config.sections.runtime import Runtime
from authz_service.config.sections.section import Section
from authz_service.config.sections.service import Service
from authz_service.config.sections.target_auth import TargetAuth
from authz_service.config.sections.target_tls import TargetTls
from authz_service.config.sections.token_store import TokenStore
from authz_service.config.sections.tracing import Tracing
from authz_service.config.values import HostName, IpAddress

# fmt: off
__all__ = [
    "Address", "Admin", "Audit", "Config", "Egress", "EgressRoute", "EgressSocket", "Endpoint", "Headers", "Http",
    "HttpTimeouts", "HttpTls", "Introspection", "Jwt", "JwtIssuer", "Limits", "OpaDecisionLog",
    "PolicyBundle", "PolicyConfig", "PolicyServer", "Proxy", "ProxyAuth", "ProxyAuthz", "ProxyMtls", "Rate",
    "Retries", "Revocation", "Route", "Runtime", "Service", "Target", "TargetAuth", "TargetTls", "TokenStore",
    "Tracing", "UnixAddress",
]
# fmt: on


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
