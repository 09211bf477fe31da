"""The wheel holds all that runs, and needs neither this repository nor the development kit's packages."""

from __future__ import annotations

import os
import subprocess
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support import wheel as wheels
from tests.support.lone_sidecar import until
from tests.support.ports import free_port
from tests.support.wheel import ROOT, run

_POLICY = """package hello

allow if {
	upper("a") == "A" # a builtin, of its table
	time.clock([0, "Europe/Berlin"])[0] == 1 # of the packaged zones
	input.request.segments[0] == "hello"
}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product alone, as in production."""
    return wheels.install(wheel, tmp_path_factory.mktemp("product"), "runtime.txt")


@pytest.fixture(scope="module")
def with_kit(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the extra `devkit`."""
    return wheels.install(wheel, tmp_path_factory.mktemp("kit"), "devkit.txt")


@pytest.fixture(scope="module")
def config(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sidecar's, with certificates and a policy."""
    folder = tmp_path_factory.mktemp("hello")
    made = run(programs / "authz-dev", "certs", folder / "certs")
    assert made.returncode == 0, made.stderr
    (folder / "policies").mkdir()
    (folder / "policies" / "hello.rego").write_text(_POLICY)
    certs = folder / "certs"
    sidecar = {
        "service": {"name": "hello", "zone": "zone2"},
        "http": {
            "addr": f"127.0.0.1:{free_port()}",
            "tls": {
                "cert_file": f"{certs}/order-service/server.crt",
                "key_file": f"{certs}/order-service/server.key",
                "client_ca_file": f"{certs}/ca/zone2-ca.crt",
                "client_auth": "require",
            },
        },
        "proxy": {
            "upstream": f"http://127.0.0.1:{free_port()}",
            "auth": {"enabled": False},
            "authz": {"policy_query": "data.hello.allow"},
            "mtls": {"allowed_clients": ["CN=api-gateway-client,O=MyOrg"]},
        },
        "policy": {"path": f"{folder}/policies"},
        "audit": {"path": f"{folder}/audit.jsonl"},
        "admin": {"addr": f"127.0.0.1:{free_port()}"},
        "runtime": {"state_dir": f"{folder}/state"},
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(sidecar))
    return file


def test_every_file_of_the_sources_is_in_the_wheel(wheel: Path) -> None:
    """Tables, the filter in both forms and the marks of typing too; pages for readers are not, and nothing else is."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))

    assert inside == set(_sources())
    assert "Requires-Dist: tzdata\n" in metadata


def _sources() -> Iterator[str]:
    for file in (ROOT / "src").rglob("*"):
        name = file.relative_to(ROOT / "src")
        if (
            file.is_file()
            and file.suffix != ".md"
            and not any(p.endswith(("__pycache__", "-info")) for p in name.parts)
        ):
            yield str(name)


@pytest.mark.parametrize("program", ["authz", "authz-dev"])
def test_its_programs_say_their_version_and_what_they_do(programs: Path, program: str) -> None:
    """Both without the extra."""
    version, short, long = (run(programs / program, word) for word in ("-V", "-h", "--help"))

    assert (version.returncode, short.returncode) == (0, 0)
    assert version.stdout == f"{program}, version 0.1.0\n"
    assert short.stdout == long.stdout
    assert "Commands:" in short.stdout


def test_it_checks_renders_and_tells_its_schema(programs: Path, config: Path) -> None:
    """With the real Envoy, and time zones of the package alone."""
    checked = run(programs / "authz", "check", "--config", config, PYTHONTZPATH="")
    rendered = run(programs / "authz", "render", "--config", config)
    schema = run(programs / "authz", "schema")

    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "usable"), checked.stdout + checked.stderr
    assert "inline_bytes" in rendered.stdout
    assert schema.stdout == (ROOT / "docs" / "config.schema.json").read_text(encoding="utf-8")


def test_it_runs_until_it_is_ready_and_ends_when_asked(programs: Path, config: Path) -> None:
    """Control plane, nursery, workers and Envoy, from the installed files."""
    page = f"http://{yaml.safe_load(config.read_text())['admin']['addr']}/readyz"
    environment = {"PATH": os.environ["PATH"]}
    command = [str(programs / "authz"), "run", "--config", str(config)]
    with subprocess.Popen(command, env=environment, cwd=config.parent, stderr=subprocess.PIPE, text=True) as sidecar:
        try:
            until(lambda: sidecar.poll() is not None or _is_ready(page))
        finally:
            sidecar.terminate()
        told = sidecar.communicate(timeout=60)[1]

    assert sidecar.returncode == 0, told
    assert "Traceback" not in told


def _is_ready(page: str) -> bool:
    try:
        with urllib.request.urlopen(page, timeout=5):
            return True
    except urllib.error.URLError:
        return False


@pytest.mark.parametrize("command", ["demo", "idp", "up"])
def test_without_its_extra_the_kit_says_what_to_install(programs: Path, command: str) -> None:
    """In one line; certificates and Keycloak need no more than the product."""
    ended = run(programs / "authz-dev", command)

    assert ended.returncode == 1
    assert "pip install 'FILE.whl[devkit]'" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["demo", "up"])
def test_without_the_repository_the_mesh_says_where_its_files_are(with_kit: Path, command: str) -> None:
    """Its example is not in the wheel."""
    ended = run(with_kit / "authz-dev", command)

    assert ended.returncode == 1
    assert "examples/three_zones" in ended.stderr
    assert "clone" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["idp", "keycloak", "certs"])
def test_the_rest_of_the_kit_needs_no_repository(with_kit: Path, command: str) -> None:
    """Each can be asked what it does."""
    ended = run(with_kit / "authz-dev", command, "-h")

    assert ended.returncode == 0, ended.stderr
    assert "Options:" in ended.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_its_programs_complete_their_commands(programs: Path, shell: str) -> None:
    """By the line that docs/operations.md has."""
    lines = run(programs / "authz", _AUTHZ_COMPLETE=f"{shell}_source")
    found = run(programs / "authz", _AUTHZ_COMPLETE=f"{shell}_complete", COMP_WORDS="authz ch", COMP_CWORD="1")

    assert "_AUTHZ_COMPLETE" in lines.stdout
    assert "check" in found.stdout
