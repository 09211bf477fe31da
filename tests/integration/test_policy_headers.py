"""Headers that a policy sets for the service, over real connections: they come from the policy or not at all."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar, until

StartSidecar = Callable[..., LoneSidecar]
POLICY = """package lone

default result.allowed := false

result.allowed if input.request.segments[0] != "forbidden"

result.headers["X-Plan"] := "gold" if input.request.segments[0] == "gold"

result.headers["x-quota"] := "7" if input.request.segments[0] == "gold"
"""
CONFIGURED = {"proxy.headers.from_policy": ["X-Plan", "X-Quota"]}


def test_the_service_gets_what_the_policy_says_and_never_what_a_caller_says(
    start_sidecar: StartSidecar, live: Live
) -> None:
    """In every spelling; and where the policy says nothing the header is gone."""
    sidecar, john = start_sidecar(CONFIGURED, policy=POLICY), live.user("john")
    forged = [("x-plan", "forged"), ("X-Plan", "forged too"), ("x-quota", "99")]

    assert sidecar.call("GET", "/gold", token=john, headers=forged).status == 200
    assert (sidecar.echo.seen[-1].values("x-plan"), sidecar.echo.seen[-1].values("x-quota")) == (["gold"], ["7"])
    assert sidecar.call("GET", "/lead", token=john, headers=forged).status == 200
    assert (sidecar.echo.seen[-1].values("x-plan"), sidecar.echo.seen[-1].values("x-quota")) == ([], [])
    assert sidecar.call("GET", "/forbidden", token=john, headers=forged).status == 403


def test_a_policy_that_sets_another_header_is_not_taken_over(start_sidecar: StartSidecar, live: Live) -> None:
    """The vetting says which, and what there is to do; the last policy decides meanwhile."""
    sidecar, john = start_sidecar(CONFIGURED, policy=POLICY), live.user("john")

    sidecar.write_policy(POLICY.replace("X-Plan", "X-User-ID"))
    until(lambda: "proxy.headers.from_policy does not name" in str(sidecar.readyz()["degraded"]))
    assert sidecar.call("GET", "/gold", token=john).status == 200
    assert sidecar.echo.seen[-1].values("x-plan") == ["gold"]
    assert sidecar.echo.seen[-1].values("x-user-id") != ["gold"]
