"""The header contract: which request headers are ours, and what happens to a client's value of them. Not how.

One list, used by the Envoy rendering (early removal), by the gate (set or remove) and by the tests.
"""

from collections.abc import Iterable
from hashlib import sha256

CORRELATION_ID = "x-correlation-id"
CORRELATION_ID_PATTERN = "[A-Za-z0-9._-]{1,128}"  # Envoy replaces any other before the gate is asked
USER_CONTEXT = "x-user-context"
AUTHORIZATION = "authorization"

# Envoy tells the decision worker about the connection in these; a client's own are removed before any filter.
PEER_CERT = "x-authz-peer-cert"
REMOTE = "x-authz-remote"
ROUTE = "x-authz-route"  # "<tag of the configuration>|<path of the route>", or "-" where there is no route
ROUTE_SEPARATOR = "|"

# Envoy asks at `/check-<tag><path>`. A connection keeps the listener it was accepted by, for as long as it drains, and
# that listener strips the headers that were owned then: the tag tells the worker which ones those are.
CHECK_PATH = "/check-"
TAG_LENGTH = 8


def listener_tag(owned: Iterable[str]) -> str:
    """Eight hex digits that change with the set of owned headers."""
    return sha256(",".join(sorted({name.lower() for name in owned})).encode()).hexdigest()[:TAG_LENGTH]


# A worker's way to say 503: Envoy shows the caller 503 with the worker's body. (A real 5xx of a worker counts as "it is
# broken", and its body is dropped.)
UNAVAILABLE_STATUS = 463

# Removed from every inbound request, before any filter, whatever their case, form or number.
STRIPPED_PREFIXES = ("x-authz-", "x-audit-", "x-envoy-")
STRIPPED = (
    "forwarded",
    "proxy",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
)
