"""What Envoy counts and we tell: answers with 401 of targets, names that DNS does not answer, handshakes that fail.

Not the telling: a figure, a line of the log and a new token are the control plane's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

TARGET_401, LOOKUP, HANDSHAKE = "401", "lookup", "handshake"
# Handshakes by why they failed. Somebody who connects and goes without a word has begun none.
HANDSHAKES = {
    "ssl.fail_verify_no_cert": "no_certificate",
    "ssl.fail_verify_error": "certificate_refused",
    "ssl.fail_verify_san": "certificate_refused",
    "ssl.fail_verify_cert_hash": "certificate_refused",
    "ssl.connection_error": "tls_error",
    "downstream_cx_transport_socket_connect_timeout": "timeout",
}
_KINDS = {
    TARGET_401: r"^cluster\.target_([a-z0-9-]+)\.upstream_rq_401$",
    LOOKUP: r"^cluster\.(.+)\.update_failure$",
    HANDSHAKE: rf"^listener\.ingress\.({'|'.join(map(re.escape, HANDSHAKES))})$",
}
COUNTED = "|".join(_KINDS.values())  # of Envoy's statistics, by name

Counts = Mapping[tuple[str, str], int]  # kind, and of which target, cluster or reason


class EnvoyCounts:
    """Totals over Envoy's deaths."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._totals: Counter[tuple[str, str]] = Counter()

    def totals(self, counters: Mapping[str, int]) -> Counts:
        """Since the first look, whoever looks. A counter that became smaller belongs to another Envoy."""
        for name, count in counters.items():
            for kind, pattern in _KINDS.items():
                if found := re.match(pattern, name):
                    before = self._last.get(name, 0)
                    grown = count - before if count >= before else count
                    self._totals[kind, HANDSHAKES.get(found[1], found[1])] += grown
        self._last = dict(counters)
        return dict(self._totals)
