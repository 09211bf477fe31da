"""The section `tracing`: where spans go. Values only."""

from pydantic import Field

from authz_service.config.sections.section import Section
from authz_service.config.values import HttpUrl


class Tracing(Section):
    """Export of traces; off without this section. W3C trace context is passed on in any case."""

    otlp_url: HttpUrl = Field(
        description="OTLP over HTTP: where the spans go.", examples=["http://127.0.0.1:4318/v1/traces"]
    )
    sampling: float = Field(
        default=100.0, ge=0, le=100, description="Per cent of the requests that are traced.", examples=[10]
    )
