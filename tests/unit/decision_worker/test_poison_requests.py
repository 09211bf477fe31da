"""What ended a worker is not tried again, whatever words it comes in; all else is, and each is on record once."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.decisions import gate, johns_token, policy, request, rules
from tests.support.tokens import good_claims, mint

from authz_service.audit.chain import Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.in_flight import KEPT, Ending, InFlight
from authz_service.decision_worker.ingress_decision import IngressDecisions
from authz_service.domain.decision import Request
from authz_service.domain.rules import GateRules, RouteRules
from authz_service.domain.time_budget import RETRIES_ARE_OVER
from authz_service.ingress.gate import Gate

# It reads the path, the ids and the user's name, and nothing else.
POLICY = policy("""package order
allow if {
    startswith(input.request.path, "/orders")
    input.token.preferred_username
    input.decision_id
    input.headers["X-Correlation-ID"]
}
""")
DEADLY = request(path="/orders/deadly")
REFUSALS = {Ending.TIMED_OUT: "policy_timeout", Ending.CRASHED: "decision_failed"}


class Pair:
    """Two workers of one sidecar; the tests are the forkserver."""

    def __init__(self, folder: Path, given: GateRules) -> None:
        self.now = 100.0
        self.file = folder / "audit.jsonl"
        self.tally = WorkerCounters()
        self.flight = InFlight(2, lambda: self.now)
        self.service = self.with_rules(given)

    def with_rules(self, given: GateRules) -> IngressDecisions:
        return IngressDecisions(
            gate(given), AuditWriter(Chain("", 0), AuditSink(str(self.file))), self.tally, {}, self.flight
        )

    def die(self, asked: Request, ending: Ending, service: IngressDecisions | None = None) -> None:
        """The worker of slot 0 ends at the question; from now on we are the other one."""
        self.flight.sit(0)
        self.flight.begin(asked, (service or self.service)._poison_requests.mark)
        self.flight.file(0, ending)
        self.flight.sit(1)

    def ask(self, asked: Request, service: IngressDecisions | None = None) -> str:
        """The reason on record."""
        (service or self.service).answer(asked)
        return str(self.records()[-1]["reason"])

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Pair]:
    return lambda **changes: Pair(tmp_path, rules(**{"policy": POLICY, **changes}))


@pytest.fixture
def pair(made: Callable[..., Pair]) -> Pair:
    return made()


@pytest.mark.parametrize("ending", REFUSALS)
def test_the_same_for_the_policy_is_the_same(pair: Pair, ending: Ending) -> None:
    """Other ids, another address, another token of the user: refused. Another path or user: decided."""
    assert pair.ask(DEADLY) == "allowed"
    pair.die(DEADLY, ending)

    again = mint(good_claims(jti="another"))
    for same in (
        DEADLY,
        DEADLY._replace(correlation_id="other"),
        DEADLY._replace(remote="10.9.9.9"),
        DEADLY._replace(authorization=f"Bearer {again}"),
    ):
        assert pair.ask(same) == REFUSALS[ending]
    other = mint(good_claims(preferred_username="jane"))
    for different in (DEADLY._replace(path="/orders/other"), DEADLY._replace(authorization=f"Bearer {other}")):
        assert pair.ask(different) == "allowed"


def test_who_is_refused_is_on_record(pair: Pair) -> None:
    """The request, its caller and its user, as in any decision; and what happened."""
    pair.die(DEADLY, Ending.TIMED_OUT)
    answer = pair.service.answer(DEADLY)

    (record,) = pair.records()
    assert (record["path"], record["user_name"], record["mtls_client"]) == (
        "/orders/deadly",
        "john",
        "api-gateway-client",
    )
    assert record["reasons"] == ["this input used up an evaluation's processor time"]
    assert b"retry-after" in answer
    assert johns_token().encode() not in answer


def test_an_innocent_question_is_decided(pair: Pair) -> None:
    """Its worker was killed from outside."""
    pair.die(DEADLY, Ending.LOST)

    assert pair.ask(DEADLY) == "allowed"


def test_what_the_gate_refuses_before_the_policy_is_refused_for_that(pair: Pair) -> None:
    """Also when such a question ended a worker."""
    expired = DEADLY._replace(authorization="Bearer x")
    pair.die(expired, Ending.CRASHED)

    assert pair.ask(expired) == "token_malformed"
    assert pair.ask(DEADLY) == "allowed"


def test_what_ends_a_worker_before_the_policy_is_looked_at_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each question of anybody's would end the next worker, for as long as it is remembered."""

    class CrashError(BaseException):
        pass

    def require_form(gate: Gate, asked: Request) -> tuple[RouteRules, list[str]]:
        if asked == DEADLY:
            raise CrashError
        return decided(gate, asked)

    decided = Gate.require_form
    monkeypatch.setattr(Gate, "require_form", require_form)
    innocent = DEADLY._replace(path="/orders/other")
    pair.die(DEADLY, Ending.CRASHED)

    with pytest.raises(CrashError):
        pair.ask(innocent)
    assert pair.ask(innocent) == "allowed"


def test_other_rules_begin_anew(pair: Pair) -> None:
    """In both directions: a change may be taken back."""
    pair.die(DEADLY, Ending.TIMED_OUT)
    newer = pair.with_rules(rules(policy=POLICY, revision="r2"))

    assert pair.ask(DEADLY, newer) == "allowed"
    assert pair.ask(DEADLY) == "policy_timeout"


def test_it_is_forgotten(pair: Pair) -> None:
    pair.die(DEADLY, Ending.TIMED_OUT)
    pair.now += KEPT - 0.1
    assert pair.ask(DEADLY) == "policy_timeout"
    pair.now += 0.2
    assert pair.ask(DEADLY) == "allowed"


def test_shadow_mode_records_and_lets_pass(made: Callable[..., Pair]) -> None:
    pair = made(shadow=True)
    pair.die(DEADLY, Ending.TIMED_OUT)

    assert pair.service.answer(DEADLY).startswith(b"HTTP/1.1 200 ")
    assert (pair.records()[0]["reason"], pair.records()[0]["shadow"]) == ("policy_timeout", True)


def test_without_a_policy_there_is_nothing_to_compare(made: Callable[..., Pair]) -> None:
    pair = made(policy=None)
    pair.die(DEADLY, Ending.CRASHED)

    assert pair.ask(DEADLY) == "allowed"


class TestUnanswered:
    @pytest.mark.parametrize(("ending", "reason"), [(Ending.LOST, "decision_unavailable"), *REFUSALS.items()], ids=str)
    def test_what_nobody_asks_again_is_recorded_by_the_successor(self, pair: Pair, ending: Ending, reason: str) -> None:
        """Once; not by the other worker, and not before Envoy has given up."""
        pair.die(DEADLY, ending)
        pair.flight.sit(0)
        pair.now += RETRIES_ARE_OVER - 0.1
        pair.service.record_unanswered()
        pair.flight.sit(1)
        pair.now += 0.2
        pair.service.record_unanswered()
        assert not pair.file.read_text()
        pair.flight.sit(0)
        for _ in range(2):
            pair.service.record_unanswered()

        (record,) = pair.records()
        assert (record["decision"], record["reason"], record["user_name"]) == ("deny", reason, "john")
        figures = pair.tally.take()
        assert figures is not None
        assert figures.decisions == {f"deny|{reason}": 1}

    @pytest.mark.parametrize("ending", Ending)
    def test_what_was_answered_is_not(self, pair: Pair, ending: Ending) -> None:
        """A like question's answer is not its own."""
        pair.die(DEADLY, ending)
        pair.service.answer(DEADLY)
        pair.die(DEADLY._replace(correlation_id="c-2"), ending)
        pair.service.answer(DEADLY._replace(correlation_id="c-3"))
        pair.flight.sit(0)
        pair.now += RETRIES_ARE_OVER + 0.1
        pair.service.record_unanswered()

        assert [record["correlation_id"] for record in pair.records()] == ["c-1", "c-3", "c-2"]

    def test_it_is_not_an_allow_in_shadow_mode_either(self, made: Callable[..., Pair]) -> None:
        """It never reached the service."""
        pair = made(shadow=True)
        pair.die(DEADLY, Ending.TIMED_OUT)
        pair.flight.sit(0)
        pair.now += RETRIES_ARE_OVER + 0.1
        pair.service.record_unanswered()

        assert pair.records()[0]["decision"] == "deny"


def test_what_another_worker_is_at_is_found(pair: Pair) -> None:
    """Its very question, or one that looks the same to the policy; not another one."""
    pair.flight.sit(0)
    pair.flight.begin(DEADLY, pair.service._poison_requests.mark)
    assert pair.service.standing(DEADLY) is None
    pair.flight.sit(1)

    assert pair.service.standing(DEADLY) == (0, True)
    assert pair.service.standing(DEADLY._replace(correlation_id="other")) == (0, False)
    assert pair.service.standing(DEADLY._replace(path="/orders/other")) is None
    refused = DEADLY._replace(authorization=None)
    assert pair.service.standing(refused) is None
    pair.flight.sit(0)
    pair.flight.end()
    pair.flight.sit(1)
    assert pair.service.standing(DEADLY) is None
