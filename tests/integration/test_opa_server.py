"""`policy.engine: opa_server` over real connections: a scripted server in OPA's place, and a worker that asks it.

`make test-opa` does the same with the real OPA.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator

import msgspec
import pytest
from tests.support.decision_workers import ABSENT_FOR, CLAIMS, NEW_KEY, Sidecar, folder, with_sidecar
from tests.support.faulty_server import Answer, FaultyServer, Seen, json_answer
from tests.support.patience import PATIENCE
from tests.support.tokens import ISSUER, jwk, jwks, mint

from authz_rego.values.json_text import from_json, to_json
from authz_service import headers
from authz_service.domain.decision import Verdict
from authz_service.domain.questions import NotReady
from authz_service.domain.questions import Verdict as VerdictQuestion
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import IssuerKeys, PolicyServer
from authz_service.policy.decide.opa_server import OpaServer, health_problem, verdict_of

__all__ = ["folder"]  # a fixture
PATH = "/v1/data/order/allow"


@pytest.fixture
def opa() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        server.script(PATH, json_answer({"result": True}))
        yield server


def rules_for(server: FaultyServer, timeout: float = PATIENCE) -> PolicyServer:
    return PolicyServer("data.order.allow", timeout, host=server.address, port=server.port)


def ask(server: FaultyServer, *documents: str, timeout: float = PATIENCE) -> list[Verdict]:
    """One after the other, as one worker does."""

    async def run() -> list[Verdict]:
        asked = OpaServer(rules_for(server, timeout))
        found = []
        for document in documents:
            await asked.fetch(document)
            found.append(asked.evaluate(from_json(document)))
        asked.close()
        return found

    return asyncio.run(run())


def test_opa_gets_the_input_and_its_answer_is_the_verdict(opa: FaultyServer) -> None:
    """On one connection, which stays open; a no is a no."""
    opa.script(PATH, json_answer({"result": {"allow": True, "reasons": ["r"], "audit": {"a": 1}}}), json_answer({}))

    assert ask(opa, '{"route":"ж"}', "{}") == [
        Verdict(Reason.ALLOWED, ("r",), msgspec.Raw(b'{"a":1}')),
        Verdict(Reason.POLICY_UNDEFINED, (), None),
    ]
    assert [json.loads(seen.body) for seen in opa.seen(PATH)] == [{"input": {"route": "ж"}}, {"input": {}}]
    assert opa.connections == 1


def test_a_verdict_belongs_to_one_decision(opa: FaultyServer) -> None:
    """Another document misses it, the same one has it once."""

    async def run() -> None:
        asked = OpaServer(rules_for(opa))
        await asked.fetch('{"decision_id":"1"}')
        with pytest.raises(NotReady):
            asked.evaluate({"decision_id": "2"})
        assert asked.evaluate({"decision_id": "1"}).reason is Reason.ALLOWED
        with pytest.raises(NotReady):
            asked.evaluate({"decision_id": "1"})
        with pytest.raises(NotReady) as missing:
            asked.evaluate({})
        assert missing.value.question == VerdictQuestion("{}")
        asked.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b'{"result": true}', Reason.ALLOWED),
        (200, b'{"result": false}', Reason.POLICY_DENIED),
        (200, b'{"decision_id": "x", "warning": {}, "result": true}', Reason.ALLOWED),
        (200, b"{}", Reason.POLICY_UNDEFINED),
        (200, b'{"result": null}', Reason.POLICY_ERROR),
        (200, b'{"result": "<undefined>"}', Reason.POLICY_ERROR),
        (200, b'{"result": {"allowed": true}}', Reason.ALLOWED),
        (200, b'{"result": {"allowed": true, "http_status": 200}}', Reason.POLICY_ERROR),
        (200, b'{"result": {"allow": true, "more": 1}}', Reason.POLICY_ERROR),
        (200, b"true", Reason.POLICY_UNAVAILABLE),
        (200, b'{"result": true', Reason.POLICY_UNAVAILABLE),
        (200, b"", Reason.POLICY_UNAVAILABLE),
        (200, b'{"result": "\xff"}', Reason.POLICY_ERROR),
        (200, b'{"result": ' + b"[" * 100_000, Reason.POLICY_UNAVAILABLE),
        (500, b'{"code": "internal_error", "errors": [{"code": "eval_conflict_error"}]}', Reason.POLICY_ERROR),
        (500, b'{"code": "internal_error", "result": true}', Reason.POLICY_UNAVAILABLE),
        (401, b'{"code": "unauthorized", "result": true}', Reason.POLICY_UNAVAILABLE),
        (404, b'{"result": true}', Reason.POLICY_UNAVAILABLE),
        (201, b'{"result": true}', Reason.POLICY_UNAVAILABLE),
    ],
)
def test_only_a_whole_answer_with_a_plain_yes_allows(status: int, body: bytes, reason: Reason) -> None:
    """All else refuses, and says of what kind it is."""
    assert verdict_of(status, body).reason is reason


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b'{"result":true}', delay=60),
        Answer(body=b'{"result":true}', drip=0.5),
        Answer(body=b'{"result":true}', truncate=8),
        Answer(close=True),
        Answer(body=b" " * 1024 + b'{"result":true}', repeat=1024),
        Answer(body=b"<html>"),
    ],
    ids=["late", "dripping", "cut", "hung up", "huge", "not OPA's"],
)
def test_an_answer_that_is_none_is_unavailable(opa: FaultyServer, answer: Answer) -> None:
    """And spoils nothing for the next question."""
    opa.script(PATH, answer, answer, json_answer({"result": True}))
    opa.script_with(PATH, _first(answer, Answer(body=b'{"result":true}')))

    first, second = ask(opa, '{"n":1}', '{"n":2}', timeout=2)

    assert first.reason is Reason.POLICY_UNAVAILABLE
    assert "OPA" in first.reasons[0]
    assert second.reason is Reason.ALLOWED


def _first(answer: Answer, others: Answer) -> Callable[[Seen], Answer]:
    """By the question, however often it is asked."""
    return lambda seen: answer if json.loads(seen.body)["input"]["n"] == 1 else others


def test_a_connection_that_opa_closed_is_replaced(opa: FaultyServer) -> None:
    """OPA was restarted between two questions; while it is down, the verdict is unavailable."""

    async def run() -> list[Reason]:
        asked = OpaServer(rules_for(opa))
        found = []
        for change in (None, opa.go_down, opa.come_up):
            if change is not None:
                await asyncio.to_thread(change)
            await asked.fetch("{}")
            found.append(asked.evaluate({}).reason)
        asked.close()
        return found

    assert asyncio.run(run()) == [Reason.ALLOWED, Reason.POLICY_UNAVAILABLE, Reason.ALLOWED]


def test_answers_do_not_change_places(opa: FaultyServer) -> None:
    """Two hundred at once: each gets the answer to its own question."""
    opa.script_with(PATH, lambda seen: json_answer({"result": json.loads(seen.body)["input"]["n"] % 2 == 0}))

    async def run() -> None:
        asked = OpaServer(rules_for(opa, timeout=PATIENCE))
        await asyncio.gather(*(asked.fetch(to_json({"n": n})) for n in range(200)))
        for n in range(200):
            wanted = Reason.ALLOWED if n % 2 == 0 else Reason.POLICY_DENIED
            assert asked.evaluate({"n": n}).reason is wanted
        asked.close()

    asyncio.run(run())
    assert opa.most_in_flight <= 64


def test_health_is_opas_own_word(opa: FaultyServer) -> None:
    """Bundles that are not there yet, and nobody who answers, are problems; slowness is one when patience ends."""
    rules, late = rules_for(opa, timeout=0.05), Answer(body=b"{}", delay=0.2)
    opa.script("/health?bundles", late, Answer(status=500, body=b"{}"), late)

    assert asyncio.run(health_problem(rules, PATIENCE)) == ""
    assert "bundles" in asyncio.run(health_problem(rules, PATIENCE))
    assert "no answer within 0.01 s" in asyncio.run(health_problem(rules, 0.01))
    opa.go_down()
    assert asyncio.run(health_problem(rules, PATIENCE))


def with_opa(
    folder_: object, opa: FaultyServer, play: Callable[[Sidecar], Awaitable[None]], timeout: float = PATIENCE
) -> None:
    async def start(sidecar: Sidecar) -> None:
        await sidecar.start(policy=None, policy_server=rules_for(opa, timeout))
        await play(sidecar)

    with_sidecar(folder_, start)  # type: ignore[arg-type]


def test_a_worker_allows_only_what_opa_allows(folder: object, opa: FaultyServer) -> None:
    """What the gate refuses before the policy is not asked; each decision is on record once, with OPA's reasons."""
    opa.script(PATH, json_answer({"result": {"allow": True, "reasons": ["first"]}}), json_answer({"result": False}))

    async def play(sidecar: Sidecar) -> None:
        assert await sidecar.ask(0, token="x") == (401, Reason.TOKEN_MALFORMED)
        assert opa.seen() == []
        assert await sidecar.ask(0) == (200, "")
        assert await sidecar.ask(0) == (403, Reason.POLICY_DENIED)
        first, second, third = sidecar.records()
        assert [first["reason"], second["reason"], third["reason"]] == ["token_malformed", "allowed", "policy_denied"]
        assert second["reasons"] == ["first"]
        asked = [json.loads(seen.body)["input"] for seen in opa.seen(PATH)]
        assert [each["decision_id"] for each in asked] == [second["decision_id"], third["decision_id"]]
        assert asked[0]["request"]["segments"] == ["orders"]
        assert asked[0]["mtls"]["subject"]["CN"] == "api-gateway-client"

    with_opa(folder, opa, play)


def test_without_opa_every_request_is_unavailable(folder: object, opa: FaultyServer) -> None:
    """Slow or gone: 503, on record with the cause; with OPA's return it heals."""

    async def play(sidecar: Sidecar) -> None:
        assert await sidecar.ask(0) == (200, "")
        opa.script(PATH, Answer(body=b'{"result":true}', delay=60))
        assert await sidecar.ask(0) == (headers.UNAVAILABLE_STATUS, Reason.POLICY_UNAVAILABLE)
        await asyncio.to_thread(opa.go_down)
        assert await sidecar.ask(0) == (headers.UNAVAILABLE_STATUS, Reason.POLICY_UNAVAILABLE)
        assert "within 2000 ms" in str(sidecar.records()[1]["reasons"])
        assert sidecar.records()[2]["user_id"] == sidecar.records()[0]["user_id"]
        opa.script(PATH, json_answer({"result": True}))
        await asyncio.to_thread(opa.come_up)
        assert await sidecar.ask(0) == (200, "")

    with_opa(folder, opa, play, timeout=2)


def test_a_new_key_and_opa_are_both_fetched(folder: object, opa: FaultyServer) -> None:
    """A token of an unknown key waits for the key first; an unknown one is refused without asking OPA."""
    token = mint(CLAIMS, signer=NEW_KEY)

    async def play(sidecar: Sidecar) -> None:
        assert await sidecar.ask(0, token=token) == (401, Reason.TOKEN_KEY_UNKNOWN)
        assert opa.seen() == []

        async def bring() -> None:
            sidecar.control_server.set_keys(IssuerKeys(ISSUER, jwks(jwk(NEW_KEY))))

        sidecar.fetch = bring
        await asyncio.sleep(2 * ABSENT_FOR)
        assert await sidecar.ask(0, token=token) == (200, "")
        assert len(opa.seen()) == 1

    with_opa(folder, opa, play)
