"""A real sidecar that sends copies of its decisions to a real HTTPS service, in OPA's format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.faulty_server import Answer, FaultyServer
from tests.support.lone_config import REMOVED
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.patience import PATIENCE

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key

if TYPE_CHECKING:
    from tests.support.live import Json, Live

SERVER = "payment-service.zone2.local"  # any name that has a certificate
TOKEN = "t0ken-of-the-collector"


class Collector:
    """The service's side."""

    def __init__(self, server: FaultyServer, live: Live) -> None:
        self.server = server
        self._live = live
        server.script("/v1/logs", Answer())

    def config(self, zone: str = "zone2") -> dict[str, object]:
        wanted = {
            "url": self.server.url("/v1", host=SERVER),
            "token": TOKEN,
            "ca_file": str(ca_bundle(self._live.mesh.certs, zone)),
        }
        hosts = {**self._live.mesh.hosts, SERVER: self.server.address}
        return {"audit.opa_decision_log": wanted, "hosts": hosts}

    def events(self) -> list[Json]:
        seen = self.server.seen("/v1/logs")
        assert all(each.headers["authorization"] == f"Bearer {TOKEN}" for each in seen)
        return [event for each in seen for event in json.loads(gzip.decompress(each.body))]


@pytest.fixture
def collector(live: Live) -> Iterator[Collector]:
    tls = (leaf_cert(live.mesh.certs, "payment-service/server"), leaf_key(live.mesh.certs, "payment-service/server"))
    with FaultyServer(tls) as server:
        yield Collector(server, live)


def said(entries: list[Any], *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(entry[name] for name in names) for entry in entries)


def test_every_record_has_its_copy_at_the_service(
    start_sidecar: Callable[..., LoneSidecar], live: Live, collector: Collector
) -> None:
    """Allowed and refused; no token of anybody is in it, and none in the log."""
    sidecar = start_sidecar(collector.config())
    john = live.user("john")
    statuses = [
        sidecar.call("GET", "/orders/1?access_token=abc", token=john).status,
        sidecar.call("GET", "/forbidden", token=john).status,
        sidecar.call("GET", "/orders/1").status,
    ]
    assert statuses == [200, 403, 401]

    until(lambda: len(collector.events()) == 3, state=lambda: sidecar.log)
    events = collector.events()
    assert said(events, "decision_id", "timestamp") == said(sidecar.audit, "decision_id", "time")
    by_reason = {event["result"]["reason"]: event for event in events}
    assert set(by_reason) == {"allowed", "policy_denied", "token_missing"}
    allowed = by_reason["allowed"]
    assert allowed["path"] == "lone/result"
    assert allowed["input"]["mtls"]["subject"]["CN"] == "api-gateway-client"
    assert {"/input/request/query", "/input/token/email"} <= set(allowed["erased"])
    assert by_reason["token_missing"]["input"]["token"] == {}
    assert not any(secret in json.dumps(events) for secret in (john, john.rpartition(".")[2], "access_token", "@"))
    until(lambda: sidecar.metric('authz_opa_decision_log_events_total{result="delivered"}') == 3)  # once it is answered
    assert TOKEN not in sidecar.log


def test_a_service_that_is_away_costs_no_request_and_gets_what_it_missed(
    start_sidecar: Callable[..., LoneSidecar], live: Live, collector: Collector
) -> None:
    """/readyz says so meanwhile."""
    collector.server.go_down()
    sidecar = start_sidecar(collector.config())
    john = live.user("john")
    assert [sidecar.call("GET", "/orders/1", token=john).status for _ in range(5)] == [200] * 5
    until(lambda: "decision log is not delivered" in str(sidecar.readyz()["degraded"]))
    assert sidecar.readyz()["ready"]

    collector.server.come_up()
    until(lambda: len(collector.events()) == 5, state=lambda: sidecar.log)
    until(lambda: sidecar.readyz()["degraded"] == [])
    assert sidecar.log.count('"opa_decision_log_not_delivered"') == 1


def test_a_service_of_another_authority_gets_nothing(
    start_sidecar: Callable[..., LoneSidecar], live: Live, collector: Collector
) -> None:
    """Not even the token; with the right one, by a reload, it gets all."""
    sidecar = start_sidecar(collector.config("zone3"))
    assert sidecar.call("GET", "/orders/1", token=live.user("john")).status == 200
    until(lambda: "decision log is not delivered" in str(sidecar.readyz()["degraded"]))
    assert collector.server.seen() == []

    sidecar.write_config(collector.config())
    assert sidecar.call("GET", "/orders/1", token=live.user("john")).status == 200
    until(lambda: len(collector.events()) >= 1, state=lambda: sidecar.log)


def test_to_a_file_and_off_again_by_a_reload(
    start_sidecar: Callable[..., LoneSidecar], live: Live, tmp_path: Path
) -> None:
    """The last decisions before the end of the sidecar are there, too."""
    log = tmp_path / "opa.jsonl"
    sidecar = start_sidecar({"audit.opa_decision_log": {"path": str(log)}})
    john = live.user("john")
    assert sidecar.call("GET", "/orders/1", token=john).status == 200
    until(log.exists)
    log.rename(tmp_path / "rotated.jsonl")
    assert sidecar.call("GET", "/forbidden", token=john).status == 403
    assert sidecar.process is not None
    sidecar.process.terminate()
    assert sidecar.process.wait(PATIENCE) == 0
    assert [json.loads(line)["result"]["reason"] for line in log.read_text().splitlines()] == ["policy_denied"]

    sidecar.write_config({"audit.opa_decision_log": REMOVED})
    sidecar.start()
    sidecar.wait_ready()
    before = log.read_bytes()
    assert sidecar.call("GET", "/orders/1", token=john).status == 200
    until(lambda: sidecar.metric('authz_decisions_total{decision="allow",reason="allowed"}') == 1)
    assert log.read_bytes() == before
