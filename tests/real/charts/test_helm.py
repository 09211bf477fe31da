"""The charts by Helm and kubeconform: they are good, and what they make is what was reviewed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.real.charts.prepare import KUBERNETES
from tests.support import charts

TOOLS = charts.ROOT / ".real" / "charts"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with its dependency in it; links are followed."""
    folder = tmp_path_factory.mktemp("charts") / "helm"
    shutil.copytree(charts.CHARTS, folder)
    _helm("dependency", "build", folder / "three-zones")
    return folder


def _helm(*words: object, good: bool = True) -> str:
    command = [str(TOOLS / "helm"), *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode == 0) is good, ended.stdout + ended.stderr
    return ended.stdout


def _rendered(folder: Path, *settings: str) -> str:
    changes = [word for setting in settings for word in ("--set", setting)]
    return _helm("template", "mesh", folder / "three-zones", "--kube-version", KUBERNETES, *changes)


def _kubeconform(text: str) -> subprocess.CompletedProcess[str]:
    schemas = str(TOOLS / "schemas" / "{{.ResourceKind}}{{.KindSuffix}}.json")
    command = [str(TOOLS / "kubeconform"), "-strict", "-kubernetes-version", KUBERNETES, "-schema-location", schemas]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)


def test_helm_finds_nothing_to_complain_about(folder: Path) -> None:
    """Warnings are errors."""
    _helm("lint", "--strict", "--kube-version", KUBERNETES, folder / "three-zones")
    _helm("lint", "--strict", folder / "authz-sidecar")


def test_what_it_renders_is_what_was_reviewed(folder: Path) -> None:
    """RENEW=1 writes it anew: look at the difference."""
    text = charts.with_digest(_rendered(folder))
    if os.environ.get("RENEW"):
        charts.RENDERED.write_text(text, encoding="utf-8")

    assert charts.RENDERED.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["autoscaling.decisionsPerSecond=500"],
        [
            "autoscaling.enabled=false",
            "monitoring.podMonitors=false",
            "monitoring.alerts=false",
            "monitoring.dashboard=false",
            "certificates.selfSigned=false",
        ],
        ["createNamespaces=false", "services.data-service.databaseSecret=orders", "clusterDomain=example.org"],
    ],
    ids=lambda settings: " ".join(settings) or "as it is",
)
def test_kubernetes_takes_what_it_renders(folder: Path, settings: list[str]) -> None:
    """By the schemas of its API and of the CRDs, strictly; a misspelt key is not taken."""
    text = _rendered(folder, *settings)
    good = _kubeconform(text)
    bad = _kubeconform(text.replace("readOnlyRootFilesystem", "readonlyRootFilesystem"))

    assert good.returncode == 0, good.stdout
    assert bad.returncode == 1
    assert "readonlyRootFilesystem" in bad.stdout


def test_another_cluster_has_its_own_names(folder: Path) -> None:
    """In configurations, certificates and nowhere the old ones."""
    text = _rendered(folder, "clusterDomain=example.org", "identityProvider.url=https://idp.example.com")

    assert "https://data-service.zone3.svc.example.org:8443" in text
    assert "issuer: https://idp.example.com/realms/users" in text
    assert "cluster.local" not in text
    assert "zone2.local" not in text
