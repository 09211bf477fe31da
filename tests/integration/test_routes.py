"""What a route may be told beside its path: methods, tokens, escaped slashes. Each yes stands beside its no."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.echo_service import EchoService, nothing_arrives
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar

from authz_service.domain.refusals import Reason


@pytest.fixture(scope="module")
def other(live: Live) -> Iterator[EchoService]:
    """A second service."""
    with EchoService(live.free_address(), 9000) as service:
        yield service


@pytest.fixture(scope="module")
def sidecar(live: Live, other: EchoService) -> Iterator[LoneSidecar]:
    routes = [
        {
            "path": "/items/**",
            "methods": ["GET", "HEAD"],
            "auth_required": False,
            "upstream": f"http://{other.host}:9000",
        },
        {"path": "/items/**", "methods": ["POST"]},
        {"path": "/metrics", "auth_required": False, "ignore_tokens": True},
        {"path": "/hook/**", "auth_required": False},
        {"path": "/projects/**", "encoded_slashes": True},
        {"path": "/projects/admin/**"},
        {"path": "/**"},
    ]
    with LoneSidecar(live, {"proxy.routes": routes}) as started:
        yield started


def test_one_path_has_other_rules_for_other_methods(live: Live, sidecar: LoneSidecar, other: EchoService) -> None:
    """Reading is free and goes elsewhere, writing needs a token, the rest is refused; all of it is on record."""
    assert sidecar.call("GET", "/items/1").status == 200
    assert other.paths()[-1] == "/items/1"
    with nothing_arrives(sidecar.echo), nothing_arrives(other):
        assert sidecar.call("POST", "/items/1").problem["reason"] == Reason.TOKEN_MISSING
        refused = sidecar.call("DELETE", "/items/1", token=live.user("john"))
    assert refused.problem["reason"] == Reason.METHOD_NOT_ALLOWED
    assert refused.values("allow") == ["GET, HEAD, POST"]
    with nothing_arrives(other):
        assert sidecar.call("POST", "/items/1", token=live.user("john")).status == 200
    assert sidecar.echo.paths()[-1] == "/items/1"

    recorded = [(one["method"], one["route"], one["decision"], one["downstream"]) for one in sidecar.audit[-4:]]
    upstream = f"http://{other.host}:9000"
    assert recorded == [
        ("GET", "/items/**", "allow", upstream),
        ("POST", "/items/**", "deny", ""),
        ("DELETE", "/items/**", "deny", ""),
        ("POST", "/items/**", "allow", ""),
    ]


@pytest.mark.parametrize(
    ("path", "sent", "reason"),
    [
        ("/metrics", "Bearer static-password", None),
        ("/metrics", "Basic dTpw", None),
        ("/hook/x", "Basic dTpw", None),
        ("/hook/x", "Bearer static-password", Reason.TOKEN_MALFORMED),
        ("/x", "Basic dTpw", Reason.TOKEN_MISSING),
        ("/x", "Bearer static-password", Reason.TOKEN_MALFORMED),
    ],
)
def test_whose_password_it_is_says_the_route(sidecar: LoneSidecar, path: str, sent: str, reason: Reason | None) -> None:
    """It reaches the service as it is, and the record names nobody."""
    answer = sidecar.call("GET", path, headers=[("authorization", sent)])

    if reason is None:
        assert answer.status == 200
        assert sidecar.echo.seen[-1].values("authorization") == [sent]
    else:
        assert answer.problem["reason"] == reason
    assert (sidecar.audit[-1]["path"], sidecar.audit[-1]["user_id"]) == (path, "")


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/projects/group%2Fproject/issues", ["projects", "group/project", "issues"]),
        ("/projects/%2F/100%25", ["projects", "/", "100%"]),
        ("/projects/admin%2Fx", None),
        ("/projects/x%2F..%2F..%2Fx", None),
        ("/x/group%2Fproject", None),
        ("/x%2Fy", None),
    ],
)
def test_an_escaped_slash_passes_where_the_route_says_so(
    live: Live, sidecar: LoneSidecar, path: str, segments: list[str] | None
) -> None:
    """Same bytes to service, policy and record; decoded in the segments; else refused, and recorded too."""
    answer = sidecar.call("GET", path, token=live.user("john"))

    record = sidecar.audit[-1]
    assert record["path"] == path
    if segments is None:
        assert answer.problem["reason"] == record["reason"] == Reason.PATH_REFUSED
        assert sidecar.echo.paths()[-1:] != [path]
    else:
        assert answer.status == 200
        assert sidecar.echo.paths()[-1] == path
        assert record["policy_audit"]["segments"] == segments


def test_a_long_path_is_said_to_be_long(live: Live, sidecar: LoneSidecar) -> None:
    answer = sidecar.call("GET", "/x/" + "a" * 8192, token=live.user("john"))

    assert (answer.status, answer.problem["reason"]) == (414, Reason.PATH_TOO_LONG)
    assert sidecar.call("GET", "/x/" + "a" * 8000, token=live.user("john")).status == 200
