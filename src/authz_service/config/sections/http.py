"""The section `http`: the listener where callers arrive. Values only; what must fit together is in `checks`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Tag

from authz_service.config.addresses import EVERY_ADDRESS, Address
from authz_service.config.sections.limits import Limits
from authz_service.config.sections.section import Section, told_apart
from authz_service.config.values import (
    Duration,
    DurationOrZero,
    File,
    ListenAddress,
    Network,
    Off,
    On,
    Size,
    UnixSocket,
    Word,
    is_off,
)

_ENABLED = "Whether the ingress speaks TLS. Plain HTTP must be asked for, and excludes `proxy.mtls`."
_CLIENT_AUTH = (
    "Whether a caller must show a certificate: `none` does not ask, `request` accepts a caller without one, `require` "
    "ends the handshake. A wrong certificate is refused in both of the latter."
)


class PlainHttp(Section):
    """No TLS. Files may be named all the same, for the day when it is on."""

    told_by = "enabled: false"

    enabled: Off = Field(default=False, description=_ENABLED)
    client_auth: Literal["none", "request", "require"] = Field(default="none", description=_CLIENT_AUTH)


class _HttpTls(Section):
    enabled: On = Field(default=True, description=_ENABLED)
    client_auth: Literal["none", "request", "require"] = Field(
        default="none",
        description=_CLIENT_AUTH,
        examples=["require"],
    )
    min_version: Literal["1.2", "1.3"] = Field(default="1.2", description="The oldest TLS version that is accepted.")


class HttpTlsOfFiles(_HttpTls):
    """Certificates from files."""

    told_by = "certificates from files"

    cert_file: File = Field(
        description="Server certificate and its chain, PEM. Reloaded on change. Required when TLS is enabled, "
        "unless `sds` is there.",
        examples=["/etc/certs/order-service/server.crt"],
    )
    key_file: File = Field(
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

    @property
    def client_authorities(self) -> Path | None:
        """Whose certificates count; None where no caller is asked for one."""
        return None if self.client_auth == "none" else self.client_ca_file


class HttpTlsOfAgent(_HttpTls):
    """Certificates from an agent, which hands them to Envoy alone."""

    told_by = "certificates from sds"

    sds: UnixSocket = Field(
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


PlainHttp.ignores = (HttpTlsOfFiles, HttpTlsOfAgent)


def _kind(keys: Mapping[str, object]) -> type[Section]:
    if is_off(keys.get("enabled")):
        return PlainHttp
    return HttpTlsOfAgent if "sds" in keys else HttpTlsOfFiles


HttpTls = Annotated[
    Annotated[HttpTlsOfFiles, Tag(HttpTlsOfFiles.told_by)]
    | Annotated[HttpTlsOfAgent, Tag(HttpTlsOfAgent.told_by)]
    | Annotated[PlainHttp, Tag(PlainHttp.told_by)],
    told_apart(_kind),
]


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
    tls: HttpTls = Field(
        default=PlainHttp(), description="TLS of the ingress listener. Required: plain HTTP must be asked for."
    )
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
