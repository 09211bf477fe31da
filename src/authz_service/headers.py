"""The header contract: which request headers are ours, and what happens to a client's value of them. Not how.

One list, used by the Envoy rendering (early removal), by the gate (set or remove), by the configuration's checks and by
the tests. docs/security.md says the same in words.
"""

import re
from collections.abc import Iterable
from hashlib import sha256

CORRELATION_ID = "x-correlation-id"
CORRELATION_ID_PATTERN = "[A-Za-z0-9._-]{1,128}"  # Envoy replaces any other before the gate is asked
USER_CONTEXT = "x-user-context"
AUTHORIZATION = "authorization"
FORWARDED_FOR = "x-forwarded-for"  # appended to; a client's own is removed where strangers may call

# Envoy tells the decision worker about the connection in these; a client's own are removed before any filter.
PEER_CERT = "x-authz-peer-cert"
REMOTE = "x-authz-remote"
ROUTE = "x-authz-route"  # "<tag of the configuration>|<path of the route>", or "-" where there is no route
ROUTE_SEPARATOR = "|"

NOWHERE = "x-authz-nowhere"  # never there: routes that lead to no cluster name it

# The gate tells Envoy in this whose request it allowed, for the limit of each user. Only Envoy sees it.
USER_KEY = "x-authz-user"

# And in this, that its decision cache may repeat the answer (ext_authz.permit). Only Envoy sees it.
REMEMBER = "x-authz-remember"

# Envoy asks at `/check-<tag><path>`. A connection keeps the listener it was accepted by, for as long as it drains, and
# that listener strips the headers that were owned then: the tag tells the worker which ones those are.
CHECK_PATH = "/check-"
TAG_LENGTH = 8


# Envoy asks at `/exchange<path>` about a request that leaves with the user's token (auth.type: oauth2_token_exchange),
# and gets in this header what the target is shown instead. It ends in Envoy.
EXCHANGE_PATH = "/exchange"
EGRESS_AUTHORIZATION = "x-authz-egress-authorization"

# Envoy asks here about requests in progress (envoy/stream_watch.wat, which has it in its own words).
IN_PROGRESS_PATH = "/in-progress"

# The door to other people's proxies (decision_point) asks at `/evaluate/<listener>` what AuthZEN asks: subject, action,
# resource and context as JSON in this header.
EVALUATION_PATH = "/evaluate/"
EVALUATION = "x-authz-evaluation"

# A worker's way to say 503: Envoy shows the caller 503 with the worker's body. (A real 5xx of a worker counts as "it is
# broken", and its body is dropped.)
UNAVAILABLE_STATUS = 463

# How the gate tells Envoy which headers the service shall not get.
REMOVE = "x-envoy-auth-headers-to-remove"

# Removed from every inbound request, before any filter, whatever their case, form or number.
STRIPPED_PREFIXES = ("x-authz-", "x-audit-", "x-envoy-")
STRIPPED = (
    # another method, or another URL
    "x-http-method", "x-http-method-override", "x-method-override",
    "x-host", "x-original-host", "x-original-method", "x-original-uri", "x-original-url", "x-rewrite-url",
    "front-end-https", "x-scheme", "x-url-scheme",
    # another address of the caller
    "cf-connecting-ip", "cf-connecting-ipv6", "fastly-client-ip", "forwarded", "true-client-ip", "x-client-ip",
    "x-cluster-client-ip", "x-original-forwarded-for", "x-real-ip",
    # another caller
    "client-cert", "client-cert-chain", "remote-user", "x-client-cert", "x-remote-user",
    # what a CGI program takes for its configuration (CVE-2016-5385)
    "proxy",
)  # fmt: skip
# What proxies tell each other, or the service: `x-forwarded-` and anything but these. Envoy writes two of them.
FORWARDED_PREFIX = "x-forwarded-"
FORWARDED_KEPT = ("for", "proto")
FORWARDED_TRUSTED = (*FORWARDED_KEPT, "host", "port")  # the word of http.trusted_proxies
# nginx and its like name a client certificate's parts so.
CERTIFICATE_PREFIXES = ("ssl-client-", "x-ssl-client-")

# Framing and routing (RFC 9110 §7, RFC 9112 §6): whoever may write these may change what the request is.
FRAMING = frozenset({
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
CREDENTIALS = frozenset({AUTHORIZATION, "cookie", "proxy-authorization", "set-cookie"})

_CORRELATION_ID = re.compile(CORRELATION_ID_PATTERN)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def spelled(name: str) -> str:
    """Many servers do not tell `_` from `-`, none tells the case (SECURITY T4)."""
    return name.lower().replace("_", "-")


def is_stripped(name: str) -> bool:
    """Whether a client's value never arrives, whatever the configuration."""
    name = spelled(name)
    if name.startswith(FORWARDED_PREFIX):
        return name.removeprefix(FORWARDED_PREFIX) not in FORWARDED_KEPT
    return name in STRIPPED or name.startswith((*STRIPPED_PREFIXES, *CERTIFICATE_PREFIXES))


def is_correlation_id(text: str) -> bool:
    """What may stand in logs, headers and audit records as it is (SECURITY T25)."""
    return _CORRELATION_ID.fullmatch(text) is not None


def has_control(text: str) -> bool:
    """Whether it has a character that ends a line or steers a terminal: C0, DEL, C1, U+2028, U+2029."""
    return _CONTROL.search(text) is not None


def listener_tag(owned: Iterable[str]) -> str:
    """Eight hex digits that change with the set of owned headers."""
    return sha256(",".join(sorted({name.lower() for name in owned})).encode()).hexdigest()[:TAG_LENGTH]
