"""The section `http.limits`: how much one caller, and all of them together, may ask for. Values only."""

from pydantic import Field

from authz_service.config.sections.section import Section

_HIGHEST = 1_000_000


class Rate(Section):
    """A token bucket: so many requests a second, and so many at once after a pause."""

    requests_per_second: int = Field(
        ge=1, le=_HIGHEST, description="How many requests a second are served in the long run.", examples=[50]
    )
    burst: int | None = Field(
        default=None,
        ge=1,
        le=_HIGHEST,
        description="How many may come at once after a pause; by default those of two seconds.",
        examples=[200],
    )

    @property
    def tokens(self) -> int:
        return 2 * self.requests_per_second if self.burst is None else self.burst


class Limits(Section):
    """How much is served: to one caller, and to all. Rates are off by default: no number is right for every service."""

    per_peer: Rate | None = Field(
        default=None,
        description="For each client certificate; for a caller without one, each address. Above it the answer is 429, "
        "before anything else is looked at.",
        examples=[{"requests_per_second": 200, "burst": 400}],
    )
    per_user: Rate | None = Field(
        default=None,
        description="For each user (`iss` and `sub` of the token), whoever calls on his behalf. Counted after the "
        "decision; above it the answer is 429.",
        examples=[{"requests_per_second": 20, "burst": 40}],
    )
    concurrent_requests: int | None = Field(
        default=None,
        ge=1,
        le=_HIGHEST,
        description="Requests in progress at the service at the same time; by default as many as `max_connections`. "
        "Above it the answer is 503. Each upstream counts for itself, gRPC too.",
        examples=[200],
    )
