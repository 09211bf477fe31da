"""The section `egress.token_store`: where tokens are kept. Values only."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, Tag

from authz_service.config.sections.section import Section, told_apart
from authz_service.config.values import File, Secret

_TYPE = (
    "`memory`: each replica has its own. `redis`: the replicas of a sidecar share one token per target, fetched once; "
    "without Redis each goes on with its own."
)


class TokensInMemory(Section):
    """Tokens of this process alone."""

    told_by = "type: memory"

    type: Literal["memory"] = Field(default="memory", description=_TYPE)


class TokensInRedis(Section):
    """Tokens that replicas share."""

    told_by = "type: redis"

    type: Literal["redis"] = Field(default="redis", description=_TYPE)
    url: Secret = Field(
        description="Where Redis is: `redis://`, `rediss://` (TLS) or `unix://`, with user and password if it wants "
        "them. Never printed. Required with `redis`, and only there.",
        examples=["rediss://authz:${REDIS_PASSWORD}@tokens:6379/0"],
    )
    ca_file: File | None = Field(
        default=None,
        description="The CAs that sign Redis' certificate, PEM, for `rediss://`. By default the system's.",
        examples=["/etc/certs/ca/identity-ca.crt"],
    )
    encryption_key: Secret = Field(
        description="What tokens in Redis are encrypted with, the same for all replicas: 32 characters or more, as of "
        "`openssl rand -hex 32`. Never printed. Required with `redis`: this or `encryption_key_file`.",
        examples=["${TOKEN_STORE_KEY}"],
    )
    encryption_key_file: File | None = Field(
        default=None,
        description="A file with the key in it; a line end at its end is ignored.",
        examples=["/run/secrets/token-store"],
    )


def _kind(keys: Mapping[str, object]) -> type[Section]:
    return TokensInRedis if keys.get("type") == "redis" else TokensInMemory


TokenStore = Annotated[
    Annotated[TokensInMemory, Tag(TokensInMemory.told_by)] | Annotated[TokensInRedis, Tag(TokensInRedis.told_by)],
    told_apart(_kind),
]
