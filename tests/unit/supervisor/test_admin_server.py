"""The admin server starts at once, whatever DNS does."""

import socket
from typing import NoReturn

import pytest
from tests.support.neighbours import ask
from tests.support.ports import free_port

from authz_service.supervisor.admin_server import AdminServer, json_page


def test_nobody_is_asked_for_our_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's server asks DNS when it binds: with a server that is silent, /livez came after 12.7 s."""

    def asked(name: str = "") -> NoReturn:
        raise AssertionError(name)

    monkeypatch.setattr(socket, "getfqdn", asked)
    monkeypatch.setattr(socket, "gethostbyaddr", asked)
    port = free_port("127.0.0.1")
    server = AdminServer("127.0.0.1", port, {"/livez": lambda: json_page({"live": True})})
    server.start()
    try:
        assert ask(("127.0.0.1", port), "GET", "/livez").status == 200
        assert ask(("127.0.0.1", port), "GET", "/other").status == 404
    finally:
        server.stop()
