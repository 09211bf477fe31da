"""Rules that several sections share. Not the sections."""

import ipaddress
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from authz_service.config.finding import Finding, Place
from authz_service.config.sections.section import Section
from authz_service.domain.secret import UNREAD, Secret

SHORTEST_KEY = 32  # characters


def is_loopback(host: str) -> bool:
    """A name is not: only `localhost` promises it (RFC 6761 §6.3)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def plain_http(place: Place, url: str) -> Iterator[Finding]:
    """Keys and secrets travel over TLS, or not beyond this host."""
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield Finding(place, f"plain HTTP to {parts.hostname}", "use https://; http:// is for loopback addresses only")


def long_enough(place: Place, section: Section, name: str) -> Iterator[Finding]:
    """A key that somebody could try out, with what it was used on."""
    key: Secret | None = getattr(section, name)
    if key is not None and key is not UNREAD and len(key.reveal()) < SHORTEST_KEY:
        at = name if getattr(section, f"{name}_file") is None else f"{name}_file"
        fix = "take what `openssl rand -hex 32` prints"
        yield Finding((*place, at), f"the key has less than {SHORTEST_KEY} characters", fix)


def repeated(values: Iterable[str]) -> Iterator[tuple[int, int]]:
    """(index, index of the first) of each value that was there before."""
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if first.setdefault(value, index) != index:
            yield index, first[value]


def not_below(place: Place, key: str, path: str, strip_prefix: str | None) -> Iterator[Finding]:
    """What is stripped must be there: /data of /data/orders, but not of /database."""
    if strip_prefix is not None and path != strip_prefix and not path.startswith(f"{strip_prefix}/"):
        found = f"{strip_prefix} is not how {key} {path or '/'} starts"
        fix = f"write the first segments of {key}, or remove strip_prefix"
        yield Finding((*place, "strip_prefix"), found, fix)
