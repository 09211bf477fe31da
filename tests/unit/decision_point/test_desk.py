"""A request goes in, the bytes of its answer come out, in the protocol of the listener; a scripted worker decides."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.scripted_worker import ALLOW, HANGS_UP, ScriptedWorker, refusal

from authz_service.decision_point import authzen, protobuf
from authz_service.decision_point.desk import Desk
from authz_service.decision_point.http_messages import HttpRequest
from authz_service.decision_point.rules import Asker, DoorRules, Said
from authz_service.decision_point.workers import Workers

RULES = DoorRules(
    askers=(),
    workers=(),
    attempt=5.0,
    listener="0123abcd",
    tag="feedbeef",
    routes=("/orders/**",),
    passed=("authorization",),
    owned=("x-user-id",),
    max_connections=10,
)
DENIED = refusal(403, "policy_denied")
SAID = Said("x-method", "x-uri", "x-host")
FORWARDED = {b"x-method": b"GET", b"x-uri": b"/orders/1", b"x-host": b"x.local", b"x-request-id": b"r-1"}


def answered(
    folder: Path, asker: Asker, *requests: HttpRequest | bytes, script: list[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """The answers, and what the worker was asked."""

    async def run() -> tuple[list[bytes], list[bytes]]:
        async with ScriptedWorker(folder / "w", script) as worker:
            workers = Workers((worker.path,), RULES.attempt)
            desk = Desk(asker, msgspec.structs.replace(RULES, workers=(worker.path,)), workers)
            try:
                found = [
                    await (desk.answer_check(each) if isinstance(each, bytes) else desk.answer_http(each, False))
                    for each in requests
                ]
            finally:
                workers.close()
                await asyncio.sleep(0)
            return found, worker.asked

    return asyncio.run(run())


def an_asker(protocol: str, **more: Any) -> Asker:
    return Asker("edge", protocol, (), more.pop("said", Said()), **more)


def http(found: dict[bytes, bytes], method: bytes = b"GET", target: bytes = b"/", body: bytes = b"") -> HttpRequest:
    return HttpRequest(method, target, found, frozenset(), body)


def test_ext_authz_over_http(tmp_path: Path) -> None:
    """Yes, no, and no worker."""
    asker = an_asker("ext_authz_http", path_prefix="/check")
    request = http({b"host": b"x.local", b"x-correlation-id": b"c-1"}, target=b"/check/orders/1")
    script = [ALLOW, DENIED, DENIED.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", HANGS_UP]
    head = request._replace(method=b"HEAD")
    found, asked = answered(tmp_path, asker, request, request, head, request, script=script)

    assert [each.split(b" ")[1] for each in found] == [b"200", b"403", b"403", b"503"]
    assert b"x-user-id: john" in found[0]
    assert b"x-user-id: john" not in b"".join(found[1:])
    assert all(b"x-correlation-id: c-1" in each for each in found)
    assert asked[0].split(b"\r\n")[0].endswith(b"/orders/1 HTTP/1.1")
    assert found[2].endswith(b"\r\n\r\n")


def test_ext_authz_over_grpc(tmp_path: Path) -> None:
    """Yes, no, and what is no message."""
    text = protobuf.of_bytes(2, b"GET") + protobuf.of_bytes(4, b"/orders/1") + protobuf.of_bytes(5, b"x.local")
    check = protobuf.of_bytes(1, protobuf.of_bytes(4, protobuf.of_bytes(2, text)))
    found, asked = answered(
        tmp_path,
        an_asker("ext_authz_grpc"),
        check,
        check,
        b"\xff",
        script=[ALLOW, DENIED, refusal(400, "request_invalid")],
    )

    assert [bool(protobuf.within(each, 3)) for each in found] == [True, False, False]
    assert [bool(protobuf.within(each, 2)) for each in found] == [False, True, True]
    assert b"/orders/1" in asked[0]
    assert b"/orders/1" not in asked[2]


@pytest.mark.parametrize(("protocol", "told"), [("auth_request", [b"200", b"403"]), ("forward_auth", [b"200", b"404"])])
def test_forwarded_questions(tmp_path: Path, protocol: str, told: list[bytes]) -> None:
    """nginx knows no 404."""
    request = http(FORWARDED)
    found, _ = answered(
        tmp_path, an_asker(protocol, said=SAID), request, request, script=[ALLOW, refusal(404, "route_unknown")]
    )

    assert [each.split(b" ")[1] for each in found] == told


def test_a_header_that_the_proxy_does_not_set_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the question is one that is refused."""
    lacking = http({name: value for name, value in FORWARDED.items() if name != b"x-host"})
    with caplog.at_level(logging.WARNING):
        _, asked = answered(tmp_path, an_asker("forward_auth", said=SAID), lacking, lacking, script=[DENIED])

    assert [each.getMessage() for each in caplog.records] == ["proxy_header_missing"]
    assert all(b"/orders/1" not in each for each in asked)


ENTITIES = {
    "subject": {"type": "user", "id": "alice"},
    "action": {"name": "read"},
    "resource": {"type": "record", "id": "1"},
}
JSON = {b"content-type": b"application/json", b"x-request-id": b"r-1"}
AUTHZEN = an_asker("authzen", url="https://pdp.local")


def evaluation(document: object, target: bytes = authzen.EVALUATION) -> HttpRequest:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return http(JSON, b"POST", target, body)


def decisions(answer: bytes) -> list[bool]:
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    return [each["decision"] for each in told.get("evaluations", [told])]


def test_an_evaluation_is_a_decision(tmp_path: Path) -> None:
    """Yes and no; what is broken is no decision."""
    asked = evaluation(ENTITIES)
    found, _ = answered(tmp_path, AUTHZEN, asked, asked, asked, script=[ALLOW, DENIED, HANGS_UP])

    assert [decisions(each) for each in found[:2]] == [[True], [False]]
    assert found[2].startswith(b"HTTP/1.1 503")
    assert b"x-request-id: r-1" in found[0]


@pytest.mark.parametrize(
    ("semantic", "script", "made"),
    [
        ("execute_all", [ALLOW, DENIED, ALLOW], [True, False, True]),
        ("deny_on_first_deny", [ALLOW, DENIED, ALLOW], [True, False]),
        ("permit_on_first_permit", [DENIED, ALLOW, DENIED], [False, True]),
    ],
)
def test_several_evaluations_end_as_they_are_meant_to(
    tmp_path: Path, semantic: str, script: list[bytes], made: list[bool]
) -> None:
    body = {**ENTITIES, "evaluations": [{}, {}, {}], "options": {"evaluations_semantic": semantic}}
    [found], asked = answered(tmp_path, AUTHZEN, evaluation(body, authzen.EVALUATIONS), script=script)

    assert decisions(found) == made
    assert len(asked) == len(made)


def test_one_that_cannot_be_made_is_denied_by_itself(tmp_path: Path) -> None:
    """AuthZEN §7.2.1; the others are made."""
    body = {**ENTITIES, "evaluations": [{}, 5, {"action": {"name": ""}}, {"context": 5}]}
    [found], asked = answered(tmp_path, AUTHZEN, evaluation(body, authzen.EVALUATIONS), script=[ALLOW])

    assert decisions(found) == [True, False, False, False]
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (http({}, b"GET", authzen.METADATA), b"200"),
        (http({}, b"POST", authzen.METADATA), b"405"),
        (http(JSON, b"GET", authzen.EVALUATION), b"405"),
        (http(JSON, b"POST", b"/access/v1/search/subject"), b"404"),
        (http({b"content-type": b"text/plain"}, b"POST", authzen.EVALUATION), b"400"),
        (evaluation(b"{"), b"400"),
        (evaluation(b"\xff"), b"400"),
        (evaluation([]), b"400"),
        (evaluation({**ENTITIES, "subject": None}), b"400"),
        (evaluation({**ENTITIES, "subject": 5}), b"400"),
        (evaluation({**ENTITIES, "subject": {"type": "user"}}), b"400"),
        (evaluation({**ENTITIES, "subject": {"type": "user", "id": "x" * 1025}}), b"400"),
        (evaluation({**ENTITIES, "subject": {"type": "user", "id": "a", "properties": 5}}), b"400"),
        (evaluation({**ENTITIES, "context": 5}), b"400"),
        (evaluation({**ENTITIES, "context": {"x": "y" * 70_000}}), b"400"),
        (evaluation({**ENTITIES, "evaluations": 5}, authzen.EVALUATIONS), b"400"),
        (evaluation({**ENTITIES, "evaluations": [{}] * 101}, authzen.EVALUATIONS), b"400"),
        (evaluation({**ENTITIES, "evaluations": [{}], "options": 5}, authzen.EVALUATIONS), b"400"),
        (
            evaluation(
                {**ENTITIES, "evaluations": [{}], "options": {"evaluations_semantic": "maybe"}}, authzen.EVALUATIONS
            ),
            b"400",
        ),
    ],
)
def test_what_is_no_evaluation_is_not_asked(tmp_path: Path, request_: HttpRequest, status: bytes) -> None:
    """Nor is it allowed, whatever the worker would say."""
    [found], asked = answered(tmp_path, AUTHZEN, request_, script=[ALLOW])

    assert found.split(b" ")[1] == status
    assert asked == []
    assert b'"decision": true' not in found


def test_an_empty_list_is_one_evaluation(tmp_path: Path) -> None:
    """AuthZEN §7.1."""
    [found], asked = answered(
        tmp_path, AUTHZEN, evaluation({**ENTITIES, "evaluations": []}, authzen.EVALUATIONS), script=[ALLOW]
    )

    assert decisions(found) == [True]
    assert len(asked) == 1


def test_without_an_address_of_its_own_it_has_no_metadata(tmp_path: Path) -> None:
    [found], _ = answered(tmp_path, an_asker("authzen"), http({}, b"GET", authzen.METADATA), script=[ALLOW])

    assert found.split(b" ")[1] == b"404"
