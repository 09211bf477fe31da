"""The section `proxy.cors`: which web pages of other origins may call. Values only."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from authz_service.config.sections.section import Section
from authz_service.config.values import Duration, HeaderName
from authz_service.request_form import METHODS, Method

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")


def _origin(text: str) -> str:
    """As a browser writes it (RFC 6454 §6.2): compared character by character."""
    if not _ORIGIN.fullmatch(text) or text.endswith((":80", ":443")):
        raise ValueError("write an origin as browsers send it, such as https://app.example.com: small letters, no path")
    return text


Origin = Annotated[
    str,
    AfterValidator(_origin),
    WithJsonSchema({"type": "string", "title": "origin", "pattern": "^https?://[^/]+$"}),
]


class Cors(Section):
    """Which web pages of other origins may call, from a browser (Fetch, CORS). Off without `allow_origins`."""

    allow_origins: tuple[Origin, ...] = Field(
        default=(),
        description="The pages' origins, each as the browser sends it. Their preflights are answered without token, "
        "policy and record; every other request is decided as without this section.",
        examples=[["https://app.example.com"]],
    )
    allow_methods: tuple[Method, ...] = Field(
        default=METHODS, min_length=1, description="Which methods the pages may use."
    )
    allow_headers: tuple[HeaderName, ...] = Field(
        default=("Authorization", "Content-Type"), description="Which headers of their own the pages may send."
    )
    expose_headers: tuple[HeaderName, ...] = Field(
        default=("X-Correlation-ID",), description="Which headers of an answer the pages may read."
    )
    allow_credentials: bool = Field(
        default=False, description="Whether the browser sends cookies and client certificates along."
    )
    max_age: Duration = Field(default=600.0, description="For how long a browser remembers a preflight.")
