"""W3C trace context goes through the gate and on to the service; spans go to the collector when one is configured."""

import time
from pathlib import Path

from tests.support.envoy_pair import BLOCK
from tests.support.neighbours import Neighbour, ask
from tests.support.patience import PATIENCE
from tests.support.real_envoy import RealEnvoy

from authz_service import headers
from authz_service.config.model import Config

HOST = f"{BLOCK}.5.1"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def _config(*, tracing: bool) -> Config:
    return Config.model_validate(
        {
            "service": {"name": "traced"},
            "http": {"addr": f"{HOST}:21000", "tls": {"enabled": False}},
            "proxy": {"upstream": f"http://{HOST}:21900", "authz": {"enabled": False}},
            "tracing": {"otlp_url": f"http://{HOST}:21318/v1/traces"} if tracing else None,
        }
    )


def test_a_callers_trace_goes_on_and_is_exported(tmp_path: Path) -> None:
    """The same trace id for the gate, the service and the collector; the span carries the correlation id."""
    envoy = RealEnvoy(_config(tracing=True), tmp_path, {})
    with (
        Neighbour(envoy.paths.worker_socket(0)) as gate,
        Neighbour(envoy.paths.worker_socket(1)) as other_gate,
        Neighbour((HOST, 21900)) as service,
        Neighbour((HOST, 21318)) as collector,
        envoy,
    ):
        ask((HOST, 21000), "GET", "/", headers=[("traceparent", PARENT), (headers.CORRELATION_ID, "an-id")])
        deadline = time.monotonic() + PATIENCE
        while not collector.seen:
            assert time.monotonic() < deadline, envoy.log
            time.sleep(0.05)

    (question,) = [*gate.seen, *other_gate.seen]
    for request in (question, service.seen[0]):
        (parent,) = request.values("traceparent")
        assert parent.split("-")[1] == TRACE
        assert parent != PARENT
    exported = collector.seen[0]
    assert exported.target == "/v1/traces"
    assert bytes.fromhex(TRACE) in exported.body
    assert b"an-id" in exported.body
    assert b"traced" in exported.body


def test_without_a_collector_the_context_only_passes_through(tmp_path: Path) -> None:
    """The no of the test above."""
    envoy = RealEnvoy(_config(tracing=False), tmp_path, {})
    with (
        Neighbour(envoy.paths.worker_socket(0)),
        Neighbour(envoy.paths.worker_socket(1)),
        Neighbour((HOST, 21900)) as service,
        envoy,
    ):
        ask((HOST, 21000), "GET", "/", headers=[("traceparent", PARENT)])

    assert service.seen[0].values("traceparent") == [PARENT]
