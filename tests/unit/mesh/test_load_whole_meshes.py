"""The meshes that lint and its like are tried on: those called correct load, and what they refer to is there."""

import re
from pathlib import Path

import pytest
import yaml
from tests.support.generated_mesh import Size, generate_mesh
from tests.support.meshes import CORRECT, SPEC, correct_mesh, example_mesh, mesh_of_the_specification

from authz_devkit.certs.tree import issuer_of, load_certificates
from authz_realm.realm import RealmProblems, load_realms
from authz_service.config.loader import load_config
from authz_service.config.model import Config, HttpTlsOfFiles, TargetTlsOfFiles
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.sources.folder import read_policy_folder


class _AnySecret(dict[str, str]):
    """Every variable that is a secret has a value; others have their defaults."""

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return "known to the provider" if "SECRET" in name else default

    def __getitem__(self, name: str) -> str:
        if (value := self.get(name)) is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return self.get(str(name)) is not None


def _configs(mesh: Path) -> dict[str, Config]:
    return {file.parent.name: load_config(file, _AnySecret()) for file in sorted(mesh.glob("*/config.yaml"))}


def _here(mesh: Path, path: Path) -> Path:
    return mesh / "certs" / path.relative_to("/etc/certs")


@pytest.fixture(params=[*CORRECT, "example", "generated"])
def whole_mesh(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    match request.param:
        case "example":
            return example_mesh(tmp_path / "mesh")
        case "generated":
            return generate_mesh(tmp_path / "mesh", Size(8, 16, 6))
        case name:
            return correct_mesh(name, tmp_path / "mesh")


def test_a_correct_mesh_is_whole(whole_mesh: Path) -> None:
    """Configurations load, policies pass, realms are read, and each target accepts the certificate that it is shown."""
    configs = _configs(whole_mesh)
    served = {}
    for folder, config in configs.items():
        assert config.asked_policy is not None
        PolicyEngine(read_policy_folder(whole_mesh / folder / "policies", config.asked_policy.policy_query))
        assert isinstance(config.http.tls, HttpTlsOfFiles)
        (server,) = load_certificates(_here(whole_mesh, config.http.tls.cert_file))
        served[server.subject.rfc4514_string()] = config
    if (whole_mesh / "realms").exists():
        assert load_realms(whole_mesh / "realms")
    for config in configs.values():
        for target in config.egress.targets.values():
            callee = next(config for name, config in served.items() if f"CN={target.url.host}," in f"{name},")
            assert isinstance(target.tls, TargetTlsOfFiles)
            assert isinstance(callee.http.tls, HttpTlsOfFiles)
            assert target.tls.client_cert is not None
            assert callee.http.tls.client_ca_file is not None
            (client,) = load_certificates(_here(whole_mesh, target.tls.client_cert))
            assert issuer_of(client, load_certificates(_here(whole_mesh, callee.http.tls.client_ca_file)))
    assert len(served) == len(configs)


def test_the_specification_is_there_as_it_contradicts_itself(tmp_path: Path) -> None:
    """Rows 1, 2, 3, 4 and 17 are in the certificates; the rest is in the files, which nobody has mended."""
    mesh = mesh_of_the_specification(tmp_path / "mesh")
    (client,) = load_certificates(mesh / "certs/gateway/client-zone2.crt")
    configs = _configs(mesh)

    tls = configs["order-service"].http.tls
    assert isinstance(tls, HttpTlsOfFiles)
    assert tls.client_ca_file is not None
    assert issuer_of(client, load_certificates(_here(mesh, tls.client_ca_file))) is None
    assert client.subject.rfc4514_string() == "O=MyOrg,CN=api-gateway.zone1.local-client"
    assert list(client.extensions) == []
    (root,) = load_certificates(mesh / "certs/ca/zone2-ca.crt")
    assert root.not_valid_after_utc == client.not_valid_after_utc
    assert {file.stat().st_mode & 0o777 for file in mesh.glob("certs/*/*.key")} == {0o644}
    with pytest.raises(RealmProblems, match="service-account-roles"):
        load_realms(mesh / "realms")
    assert set(yaml.safe_load((SPEC / "compose.yaml").read_text())["services"]) == {
        "api-gateway", "order-service", "payment-service", "data-service", "keycloak",
    }  # fmt: skip
    assert re.findall(r'"([a-z0-9-]+)\.zone\d\.local"', (SPEC / "generate-certs.sh").read_text()) == [
        "api-gateway", "order-service", "payment-service", "data-service",
    ]  # fmt: skip


def test_the_large_mesh_has_the_size_that_is_asked_for(tmp_path: Path) -> None:
    """The same rule at full size, without its certificates."""
    mesh = generate_mesh(tmp_path / "mesh", certificates=False)
    realms = load_realms(mesh / "realms")
    routes = [len(yaml.safe_load(file.read_text())["proxy"]["routes"]) for file in mesh.glob("*/config.yaml")]

    assert (len(routes), sum(routes)) == (100, 1000)
    assert len({user.realm_roles for user in realms["users"].users}) == 100
    assert len(realms["machines"].clients) == 75
