"""The configuration as frozen values; attribute names are the YAML keys. Not its loading, not its rules (`checks`).

Durations are seconds (float), sizes bytes (int), secrets print as `***`. Descriptions and examples here are the source
of docs/configuration.md and docs/config.schema.json.
"""

from functools import cached_property
from hashlib import sha256

from pydantic import Field

from authz_service.config.addresses import Address, Endpoint, UnixAddress
from authz_service.config.finding import Place
from authz_service.config.sections.admin import Admin
from authz_service.config.sections.asked_by import AskedBy, SaidHeaders
from authz_service.config.sections.audit import Audit, DecisionLogFile, DecisionLogService, OpaDecisionLog
from authz_service.config.sections.egress import Egress, EgressRoute, EgressSocket, Retries, Target
from authz_service.config.sections.http import Http, HttpTimeouts, HttpTls, HttpTlsOfAgent, HttpTlsOfFiles, PlainHttp
from authz_service.config.sections.jwt import Introspection, Jwt, JwtIssuer
from authz_service.config.sections.limits import Limits, Rate
from authz_service.config.sections.policy import AskedPolicy, EmbeddedPolicy, PolicyBundle, PolicyConfig, PolicyServer
from authz_service.config.sections.proxy import Authz, Headers, NoAuthz, Proxy, ProxyAuth, ProxyAuthz, ProxyMtls, Route
from authz_service.config.sections.revocation import Revocation
from authz_service.config.sections.runtime import Runtime
from authz_service.config.sections.section import Section
from authz_service.config.sections.service import Service
from authz_service.config.sections.target_auth import (
    ByAssertion,
    ByCertificate,
    BySecret,
    BySigningKey,
    NoAuth,
    OAuth2,
    TargetAuth,
)
from authz_service.config.sections.target_tls import NoTls, TargetTls, TargetTlsOfAgent, TargetTlsOfFiles
from authz_service.config.sections.token_store import TokensInMemory, TokensInRedis, TokenStore
from authz_service.config.sections.tracing import Tracing
from authz_service.config.values import HostName, IpAddress

# fmt: off
__all__ = [
    "Address", "Admin", "AskedBy", "AskedPolicy", "Audit", "Authz", "ByAssertion", "ByCertificate", "BySecret",
    "BySigningKey", "Config", "DecisionLogFile", "DecisionLogService", "Egress", "EgressRoute", "EgressSocket",
    "EmbeddedPolicy",
    "Endpoint", "Headers", "Http", "HttpTimeouts", "HttpTls", "HttpTlsOfAgent", "HttpTlsOfFiles", "Introspection",
    "Jwt", "JwtIssuer", "Limits", "NoAuth", "NoAuthz", "NoTls", "OAuth2", "OpaDecisionLog", "PlainHttp",
    "PolicyBundle", "PolicyConfig", "PolicyServer", "Proxy", "ProxyAuth", "ProxyAuthz", "ProxyMtls", "Rate",
    "Retries", "Revocation", "Route", "Runtime", "SaidHeaders", "Service", "Target", "TargetAuth", "TargetTls",
    "TargetTlsOfAgent", "TargetTlsOfFiles", "TokenStore", "TokensInMemory", "TokensInRedis", "Tracing", "UnixAddress",
]
# fmt: on


class Config(Section):
    """One sidecar."""

    service: Service = Service()
    http: Http = Http()
    jwt: Jwt | None = None
    proxy: Proxy = Proxy(enabled=False, authz=NoAuthz())
    egress: Egress = Egress(enabled=False)
    hosts: dict[HostName, IpAddress] = Field(
        default={},
        description="Name → address, in place of DNS. TLS names and certificate checks stay on the name.",
        examples=[{"data-service.zone3.local": "10.0.3.17"}],
    )
    policy: PolicyConfig = Field(default=EmbeddedPolicy(), description="Where the policies come from.")
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
        found = [target.tls for target in self.egress.targets.values()] if self.egress.enabled else []
        parts: list[Section] = [*found, *([self.http.tls] if self.proxy.enabled else [])]
        return frozenset(tls.sds for tls in parts if isinstance(tls, HttpTlsOfAgent | TargetTlsOfAgent))

    @property
    def asked_policy(self) -> Authz | None:
        """How the policy of the ingress is asked, if it is."""
        return self.proxy.authz if self.proxy.enabled and isinstance(self.proxy.authz, Authz) else None

    @property
    def policy_bundle(self) -> PolicyBundle | None:
        return self.policy.bundle if isinstance(self.policy, EmbeddedPolicy) else None

    @property
    def has_policy_folder(self) -> bool:
        """Whether the policies are in `policy.path`, and nowhere else."""
        return isinstance(self.policy, EmbeddedPolicy) and self.policy.bundle is None

    @property
    def is_decision_only(self) -> bool:
        """Whether other people's proxies receive the requests, and ask us."""
        return self.proxy.enabled and self.proxy.mode == "decision_only"

    @property
    def evaluated_for(self) -> tuple[str, ...]:
        """The listeners at which AuthZEN's questions are asked."""
        asked = self.proxy.asked_by.items() if self.is_decision_only else ()
        return tuple(name for name, one in asked if one.protocol == "authzen")

    @property
    def ingress_addresses(self) -> list[tuple[Place, Address]]:
        """Where callers arrive, or whoever asks about his; Unix sockets apart."""
        if self.proxy.mode == "reverse_proxy":
            return [(("http", "addr"), self.http.addr)]
        asked = ((("proxy", "asked_by", name, "addr"), one.addr) for name, one in self.proxy.asked_by.items())
        return [(place, address) for place, address in asked if isinstance(address, Address)]

    @property
    def issuers(self) -> tuple[JwtIssuer, ...]:
        return self.jwt.issuers if self.jwt else ()
