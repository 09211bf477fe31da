"""Where a request came from: the word of a trusted balancer, and of nobody else; IPv4 and IPv6 at one address."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest
from tests.support.envoy_pair import BLOCK
from tests.support.neighbours import Address, Neighbour, Seen, ask
from tests.support.patience import PATIENCE
from tests.support.ports import free_port
from tests.support.real_envoy import RealEnvoy

from authz_service import headers
from authz_service.config.model import Config

# Of this process: so no test is named after them (`ids`), or two processes would not have the same tests.
BALANCER, INNER, STRANGER = f"{BLOCK}.10.7", f"{BLOCK}.10.8", f"{BLOCK}.11.7"
CALLER, LIE = "203.0.113.9", "6.6.6.6"
SAID = "x-forwarded-for"


class Door:
    """An Envoy of one ingress, its gate and its service."""

    def __init__(self, stack: ExitStack, folder: Any, place: Address, app: Address, **http: object) -> None:
        self.place = place
        written = f"[{place[0]}]" if ":" in place[0] else place[0]
        config = Config.model_validate(
            {
                "http": {"addr": f"{written}:{place[1]}", "tls": {"enabled": False}, **http},
                "proxy": {"upstream": f"http://{app[0]}:{app[1]}", "authz": {"enabled": False}},
            }
        )
        envoy = RealEnvoy(config, folder, {})
        self.gate = stack.enter_context(Neighbour(envoy.paths.worker_socket(0)))
        stack.enter_context(Neighbour(envoy.paths.worker_socket(1)))
        self.app = stack.enter_context(Neighbour(app))
        stack.enter_context(envoy)

    def call(self, source: str, *lines: str, first: bytes = b"") -> tuple[str, Seen] | None:
        """The address that the gate was told, and what the service got; None: not served."""
        self.gate.reset()
        self.app.reset()
        head = "\r\n".join(["GET /x HTTP/1.1", "host: a", "connection: close", *lines, "", ""])
        with socket.create_connection(self.place, timeout=PATIENCE, source_address=(source, 0)) as connection:
            connection.sendall(first + head.encode())
            answer = b""
            try:
                while piece := connection.recv(4096):
                    answer += piece
            except ConnectionResetError:
                pass
        if not answer:
            assert self.gate.seen == self.app.seen == []
            return None
        if answer.startswith(b"HTTP/1.1 400"):
            return None
        return self.gate.seen[-1].value(headers.REMOTE) or "", self.app.seen[-1]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Door]]:
    trusted = {"trusted_proxies": [f"{BLOCK}.10.0/24"]}
    with ExitStack() as stack:

        def door(number: int, **http: object) -> Door:
            host = f"{BLOCK}.12.{number}"
            return Door(stack, tmp_path_factory.mktemp("d"), (host, 21443), (host, 21900), **http)

        yield {"forwarded": door(1, **trusted), "proxy": door(2, proxy_protocol=True, **trusted), "none": door(3)}


@pytest.mark.parametrize(
    ("source", "forwarded", "remote"),
    [
        (BALANCER, CALLER, CALLER),
        (BALANCER, f"{LIE}, {CALLER}", CALLER),  # the caller's own lie stands to the left
        (BALANCER, f"{LIE}, {CALLER}, {INNER}", CALLER),  # two of ours, one after the other
        (BALANCER, f"{CALLER}, nonsense", BALANCER),
        (BALANCER, None, BALANCER),
        (STRANGER, CALLER, STRANGER),
        (STRANGER, f"{CALLER}, {BALANCER}", STRANGER),
    ],
    ids=count(),
)
def test_only_a_trusted_balancer_says_where_a_request_came_from(
    doors: dict[str, Door], source: str, forwarded: str | None, remote: str
) -> None:
    """Records and limits go by it. Without http.trusted_proxies nobody is believed."""
    lines = [] if forwarded is None else [f"{SAID}: {forwarded}"]

    found = doors["forwarded"].call(source, *lines)
    assert found is not None
    assert found[0] == remote
    (told,) = found[1].values(SAID)
    assert told.split(",")[-1].strip() == source  # each hop adds its own
    assert (CALLER in told) is (source == BALANCER and forwarded is not None)

    unbelieving = doors["none"].call(source, *lines)
    assert unbelieving is not None
    assert unbelieving[0] == source
    assert CALLER not in str(unbelieving[1].headers)


@pytest.mark.parametrize(("source", "passes"), [(BALANCER, True), (STRANGER, False)], ids=count())
def test_what_the_caller_spoke_is_the_balancers_to_say(doors: dict[str, Door], source: str, passes: bool) -> None:
    """So a service builds its own URL; an identity is nobody's to say, and neither are our own headers."""
    said = {"x-forwarded-proto": "https", "x-forwarded-host": "shop.example", "x-forwarded-port": "443"}
    never = {"x-forwarded-user": "root", "client-cert": "x", headers.PEER_CERT: "x", "x-envoy-internal": "yes"}

    found = doors["forwarded"].call(source, *(f"{name}: {value}" for name, value in {**said, **never}.items()))

    assert found is not None
    seen = found[1]
    assert {name: seen.value(name) for name in said} == (
        said if passes else {**dict.fromkeys(said), "x-forwarded-proto": "http"}
    )
    assert "root" not in str(seen.headers)
    assert [value for name in never for value in seen.values(name)] == []


@pytest.mark.parametrize(
    ("source", "line", "remote"),
    [
        (BALANCER, f"PROXY TCP4 {CALLER} {BALANCER} 40000 21443\r\n".encode(), CALLER),
        (
            BALANCER,
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton(CALLER) + b"\x7f\0\0\1\x9c\x40\x53\xc3",
            CALLER,
        ),
        (BALANCER, b"", None),
        (BALANCER, b"PROXY nonsense\r\n", None),
        (STRANGER, f"PROXY TCP4 {CALLER} {BALANCER} 40000 21443\r\n".encode(), None),
        (STRANGER, f"PROXY TCP4 {BALANCER} {BALANCER} 40000 21443\r\n".encode(), None),
        (STRANGER, b"", None),
    ],
    ids=count(),
)
def test_a_proxy_header_is_the_balancers_to_write(
    doors: dict[str, Door], source: str, line: bytes, remote: str | None
) -> None:
    """Versions 1 and 2. Whoever else connects is not served, with such a header and without; nor is X-Forwarded-For."""
    found = doors["proxy"].call(source, f"{SAID}: {LIE}", first=line)

    assert (found and found[0]) == remote
    assert found is None or found[1].values(SAID) == [CALLER]


def test_one_address_serves_ipv4_and_ipv6(tmp_path_factory: pytest.TempPathFactory) -> None:
    """`[::]:8443`; a caller over IPv4 is known by his IPv4 address. `0.0.0.0` stays IPv4's."""
    port = free_port("::")
    with ExitStack() as stack:
        door = Door(stack, tmp_path_factory.mktemp("6"), ("::", port), (f"{BLOCK}.12.6", 21900))
        for address, remote in (("127.0.0.1", "127.0.0.1"), ("::1", "::1")):
            assert ask((address, port), "GET", "/x").status == 200
            assert door.gate.seen[-1].value(headers.REMOTE) == remote
    with ExitStack() as stack:
        Door(stack, tmp_path_factory.mktemp("4"), ("0.0.0.0", port), (f"{BLOCK}.12.6", 21900))
        assert ask(("127.0.0.1", port), "GET", "/x").status == 200
        with pytest.raises(ConnectionRefusedError):
            ask(("::1", port), "GET", "/x")
