"""The host of a URL, with its port, as Go's net/url reads it."""

from __future__ import annotations

import re
from typing import Final

from authz_rego.builtins.ip_addresses import find_address
from authz_rego.builtins.percent_codes import unescaped_host, unescaped_zone
from authz_rego.errors import BuiltinError

PORT: Final = re.compile(rb"(?::[0-9]*)?")
STRICT_SCHEMES: Final = frozenset({b"http", b"https"})  # a host has no further colons there


def read_host(host: bytes, *, strict: bool) -> bytes:
    """Without its codes; raises BuiltinError. `strict`: it has no colon but that of its port."""
    bracket = host.rfind(b"[")
    if bracket > 0:
        raise BuiltinError("invalid IP-literal")
    if bracket == 0:
        return _literal(host)
    colon = host.find(b":") if strict else host.rfind(b":")
    if colon >= 0:
        _require_port(host[colon:])
    return unescaped_host(host)


def _literal(host: bytes) -> bytes:
    """An IPv6 address in brackets, perhaps with a zone, perhaps with a port behind."""
    end = host.rfind(b"]")
    if end < 0:
        raise BuiltinError("missing ']' in host")
    _require_port(host[end + 1 :])
    address, zone, name = host[1:end].partition(b"%25")
    found = unescaped_host(address) + (unescaped_zone(zone + name) if zone else b"")
    address, zone, name = found.partition(b"%")
    parsed = find_address(address.decode("latin-1"))
    if parsed is None or len(parsed) == 4 or (zone and not name):
        raise BuiltinError("invalid host")
    return b"[" + found + b"]" + host[end + 1 :]


def _require_port(text: bytes) -> None:
    if not PORT.fullmatch(text):
        raise BuiltinError(f'invalid port "{text.decode(errors="replace")}" after host')
