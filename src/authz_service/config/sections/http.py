"""The section `http`: the listener where callers arrive. Values only; what must fit together is in `checks`."""

from typing import Literal

from pydantic import Field

from authz_service.config.addresses import EVERY_ADDRESS, Address
from authz_service.config.sections.limits import Limits
from authz_service.config.sections.section import Section
from authz_service.config.values import (
    Duration,
    DurationOrZero,
    File,
    ListenAddress,
    Network,
    Size,
    UnixSocket,
    Word,
)


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
