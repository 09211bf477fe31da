"""Pages of other origins (Fetch, CORS): preflights are answered, and each answer says who may read it.

Nobody is let in by it: an origin is no identity.
"""

from authz_service.config.model import Config
from authz_service.envoy.messages import Json, Message, extension, message

_NAME = "envoy.filters.http.cors"
_KIND = "extensions.filters.http.cors.v3"


def cors_filter(config: Config) -> list[Message]:
    """Before the gate: a preflight has no token, and a refusal must be readable to the page too."""
    return [extension(_NAME, f"{_KIND}.Cors")] if config.proxy.cors.allow_origins else []


def cors_policy(config: Config) -> Message:
    """Of the ingress' virtual host."""
    cors = config.proxy.cors
    if not cors.allow_origins:
        return {}
    origins: list[Json] = [{"exact": origin} for origin in cors.allow_origins]
    policy = message(
        f"{_KIND}.CorsPolicy",
        allow_origin_string_match=origins,
        allow_methods=",".join(cors.allow_methods),
        allow_headers=",".join(cors.allow_headers),
        expose_headers=",".join(cors.expose_headers),
        max_age=str(round(cors.max_age)),
        allow_credentials=cors.allow_credentials,
        forward_not_matching_preflights=True,  # to the gate, which refuses and records
    )
    return {"typed_per_filter_config": {_NAME: policy}}
