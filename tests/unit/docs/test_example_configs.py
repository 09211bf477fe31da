"""The four configurations of examples/three_zones: they load as they are, and as one host runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from authz_service.config.loader import load_config
from authz_service.config.model import Address, HttpTlsOfFiles
from authz_service.errors import ConfigProblems

EXAMPLES = Path(__file__).parents[3] / "examples" / "three_zones"
FOLDERS = ("gateway", "order-service", "payment-service", "data-service")
SECRETS = {"ORDER_SERVICE_CLIENT_SECRET": "o", "PAYMENT_SERVICE_CLIENT_SECRET": "p"}
CORRECTED_HERE = {1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 17}  # DESIGN §3; the rest is in policies, realms and services


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_configuration_needs_nothing_but_its_secret(folder: str) -> None:
    """Every variable has its production default, but for secrets, which have none."""
    config = load_config(EXAMPLES / folder / "config.yaml", SECRETS)

    assert str(config.policy.path) == "/etc/authz/policies"
    assert isinstance(config.http.tls, HttpTlsOfFiles)
    assert config.http.tls.cert_file == Path(f"/etc/certs/{folder}/server.crt")
    assert (str(config.http.addr), str(config.admin.addr)) == ("0.0.0.0:8443", "127.0.0.1:9901")
    if folder in {"order-service", "payment-service"}:
        with pytest.raises(ConfigProblems, match="CLIENT_SECRET"):
            load_config(EXAMPLES / folder / "config.yaml", {})


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_pod_on_loopback_keeps_to_its_address(folder: str) -> None:
    """LOOPBACK_IP moves every listener and the service, for several pods on a host; production listens everywhere."""
    config = load_config(EXAMPLES / folder / "config.yaml", {**SECRETS, "LOOPBACK_IP": "127.5.2.1"})

    addresses = [config.http.addr.host, config.admin.addr.host]
    if config.egress.enabled:
        assert isinstance(config.egress.addr, Address)
        addresses.append(config.egress.addr.host)
    if folder != "gateway":
        addresses.append(config.proxy.upstream.host)
    assert set(addresses) == {"127.5.2.1"}
    assert len(addresses) == {"gateway": 3, "data-service": 3}.get(folder, 4)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_address_of_a_pod_is_none_for_admin_and_egress(folder: str) -> None:
    """Whoever reached them there could read and call as the service; probes have a listener of their own."""
    path = EXAMPLES / folder / "config.yaml"
    with pytest.raises(ConfigProblems) as refusal:
        load_config(path, {**SECRETS, "LOOPBACK_IP": "10.0.2.11"})

    egress = load_config(path, SECRETS).egress.enabled
    assert {problem.at for problem in refusal.value.problems} == {"admin.addr"} | ({"egress.addr"} if egress else set())
    assert "admin.network_addr" in str(refusal.value)


def test_only_the_drawn_arrows_are_configured() -> None:
    """Who may call whom, and with whose tokens; data calls nobody."""
    configs = {folder: load_config(EXAMPLES / folder / "config.yaml", SECRETS) for folder in FOLDERS}

    assert {f: c.proxy.mtls.allowed_clients for f, c in configs.items()} == {
        "gateway": (),
        "order-service": ("CN=api-gateway-client,O=MyOrg",),
        "payment-service": ("CN=api-gateway-client,O=MyOrg",),
        "data-service": ("CN=order-service-client,O=MyOrg", "CN=payment-service-client,O=MyOrg"),
    }
    assert {f: sorted(c.egress.targets) for f, c in configs.items()} == {
        "gateway": ["order-service", "payment-service"],
        "order-service": ["data-service"],
        "payment-service": ["data-service"],
        "data-service": [],
    }
    assert {f: (c.issuers[0].issuer.rsplit("/", 1)[1], c.issuers[0].audience) for f, c in configs.items()} == {
        "gateway": ("users", ("api-gateway",)),
        "order-service": ("users", ("order-service",)),
        "payment-service": ("users", ("payment-service",)),
        "data-service": ("services", ("data-service",)),
    }
    tls = {folder: config.http.tls for folder, config in configs.items()}
    zones = {f: t.client_ca_file and t.client_ca_file.name for f, t in tls.items() if isinstance(t, HttpTlsOfFiles)}
    assert zones == {
        "gateway": None,
        "order-service": "zone2-ca.crt",
        "payment-service": "zone2-ca.crt",
        "data-service": "zone3-ca.crt",
    }


def test_each_correction_is_marked_by_its_number() -> None:
    """A reader who compares with the specification finds why each line differs."""
    marked: set[int] = set()
    for folder in FOLDERS:
        text = (EXAMPLES / folder / "config.yaml").read_text()
        for numbers in re.findall(r"corrections? (\d+(?: and \d+)?)", text):
            marked |= {int(number) for number in numbers.split(" and ")}
    assert marked == CORRECTED_HERE
