"""The data service's pod as the chart renders it, without a cluster, through its whole life."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support import alerts, charts
from tests.support.curl import needs_curl
from tests.support.lone_sidecar import until
from tests.support.patience import PATIENCE
from tests.support.pod import USER, Pod, Volume

from authz_devkit.certs.own_names import add_names
from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import create_tree

pytestmark = [
    needs_curl,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else and mount"),
]
HOST, PROVIDER = "data-service.zone3.svc.cluster.local", "keycloak.identity.svc.cluster.local"
_REALMS = str(charts.ROOT / "examples" / "three_zones" / "realms")
ADMIN = "http://127.0.0.1:9902"
_OF_LIMITS = {"envoy_http_local_rate_limit_enforced", "envoy_cluster_upstream_rq_active_overflow"}
_SLOW_APP = """
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(2 if self.path.endswith("SLOW") else 0)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the app")
http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Slow).serve_forever()
"""


class DataPod:
    def __init__(self, folder: Path) -> None:
        self.certs = folder / "certs"
        add_names(self.certs, "zone3", {"data-service": HOST, "idp": PROVIDER}, ["order-service"])
        create_tree(self.certs, now=datetime.now(UTC))
        config = charts.find_object("ConfigMap", "data-service-authz")["data"]["config.yaml"]
        # Beside the sidecar in one network, so at another port.
        config = config.replace(f"{PROVIDER}:8443", f"{PROVIDER}:8444")
        self.policy = charts.find_object("ConfigMap", "data-service-authz-policies")["data"]
        self.policies = Volume(folder / "policies", self._policies(self.policy), 0o644)
        self.certificates = Volume(folder / "certificates", self._certificates(), 0o440)
        mounts = {mount["name"]: mount["mountPath"] for mount in charts.sidecar("data-service")["volumeMounts"]}
        Volume(folder / "config", {"config.yaml": config.encode()}, 0o644)
        self.pod = Pod(
            folder,
            {
                mounts["authz-config"]: folder / "config",
                mounts["authz-policies"]: folder / "policies",
                mounts["authz-certificates"]: folder / "certificates",
            },
            f"127.0.0.1 localhost {PROVIDER}",
        )

    @staticmethod
    def _policies(texts: dict[str, str]) -> dict[str, bytes]:
        return {name: text.encode() for name, text in texts.items()}

    def _certificates(self) -> dict[str, bytes]:
        """As the chart projects them; both CAs are one here."""
        ca = (self.certs / "ca" / "zone3-ca.crt").read_bytes()
        server = {
            f"server.{kind}": (self.certs / "data-service" / f"server.{kind}").read_bytes() for kind in ("crt", "key")
        }
        return {"ca.crt": ca, "identity-ca.crt": ca, **server}

    def start(self) -> None:
        program = str(Path(sys.executable).parent / "authz")
        self.pod.start(program, *charts.sidecar("data-service")["args"])
        until(self.pod.is_alone)
        self.pod.beside(sys.executable, "-c", _SLOW_APP)
        idp = self.certs / "idp"
        self.pod.beside(
            str(Path(sys.executable).parent / "authz-dev"), "idp", "--realms", _REALMS,
            "--listen", "127.0.0.1:8444", "--hostname", f"https://{PROVIDER}:8444",
            "--cert", f"{idp}/server.crt", "--key", f"{idp}/server.key",
        )  # fmt: skip

    def page(self, path: str) -> int:
        return int(self.pod.ask("-o", "/dev/null", "-w", "%{http_code}", f"{ADMIN}{path}") or 0)

    def token(self) -> str:
        url = f"https://{PROVIDER}:8444/realms/services/protocol/openid-connect/token"
        realm = json.loads((charts.ROOT / "examples/three_zones/realms/services-realm.json").read_text())
        (secret,) = (one["secret"] for one in realm["clients"] if one["clientId"] == "order-service")
        form = ("-d", "grant_type=client_credentials", "-d", "client_id=order-service", "-d", f"client_secret={secret}")
        scopes = ("-d", "scope=data-service:read data-service:write")
        answer = self.pod.ask(*self._tls(PROVIDER, 8444), *form, *scopes, url)
        return str(json.loads(answer)["access_token"])

    def call(self, path: str, token: str = "", *, certificate: bool = True) -> tuple[str, ...]:
        words = self._tls(HOST, 8443)
        if certificate:
            words += ("--cert", f"{self.certs}/order-service/client-zone3.crt")
            words += ("--key", f"{self.certs}/order-service/client-zone3.key")
        if token:
            words += ("-H", f"Authorization: Bearer {token}", "-H", "X-User-Context: user-1")
        return (*words, "-o", "/dev/null", "-w", "%{http_code}", f"https://{HOST}:8443{path}")

    def _tls(self, host: str, port: int) -> tuple[str, ...]:
        return ("--cacert", f"{self.certs}/ca/zone3-ca.crt", "--resolve", f"{host}:{port}:127.0.0.1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPod]:
    folder = tmp_path_factory.mktemp("pod")
    for each in (folder, *folder.parents):  # nobody has to reach the folders of this test
        if not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o011)
    made = DataPod(folder)
    made.start()
    try:
        until(lambda: made.page("/readyz") == 200, state=made.pod.log.read_text)
        yield made
    finally:
        made.pod.end()


def test_it_is_nobody_and_writes_nowhere_but_to_its_state(data: DataPod) -> None:
    """As its securityContext says; and the probes' pages answer at the port of the chart."""
    status = data.pod.status()

    assert set(status["Uid"].split()) == {str(USER)}
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert "ro" in data.pod.root_options().split(",")
    assert data.page("/livez") == 200


def test_it_decides(data: DataPod) -> None:
    """A good call passes; one without its token or its certificate does not."""
    token = data.token()

    assert data.pod.ask(*data.call("/inventory/PROD-1", token)) == "200"
    assert data.pod.ask(*data.call("/inventory/PROD-1")) == "401"
    assert data.pod.ask(*data.call("/inventory/PROD-1", token, certificate=False)) == "000"


def test_a_changed_config_map_acts_without_a_restart(data: DataPod) -> None:
    """By the link that kubelet replaces; and back."""
    token = data.token()
    closed = dict.fromkeys(data.policy, "package dataservice\n\nimport rego.v1\n\nresult := false\n")
    data.policies.write({name: text.encode() for name, text in closed.items()})
    until(lambda: data.pod.ask(*data.call("/inventory/PROD-1", token)) == "403", state=data.pod.log.read_text)

    data.policies.write(data._policies(data.policy))
    until(lambda: data.pod.ask(*data.call("/inventory/PROD-1", token)) == "200", state=data.pod.log.read_text)


def test_a_renewed_secret_is_served_without_a_restart(data: DataPod) -> None:
    """The next handshake has the next certificate."""
    ask = (*data._tls(HOST, 8443), "-o", "/dev/null", "-w", "%{certs}", f"https://{HOST}:8443/")
    before = _serial(data, ask)
    assert before
    rotate_leaf(data.certs, "data-service/server", now=datetime.now(UTC))
    data.certificates.write(data._certificates())

    until(lambda: _serial(data, ask) not in {before, ""}, state=data.pod.log.read_text)


def _serial(data: DataPod, ask: tuple[str, ...]) -> str:
    """Of the certificate that is served; TLS goes so far without a client certificate, too."""
    key = f"{data.certs}/order-service/client-zone3"
    told = data.pod.ask("--cert", f"{key}.crt", "--key", f"{key}.key", *ask)
    return next((line for line in told.splitlines() if line.startswith("Serial Number:")), "")


def test_every_metric_of_dashboard_and_alarms_is_there(data: DataPod) -> None:
    """But those of what this pod does not do: targets, and limits that are off. A misspelt one is in no pod."""
    asked = {name for _, text in alerts.questions() for name in alerts.metrics(text)}
    asked |= {name for rule in alerts.RULES for name in alerts.metrics(rule["expr"])}
    not_here = {"authz_token_expiry_timestamp_seconds", *_OF_LIMITS}

    def missing() -> set[str]:
        lines = data.pod.ask(f"{ADMIN}/metrics").splitlines()
        return asked - {line.partition("{")[0].partition(" ")[0] for line in lines}

    assert not_here <= asked
    until(lambda: missing() == not_here, state=lambda: str(missing()))  # Envoy adds up its times every five seconds


def test_at_sigterm_it_stops_being_ready_answers_what_it_has_and_ends(data: DataPod) -> None:
    """The order in which kubelet ends a native sidecar: the app is there until it is gone. It ends with 0."""
    slow = data.pod.asking(*data.call("/inventory/SLOW", data.token()))
    until(lambda: "SLOW" in data.pod.log.read_text())
    data.pod.process.send_signal(signal.SIGTERM)
    until(lambda: data.page("/readyz") in {503, 0})

    assert slow.communicate(timeout=PATIENCE)[0] == "200"
    assert data.pod.process.wait(PATIENCE) == 0
