"""A reload changes the workers' rules and Envoy's routes one after the other; nobody passes in between."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import gate, request, rules

from authz_service import headers
from authz_service.audit.chain import Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.ingress_decision import IngressDecisions
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import GateRules, RouteRules
from authz_service.headers import listener_tag


def revision(tag: str, **changes: object) -> GateRules:
    routes = (RouteRules("/orders", auth_required=True, methods=(), downstream=""),)
    return msgspec.structs.replace(rules(), tag=tag, **({"routes": routes} | changes))


def service(given: GateRules, listeners: dict[bytes, frozenset[str]], folder: Path) -> IngressDecisions:
    audit = AuditWriter(Chain("", 0), AuditSink(str(folder / "audit")))
    return IngressDecisions(gate(given), audit, WorkerCounters(), listeners, InFlight(1))


def routed_by(tag: str, served: IngressDecisions) -> bytes:
    """The answer to a good request that Envoy routed by the configuration of `tag`."""
    good = request()
    found = {headers.ROUTE.encode(): f"{tag}|/orders".encode(), b"host": good.host.encode()}
    asked = served.read(b"POST", b"/check-%s/orders" % good.listener, found)
    return served.answer(good._replace(route=asked.route))


def test_a_request_is_judged_by_the_rules_of_the_configuration_that_routed_it(tmp_path: Path) -> None:
    """Any other gives 503: its route may have had other rules."""
    served = service(revision("aaaaaaaa"), {}, tmp_path)

    assert routed_by("aaaaaaaa", served).startswith(b"HTTP/1.1 200 ")
    answer = routed_by("bbbbbbbb", served)
    assert answer.startswith(b"HTTP/1.1 463 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["reason"] == Reason.DECISION_UNAVAILABLE


@pytest.mark.parametrize("spelled", ["/orders|aaaaaaaa", "aaaaaaaa|", "-", "aaaaaaaa|/orders|x"])
def test_no_other_spelling_of_a_route_is_that_route(tmp_path: Path, spelled: str) -> None:
    served = service(revision("aaaaaaaa"), {}, tmp_path)
    good = request()
    found = {headers.ROUTE.encode(): spelled.encode()}

    asked = served.read(b"POST", b"/check-%s/orders" % good.listener, found)
    assert not served.answer(good._replace(route=asked.route)).startswith(b"HTTP/1.1 200 ")


def test_an_older_listener_gets_no_header_that_it_would_not_take_from_us(tmp_path: Path) -> None:
    """A listener that is not known took none; the present one takes all."""
    older = listener_tag(["x-user-id"]).encode()
    served = service(rules(), {older: frozenset({"x-user-id"})}, tmp_path)

    present = served.answer(request())
    assert b"x-user-id: " in present
    assert b"x-user-email: " in present
    drained = served.answer(request(listener=older))
    assert b"x-user-id: " in drained
    assert b"x-user-email: " not in drained
    assert b"x-envoy-auth-headers-to-remove: x-user-email" in drained
    stranger = served.answer(request(listener=b"00000000"))
    assert b"x-user-id: " not in stranger
