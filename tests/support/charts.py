"""The charts as Helm rendered them last (tests/golden/charts, by `make test-helm`), and of which files that was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "deploy" / "helm"
RENDERED = ROOT / "tests" / "golden" / "charts" / "three-zones.yaml"
_OF = "# rendered of: "


def sources_digest() -> str:
    """Over all that Helm reads: the charts, and the example's files behind their links."""
    digest = hashlib.sha256()
    for file in sorted(_files(CHARTS)):
        digest.update(f"{file.relative_to(CHARTS)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry)
        elif entry.name != "README.md":
            yield entry


def with_digest(rendered: str) -> str:
    return f"{_OF}{sources_digest()}\n{rendered}"


def rendered_digest() -> str:
    with RENDERED.open(encoding="utf-8") as file:
        return file.readline().removeprefix(_OF).strip()


def objects(*kinds: str) -> list[dict[str, Any]]:
    documents = yaml.safe_load_all(RENDERED.read_text(encoding="utf-8"))
    return [each for each in documents if each and (not kinds or each["kind"] in kinds)]


def find_object(kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in objects(kind) if each["metadata"]["name"] == name)
    return found


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = find_object("Deployment", name)["spec"]["template"]["spec"]
    return spec


def sidecar(name: str) -> dict[str, Any]:
    """The container; it is an init container where there is an app."""
    containers = [*pod(name).get("initContainers", []), *pod(name)["containers"]]
    (found,) = (each for each in containers if each["name"] == "authz")
    return dict(found)


def write_mounts(name: str, folder: Path) -> None:
    """What the ConfigMaps put into the pod, below `folder`: /etc/authz/config and /etc/authz/policies."""
    for volume, place in (("authz", "config"), ("authz-policies", "policies")):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for file, text in find_object("ConfigMap", f"{name}-{volume}")["data"].items():
            (folder / place / file).write_text(text, encoding="utf-8")
