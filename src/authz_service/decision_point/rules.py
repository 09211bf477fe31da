"""What the door to other people's proxies goes by: plain values without a secret, given to it as `door.json`."""

from __future__ import annotations

from msgspec import Struct

from authz_service.domain.rules import ClientRule


class Said(Struct, frozen=True):
    """The headers in which a proxy says what it was asked, in lower case; "" is what it does not say."""

    method: str = ""
    uri: str = ""
    host: str = ""
    client_certificate: str = ""
    client_verify: str = ""  # must be SUCCESS where there is a certificate
    remote: str = ""


class Asker(Struct, frozen=True):
    """One listener, and who may ask there."""

    name: str
    protocol: str  # of `PROTOCOLS`
    allowed: tuple[ClientRule, ...]  # empty: no TLS, for this host only
    said: Said
    path_prefix: str = ""
    url: str = ""  # by which it knows us


class DoorRules(Struct, frozen=True):
    """One revision of them. The listening sockets are handed over by their numbers, in the order of `askers`."""

    askers: tuple[Asker, ...]
    workers: tuple[str, ...]  # their sockets; the last one stands by, if there are two
    attempt: float  # seconds for one of three
    listener: str  # headers.listener_tag
    tag: str  # of the configuration
    routes: tuple[str, ...]  # their paths
    passed: tuple[str, ...]  # the headers that a worker reads, in lower case
    owned: tuple[str, ...]  # those that the service gets from us alone, in lower case
    max_connections: int
    certificate: str = ""  # the file with our certificate, and the one with the authorities of who asks
    client_ca: str = ""
    oldest_tls: str = "1.2"
