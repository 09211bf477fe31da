"""AuthZEN's Authorization API 1.0 at a live decision point: its certification scenario, its public interop scenario.

Both are rebuilt from their descriptions (github.com/openid/authzen, certification/ and interop/).
"""

from __future__ import annotations

import json
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.live import Json, Live
from tests.support.lone_config import GATEWAY
from tests.support.lone_sidecar import LoneSidecar
from tests.support.neighbours import Answer, Headers, ask
from tests.support.stock_proxies import decision_point

from authz_devkit.certs.authority import client_request

POLICY = (Path(__file__).parents[2] / "support" / "authzen_policy.rego").read_text()
ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
RECORD = {"type": "record", "id": "record-1"}
ARCHIVED = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
GOOD = {"subject": ALICE, "action": {"name": "read"}, "resource": RECORD}
PIDS = {
    "rick": "CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs",
    "morty": "CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs",
    "summer": "CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs",
    "beth": "CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs",
    "jerry": "CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs",
}
OWNERS = {"rick": "rick@the-citadel.com", "morty": "morty@the-citadel.com", "summer": "summer@the-smiths.com"}
ANYBODY = frozenset(PIDS)
EDITORS = frozenset({"rick", "morty", "summer"})


@pytest.fixture(scope="module")
def pdp(live: Live, module_stack: ExitStack) -> LoneSidecar:
    """Over mutual TLS: the applications are known by certificate."""
    own = live.mesh.certs / "order-service"
    changes: dict[str, object] = {
        "http": {
            "tls": {
                "cert_file": str(own / "server.crt"), "key_file": str(own / "server.key"), "client_auth": "require",
                "client_ca_file": str(live.mesh.certs / "ca" / "zone2-ca.crt"),
            }
        },
        "proxy.asked_by.applications.allowed_clients": ["CN=api-gateway-client,O=MyOrg"],
        "proxy.authz": {"policy_query": "data.authzen.allow"},
    }  # fmt: skip
    return module_stack.enter_context(decision_point(live, changes, POLICY))


def post(
    pdp: LoneSidecar,
    path: str,
    body: object,
    *,
    headers: Headers = (("Content-Type", "application/json"),),
    certificate: str | tuple[Path, Path] | None = GATEWAY,
    method: str = "POST",
) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    tls = pdp.tls(certificate)
    return ask((pdp.address, 9195), method, path, headers=headers, body=text, tls=tls, host="order-service.zone2.local")


def decided(answer: Answer) -> list[bool] | bool:
    assert (answer.status, answer.values("content-type")) == (200, ["application/json"]), answer
    body = json.loads(answer.body)
    return [one["decision"] for one in body["evaluations"]] if "evaluations" in body else body["decision"]


BASIC = [
    ({}, True),
    ({"action": {"name": "write"}}, True),
    ({"subject": BOB}, True),
    ({"subject": BOB, "action": {"name": "write"}}, False),
    ({"context": {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}}, True),
    ({"action": {"name": "write"}, "resource": ARCHIVED}, False),
    ({"subject": {**BOB, "properties": {"role": "admin"}}, "action": {"name": "write"}, "resource": ARCHIVED}, True),
    ({"action": {"name": "delete", "properties": {"soft": True}}}, True),
    ({"action": {"name": "delete", "properties": {"soft": False}}}, False),
    (
        {"subject": {**ALICE, "properties": {"department": "Sales"}}, "resource": {**RECORD, "properties": {"n": 1}}},
        True,
    ),
    ({"foo": "bar", "futureField": {"nested": True}}, True),
]


@pytest.mark.parametrize(("change", "decision"), BASIC)
def test_one_evaluation_is_decided_by_the_policy(pdp: LoneSidecar, change: Json, decision: bool) -> None:
    """Certification, Basic; twice, for it says the same each time."""
    answers = [decided(post(pdp, "/access/v1/evaluation", {**GOOD, **change})) for _ in range(2)]

    assert answers == [decision, decision]


MISSING = [
    {"subject": ...}, {"action": ...}, {"resource": ...}, {"subject": {"id": "alice"}}, {"subject": {"type": "user"}},
    {"action": {}}, {"resource": {"id": "record-1"}}, {"resource": {"type": "record"}}, {"subject": "alice"},
    {"action": {"name": 123}}, {"subject": {**ALICE, "id": ""}}, {"subject": {**ALICE, "properties": "x"}},
    {"context": []}, {"subject": None},
]  # fmt: skip


@pytest.mark.parametrize("change", MISSING)
def test_what_is_no_evaluation_is_no_decision(pdp: LoneSidecar, change: Json) -> None:
    """400, never `decision`."""
    body = {key: value for key, value in {**GOOD, **change}.items() if value is not ...}

    answer = post(pdp, "/access/v1/evaluation", body)

    assert (answer.status, b"decision" in answer.body) == (400, False)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps(GOOD).encode(), [("Content-Type", "text/plain")]),
        (json.dumps(GOOD).encode(), []),
        (b"{", [("Content-Type", "application/json")]),
        (b"", [("Content-Type", "application/json")]),
        (b"[]", [("Content-Type", "application/json")]),
        (b'{"subject":{"type":"user","id":"bob","id":"alice"}}', [("Content-Type", "application/json")]),
        (b'{"a":' * 100 + b"1" + b"}" * 100, [("Content-Type", "application/json")]),
        (b"\xff", [("Content-Type", "application/json")]),
    ],
)
def test_what_is_no_json_object_is_no_question(pdp: LoneSidecar, body: bytes, headers: Headers) -> None:
    assert post(pdp, "/access/v1/evaluation", body, headers=headers).status == 400


READ, WRITE = {"name": "read"}, {"name": "write"}
BOTH = [{"resource": RECORD}, {"resource": ARCHIVED}]
BATCHES = [
    ({"subject": ALICE, "action": READ, "evaluations": BOTH}, [True, True]),
    ({"subject": BOB, "resource": RECORD, "evaluations": [{"action": READ}, {"action": WRITE}]}, [True, False]),
    ({"subject": ALICE, "action": WRITE, "evaluations": BOTH}, [True, False]),
    ({"action": {"name": "write"}, "resource": ARCHIVED,
      "evaluations": [{"subject": ALICE}, {"subject": {**BOB, "properties": {"role": "admin"}}}]}, [False, True]),
    ({"evaluations": [GOOD, {"subject": BOB, "action": {"name": "write"}, "resource": RECORD}]}, [True, False]),
    ({**GOOD, "context": {"a": 1}, "evaluations": [{"resource": RECORD}, {"context": {"a": 2}}]}, [True, True]),
    ({"subject": ALICE, "action": {"name": "write"}, "resource": {"type": "record"},
      "evaluations": [{"resource": {"id": "record-1"}}, {"resource": ARCHIVED}]}, [True, False]),
    ({"subject": ALICE, "action": {"name": "read"}, "evaluations": [{"resource": RECORD}, {}]}, [True, False]),
    ({"subject": ALICE, "action": {"name": "read"}, "evaluations": [{"resource": RECORD}, "x"]}, [True, False]),
    (GOOD, True),
    ({**GOOD, "evaluations": []}, True),
]  # fmt: skip


@pytest.mark.parametrize(("body", "decisions"), BATCHES)
def test_several_evaluations_are_decided_in_their_order(pdp: LoneSidecar, body: Json, decisions: object) -> None:
    """Certification, Batch: defaults, and one that cannot be made is a `false` of its own."""
    assert decided(post(pdp, "/access/v1/evaluations", body)) == decisions


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_a_semantic_ends_the_evaluations(pdp: LoneSidecar, semantic: str, decisions: list[bool]) -> None:
    body = {
        "subject": BOB, "resource": RECORD, "options": {"evaluations_semantic": semantic},
        "evaluations": [{"action": {"name": name}} for name in ("read", "write", "read")],
    }  # fmt: skip

    assert decided(post(pdp, "/access/v1/evaluations", body)) == decisions


@pytest.mark.parametrize("change", [{"options": {"evaluations_semantic": "x"}}, {"evaluations": {}}, {"options": 1}])
def test_an_unknown_way_to_evaluate_is_no_decision(pdp: LoneSidecar, change: Json) -> None:
    assert post(pdp, "/access/v1/evaluations", {**GOOD, "evaluations": [GOOD], **change}).status == 400


def test_more_than_a_hundred_at_once_are_none(pdp: LoneSidecar) -> None:
    assert decided(post(pdp, "/access/v1/evaluations", {"evaluations": [GOOD] * 100})) == [True] * 100
    assert post(pdp, "/access/v1/evaluations", {"evaluations": [GOOD] * 101}).status == 400


TODO = [
    ("can_read_user", None, ANYBODY),
    ("can_read_todos", None, ANYBODY),
    ("can_create_todo", None, EDITORS),
    *((("can_update_todo", owner, frozenset({"rick", owner}) & EDITORS)) for owner in OWNERS),
    *((("can_delete_todo", owner, frozenset({"rick", owner}) & EDITORS)) for owner in OWNERS),
]


@pytest.mark.parametrize(("action", "owner", "may"), TODO)
def test_the_todo_scenario_is_decided_as_its_page_says(
    pdp: LoneSidecar, action: str, owner: str | None, may: frozenset[str]
) -> None:
    """Five people in four roles; entries belong to three of them."""
    resource: Json = {"type": "todo", "id": "7240d0db-8ff0-41ec-98b2-34a096273b9f"}
    if owner is not None:
        resource["properties"] = {"ownerID": OWNERS[owner]}
    found = {
        name
        for name, pid in PIDS.items()
        if decided(
            post(
                pdp,
                "/access/v1/evaluation",
                {
                    "subject": {"type": "user", "id": pid},
                    "action": {"name": action},
                    "resource": resource,
                    "context": {},
                },
            )
        )
    }

    assert found == may


def test_each_evaluation_is_on_record(pdp: LoneSidecar) -> None:
    """Under its own event, with subject, action and resource, and the asker's id."""
    before = len(records(pdp))
    sent = [("Content-Type", "application/json"), ("X-Request-ID", "bfe9eb29")]
    answer = post(pdp, "/access/v1/evaluations", {**GOOD, "evaluations": [{}, {"action": {"name": "x"}}]}, headers=sent)

    assert answer.values("x-request-id") == ["bfe9eb29"]
    told = [
        (one["decision"], one["user_id"], one["method"], one["path"], one["route"]) for one in records(pdp)[before:]
    ]
    assert told == [
        ("allow", "alice", "read", "record/record-1", "applications"),
        ("deny", "alice", "x", "record/record-1", "applications"),
    ]
    assert {one["correlation_id"] for one in records(pdp)[before:]} == {"bfe9eb29"}
    context = json.loads(answer.body)["evaluations"][1]["context"]
    assert (context["reason"], context["decision_id"]) == ("policy_denied", records(pdp)[-1]["decision_id"])


def records(pdp: LoneSidecar) -> list[Json]:
    found = (json.loads(line) for line in (pdp.folder / "audit.jsonl").read_text().splitlines())
    return [one for one in found if one["event"] == "evaluation"]


def test_the_metadata_say_where_to_ask(pdp: LoneSidecar) -> None:
    """Certification, Discovery."""
    answer = post(pdp, "/.well-known/authzen-configuration", b"", method="GET", headers=())

    assert (answer.status, answer.values("content-type")) == (200, ["application/json"])
    assert json.loads(answer.body) == {
        "policy_decision_point": "https://pdp.zone2.local",
        "access_evaluation_endpoint": "https://pdp.zone2.local/access/v1/evaluation",
        "access_evaluations_endpoint": "https://pdp.zone2.local/access/v1/evaluations",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/access/v1/evaluation", 405),
        ("POST", "/access/v1/search/subject", 404),
        ("POST", "/", 404),
        ("POST", "/.well-known/authzen-configuration", 405),
    ],
)
def test_nothing_else_is_there(pdp: LoneSidecar, method: str, path: str, status: int) -> None:
    assert post(pdp, path, GOOD, method=method).status == status


def test_only_who_is_listed_may_ask(pdp: LoneSidecar) -> None:
    """Another certificate of the same CA gets 403; a stranger's, or none, ends the handshake."""
    assert decided(post(pdp, "/access/v1/evaluation", GOOD)) is True
    mallory = pdp.issued("mallory", client_request("mallory", "zone2", now=datetime.now(UTC)))

    assert post(pdp, "/access/v1/evaluation", GOOD, certificate=mallory).status == 403
    for other in (None, "order-service/client-zone3"):
        with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
            post(pdp, "/access/v1/evaluation", GOOD, certificate=other)


def test_of_many_at_once_each_gets_its_own_answer(pdp: LoneSidecar) -> None:
    subjects = [ALICE, BOB] * 10

    def ask_for(subject: Json) -> object:
        return decided(post(pdp, "/access/v1/evaluation", {**GOOD, "subject": subject, "action": {"name": "write"}}))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask_for, subjects)) == [True, False] * 10
