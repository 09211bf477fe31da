"""Addresses: where to listen (`Address`) and where somebody else listens (`Endpoint`). Not what is done there.

Every ValueError is a sentence for the reader of a problem report: it says what to write, never what was found.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
_H2C_SOCKET = "h2c+unix://"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - what ":8443" means

_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `:8443` is every IPv4 address of the host."""

    host: str  # always an IP address, without brackets
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """Where to listen, as a file: its mode says who may connect (unix(7))."""

    path: str

    def __str__(self) -> str:
        return f"unix://{self.path}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where somebody else listens. Two ways to write one place are equal: `https://a` and `https://A:443/`."""

    scheme: Literal["http", "https", "unix"]
    host: str = ""  # lower case, without brackets; "" for a Unix socket
    port: int = 0
    socket: str = ""  # the path of a Unix socket
    http2: bool = False  # without TLS, where nobody can agree on it: written h2c://

    @property
    def authority(self) -> str:
        """What the Host header says; `localhost` for a Unix socket."""
        if self.scheme == "unix":
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"{_H2C_SOCKET if self.http2 else 'unix://'}{self.socket}"
        return f"{'h2c' if self.http2 else self.scheme}://{self.authority}"


def parse_address(text: str) -> Address:
    """Raises ValueError for anything but `host:port`, `[ipv6]:port` or `:port`."""
    host, colon, port = text.rpartition(":")
    host = {"": EVERY_ADDRESS, "localhost": "127.0.0.1"}.get(host, host.removeprefix("[").removesuffix("]"))
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535 or not is_ip(host):
        raise ValueError(
            "write an IP address and a port from 1 to 65535, such as 127.0.0.1:8080, or :8443 for every address"
        )
    return Address(host, int(port))


def parse_local_address(text: str) -> Address | UnixAddress:
    """Raises ValueError for anything but `host:port` and the like, or unix:///path."""
    return UnixAddress(_socket_path(text)) if text.startswith("unix:") else parse_address(text)


def parse_endpoint(text: str) -> Endpoint:
    """Raises ValueError for anything but http://host[:port], https://host[:port], unix:///path, and the like by h2c."""
    if text.startswith("unix://"):
        return Endpoint("unix", socket=_socket_path(text))
    if text.startswith(_H2C_SOCKET):
        return Endpoint("unix", socket=_socket_path(text.removeprefix("h2c+")), http2=True)
    http2 = text.startswith("h2c://")
    scheme, host, port, rest = split_url(f"http://{text.removeprefix('h2c://')}" if http2 else text)
    if rest not in {"", "/"}:
        raise ValueError(
            "write only scheme, host and port, such as https://orders.internal:8443; paths are changed by strip_prefix"
        )
    return Endpoint(scheme, host, port, http2=http2)


def _socket_path(text: str) -> str:
    if not re.fullmatch(r"unix:///[^\s?#]+", text) or len(text) > 107:  # sun_path, unix(7)
        raise ValueError("write unix:// and an absolute path of at most 100 characters, such as unix:///run/app.sock")
    return text.removeprefix("unix://")


def split_url(text: str) -> tuple[Literal["http", "https"], str, int, str]:
    wanted = "write http:// or https://, a host and a valid port, no user name, such as https://idp.example.com/path"
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ValueError(wanted) from None
    if parts.scheme not in DEFAULT_PORTS or "@" in parts.netloc or not (is_host_name(host) or is_ip(host)):
        raise ValueError(wanted)
    if port == 0 or parts.netloc.endswith(":") or not re.fullmatch(r"[!-~]+", text) or "\\" in text:
        raise ValueError(wanted)
    rest = text.partition("//")[2].removeprefix(parts.netloc)
    return ("https" if parts.scheme == "https" else "http"), host, port or DEFAULT_PORTS[parts.scheme], rest


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def is_host_name(text: str) -> bool:
    return _HOST.fullmatch(text) is not None
