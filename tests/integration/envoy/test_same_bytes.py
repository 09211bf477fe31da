"""What a caller writes reaches the service as it is, or not at all; it does not choose how the service is spoken to."""

from __future__ import annotations

import pytest
from tests.support.envoy_pair import EDGE, H2_APP, EnvoyPair
from tests.support.h2_trailers import h2_service, post_with_trailers

from authz_service import request_form
from authz_service.domain.refusals import Rejected

PATHS = ["/api/a//b", "/api//", "/api/https://example.com/x", "/api/a///b"]


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_segment_is_never_taken_away_on_the_way_in(pair: EnvoyPair, path: str) -> None:
    """The gate sees the same bytes, and refuses them (SECURITY T31); its twin without passes."""
    assert pair.call_edge(path, "PUT").status == 200
    assert pair.app.seen[-1].target == path
    assert {question.path for question in pair.edge_asked} == {path}

    with pytest.raises(Rejected):
        request_form.require_segments(path)
    assert request_form.require_segments("/api/a/b") == ["api", "a", "b"]


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/orders/bucket//key", "/bucket//key"),
        ("/orders//key", "//key"),
        ("/orders/", "/"),
        ("/orders", "/"),
        ("/orders/x", "/x"),
        ("/orders/https://example.com/x", "/https://example.com/x"),
    ],
)
def test_an_empty_segment_leaves_as_it_is(pair: EnvoyPair, path: str, there: str) -> None:
    """An object's name, a signed URL: only the route's prefix is taken away."""
    assert pair.call_egress(path).status == 200
    asked = pair.orders_gate.seen + pair.orders_gate_2.seen
    assert asked[-1].path == there


@pytest.mark.parametrize("offer", ["TLS/1.2", "TLS/1.3", "tls/1.0", "h2c", "HTTP/2.0"])
def test_an_upgrade_that_may_be_ignored_is_ignored(pair: EnvoyPair, offer: str) -> None:
    """RFC 9110 §7.8: Apache's HttpClient 5.4 and newer offers TLS with each request. What is no offer is refused."""
    offered = [("connection", "Upgrade"), ("upgrade", offer)]
    assert pair.call_edge("/api", headers=offered).status == 200
    assert pair.app.seen[-1].value("upgrade") is None
    assert pair.call_egress("/orders/x", headers=offered).status == 200

    other = [("connection", "Upgrade"), ("upgrade", "something-else")]
    assert pair.call_edge("/api", headers=other).status == 400


def test_a_content_type_chooses_no_protocol(pair: EnvoyPair) -> None:
    """SECURITY T30: an HTTP/1.1 service would hear `PRI * HTTP/2.0`, which no policy saw."""
    for kind in ("application/grpc", "application/grpc+proto"):
        assert pair.call_edge("/api/x", "POST", headers=[("content-type", kind)]).status == 200
        assert (pair.app.seen[-1].method, pair.app.seen[-1].target) == ("POST", "/api/x")


def test_a_trailer_of_a_callers_does_not_arrive(pair: EnvoyPair) -> None:
    """To a service that speaks HTTP/2 it would, and look like a header of ours (SECURITY T4). The body does."""
    headers = [(":method", "POST"), (":path", "/h2/x"), (":scheme", "https"), (":authority", "edge.test")]
    trailers = [("x-user-id", "root"), ("x-authz-peer-cert", "x"), ("grpc-status", "0")]
    with h2_service(H2_APP) as came:
        status = post_with_trailers(EDGE, pair.client_tls(pair.caller), [*headers, ("x-mine", "1")], trailers)

        assert status == "200"
    seen = [field for block in came for field in block]
    assert ("x-mine", "1") in seen
    assert not {name for name, _ in seen} & {name for name, _ in trailers}
