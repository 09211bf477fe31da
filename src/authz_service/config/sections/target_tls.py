"""The section `egress.targets.*.tls`: which certificates count between us and a target. Values only."""

from pydantic import Field

from authz_service.config.sections.section import Section
from authz_service.config.values import File, HostName, SpiffeId, UnixSocket, Word


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
