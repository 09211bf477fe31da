"""The trap of SECURITY §1 at the egress (T12): the service's token goes to its target, below its path, for it alone."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from tests.support.echo_service import EchoService, nothing_arrives
from tests.support.live import Live, decoded
from tests.support.lone_sidecar import TARGET, LoneSidecar
from tests.support.neighbours import send_raw
from tests.support.target_service import target_service

from authz_service.domain.refusals import Reason


@pytest.fixture(scope="module")
def target(live: Live, module_stack: ExitStack) -> EchoService:
    """The data service as the egress knows it: a name, a certificate of zone 3, and one is asked for."""
    return module_stack.enter_context(target_service(live))


@pytest.fixture(scope="module")
def egress(live: Live, target: EchoService, module_stack: ExitStack) -> LoneSidecar:
    return module_stack.enter_context(LoneSidecar(live, target=(target.host, target.port)))


@pytest.mark.parametrize(
    "path",
    [
        "/data/../admin", "/data/%2e%2e/admin", "/data/.%2e/admin", "/data/..%2fadmin", "/data/..%5cadmin",
        "/data\\..\\admin",
        "/data/..;/admin", "/data/x/..;a=b/../../admin", "/data/%252e%252e/admin", "/data/%c0%ae%c0%ae/admin",
        "/dataadmin",
        "/data%2fx", "/", "/admin", "//data/x", "/DATA/x", "/data/%00", "/data/..%3B/admin", "/x/../data/../admin",
    ],
)  # fmt: skip
def test_t12_no_path_leaves_its_route(egress: LoneSidecar, target: EchoService, path: str) -> None:
    """Refused here, or one that the target gets as a path below the route."""
    before = len(target.seen)
    answer = egress.call_egress("GET", path)

    escaped = [seen for seen in target.paths()[before:] if "admin" in seen or ".." in seen]
    assert escaped == []
    assert answer.status in {400, 404} or (answer.status, path) == (200, "//data/x")
    assert egress.call_egress("GET", "/data/x/./y").status == 200
    assert target.paths()[-1] == "/x/y"


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "localhost"])
def test_t12_the_target_hears_its_own_name(egress: LoneSidecar, target: EchoService, host: str) -> None:
    """Not the name that the service used for its sidecar; the token is the service's, not what it sent along."""
    sent = [("x-forwarded-host", "evil.example"), ("authorization", "Bearer evil")]
    assert egress.call_egress("GET", "/data/inventory/1", host=host, headers=sent).status == 200

    assert target.seen[-1].values("host") == [f"{TARGET}:{target.port}"]
    assert target.paths()[-1] == "/inventory/1"
    [authorization] = target.seen[-1].values("authorization")
    assert decoded(authorization.removeprefix("Bearer "))[1]["azp"] == "order-service"


@pytest.mark.parametrize(
    "line", ["/data/x HTTP/1.1", "http://evil.example/data/x HTTP/1.1", "https://evil.example:8443/data/x HTTP/1.1"]
)
def test_t12_a_name_that_is_not_ours_leads_nowhere(egress: LoneSidecar, target: EchoService, line: str) -> None:
    """Neither a proxy for the world, nor open to a page whose name was rebound to our address."""
    with nothing_arrives(target):
        answer = send_raw((egress.address, 8080), f"GET {line}\r\nhost: evil.example\r\n\r\n".encode())

    assert answer.split(b" ")[1] in {b"400", b"403"}
    assert egress.call_egress("GET", "/data/x", host=egress.address).status == 200


@pytest.mark.parametrize(
    "header",
    [
        ("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"), ("sec-fetch-site", "CROSS-SITE"),
    ],
)  # fmt: skip
def test_t12_a_web_page_cannot_use_the_token(egress: LoneSidecar, target: EchoService, header: tuple[str, str]) -> None:
    """A browser on the same host says whose page asks."""
    with nothing_arrives(target):
        refused = egress.call_egress("POST", "/data/orders", headers=[header], body=b"{}")
    assert (refused.status, refused.problem["reason"]) == (403, Reason.BROWSER_REFUSED)

    assert egress.call_egress("POST", "/data/orders", headers=[("X-Origin", "x")], body=b"{}").status == 200


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND"])
def test_t12_the_egress_makes_no_tunnels(egress: LoneSidecar, target: EchoService, method: str) -> None:
    """A tunnel would carry anything under the service's name."""
    place = f"{TARGET}:{target.port}" if method == "CONNECT" else "/data/x"
    with nothing_arrives(target):
        answer = send_raw((egress.address, 8080), f"{method} {place} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())

    assert answer.split(b" ")[1] in ({b"400", b"404", b"405"} if method == "CONNECT" else {b"405"})
    assert egress.call_egress("OPTIONS", "/data/x").status == 200
