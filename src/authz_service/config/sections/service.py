"""The section `service`: who this sidecar stands beside. Values only."""

from pydantic import Field

from authz_service.config.sections.section import Section
from authz_service.config.values import Name


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
