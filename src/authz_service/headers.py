"""The header contract: which request headers are ours, and what happens to a client's value of them. Not how.

One list, used by the Envoy rendering (early removal), by the gate (set or remove) and by the tests.
"""

CORRELATION_ID = "x-correlation-id"
CORRELATION_ID_PATTERN = "[A-Za-z0-9._-]{1,128}"  # Envoy replaces any other before the gate is asked
USER_CONTEXT = "x-user-context"
AUTHORIZATION = "authorization"

# Envoy tells the decision worker about the connection in these; a client's own are removed before any filter.
PEER_CERT = "x-authz-peer-cert"
REMOTE = "x-authz-remote"
ROUTE = "x-authz-route"

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
