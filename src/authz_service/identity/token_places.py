"""Where a request may carry its token: one header, and where the configuration says so, a cookie or a WebSocket offer.

Never two at once (RFC 6750 §2): what is in several places is read as one header that came twice. Not what the token
says. Why there is no place in the query: docs/decisions/where-a-token-may-stand.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from authz_service.domain.rules import HeaderRules

NO_SCHEME = "none"  # the header's whole value is the token
_SEPARATORS = re.compile("[;,]")  # RFC 6265 §4.2.1; a comma is where two Cookie headers were joined


class TokenPlaces:
    """Reads what Envoy passes on: header names in lower case."""

    def __init__(self, rules: HeaderRules) -> None:
        self._header = rules.auth_header.lower().encode()
        self._prefix = "" if rules.auth_scheme.lower() == NO_SCHEME else f"{rules.auth_scheme} "
        self._cookie = f"{rules.auth_cookie}=" if rules.auth_cookie else ""
        self._offer = rules.auth_websocket_protocol
        self._origins = frozenset(rules.auth_origins)
        self._schemes = ("https",) if rules.auth_over_tls else ("https", "http")

    def authorization(self, found: Mapping[bytes, bytes]) -> str | None:
        """As the header says it, or would; None where there is no token."""
        value = found.get(self._header)
        header = None if value is None else value.decode("latin-1")
        if not self._cookie and not self._offer:
            return header
        elsewhere = [self._prefix + token for token in (*self._in_cookies(found), *self._offered(found))]
        return header if not elsewhere else ",".join(elsewhere if header is None else [header, *elsewhere])

    def is_of_another_page(self, found: Mapping[bytes, bytes]) -> bool:
        """Whether a browser sends the cookie on behalf of a page that is not ours, be it from a form or a WebSocket."""
        origin = found.get(b"origin")
        if not self._cookie or origin is None or not self._in_cookies(found):
            return False
        text, host = origin.decode("latin-1"), found.get(b"host", b"").decode("latin-1").lower()
        return text not in self._origins and text not in [f"{scheme}://{host}" for scheme in self._schemes]

    def _in_cookies(self, found: Mapping[bytes, bytes]) -> list[str]:
        if not self._cookie:
            return []
        pairs = map(str.strip, _SEPARATORS.split(found.get(b"cookie", b"").decode("latin-1")))
        return [pair.removeprefix(self._cookie) for pair in pairs if pair.startswith(self._cookie)]

    def _offered(self, found: Mapping[bytes, bytes]) -> list[str]:
        if not self._offer:
            return []
        offers = map(str.strip, found.get(b"sec-websocket-protocol", b"").decode("latin-1").split(","))
        return [offer.removeprefix(self._offer) for offer in offers if offer.startswith(self._offer)]
