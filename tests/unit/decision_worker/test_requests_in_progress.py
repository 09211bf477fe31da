"""Requests that were let in are judged again: by whom they came from, and with what. Real gates, real tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.decisions import PEERS, gate, gateways_certificate, johns_token, request, rules
from tests.support.tokens import ISSUER, LEEWAY, NOW, good_claims, mint

from authz_service.audit.chain import Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.ingress_decision import IngressDecisions
from authz_service.decision_worker.requests_in_progress import RequestsInProgress
from authz_service.domain.questions import Absent, Active, Answer, Answers, Asked, Found, Key
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import IssuerKeys, RouteRules, TokenDenials
from authz_service.errors import KeysUnavailable

NEW_KEY = mint(header={"kid": "new"})


class ControlPlane:
    """Answers in time, or not; what it brings is put in place by `bring`."""

    def __init__(self, bring: Callable[[Asked], bool]) -> None:
        self.asked: list[Asked] = []
        self._bring = bring

    async def bring(self, question: Asked, patience: float) -> bool:
        self.asked.append(question)
        return self._bring(question)


class Worker:
    """Its gate believes that it is `now`."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.now = NOW
        self.answers = Answers(lambda: self.now)
        self.gate = gate(rules(**changes), lambda: self.now, known=self.answers)
        self.file = folder / "audit.jsonl"
        audit = AuditWriter(Chain("", 0), AuditSink(str(self.file)))
        self.tally = WorkerCounters()
        self.service = IngressDecisions(self.gate, audit, self.tally, {}, InFlight(1))

    def over(self, *tokens: str, bring: Callable[[Asked], bool] = lambda _: False) -> set[int]:
        """Which of them may not go on, by their place."""
        self.control = ControlPlane(bring)
        judge = RequestsInProgress(lambda: self.service, self.control)  # type: ignore[arg-type] # all that is used of it
        answer = asyncio.run(_awaited(judge.answer(b"".join(map(_question, range(len(tokens)), tokens)))))
        numbers = answer.partition(b"\r\n\r\nends")[2]
        return {int.from_bytes(numbers[at : at + 4], "little") for at in range(0, len(numbers), 4)}

    def told(self, answer: Answer) -> Callable[[Asked], bool]:
        def bring(question: Asked) -> bool:
            self.answers.learn(question, answer, self.now)
            return True

        return bring

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


async def _awaited(answer: Awaitable[bytes]) -> bytes:
    return await answer


def _question(number: int, token: str) -> bytes:
    text = f"GET\n/orders/1\n\n10.0.1.10\nc-{number}\nauthorization:{f'Bearer {token}' if token else ''}".encode()
    parts = (text, gateways_certificate())
    return number.to_bytes(4, "little") + b"".join(len(part).to_bytes(4, "little") + part for part in parts)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_the_good_ones_go_on_and_leave_no_trace(worker: Worker) -> None:
    """Not a record, nor a count: they were recorded when they began."""
    assert worker.over(johns_token(), mint(good_claims() | {"jti": "another"})) == set()
    assert worker.records() == []
    assert worker.tally.take() is None


def test_the_one_that_is_denied_ends_on_record(worker: Worker) -> None:
    """With the name that its token had while it was good; the token itself is not there."""
    worker.gate.deny_tokens(TokenDenials(claims=(("", "jti", "stolen"),)))
    stolen = mint(good_claims() | {"jti": "stolen"})
    assert worker.over(johns_token(), stolen) == {1}

    (record,) = worker.records()
    assert (record["event"], record["decision"], record["reason"]) == ("end", "deny", Reason.TOKEN_REVOKED)
    assert (record["user_id"], record["correlation_id"]) == (good_claims()["sub"], "c-1")
    assert record["mtls_client"] == "api-gateway-client"
    assert stolen.split(".")[2] not in worker.file.read_text()
    figures = worker.tally.take()
    assert figures is not None
    assert (figures.ended, figures.decisions) == ({Reason.TOKEN_REVOKED: 1}, {})


def test_nobody_is_on_record_by_a_token_that_its_issuer_did_not_sign(worker: Worker) -> None:
    """It may come from a time when tokens were not looked at. An expired one has its name all the same."""
    forged = mint(signature=b"forged")
    expired = mint(good_claims() | {"exp": NOW - 600})
    assert worker.over(forged, expired) == {0, 1}
    first, second = worker.records()
    assert (first["reason"], first["user_id"]) == (Reason.TOKEN_SIGNATURE_INVALID, "")
    assert (second["reason"], second["user_id"]) == (Reason.TOKEN_EXPIRED, good_claims()["sub"])


def test_where_no_token_is_looked_at_none_names_anybody(tmp_path: Path) -> None:
    """He is refused for his certificate."""
    worker = Worker(tmp_path, issuers=(), policy=None, peers=type(PEERS)(required=True, allowed=()))
    assert worker.over(johns_token()) == {0}
    (record,) = worker.records()
    assert (record["reason"], record["user_id"]) == (Reason.CLIENT_NOT_ALLOWED, "")


def test_each_ends_with_its_token(worker: Worker) -> None:
    """`exp` and the leeway, as at the beginning."""
    longer = mint(good_claims() | {"exp": NOW + 7200})
    short = mint(good_claims() | {"exp": NOW + 60})
    assert worker.over(short, longer) == set()
    worker.now = NOW + 60 + LEEWAY
    assert worker.over(short, longer) == {0}


def test_the_policy_is_not_asked_again(worker: Worker) -> None:
    """It refuses this path: it did not, when the request began."""
    assert worker.service.answer(request(method="GET", path="/admin")).startswith(b"HTTP/1.1 403 ")
    assert worker.over(johns_token()) == set()


def test_a_route_of_an_earlier_configuration_is_nobodys_fault(tmp_path: Path) -> None:
    """Its requests go on, if they come from whom they came from."""
    other = (RouteRules("/new/**", auth_required=True, methods=(), downstream=""),)
    worker = Worker(tmp_path, routes=other)
    assert worker.over(johns_token(), mint(good_claims() | {"exp": NOW - 7200})) == {1}


def test_who_needed_no_token_needs_none_to_go_on(tmp_path: Path) -> None:
    """Where the route wants one by now, he does."""
    for wanted, over in ((False, set()), (True, {0})):
        routes = (RouteRules("", auth_required=wanted, methods=(), downstream=""),)
        assert Worker(tmp_path, routes=routes).over("") == over


def test_a_client_who_is_not_allowed_any_more_ends(tmp_path: Path) -> None:
    assert Worker(tmp_path, peers=PEERS).over(johns_token()) == set()
    peers = type(PEERS)(required=True, allowed=())
    assert Worker(tmp_path, peers=peers).over(johns_token()) == {0}


def test_a_key_that_was_withdrawn_ends_its_tokens(worker: Worker) -> None:
    """When the issuer has been asked for it; its silence ends nobody."""
    assert worker.over(NEW_KEY, johns_token(), bring=lambda _: False) == set()
    assert worker.over(NEW_KEY, johns_token(), bring=worker.told(Absent(holds=1.0))) == {0}
    assert worker.control.asked == [Key(ISSUER, "new")]
    assert worker.records()[-1]["reason"] == Reason.TOKEN_KEY_UNKNOWN


def test_without_any_key_nobody_is_known(worker: Worker) -> None:
    """The issuer says so: it publishes none any more."""
    assert worker.over(johns_token()) == set()
    assert worker.gate._tokens is not None
    worker.gate._tokens.set_keys(IssuerKeys(ISSUER, ""))  # type: ignore[attr-defined] # TokenVerifier's own
    with pytest.raises(KeysUnavailable):
        worker.gate.require_still_known(request())
    assert worker.over(johns_token()) == {0}


def test_a_token_that_its_issuer_took_back_ends(tmp_path: Path) -> None:
    """Where the route asks; while the issuer is silent it goes on."""
    routes = (RouteRules("", auth_required=True, methods=(), downstream="", introspect=True),)
    worker = Worker(tmp_path, routes=routes)
    assert worker.over(johns_token(), bring=lambda _: False) == set()
    assert worker.over(johns_token(), bring=worker.told(Found(holds=5.0))) == set()
    worker.now += 6
    assert worker.over(johns_token(), bring=worker.told(Absent(holds=5.0))) == {0}
    assert worker.control.asked == [Active(ISSUER, johns_token())]
    assert worker.records()[-1]["reason"] == Reason.TOKEN_INACTIVE


def test_an_accident_of_ours_ends_the_one_whom_it_befell(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether he may go on; the other ones do."""
    other = mint(good_claims() | {"jti": "other"})
    judge = worker.gate.require_still_known

    def break_down(asked: object) -> None:
        assert other not in str(asked)
        judge(asked)  # type: ignore[arg-type] # a request

    monkeypatch.setattr(worker.gate, "require_still_known", break_down)
    assert worker.over(johns_token(), other) == {1}
    assert worker.records()[-1]["reason"] == Reason.DECISION_FAILED


def test_an_end_that_cannot_be_recorded_is_an_end(worker: Worker) -> None:
    """And counted as a record that is missing."""
    worker.file.unlink()
    worker.file.symlink_to("/dev/full")
    worker.service._audit._sink.reopen_if_moved()
    worker.gate.deny_tokens(TokenDenials(claims=(("", "sub", str(good_claims()["sub"])),)))
    assert worker.over(johns_token()) == {0}
    figures = worker.tally.take()
    assert figures is not None
    assert figures.audit_failures == 1
