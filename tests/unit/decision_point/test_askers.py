"""Whose certificate may ask, and until when. The handshake itself: tests/integration/decision_only."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.client_certificates import CN, GATEWAY, O, certificate
from tests.support.tokens import NOW

from authz_service.decision_point.askers import Askers
from authz_service.decision_point.rules import Asker, Said
from authz_service.domain.rules import ClientRule

LISTED = (ClientRule((("CN", "api-gateway-client"), ("O", "MyOrg"))),)


class Connection(asyncio.BaseTransport):
    """With what its peer has shown; None where there is no TLS."""

    def __init__(self, shown: bytes | None, *, tls: bool = True) -> None:
        super().__init__({"ssl_object": self if tls else None})
        self._shown = shown

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        assert binary_form
        return self._shown


def askers(clock: list[float], allowed: tuple[ClientRule, ...] = LISTED) -> Askers:
    return Askers(Asker("edge", "ext_authz_grpc", allowed, Said()), lambda: clock[0])


def test_a_certificate_asks_until_its_end() -> None:
    """Which is looked at with each question: the connection was made before (SECURITY T2)."""
    clock = [NOW]
    edge, connection = askers(clock), Connection(certificate(GATEWAY, valid=(NOW - 60, NOW + 60)))

    assert edge.is_welcome(connection)
    clock[0] = NOW + 61
    assert not edge.is_welcome(connection)
    clock[0] = NOW - 61
    assert not edge.is_welcome(connection)


@pytest.mark.parametrize(
    "connection",
    [
        Connection(certificate(((CN, "mallory"), (O, "MyOrg")))),
        Connection(certificate(((CN, "api-gateway-client"), (O, "Other")))),
        Connection(None),
        Connection(None, tls=False),
    ],
    ids=["another name", "another organisation", "no certificate", "no TLS"],
)
def test_who_is_not_listed_may_not_ask(connection: Connection) -> None:
    assert not askers([NOW]).is_welcome(connection)


def test_without_a_list_everybody_on_this_host_may_ask() -> None:
    """The configuration lets that stand on loopback and Unix sockets only."""
    assert askers([NOW], ()).is_welcome(Connection(None, tls=False))
