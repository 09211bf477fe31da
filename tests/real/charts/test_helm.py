"""The charts by Helm and kubeconform: they are good, and what they make is what was reviewed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.real.charts.prepare import KUBERNETES
from tests.support import charts

from authz_service.config.loader import load_config

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


_OWN = {
    "Chart.yaml": """
apiVersion: v2
name: own
version: 1.0.0
dependencies: [{name: authz-sidecar, version: 0.1.0, repository: "file://../authz-sidecar"}]
""",
    "templates/all.yaml": """
{{- $sidecar := .Values.sidecar }}
{{- range list "configMaps" "certificates" "service" "networkPolicy" "podDisruptionBudget" "podMonitor" }}
---
{{ include (printf "authz-sidecar.%s" .) $sidecar }}
{{- end }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{- include "authz-sidecar.metadata" $sidecar | nindent 2 }}
spec:
  selector:
    matchLabels: {{- include "authz-sidecar.selectorLabels" $sidecar | nindent 6 }}
  template:
    metadata:
      labels: {{- include "authz-sidecar.labels" $sidecar | nindent 8 }}
    spec:
      securityContext: {{- include "authz-sidecar.podSecurityContext" $sidecar | nindent 8 }}
      initContainers: {{- include "authz-sidecar.container" $sidecar | nindent 8 }}
      containers: [{name: app, image: shop}]
      volumes: {{- include "authz-sidecar.volumes" $sidecar | nindent 8 }}
""",
    "values.yaml": """
sidecar:
  name: shop
  namespace: shops
  zone: zone7
  image: registry.example.com/authz@sha256:0
  organization: Example
  hosts: [shop.example.com]
  identityProviderCa: idp-ca
  identityProviderPort: 443
  identityProviderPeers: [{ipBlock: {cidr: 192.0.2.7/32}}]
  monitoringNamespace: monitoring
  secrets: [shop-client]
  targets: [stock]
  targetZones: {stock: zone8}
  targetPeers: [{name: stock, namespace: stocks}]
  callers: []
  extraEgress: [{to: [{podSelector: {matchLabels: {app: redis}}}], ports: [{port: 6379}]}]
  config:
    service: {name: shop, zone: zone7}
    jwt: {issuer: "https://idp.example.com/realms/shops", audience: shop}
    http: {tls: {enabled: true, client_ca_file: here, client_auth: require}, max_connections: 200}
    proxy:
      upstream: http://127.0.0.1:9000
      authz: {policy_query: data.shop.allow}
      mtls: {allowed_clients: ["CN=web-client,O=Example"]}
    policy: {bundle: {url: "https://bundles.example.com/shop.tar.gz", keys: {k1: /etc/secrets/bundle.pem}}}
    egress:
      enabled: true
      token_store: {type: redis, url: "redis://redis:6379/0", encryption_key_file: /etc/secrets/store}
      targets:
        stock:
          url: https://stock.example.com:8443
          auth:
            {type: oauth2_client_credentials, token_url: "https://idp.example/token", client_id: shop, client_secret: x}
          tls: {enabled: true}
      routes: [{path_prefix: /stock, target: stock}]
""",
}


def test_a_chart_of_ones_own_includes_the_library(folder: Path, tmp_path: Path) -> None:
    """With policies from a bundle and tokens in Redis, as they are; and its other keys stay."""
    own = folder / "own"
    for name, text in _OWN.items():
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text(text)
    _helm("dependency", "build", own)
    text = _helm("template", "shop", own, "--kube-version", KUBERNETES)
    ended = _kubeconform(text)
    config = next(each for each in yaml.safe_load_all(text) if each["kind"] == "ConfigMap")["data"]["config.yaml"]
    file = tmp_path / "config.yaml"
    file.write_text(config)

    assert ended.returncode == 0, ended.stdout
    loaded = load_config(file, {}, anywhere=True)
    assert set(yaml.safe_load(config)["policy"]) == {"bundle"}
    assert loaded.http.max_connections == 200
    assert "authz-policies" not in text
    assert yaml.safe_load(config)["egress"]["targets"]["stock"]["auth"]["client_secret_file"] == "/etc/secrets/shop"


def test_another_cluster_has_its_own_names(folder: Path) -> None:
    """In configurations, certificates and nowhere the old ones."""
    text = _rendered(folder, "clusterDomain=example.org", "identityProvider.url=https://idp.example.com")

    assert "https://data-service.zone3.svc.example.org:8443" in text
    assert "issuer: https://idp.example.com/realms/users" in text
    assert "cluster.local" not in text
    assert "zone2.local" not in text
