"""What the egress may answer instead of data. The egress is a stand-in, the service is real."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from tests.support.demo_services import JOHN, code

from authz_devkit.demo.services import order
from authz_devkit.demo.services.data_client import PASSED_ON, PROPAGATED, DataClient
from authz_devkit.demo.services.problems import PROBLEMS
from authz_service.domain.refusals import Reason

if TYPE_CHECKING:
    from starlette.requests import Request


def call_order(
    client: DataClient, headers: dict[str, str] | None = None, path: str = "/inventory/PROD-123"
) -> httpx.Response:
    async def call() -> httpx.Response:
        app = order.build_app(client)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://order") as caller:
            return await caller.get(path, headers={**JOHN, **(headers or {})})

    return asyncio.run(call())


def egress_saying(
    status: int, body: str, headers: dict[str, str] | None = None, seen: list[httpx.Headers] | None = None
) -> DataClient:
    async def answer(request: Request) -> Response:
        if seen is not None:
            seen.append(httpx.Headers(request.headers))
        return Response(body, status, headers)

    egress = Starlette(routes=[Route("/data/{rest:path}", answer)])
    return DataClient("http://egress", transport=httpx.ASGITransport(egress))


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "expected", "told"),
    [
        (200, '{"id": "PROD-123"}', None, "", None),
        (200, "<html>", None, "data_failed", None),
        (200, "[1]", None, "data_failed", None),
        (302, "", None, "data_failed", None),
        (401, '{"reason": "token_expired", "secret": "s3cret"}', None, "data_refused", None),
        (403, '{"reason": "policy_denied", "secret": "s3cret"}', None, "data_refused", None),
        (404, '{"reason": "route_not_found", "secret": "s3cret"}', None, "data_failed", None),
        (404, '{"code": "product_not_found", "title": "s3cret"}', None, "product_not_found", None),
        (404, '{"code": ["product_not_found"]}', None, "data_failed", None),
        (422, '{"code": "body_invalid", "secret": "s3cret"}', None, "data_failed", None),
        (429, "s3cret", "7", "data_unavailable", "7"),
        (500, "s3cret", None, "data_failed", None),
        (502, "s3cret", None, "data_failed", None),
        (503, '{"reason": "egress_token_unavailable"}', "5", "data_unavailable", "5"),
        (503, "", None, "data_unavailable", "1"),
        (503, "", "Wed, 21 Oct 2026 07:28:00 GMT", "data_unavailable", "1"),
        (503, "", "-1", "data_unavailable", "1"),
        (503, "", "999999", "data_unavailable", "1"),
        (504, "", None, "data_slow", None),
    ],
)
def test_an_answer_of_the_egress_becomes_our_own(
    status: int, body: str, retry_after: str | None, expected: str, told: str | None
) -> None:
    """What data says about the request is passed on by its code; all else is 502, 503 or 504, without their text."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    answer = call_order(egress_saying(status, body, headers))

    if expected:
        assert code(answer) == expected
        assert answer.headers.get("Retry-After") == told
        assert "s3cret" not in answer.text
    else:
        assert (answer.status_code, answer.json()) == (200, {"id": "PROD-123"})


def test_the_callers_context_is_propagated_and_nothing_else() -> None:
    """Correlation id, trace and idempotency key go on; the user's token and identity headers stay here."""
    seen: list[httpx.Headers] = []
    sent = {name: f"value-of-{name}" for name in PROPAGATED}
    private = {
        "Authorization": "Bearer user",
        "Cookie": "c=1",
        "X-User-Context": "mallory",
        "X-User-Email": "john@example.com",
    }
    call_order(egress_saying(200, "{}", seen=seen), {**sent, **private})
    call_order(egress_saying(200, "{}", seen=seen))

    assert {name: seen[0].get(name) for name in PROPAGATED} == sent
    assert seen[0]["X-User-Context"] == "john-sub"
    assert not set(seen[0]) & {"authorization", "cookie", "x-user-email", "x-user-id"}
    assert not set(PROPAGATED) & set(seen[1])


@pytest.mark.parametrize(("listening", "expected"), [(False, "data_unavailable"), (True, "data_slow")])
def test_an_egress_that_is_absent_or_silent_is_told_apart(listening: bool, expected: str) -> None:
    """Nobody there: 503, try again; no answer in time: 504."""
    with socket.socket() as quiet:
        quiet.bind(("127.0.0.1", 0))
        if listening:
            quiet.listen()
        client = DataClient(f"http://127.0.0.1:{quiet.getsockname()[1]}", timeout=0.2)
        assert code(call_order(client)) == expected


@pytest.mark.parametrize("strange", ["%2e%2e", "a.b", "a%2Fb", "a%00b", "x" * 65, "-a", "a%0a", "%D0%B0", "a?b", "a b"])
@pytest.mark.parametrize("resource", ["orders", "inventory"])
def test_an_id_that_cannot_be_one_never_reaches_the_next_service(resource: str, strange: str) -> None:
    """Ids become part of a URL: what could leave its path segment is 404 at once."""
    seen: list[httpx.Headers] = []
    egress = egress_saying(200, "{}", seen=seen)
    good = call_order(egress, path=f"/{resource}/x")
    assert (good.status_code, len(seen)) == (200, 1)

    answer = call_order(egress_saying(200, "{}", seen=seen), path=f"/{resource}/{strange.replace('?', '%3F')}")
    assert (answer.status_code, len(seen)) == (404, 1)


def test_the_table_of_answers_is_consistent() -> None:
    """A service's code is never a sidecar's reason, and only existing codes are passed on."""
    assert not set(PROBLEMS) & {reason.value for reason in Reason}
    assert set(PROBLEMS) >= PASSED_ON
