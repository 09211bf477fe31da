"""The section `egress.token_store`: where tokens are kept. Values only."""

from typing import Literal

from pydantic import Field

from authz_service.config.sections.section import Section
from authz_service.config.values import File, Secret


class TokenStore(Section):
    """Where tokens are kept."""

    type: Literal["memory", "redis"] = Field(
        default="memory",
        description="`memory`: each replica has its own. `redis`: the replicas of a sidecar share one token per "
        "target, fetched once; without Redis each goes on with its own.",
    )
    url: Secret | None = Field(
        default=None,
        description="Where Redis is: `redis://`, `rediss://` (TLS) or `unix://`, with user and password if it wants "
        "them. Never printed. Required with `redis`, not used by `memory`.",
        examples=["rediss://authz:${REDIS_PASSWORD}@tokens:6379/0"],
    )
    ca_file: File | None = Field(
        default=None,
        description="The CAs that sign Redis' certificate, PEM, for `rediss://`. By default the system's.",
        examples=["/etc/certs/ca/identity-ca.crt"],
    )
    encryption_key: Secret | None = Field(
        default=None,
        description="What tokens in Redis are encrypted with, the same for all replicas: 32 characters or more, as of "
        "`openssl rand -hex 32`. Never printed. Required with `redis`: this or `encryption_key_file`.",
        examples=["${TOKEN_STORE_KEY}"],
    )
    encryption_key_file: File | None = Field(
        default=None,
        description="A file with the key in it; a line end at its end is ignored.",
        examples=["/run/secrets/token-store"],
    )
