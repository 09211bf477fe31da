"""Rules that several sections share. Not the sections."""

import ipaddress
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from authz_service.config.finding import Finding, Place
from authz_service.domain.secret import Secret


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


def one_secret(place: Place, secret: Secret | None, file: Path | None) -> Iterator[Finding]:
    """`client_secret` or `client_secret_file`, and not both."""
    if secret is None and file is None:
        fix = "write client_secret: ${A_VARIABLE}, or client_secret_file: /a/file"
        yield Finding((*place, "client_secret"), "is missing", fix)
    if secret is not None and file is not None:
        found = "there are both client_secret and client_secret_file"
        yield Finding((*place, "client_secret_file"), found, "keep one")


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


def not_beside_sds(place: Place, section: object, files: Iterable[str]) -> Iterator[Finding]:
    """One source for all of it: who mixes them believes in a file that nobody reads."""
    for key in files:
        if getattr(section, key) is not None:
            fix = f"remove {key}, or sds and its names"
            yield Finding((*place, key), "would not be read: certificates come from sds", fix)
