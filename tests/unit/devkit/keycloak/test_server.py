"""The folder and the command of one Keycloak: pure, so without Java. It runs in `make demo IDP=keycloak`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from authz_devkit.keycloak.server import Server, command, prepare

REALMS = Path(__file__).parents[4] / "examples/three_zones/realms"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    cert, key = Path("/certs/server.crt"), Path("/certs/server.key")
    return Server(tmp_path / "home", REALMS, "127.0.0.1", 8443, cert, key, "https://keycloak.example.com:8443")


def test_it_imports_the_very_realm_files(server: Server, tmp_path: Path) -> None:
    """Also when the folder was used before, and from the distribution of today."""
    for distribution in (tmp_path / "old", tmp_path / "new"):
        prepare(server, distribution)

    imported = server.folder / "data" / "import"
    assert {file.name: file.read_text() for file in imported.iterdir()} == {
        file.name: file.read_text() for file in REALMS.glob("*.json")
    }
    assert (server.folder / "lib").readlink() == tmp_path / "new" / "lib"


def test_nothing_is_served_without_tls(server: Server) -> None:
    words = command(server, "java")

    assert "--http-enabled=false" in words
    assert "--https-certificate-file=/certs/server.crt" in words
    assert "--hostname=https://keycloak.example.com:8443" in words


def test_clients_certificates_are_trusted_only_where_a_ca_is_given(server: Server) -> None:
    zones = replace(server, client_cas=(Path("/ca/zone1.crt"), Path("/ca/zone2.crt")))

    assert "--truststore-paths=/ca/zone1.crt,/ca/zone2.crt" in command(zones, "java")
    assert not [word for word in command(server, "java") if word.startswith("--truststore")]
