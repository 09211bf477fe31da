"""The two wheels hold all that runs: the product needs neither this repository nor the development kit."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support import wheel as wheels
from tests.support.lone_sidecar import until
from tests.support.patience import PATIENCE
from tests.support.ports import free_port
from tests.support.wheel import ROOT, run

_BUILT_AT = {"SOURCE_DATE_EPOCH": "1700000000"}
MODULE = "authz_service/envoy/libdecision_cache.so"
_POLICY = """package hello

allow if {
	upper("a") == "A" # a builtin, of its table
	time.clock([0, "Europe/Berlin"])[0] == 1 # of the packaged zones
	input.request.segments[0] == "hello"
}
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.copy_sources(tmp_path_factory.mktemp("copied"))


@pytest.fixture(scope="module")
def product(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.build_wheel(sources, tmp_path_factory.mktemp("wheel"), **_BUILT_AT)


@pytest.fixture(scope="module")
def kit(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.build_wheel(sources / "devkit", tmp_path_factory.mktemp("wheel"), **_BUILT_AT)


@pytest.fixture(scope="module")
def programs(product: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product alone, as in production."""
    return wheels.install([product], tmp_path_factory.mktemp("product"), "runtime.txt")


@pytest.fixture(scope="module")
def with_kit(product: Path, kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both."""
    return wheels.install([product, kit], tmp_path_factory.mktemp("kit"), "devkit.txt")


@pytest.fixture(scope="module")
def config(with_kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new service's, with the ports of this test, and a policy that needs tables of the wheel."""
    folder = tmp_path_factory.mktemp("new") / "hello"
    made = run(with_kit / "authz-dev", "new", folder, "--upstream", f"http://127.0.0.1:{free_port()}")
    assert made.returncode == 0, made.stderr
    (folder / "policies" / "hello.rego").write_text(_POLICY)
    file = folder / "config.yaml"
    sidecar = yaml.safe_load(file.read_text())
    sidecar["http"]["addr"] = f"127.0.0.1:{free_port()}"
    sidecar["admin"]["addr"] = f"127.0.0.1:{free_port()}"
    sidecar["proxy"]["auth"] = {"enabled": False}
    sidecar["proxy"]["authz"]["policy_query"] = "data.hello.allow"
    file.write_text(yaml.safe_dump(sidecar))
    return file


def test_every_file_of_the_sources_is_in_one_of_the_wheels(product: Path, kit: Path) -> None:
    """Tables, the filter in both forms and the marks of typing too; pages for readers are not, and nothing else is."""
    (of_product, told), (of_kit, told_of_kit) = _contents(product), _contents(kit)

    compiled = {MODULE} if wheels.HAS_COMPILER else set()
    assert of_product | of_kit == {*_sources(), *compiled}
    assert {name.partition("/")[0] for name in of_product} == {"authz_service", "authz_rego", "authz_realm"}
    assert {name.partition("/")[0] for name in of_kit} == {"authz_devkit"}
    assert "Requires-Dist: tzdata\n" in told
    assert f"Requires-Dist: authz-service=={_version(told)}\n" in told_of_kit
    assert _version(told_of_kit) == _version(told)


def _contents(wheel: Path) -> tuple[set[str], str]:
    """Its files but those of the packaging, and its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
        return {name for name in archive.namelist() if ".dist-info/" not in name}, metadata


def _version(metadata: str) -> str:
    return metadata.partition("\nVersion: ")[2].partition("\n")[0]


def test_the_same_sources_make_the_same_bytes(product: Path, tmp_path: Path) -> None:
    """Elsewhere, later, of files of another day. `make dist` sees to the rest, as that nobody's umask is in it."""
    elsewhere = wheels.copy_sources(tmp_path)
    for file in elsewhere.rglob("*.*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    (tmp_path / "same").mkdir()
    again = wheels.build_wheel(elsewhere, tmp_path / "same", **_BUILT_AT, PYTHONHASHSEED="7", TZ="Asia/Tokyo")

    assert again.read_bytes() == product.read_bytes()


@pytest.mark.skipif(not wheels.HAS_COMPILER, reason="there is no C compiler")
def test_with_what_envoy_loads_a_wheel_is_for_one_platform_and_without_for_all(product: Path, tmp_path: Path) -> None:
    """Where nothing compiles it, it is left out, and the wheel is made all the same."""
    without = wheels.build_wheel(wheels.copy_sources(tmp_path), tmp_path, **_BUILT_AT, PATH="/nowhere", CC="")

    assert product.name.endswith(f"-py3-none-{sysconfig.get_platform().replace('-', '_')}.whl")
    assert without.name.endswith("-py3-none-any.whl")
    assert _contents(product)[0] - _contents(without)[0] == {MODULE}


def _sources() -> Iterator[str]:
    for file in (ROOT / "src").rglob("*"):
        name = file.relative_to(ROOT / "src")
        if (
            file.is_file()
            and file.suffix not in {".md", ".so"}
            and not any(p.endswith(("__pycache__", "-info")) or p == "envoy_module" for p in name.parts)
        ):
            yield str(name)


@pytest.mark.parametrize("program", ["authz", "authz-dev"])
def test_its_programs_say_their_version_and_what_they_do(with_kit: Path, program: str) -> None:
    """In short and at length."""
    version, short, long = (run(with_kit / program, word) for word in ("-V", "-h", "--help"))

    assert (version.returncode, short.returncode) == (0, 0)
    assert version.stdout == f"{program}, version 0.1.0\n"
    assert short.stdout == long.stdout
    assert "Commands:" in short.stdout


def test_the_product_brings_nothing_of_the_kit(programs: Path) -> None:
    """Neither command nor package."""
    assert (programs / "authz").exists()
    assert not (programs / "authz-dev").exists()
    assert run(programs / "python", "-c", "import authz_devkit").returncode == 1


def test_it_checks_renders_and_tells_its_schema(programs: Path, config: Path) -> None:
    """With the real Envoy, and time zones of the package alone."""
    checked = run(programs / "authz", "check", "--config", config, PYTHONTZPATH="")
    rendered = run(programs / "authz", "render", "--config", config)
    schema = run(programs / "authz", "schema")

    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "usable"), checked.stdout + checked.stderr
    assert "inline_bytes" in rendered.stdout
    assert schema.stdout == (ROOT / "docs" / "config.schema.json").read_text(encoding="utf-8")


def test_it_runs_until_it_is_ready_and_ends_when_asked(programs: Path, config: Path) -> None:
    """Control plane, forkserver, workers and Envoy, from the installed files."""
    page = f"http://{yaml.safe_load(config.read_text())['admin']['addr']}/readyz"
    environment = {"PATH": os.environ["PATH"]}
    command = [str(programs / "authz"), "run", "--config", str(config)]
    with subprocess.Popen(command, env=environment, cwd=config.parent, stderr=subprocess.PIPE, text=True) as sidecar:
        try:
            until(lambda: sidecar.poll() is not None or _is_ready(page))
        finally:
            sidecar.terminate()
        told = sidecar.communicate(timeout=PATIENCE)[1]

    assert sidecar.returncode == 0, told
    assert "Traceback" not in told


def _is_ready(page: str) -> bool:
    try:
        with urllib.request.urlopen(page, timeout=PATIENCE):
            return True
    except urllib.error.URLError:
        return False


@pytest.mark.parametrize("command", ["demo", "up"])
def test_without_the_repository_the_mesh_says_where_its_files_are(with_kit: Path, command: str) -> None:
    """Its example is not in the wheel."""
    ended = run(with_kit / "authz-dev", command)

    assert ended.returncode == 1
    assert "examples/three_zones" in ended.stderr
    assert "clone" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["new", "idp", "keycloak", "certs"])
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
