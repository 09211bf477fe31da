"""Whom Envoy lets in is handed over when the workers know of it, and is on its way until Envoy shows it."""

import json
from pathlib import Path

import pytest
from tests.support.certificates import SERVER, Authority
from tests.support.revocations import revocations

from authz_service.config.loader import load_config
from authz_service.config.model import Config
from authz_service.control_plane.sources.certificates import ServedCertificates
from authz_service.envoy.secrets import CLIENT_CA, SERVER_CERTIFICATE

NOW = 1_800_000_000.0
ROOT = Authority.living("zone2-ca", NOW)


class Served:
    def __init__(self, folder: Path) -> None:
        self.bundle, self.lists = folder / "clients.pem", folder / "lists.pem"
        self.bundle.write_bytes(ROOT.pem)
        cert, key = ROOT.issue("orders.example", usages=(SERVER,)).write(folder, "server")
        tls = {"cert_file": str(cert), "key_file": str(key), "client_ca_file": str(self.bundle)}
        self.config_file = folder / "config.yaml"
        self._wish = {
            "service": {"name": "orders"},
            "http": {
                "addr": "127.0.0.1:8443",
                "tls": {**tls, "client_auth": "require", "crl_file": str(self.lists)},
            },
            "proxy": {"upstream": "http://127.0.0.1:9000", "auth": {"enabled": False}, "authz": {"enabled": False}},
        }
        self.published: list[tuple[str, str]] = []
        self.certificates = ServedCertificates(lambda name, text: self.published.append((name, text)), lambda: NOW)

    def revoke(self, *serials: int) -> list[str]:
        self.lists.write_bytes(revocations(ROOT, *serials, life=ROOT.life))
        return self.certificates.refresh(self.config)

    @property
    def config(self) -> Config:
        self.config_file.write_text(json.dumps(self._wish))
        return load_config(self.config_file, {})

    @property
    def is_told(self) -> bool:
        return any("not taken over the changed client CAs" in line for line in self.certificates.degraded())

    def release(self) -> str:
        version = self.certificates.release()
        name, text = self.published[-1]
        assert (name, json.loads(text)["version_info"]) == (CLIENT_CA, version)
        return version


@pytest.fixture
def served(tmp_path: Path) -> Served:
    found = Served(tmp_path)
    assert found.revoke(1) == [SERVER_CERTIFICATE, CLIENT_CA]
    assert [name for name, _ in found.published] == [SERVER_CERTIFICATE, CLIENT_CA]  # nobody serves yet
    assert not found.certificates.is_held
    return found


def test_a_change_is_held_until_it_is_released_and_on_its_way_until_envoy_has_it(served: Served) -> None:
    before = len(served.published)

    assert served.revoke(2) == []
    assert served.certificates.is_held
    assert len(served.published) == before
    served.release()
    assert served.certificates.is_held
    served.certificates.taken_over(is_there=True)
    assert not served.certificates.is_held
    assert served.certificates.refresh(served.config) == []
    assert not served.certificates.is_held
    assert not served.is_told


def test_what_envoy_does_not_show_stays_on_its_way_and_is_told(served: Served) -> None:
    """Also where the files go back meanwhile, or are broken: nobody knows which of both Envoy has."""
    first = served.lists.read_bytes()
    served.revoke(2)
    version = served.release()
    served.certificates.taken_over(is_there=False)
    assert served.certificates.is_held
    assert served.is_told
    served.lists.write_text("")
    served.certificates.refresh(served.config)
    assert served.certificates.is_held
    served.lists.write_bytes(first)  # to the letter: another list of the same would be signed anew
    served.certificates.refresh(served.config)
    assert served.certificates.is_held
    assert served.release() != version
    served.certificates.taken_over(is_there=True)
    assert not served.certificates.is_held
    assert not served.is_told
