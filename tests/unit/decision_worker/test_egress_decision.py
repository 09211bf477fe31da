"""About a request that leaves: a token for this very target, on record, or a refusal."""

import json
from collections.abc import Mapping

import pytest
from tests.support.decisions import rules
from tests.support.tokens import a_subject

from authz_service.decision_worker.egress_decision import EgressDecisions
from authz_service.domain.decision import Allow, Decision, Deny, Request
from authz_service.domain.questions import Answers, Exchange, Found, NotReady
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import ExchangeRules
from authz_service.egress.gate import EgressGate
from authz_service.headers import CORRELATION_ID, EGRESS_AUTHORIZATION, EXCHANGE_PATH, ROUTE

NOW = 1_000_000.0
ANN = a_subject(NOW + 300)
FOUND = {
    b"authorization": f"Bearer {ANN}".encode(),
    ROUTE.encode(): b"0a1b2c3d|/data",
    CORRELATION_ID.encode(): b"c-1",
}


class Worker:
    def __init__(self, *, audit_required: bool = True) -> None:
        exchanges = (ExchangeRules("/data", "data-service", "key"), ExchangeRules("/audit", "audit-service", "other"))
        answers = Answers(lambda: 0.0)
        answers.learn(Exchange("key", ANN), Found("new", 300.0), 0.0)
        self.recorded: list[tuple[Request, Decision, str]] = []
        self.writable = True
        self.gate = EgressGate(exchanges, answers, lambda: NOW)
        given = rules(exchanges=exchanges, tag="0a1b2c3d", audit_required=audit_required)
        self.egress = EgressDecisions(given, self.gate, self.record)

    def record(self, request: Request, decision: Decision, *_: object, left_for: str) -> bytes:
        self.recorded.append((request, decision, left_for))
        return b"{}\n" if self.writable else b""

    def ask(self, changes: Mapping[bytes, bytes] = {}, unanswered: Exchange | None = None) -> bytes:
        found = {**FOUND, **changes}
        target = f"{EXCHANGE_PATH}/data/stock?a=b".encode()
        return self.egress.answer((b"GET", target, found), "d" * 32, 1, unanswered)

    def reason(self, changes: Mapping[bytes, bytes] = {}, unanswered: Exchange | None = None) -> Reason:
        head, _, body = self.ask(changes, unanswered).partition(b"\r\n\r\n")
        assert not head.startswith(b"HTTP/1.1 200")
        assert EGRESS_AUTHORIZATION.encode() not in head
        return Reason(json.loads(body)["reason"])


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_the_target_is_shown_what_was_exchanged_and_it_is_on_record(worker: Worker) -> None:
    """Whose the token is, is not verified here: the record names nobody."""
    assert worker.ask().startswith(f"HTTP/1.1 200 OK\r\n{EGRESS_AUTHORIZATION}: Bearer new\r\n".encode())

    [(request, decision, left_for)] = worker.recorded
    assert (request.path, request.route, request.correlation_id, left_for) == (
        "/data/stock", "/data", "c-1", "data-service",
    )  # fmt: skip
    assert decision == Allow(f"{EGRESS_AUTHORIZATION}: Bearer new\r\n".encode())


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        (b"0a1b2c3d|/other", Reason.DECISION_UNAVAILABLE),
        (b"ffffffff|/data", Reason.DECISION_UNAVAILABLE),
        (b"/data", Reason.DECISION_UNAVAILABLE),
        (b"", Reason.DECISION_UNAVAILABLE),
    ],
)
def test_a_route_of_another_configuration_gets_nothing(worker: Worker, route: bytes, reason: Reason) -> None:
    """Its target may be another one, or have another audience."""
    assert worker.reason({ROUTE.encode(): route}) is reason
    assert worker.recorded[-1][1].reason is reason


def test_another_target_has_its_own_token(worker: Worker) -> None:
    with pytest.raises(NotReady) as missing:
        worker.ask({ROUTE.encode(): b"0a1b2c3d|/audit"})
    assert missing.value.question == Exchange("other", ANN, 300.0)
    assert worker.recorded == []


def test_what_does_not_come_in_time_is_503(worker: Worker) -> None:
    bob = f"Bearer {a_subject(NOW + 300, sub='bob')}".encode()
    with pytest.raises(NotReady):
        worker.ask({b"authorization": bob})
    assert worker.reason({b"authorization": bob}, Exchange("key", "bob's")) is Reason.EGRESS_TOKEN_UNAVAILABLE
    assert isinstance(worker.recorded[-1][1], Deny)


def test_without_a_record_nothing_leaves(worker: Worker) -> None:
    """Unless the configuration says that it may."""
    worker.writable = False
    assert worker.reason() is Reason.AUDIT_UNAVAILABLE

    careless = Worker(audit_required=False)
    careless.writable = False
    assert careless.ask().startswith(b"HTTP/1.1 200")


def test_a_defect_of_ours_is_503(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_target: str, _authorization: str | None) -> Decision:
        raise ZeroDivisionError

    monkeypatch.setattr(worker.gate, "decide", broken)
    assert worker.reason() is Reason.DECISION_FAILED


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (b"", Reason.TOKEN_MISSING),
        (b"Bearer garbage", Reason.TOKEN_MALFORMED),
        (f"Bearer {a_subject(NOW - 1)}".encode(), Reason.TOKEN_EXPIRED),
    ],
)
def test_a_bad_token_is_refused_and_on_record(worker: Worker, authorization: bytes, reason: Reason) -> None:
    assert worker.reason({b"authorization": authorization}) is reason
    assert (type(worker.recorded[-1][1]), worker.recorded[-1][1].reason) == (Deny, reason)
