"""The section `revocation`: the denylist. Values only."""

from pydantic import Field

from authz_service.config.sections.section import Section
from authz_service.config.values import File


class Revocation(Section):
    """What is revoked by hand, beside certificate revocation lists; off without this section."""

    path: File = Field(
        description="File with the certificates and tokens that are refused, YAML or JSON. "
        "Reloaded on change; acts on open connections too.",
        examples=["/etc/authz/denylist.yaml"],
    )
