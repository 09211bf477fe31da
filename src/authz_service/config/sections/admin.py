"""The section `admin`: where health, metrics and state answer. Values only."""

from pydantic import Field

from authz_service.config.addresses import Address
from authz_service.config.sections.section import Section
from authz_service.config.values import ListenAddress


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
