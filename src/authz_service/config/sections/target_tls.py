"""The section `egress.targets.*.tls`: which certificates count between us and a target. Values only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, Tag

from authz_service.config.sections.section import Section, told_apart
from authz_service.config.values import File, HostName, Off, On, SpiffeId, UnixSocket, Word, is_off

_ENABLED = "Whether the target is called over TLS. Must agree with the scheme of `url`. Off without this section."


class NoTls(Section):
    """No TLS. Files may be named all the same, for the day when it is on."""

    told_by = "enabled: false"

    enabled: Off = Field(default=False, description=_ENABLED)


class _TargetTls(Section):
    enabled: On = Field(default=True, description=_ENABLED)
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


class TargetTlsOfFiles(_TargetTls):
    """Certificates from files."""

    told_by = "certificates from files"

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
    ca_cert: File = Field(
        description="The CAs that sign the target's certificate, PEM. Required when TLS is enabled, unless `sds` "
        "is there: there is no connection without a check.",
        examples=["/etc/certs/ca/zone3-ca.crt"],
    )

    @property
    def client_pair(self) -> tuple[Path, Path] | None:
        """The certificate that we show, and its key."""
        return None if self.client_cert is None or self.client_key is None else (self.client_cert, self.client_key)


class TargetTlsOfAgent(_TargetTls):
    """Certificates from an agent, which hands them to Envoy alone."""

    told_by = "certificates from sds"

    sds: UnixSocket = Field(
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


NoTls.ignores = (TargetTlsOfFiles, TargetTlsOfAgent)


def _kind(keys: Mapping[str, object]) -> type[Section]:
    if is_off(keys.get("enabled")):
        return NoTls
    return TargetTlsOfAgent if "sds" in keys else TargetTlsOfFiles


TargetTls = Annotated[
    Annotated[TargetTlsOfFiles, Tag(TargetTlsOfFiles.told_by)]
    | Annotated[TargetTlsOfAgent, Tag(TargetTlsOfAgent.told_by)]
    | Annotated[NoTls, Tag(NoTls.told_by)],
    told_apart(_kind),
]
