"""`egress.strict: false`: what the service writes leaves as it is, and still goes to no other target."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.envoy_pair import BLOCK, EnvoyPair
from tests.support.neighbours import Address, Neighbour, ask, send_raw
from tests.support.real_envoy import RealEnvoy

from authz_service.config.model import Config
from authz_service.domain.refusals import Reason

EGRESS: Address = (f"{BLOCK}.9.1", 21080)
TARGET: Address = (f"{BLOCK}.9.1", 21900)
OTHER: Address = (f"{BLOCK}.9.1", 21901)
CONFIG = Config.model_validate(
    {
        "egress": {
            "addr": f"{EGRESS[0]}:{EGRESS[1]}",
            "strict": False,
            "targets": {
                "open": {"url": f"http://{TARGET[0]}:{TARGET[1]}"},
                "other": {"url": f"http://{OTHER[0]}:{OTHER[1]}"},
            },
            "routes": [
                {"path_prefix": "/open", "target": "open", "strip_prefix": "/open"},
                {"path_prefix": "/open/other", "target": "other"},
            ],
        },
    }
)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Neighbour, Neighbour]]:
    envoy = RealEnvoy(CONFIG, tmp_path_factory.mktemp("s"), {})
    with Neighbour(TARGET) as target, Neighbour(OTHER) as other, envoy:
        yield target, other


@pytest.mark.parametrize(
    "path",
    [
        *("/api/v4/projects/group%2Fproject", "/api/queues/%2F/q", "/100%25", "/a%252Fb", "/100%EF%BC%85", "/a%5Cb"),
        *("/bucket//key", "/a;v=1/b", "/a..;", "/%00"),
    ],
)
def test_a_path_leaves_as_it_is(targets: tuple[Neighbour, Neighbour], pair: EnvoyPair, path: str) -> None:
    """By default most of them are refused: test_a_path_that_may_mean_another_is_refused."""
    target, other = targets
    other.reset()

    answer = ask(EGRESS, "GET", f"/open{path}?q=%2F")

    if path == "/%00":  # no URL at all
        assert answer.status == 400
        return
    assert answer.status == 200
    assert target.seen[-1].target == f"{path}?q=%2F"
    assert other.seen == []
    if "%2F" in path or "%25" in path or "%5C" in path:
        assert pair.call_egress(f"/open{path}").problem["reason"] == Reason.PATH_REFUSED


def test_dots_are_resolved_before_the_route_is_found(targets: tuple[Neighbour, Neighbour]) -> None:
    """So `..` leads to the route that it names, or to none; what only looks like it stays with its own target."""
    target, other = targets
    target.reset()
    other.reset()

    assert ask(EGRESS, "GET", "/open/x/../other/y").status == 200
    assert [seen.target for seen in other.seen] == ["/open/other/y"]
    assert ask(EGRESS, "GET", "/open/../x").status == 404
    assert target.seen == []
    assert ask(EGRESS, "GET", "/open/..%2Fother").status == 200
    assert [seen.target for seen in target.seen] == ["/..%2Fother"]


def test_an_odd_header_name_and_http_1_0_pass(targets: tuple[Neighbour, Neighbour], pair: EnvoyPair) -> None:
    """nginx spoke HTTP/1.0 to its upstreams for years. Not so where it is strict."""
    target, _ = targets

    assert ask(EGRESS, "GET", "/open/x", headers=[("x_request_tag", "1")]).status == 200
    assert target.seen[-1].values("x_request_tag") == ["1"]
    assert b" 200 OK" in send_raw(EGRESS, b"GET /open/old HTTP/1.0\r\n\r\n")
    assert target.seen[-1].target == "/old"

    assert pair.call_egress("/open/x", headers=[("x_request_tag", "1")]).problem["reason"] == Reason.REQUEST_INVALID


@pytest.mark.parametrize("sent", [[("origin", "https://evil.example")], [("host", "rebound.example")]])
def test_a_browser_and_trace_are_refused_all_the_same(
    targets: tuple[Neighbour, Neighbour], sent: list[tuple[str, str]]
) -> None:
    """These are not the service's own."""
    target, _ = targets
    target.reset()

    assert ask(EGRESS, "GET", "/open/x", headers=sent).problem["reason"] == Reason.BROWSER_REFUSED
    assert ask(EGRESS, "TRACE", "/open/x").problem["reason"] == Reason.METHOD_NOT_ALLOWED
    assert target.seen == []
