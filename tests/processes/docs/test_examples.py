"""What a page prints can be pasted: shell lines are a shell's, configurations load, policies compile."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from tests.unit.docs.pages import ROOT, fenced, pages, read

from authz_devkit.cli import main as authz_dev
from authz_rego import Policy
from authz_rego.errors import RegoProblems
from authz_service.cli.main import authz
from authz_service.config.loader import load_config
from authz_service.control_plane.sources.denylist import load_denylist
from authz_service.errors import ConfigProblems
from authz_service.mesh.mesh_file import MeshFile, read_mesh_file

WHOLE = fenced(read("docs/configuration.md"), "yaml")[0]
VARIABLES = {"ORDER_SERVICE_CLIENT_SECRET": "secret"}
# One way of several to say it: a part that says another takes this one's place. Others are put beside what is there.
_ONE_OF_SEVERAL = {"jwt", "policy", "tls", "auth", "routes"}
# What a fragment of a policy leaves to its reader.
_AROUND = "package p\n\nimport rego.v1\n\n"
_NAMED = "\ndefault allow := false\n\nreasons := []\n"
_COMMAND = re.compile(r"^(authz(?:-dev)?)((?: +[a-z]+)+)([^#|&\n]*)", re.MULTILINE)


def _blocks(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{page.relative_to(ROOT)}-{number}")
        for page in pages()
        for number, block in enumerate(fenced(page.read_text(encoding="utf-8"), language))
    ]


@pytest.mark.parametrize("block", _blocks("sh"))
def test_shell_lines_are_a_shells(block: str) -> None:
    """Quotes and heredocs end; and our commands have the options that are written."""
    read_by_bash = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False, timeout=30)

    assert (read_by_bash.returncode, read_by_bash.stderr) == (0, "")
    for program, words, rest in _COMMAND.findall(block.replace("\\\n", " ")):
        options = {word.partition("=")[0] for word in rest.split() if word.startswith("-")}
        assert options <= _options(authz if program == "authz" else authz_dev, words.split()), (program, words, rest)


def _options(command: click.Command, words: list[str]) -> set[str]:
    context = click.Context(command)
    for word in words:
        below = command.get_command(context, word) if isinstance(command, click.Group) else None
        if below is None:
            break
        command = below
    if command.name == "certs":  # `certs DIR` is short for `certs create DIR`
        return _options(command, ["create"])
    return {option for parameter in command.params for option in parameter.opts}


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        beside = key not in _ONE_OF_SEVERAL and isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _laid_over(merged[key], value) if beside else value
    return merged


def _load(text: str, folder: Path) -> None:
    """A part of a configuration within the whole one, as `authz check --anywhere`; the denylist as such."""
    file = folder / "example.yaml"
    part = yaml.safe_load(text)
    if "not_before" in part:
        file.write_text(text, encoding="utf-8")
        load_denylist(file)
        return
    whole = yaml.safe_load(WHOLE)
    if part.get("proxy", {}).get("mode") == "decision_only":  # nothing of what our own Envoy is told
        whole = {key: whole[key] for key in ("service", "jwt", "policy")}
        whole |= {"proxy": {"authz": {"policy_query": "data.order.allow"}}}
    file.write_text(yaml.safe_dump(_laid_over(whole, part), sort_keys=False), encoding="utf-8")
    load_config(file, VARIABLES, anywhere=True)


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_configurations_load(block: str, tmp_path: Path) -> None:
    """The whole one, and each part in its place."""
    _load(block, tmp_path)


@pytest.mark.parametrize("mistake", ["proxy: {hedaers: {}}", "http: {trusted_proxies: 7}", "egress: {addr: nowhere}"])
def test_a_part_that_does_not_fit_would_be_seen(mistake: str, tmp_path: Path) -> None:
    """A wrong key, type or value."""
    with pytest.raises(ConfigProblems):
        _load(mistake, tmp_path)


def test_the_mesh_file_of_its_page_can_be_read(tmp_path: Path) -> None:
    """With every key, and each has its row."""
    page = read("docs/mesh.md")
    (tmp_path / "mesh.yaml").write_text(fenced(page, "yml")[0], encoding="utf-8")

    read_back = read_mesh_file(tmp_path)

    assert set(read_back.principals) == {"reader", "catalog"}
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [*MeshFile.__struct_fields__]


@pytest.mark.parametrize("block", _blocks("rego"))
def test_policies_compile(block: str) -> None:
    """But for what is shown as it was with another product, which is refused for that alone."""
    text = block if block.startswith("package ") else _AROUND + block + _NAMED
    if not block.startswith("# before\n"):
        Policy.compile([("p.rego", text)])
        return
    with pytest.raises(RegoProblems) as refused:
        Policy.compile([("p.rego", text)])
    assert {problem.found for problem in refused.value.problems} == {"`io.jwt.decode_verify` is not there"}
