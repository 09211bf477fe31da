"""How much one caller may ask for: token buckets in Envoy, before and after the gate. Not sizes, not times.

The peer is known before the gate is asked, so a flood costs no decision. The user is known only after it.
"""

from collections.abc import Sequence

from authz_service import headers
from authz_service.config.model import Config, Rate
from authz_service.envoy.messages import Json, Message, extension

# Beyond these many callers the one that was silent for longest is forgotten, and would start with a full bucket.
# About 0.5 KiB each.
MOST_BUCKETS = 10_000

_USER = "user"
_CERTIFICATE = "certificate"
_WITH_CERTIFICATE = "with_certificate"
_ADDRESS = "remote_address"  # the name that Envoy's action gives
_ALWAYS: Message = {"default_value": {"numerator": 100}, "runtime_key": "unused"}


def per_peer(config: Config) -> list[Message]:
    """By certificate: subjects may be shared (SPIFFE leaves them empty), and addresses are (NAT, balancers).

    By address only who shows none. `use_remote_address` makes it the peer's own, whatever he forwards.
    """
    rate, tls = config.http.limits.per_peer, config.http.tls
    if rate is None:
        return []
    by_certificate: list[Json] = [_attribute(_CERTIFICATE, "connection.sha256_peer_certificate_digest")]
    by_address: list[Json] = [_attribute(_WITH_CERTIFICATE, "connection.mtls"), {_ADDRESS: {}}]
    actions = [by_address] if tls.client_auth == "none" or not tls.enabled else [by_certificate, by_address]
    everybody: list[Message] = [
        _buckets(rate, {"key": _CERTIFICATE}),
        _buckets(rate, {"key": _WITH_CERTIFICATE, "value": "false"}, {"key": _ADDRESS}),
    ]
    return [_limit("peer", actions, everybody)]


def per_user(config: Config) -> list[Message]:
    """By what the gate said beside its "allow" (`user_metadata`). Without a token there is no user, and no limit."""
    rate = config.http.limits.per_user
    if rate is None:
        return []
    said_by_the_gate: Message = {"key": "envoy.filters.http.ext_authz", "path": [{"key": headers.USER_KEY}]}
    by_user: Message = {
        "descriptor_key": _USER,
        "metadata_key": said_by_the_gate,
        "source": "DYNAMIC",
        "skip_if_absent": True,
    }
    return [_limit("user", [[{"metadata": by_user}]], [_buckets(rate, {"key": _USER})])]


def user_metadata(config: Config) -> list[str]:
    """The gate's header becomes metadata of the request: the service does not get it, and no caller can set it."""
    return [] if config.http.limits.per_user is None else [headers.USER_KEY]


def _limit(whose: str, actions: Sequence[Sequence[Json]], buckets: Sequence[Message]) -> Message:
    """`whose` names the metrics. A request that fits no bucket is not limited."""
    return extension(
        "envoy.filters.http.local_ratelimit",
        "extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix=whose,
        filter_enabled=_ALWAYS,
        filter_enforced=_ALWAYS,
        rate_limits=[{"actions": steps} for steps in actions],
        descriptors=buckets,
        max_dynamic_descriptors=MOST_BUCKETS,
        always_consume_default_token_bucket=False,
        rate_limited_as_resource_exhausted=True,
    )


def _buckets(rate: Rate, *entries: Message) -> Message:
    """One for each value of an entry that names none."""
    bucket: Message = {
        "max_tokens": rate.tokens,
        "tokens_per_fill": rate.requests_per_second,
        "fill_interval": "1s",
    }
    return {"entries": entries, "token_bucket": bucket}


def _attribute(key: str, expression: str) -> Message:
    """A CEL attribute of the connection; one that is not there makes no entry, and the rest is not looked at."""
    return {
        "extension": extension(
            "envoy.rate_limit_descriptors.expr",
            "extensions.rate_limit_descriptors.expr.v3.Descriptor",
            descriptor_key=key,
            text=expression,
        )
    }
