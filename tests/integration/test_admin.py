"""What a sidecar tells about itself, on the running mesh: health, figures, token states; and nowhere a secret."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.audit_files import verified
from tests.support.live import Json, Live
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.neighbours import Answer, ask
from tests.support.ports import free_port
from tests.support.target_service import target_service

from authz_devkit.certs.tree import load_leaf
from authz_devkit.demo.caller import PASSWORD, POD, SERVICE_SECRETS
from authz_devkit.demo.mesh import PODS, Pod
from authz_service.audit.chain import Head
from authz_service.domain.refusals import Reason

PAGES = ("/livez", "/readyz", "/metrics", "/tokens", "/audit")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def admin(mesh: Live, pod: Pod, path: str, method: str = "GET") -> Answer:
    return ask((mesh.mesh.address(pod), 9901), method, path)


def figures(mesh: Live, pod: Pod) -> dict[str, float]:
    """Every sample of /metrics, by name and labels."""
    text = admin(mesh, pod, "/metrics").body.decode()
    samples = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in samples}


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod.name)
def test_a_running_sidecar_is_live_and_ready(mesh: Live, pod: Pod) -> None:
    """With nothing missing and nothing degraded."""
    assert json.loads(admin(mesh, pod, "/livez").body) == {"live": True}
    ready = admin(mesh, pod, "/readyz")
    state: Json = json.loads(ready.body)
    assert ready.status == 200
    assert (state["ready"], state["service"], state["missing"], state["degraded"]) == (True, pod.name, [], [])
    assert state["revision"]


def test_the_admin_surface_is_read_only_and_small(mesh: Live) -> None:
    """Envoy's own admin interface, which can stop and drain it, is not reachable."""
    order = POD["order"]
    assert {admin(mesh, order, page, "POST").status for page in PAGES} == {405}
    for path in ("/", "/quitquitquit", "/config_dump", "/certs", "/../../etc/passwd", "/readyz/"):
        assert admin(mesh, order, path).status == 404
    assert [admin(mesh, order, page).status for page in PAGES] == [200] * len(PAGES)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_other_hosts_are_told_what_probes_and_prometheus_need(
    start_sidecar: Callable[..., LoneSidecar], host: str
) -> None:
    """Ready or not without the reasons, figures, and no state of tokens: those are for this host."""
    place = (host.strip("[]"), free_port(host.strip("[]")))
    sidecar = start_sidecar({"admin.network_addr": f"{host}:{place[1]}"})

    ready = ask(place, "GET", "/readyz")
    assert (ready.status, json.loads(ready.body)) == (200, {"ready": True})
    assert json.loads(ask(place, "GET", "/livez").body) == {"live": True}
    assert b"authz_ready 1.0" in ask(place, "GET", "/metrics").body
    assert {path: ask(place, "GET", path).status for path in ("/tokens", "/")} == {"/tokens": 404, "/": 404}
    assert ask(place, "POST", "/readyz").status == 405

    sidecar.forkserver().kill()
    until(lambda: ask(place, "GET", "/readyz").status == 503)
    assert json.loads(ask(place, "GET", "/readyz").body) == {"ready": False}
    assert sidecar.admin("/tokens").status == 200


def test_decisions_are_counted_by_reason(mesh: Live) -> None:
    """One more of each after one more of each."""
    order = POD["order"]
    wanted = {
        'authz_decisions_total{decision="allow",reason="allowed"}': mesh.user("john"),
        'authz_decisions_total{decision="deny",reason="token_expired"}': mesh.tokens.expired(
            mesh.user("john"), "users"
        ),
        'authz_decisions_total{decision="deny",reason="token_missing"}': None,
    }
    before = figures(mesh, order)
    for token in wanted.values():
        mesh.call(order, "GET", "/inventory/PROD-123", certificate="gateway-zone2", token=token)

    until(lambda: all(figures(mesh, order).get(name, 0) == before.get(name, 0) + 1 for name in wanted))
    duration = "authz_decision_duration_seconds"
    now = figures(mesh, order)
    assert now[f"{duration}_count"] == now[f'{duration}_bucket{{le="+Inf"}}'] == before[f"{duration}_count"] + 3
    assert 0 < now[f"{duration}_sum"] < now[f"{duration}_count"]


def test_ages_and_ends_are_told(mesh: Live) -> None:
    """As they are: the certificate's own end, the token's, and how old keys and tokens are."""
    now = figures(mesh, POD["order"])
    ends = load_leaf(mesh.mesh.certs, "order-service/server").certificate.not_valid_after_utc.timestamp()
    issuer = f"{mesh.mesh.identity_url}/realms/users"

    assert now['authz_certificate_expiry_timestamp_seconds{name="server"}'] == ends
    assert 0 <= now[f'authz_keys_age_seconds{{issuer="{issuer}"}}'] < 3600
    assert now[f'authz_keys{{issuer="{issuer}"}}'] >= 1
    assert 0 <= now['authz_token_age_seconds{target="data-service"}'] < 300
    assert time.time() < now['authz_token_expiry_timestamp_seconds{target="data-service"}'] < time.time() + 301
    assert (now["authz_ready"], now["authz_degraded"], now["authz_workers"]) == (1, 0, 2)
    assert (
        now["authz_audit_failures_total"]
        == now["authz_worker_restarts_total"]
        == now["authz_envoy_restarts_total"]
        == 0
    )


def test_token_states_are_shown_without_the_token(mesh: Live) -> None:
    """Who asks whom, for what, how it went; data-service has no egress and no tokens."""
    [state] = json.loads(admin(mesh, POD["order"], "/tokens").body)["tokens"]
    assert (state["targets"], state["state"], state["client_id"]) == (["data-service"], "fresh", "order-service")
    assert state["token_url"].endswith("/realms/services/protocol/openid-connect/token")
    assert state["obtained_at"] < time.time() < state["expires_at"]
    assert json.loads(admin(mesh, POD["data"], "/tokens").body) == {"tokens": [], "exchanges": []}


def test_the_audit_page_names_the_last_record_of_each_writer(mesh: Live) -> None:
    """As the file and the metric have it; with it `authz audit verify` confirms that nothing was cut off."""
    mesh.call(POD["gateway"], "GET", "/api/v1/orders", token=mesh.user("john"))
    heads = json.loads(admin(mesh, POD["gateway"], "/audit").body)["heads"]
    file = mesh.mesh.audit_file(POD["gateway"])
    known = {head["writer"]: Head(**head) for head in heads}

    report = verified(file, heads=known)
    assert report.problems == []
    assert {writer.end for writer in report.writers.values()} == {"confirmed"}
    assert sum(head["seq"] for head in heads) > 0
    now = figures(mesh, POD["gateway"])
    assert all(now[f'authz_audit_sequence{{writer="{name}"}}'] >= head.seq for name, head in known.items())
    assert verified(file.read_bytes().splitlines(True)[:-1], heads=known).problems != []


def test_no_secret_shows_anywhere(mesh: Live) -> None:
    """Neither on a page nor in any log, audit or access record of the mesh; good requests and bad ones alike."""
    john, service = mesh.user("john"), mesh.service("order-service")
    spoilt = [mesh.tokens.tampered(john), mesh.tokens.expired(john, "users"), john[:-20], f"{john}x", service]
    for token in (john, *spoilt):
        for pod, certificate in (
            (POD["gateway"], "none"),
            (POD["order"], "gateway-zone2"),
            (POD["data"], "order-zone3"),
        ):
            mesh.call(pod, "GET", "/api/v1/orders/1", certificate=certificate, token=token)
    basic = ask((mesh.mesh.address(POD["order"]), 8080), "GET", "/data/inventory/PROD-123", headers=[("cookie", john)])
    assert basic.status == 200
    injected = injected_token(mesh, POD["order"])
    keys = ["".join(path.read_text().splitlines()[1:-1]) for path in mesh.mesh.certs.rglob("*.key")]
    secrets = [piece for token in (john, *spoilt, injected) for piece in token.split(".")[1:] if len(piece) > 20]
    secrets += [*SERVICE_SECRETS.values(), *keys]
    assert len(secrets) > 20

    shown = {str(path): path.read_text() for path in every_record(mesh)}
    shown |= {f"{pod.name}{page}": admin(mesh, pod, page).body.decode() for pod in PODS for page in PAGES}
    leaks = [(where, secret[:12]) for where, text in shown.items() for secret in secrets if secret in text]
    assert leaks == []
    assert len(shown) >= 8 + 8 + 16  # logs, audit and access records, pages
    assert f'"{PASSWORD}"' not in "".join(shown.values())
    assert any("token_signature_invalid" in text for text in shown.values())  # what we looked through is what happened


def test_what_holds_secrets_is_closed_to_others(mesh: Live) -> None:
    """The state directories: 0700, and 0600 below."""
    for pod in PODS:
        state = mesh.mesh.folder / "state" / pod.name
        for path in (state, *state.rglob("*")):
            mode = path.lstat().st_mode
            assert stat.S_IMODE(mode) & 0o077 == 0 or stat.S_ISSOCK(mode), path
    assert injected_token(mesh, POD["order"]).count(".") == 2


def every_record(mesh: Live) -> Iterator[Path]:
    """Log files of services, sidecars and identity provider; audit and access records."""
    yield from mesh.mesh.logs.iterdir()
    yield from (mesh.mesh.folder / "audit").iterdir()


def injected_token(mesh: Live, pod: Pod) -> str:
    """The one that its Envoy puts into requests now."""
    [file] = (mesh.mesh.folder / "state" / pod.name / "sds").glob("*token*")
    text = file.read_text()
    start = text.index("eyJ")
    return text[start : text.index('"', start)]


@pytest.mark.parametrize("inbound", [True, False])
def test_trace_context_is_passed_on(live: Live, *, inbound: bool) -> None:
    """W3C traceparent and tracestate, unchanged while we export no spans ourselves; none is made up."""
    sent = [("traceparent", TRACE), ("tracestate", "vendor=1")]
    with (
        target_service(live) as target,
        LoneSidecar(live, target=target.place) as sidecar,
    ):
        service, token = (sidecar.echo, live.user("john")) if inbound else (target, "")
        for headers, wanted in ((sent, [TRACE]), ([], [])):
            if inbound:
                answer = sidecar.call("GET", "/orders/1", token=token, headers=headers)
            else:
                answer = sidecar.call_egress("GET", "/data/x", headers=headers)
            assert answer.status == 200
            assert service.seen[-1].values("traceparent") == wanted
        assert service.seen[0].values("tracestate") == ["vendor=1"]


def test_a_refusal_says_nothing_about_the_inside(mesh: Live) -> None:
    """The five public facts, and no more."""
    refused = mesh.call(POD["order"], "GET", "/inventory/PROD-123", certificate="gateway-zone2", token="x.y.z")

    assert set(refused.body) == {"type", "title", "status", "reason", "decision_id", "correlation_id"}
    assert refused.reason == Reason.TOKEN_MALFORMED
    assert "server" not in refused.headers
    assert not [name for name in refused.headers if name.startswith("x-envoy")]
