"""From question to answer with real parts: recorded before it is allowed, and never allowed by an accident."""

import json
import logging
import re
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import HEADERS, PEERS, gate, gateways_certificate, johns_token, policy, request, rules
from tests.support.tokens import ISSUER, NOW, good_claims, mint

from authz_service import headers
from authz_service.audit.chain import Chain
from authz_service.audit.sink import AuditSink
from authz_service.audit.writer import AuditWriter
from authz_service.control_protocol import CountersDelta
from authz_service.decision_worker.counters import WorkerCounters
from authz_service.decision_worker.in_flight import InFlight
from authz_service.decision_worker.ingress_decision import IngressDecisions
from authz_service.domain.decision import Request, Verdict
from authz_service.domain.questions import Active, Key, NotReady, Question
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import GateRules, RouteRules, TokenDenials
from authz_service.domain.time_budget import EVALUATION
from authz_service.identity.certificates import read_peer
from authz_service.request_form import METHODS

UNKNOWN_KEY = request(authorization=f"Bearer {mint(header={'kid': 'new'})}")


class Worker:
    """A decision service with its file of records."""

    def __init__(self, folder: Path, given: GateRules | None = None) -> None:
        self.given = given or rules()
        self.file = folder / "audit.jsonl"
        self.sink = AuditSink(str(self.file))
        self.tally = WorkerCounters()
        self.gate = gate(self.given)
        self.audit = AuditWriter(Chain("", 0), self.sink)
        self.service = IngressDecisions(self.gate, self.audit, self.tally, {}, InFlight(1))

    def ask(self, asked: Request | None = None, unanswered: Question | None = None) -> tuple[int, dict[str, object]]:
        """The status that Envoy sees, and the problem document."""
        answer = self.service.answer(asked or request(), unanswered=unanswered)
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body) if body else {}

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def figures(self) -> CountersDelta:
        taken = self.tally.take()
        assert taken is not None
        return taken

    def lose_its_disk(self) -> None:
        self.sink.close()
        self.file.unlink()
        self.file.symlink_to("/dev/full")


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Worker]:
    return lambda **changes: Worker(tmp_path, rules(**changes))


def test_an_allowed_request_is_on_record_and_carries_the_identity(worker: Worker) -> None:
    answer = worker.service.answer(request())

    assert answer.startswith(b"HTTP/1.1 200 OK\r\nx-user-id: ")
    assert b"Bearer" not in answer
    (written,) = worker.records()
    assert (written["decision"], written["reason"], written["user_name"]) == ("allow", "allowed", "john")
    assert worker.figures().decisions == {"allow|allowed": 1}


def test_a_refused_request_is_on_record_and_its_answer_names_the_same_ids(worker: Worker) -> None:
    status, problem = worker.ask(request(path="/admin"))

    (written,) = worker.records()
    assert (status, problem["reason"]) == (403, "policy_denied")
    assert (written["decision"], written["reason"]) == ("deny", "policy_denied")
    assert (written["decision_id"], written["correlation_id"]) == (problem["decision_id"], problem["correlation_id"])
    assert re.fullmatch("[0-9a-f]{32}", str(written["decision_id"]))
    assert worker.figures().decisions == {"deny|policy_denied": 1}


def test_each_decision_has_an_id_of_its_own(worker: Worker) -> None:
    for _ in range(300):
        worker.ask()

    assert len({written["decision_id"] for written in worker.records()}) == 300


def test_the_question_is_read_by_the_rules(made: Callable[..., Worker]) -> None:
    """The token's header and the extracted ones are the configured ones, in lower case on the wire."""
    named = made(headers=msgspec.structs.replace(HEADERS, auth_header="X-Access-Token", extract=("X-Tenant",)))
    found = {
        b"x-access-token": b"Bearer t",
        b"authorization": b"Bearer other",
        b"x-tenant": b"t1",
        b"x-user-context": b"u",
    }

    asked = named.service.read(b"GET", b"/check-0123abcd/orders?a=1", found)

    assert (asked.authorization, asked.extracted) == ("Bearer t", {"x-tenant": "t1"})


class TestCorrelation:
    def test_a_good_id_is_kept(self, worker: Worker) -> None:
        assert worker.ask(request(path="/admin", correlation_id="c-7"))[1]["correlation_id"] == "c-7"
        assert worker.records()[0]["correlation_id"] == "c-7"

    @pytest.mark.parametrize("bad", ["", "a" * 129, 'x","decision":"allow', "a\r\nset-cookie: x", "é", "a,b"])
    def test_any_other_is_replaced_everywhere(self, made: Callable[..., Worker], bad: str) -> None:
        """In the record, in the answer and in what the policy sees (SECURITY T25)."""
        echo = made(policy=policy('package order\nallow := {"allow": false, "audit": input.headers}'))
        answer = echo.service.answer(request(correlation_id=bad))
        (written,) = echo.records()

        assert written["correlation_id"] == written["decision_id"]
        assert written["policy_audit"] == {"X-User-Context": "john", "X-Correlation-ID": written["decision_id"]}
        assert not bad or bad.encode("latin-1") not in answer


class TestUserContext:
    def test_a_verified_peer_says_on_whose_behalf_it_acts(self, worker: Worker, made: Callable[..., Worker]) -> None:
        """A stranger does not: then it is the token's subject (SECURITY T25)."""
        worker.ask(request(extracted={headers.USER_CONTEXT: "mary"}))
        stranger = made(peers=None)
        stranger.ask(request(extracted={headers.USER_CONTEXT: "mary"}))

        known, unknown = stranger.records()
        assert known["user_context"] == "mary"
        assert unknown["user_context"] == unknown["user_id"]


class TestAuditBeforeAllow:
    def test_what_cannot_be_recorded_is_not_allowed(self, worker: Worker) -> None:
        """503, with a way to find it again; and counted. With the disk back, it is allowed."""
        worker.lose_its_disk()
        status, problem = worker.ask()

        assert (status, problem["status"], problem["reason"]) == (headers.UNAVAILABLE_STATUS, 503, "audit_unavailable")
        assert "No space left" in worker.tally.audit_error
        figures = worker.figures()
        assert (figures.decisions, figures.audit_failures) == ({"deny|audit_unavailable": 1}, 1)

        worker.file.unlink()
        worker.sink.reopen_if_moved()
        assert worker.ask()[0] == 200
        assert worker.figures().audit_failures == 0
        assert [record["event"] for record in worker.records()] == ["audit_gap", "access"]

    def test_a_refusal_that_cannot_be_recorded_is_unavailable_too(self, worker: Worker) -> None:
        worker.lose_its_disk()

        assert worker.ask(request(path="/admin"))[1]["reason"] == "audit_unavailable"

    def test_the_other_choice_lets_it_pass_and_counts_the_loss(self, made: Callable[..., Worker]) -> None:
        """`audit.on_failure: continue`: the decision stands, whichever it is."""
        lenient = made(audit_required=False)
        lenient.lose_its_disk()

        assert lenient.ask()[0] == 200
        assert lenient.ask(request(path="/admin"))[1]["reason"] == "policy_denied"
        figures = lenient.figures()
        assert figures.decisions == {"allow|allowed": 1, "deny|policy_denied": 1}
        assert figures.audit_failures == 2

    def test_a_record_that_cannot_be_made_counts_as_not_written(
        self, worker: Worker, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Whatever our own mistake is, the request is not allowed by it."""
        half = request(remote="\ud800")  # no text that could be written in UTF-8

        assert worker.ask(half)[1]["reason"] == "audit_unavailable"
        assert worker.ask(half._replace(remote=""))[0] == 200
        assert "audit_record_failed" in caplog.text
        assert "UnicodeEncodeError" in worker.tally.audit_error
        assert [(record["event"], record.get("lost")) for record in worker.records()] == [
            ("audit_gap", 1),
            ("access", None),
        ]


class TestAccidents:
    def test_an_exception_in_the_gate_is_a_refusal(self, worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
        """503 with a record and a traceback; the next request is decided as ever."""
        broken = request(host=None)
        status, problem = worker.ask(broken)

        assert (status, problem["reason"]) == (headers.UNAVAILABLE_STATUS, "decision_failed")
        assert "TypeError" not in str(problem)
        (written,) = worker.records()
        assert (written["decision"], written["reason"], written["reasons"]) == (
            "deny",
            "decision_failed",
            ["TypeError"],
        )
        (logged,) = caplog.records
        assert (logged.levelno, logged.getMessage()) == (logging.ERROR, "decision_failed")
        assert worker.ask()[0] == 200

    @pytest.mark.parametrize("shadow", [False, True])
    def test_shadow_mode_forgives_no_accident(self, made: Callable[..., Worker], shadow: bool) -> None:
        shadowed = made(shadow=shadow)

        assert shadowed.ask(request(host=None))[1]["reason"] == "decision_failed"
        assert shadowed.ask(request(path="/admin"))[0] == (200 if shadow else 403)

    def test_a_shadowed_refusal_is_counted_as_such(self, made: Callable[..., Worker]) -> None:
        shadowed = made(shadow=True)
        shadowed.ask(request(path="/admin"))

        assert shadowed.figures().decisions == {"allow|policy_denied": 1}
        (written,) = shadowed.records()
        assert (written["decision"], written["reason"], written["shadow"]) == ("allow", "policy_denied", True)

    def test_the_clock_of_an_evaluation_stops_with_it(self, worker: Worker) -> None:
        """Else the worker would be killed while it does something else."""
        for asked in (request(), request(path="/admin"), request(host=None)):
            worker.ask(asked)
            assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
        with pytest.raises(NotReady):
            worker.ask(UNKNOWN_KEY)
        assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)

    def test_the_clock_of_an_evaluation_runs_during_it(self, worker: Worker) -> None:
        """It is the process's own processor time, and short; the question is written down meanwhile, for others."""
        in_flight = InFlight(2)

        class Watch:
            left = 0.0
            reads = None
            standing: tuple[Request, ...] = ()

            def evaluate(self, document: object) -> Verdict:
                self.left = signal.getitimer(signal.ITIMER_PROF)[0]
                in_flight.slot = 1
                self.standing = tuple(question for _, question in in_flight.standing())
                return Verdict(Reason.ALLOWED, (), None)

        watch = Watch()
        IngressDecisions(gate(worker.given, engine=watch), worker.audit, worker.tally, {}, in_flight).answer(request())

        assert 0 < watch.left < 2 * EVALUATION
        assert watch.standing == (request(),)
        assert list(in_flight.standing()) == []


class TestMissingKeys:
    def test_the_shell_is_asked_for_a_key_and_nothing_is_recorded_yet(self, worker: Worker) -> None:
        """No answer, no record, no count: the question is asked again."""
        with pytest.raises(NotReady):
            worker.ask(UNKNOWN_KEY)

        assert worker.records() == []
        assert worker.tally.take() is None

    def test_keys_that_do_not_come_in_time_are_our_trouble(self, worker: Worker) -> None:
        """503: the token may be good."""
        status, problem = worker.ask(UNKNOWN_KEY, Key(ISSUER, "new"))

        assert (status, problem["reason"]) == (headers.UNAVAILABLE_STATUS, "keys_unavailable")
        assert worker.records()[0]["reason"] == "keys_unavailable"


class TestMethods:
    def test_a_wrong_method_is_told_the_routes_own(self, made: Callable[..., Worker]) -> None:
        """All that we serve, where the route names none; none, where there is no route."""
        routes = (
            RouteRules("some", auth_required=True, methods=("GET", "PUT"), downstream=""),
            RouteRules("all", auth_required=True, methods=(), downstream=""),
        )
        served = made(routes=routes).service

        assert b"\r\nallow: GET, PUT\r\n" in served.answer(request(method="DELETE", route="some"))
        assert f"\r\nallow: {', '.join(METHODS)}\r\n".encode() in served.answer(request(method="TRACE", route="all"))
        assert served.answer(request(method="TRACE", route="-")).startswith(b"HTTP/1.1 404 ")


def test_no_token_reaches_the_record(worker: Worker) -> None:
    worker.ask()
    worker.ask(request(authorization=f"Basic {johns_token()}"))

    assert johns_token() not in worker.file.read_text()
    assert johns_token().split(".")[2] not in worker.file.read_text()


def test_a_retired_revision_refuses_the_tokens_that_are_revoked_since(worker: Worker) -> None:
    """It still judges what Envoy routed by its routes."""
    newer = msgspec.structs.replace(worker.given, peers=None)
    worker.service.retire(newer)
    assert worker.ask()[0] == 200

    denials = TokenDenials(claims=(("", "azp", "web-app"),))
    worker.service.retire(msgspec.structs.replace(newer, denials=denials))
    assert worker.ask()[1]["reason"] == Reason.TOKEN_REVOKED


def test_a_retired_revision_refuses_the_certificates_that_are_revoked_since(worker: Worker) -> None:
    """The test's certificate is not valid by the real clock, which a retired revision asks."""
    worker.service.retire(worker.given)
    assert worker.ask()[1]["reason"] == Reason.CLIENT_CERT_EXPIRED

    peers = msgspec.structs.replace(PEERS, revoked_fingerprints=(read_peer(gateways_certificate()).fingerprint,))
    worker.service.retire(msgspec.structs.replace(worker.given, peers=peers))
    assert worker.ask()[1]["reason"] == Reason.CLIENT_CERT_REVOKED


def test_a_better_sign_in_is_asked_for_only_where_that_is_the_reason(made: Callable[..., Worker]) -> None:
    """Not where the record cannot be written."""
    asks = policy('package order\nallow := {"allow": false, "step_up": {"acr_values": "gold"}}')
    refused = made(policy=asks)
    assert b'acr_values="gold"' in refused.service.answer(request())
    assert refused.records()[-1]["reason"] == Reason.INSUFFICIENT_USER_AUTHENTICATION
    refused.lose_its_disk()
    assert b"acr_values" not in refused.service.answer(request())


def test_a_shadowed_wish_for_a_better_sign_in_is_on_record_only(made: Callable[..., Worker]) -> None:
    """A refusal for another reason says nothing of it."""
    asks = policy('package order\nallow := {"allow": false, "step_up": {"acr_values": "gold"}}')
    shadowed = made(policy=asks, shadow=True)
    assert shadowed.ask()[0] == 200
    assert shadowed.records()[-1]["reason"] == Reason.INSUFFICIENT_USER_AUTHENTICATION
    unfit = f"Bearer {mint(good_claims(NOW, realm_access={'roles': ['a' + chr(10)]}))}"
    answer = shadowed.service.answer(request(authorization=unfit))
    assert b"token_claims_invalid" in answer
    assert b"acr_values" not in answer


def test_an_issuer_that_does_not_answer_in_time_is_our_trouble(made: Callable[..., Worker]) -> None:
    """Asked for first; then 503, on record, and never an allow."""
    worker = made(routes=(RouteRules("", auth_required=True, methods=(), downstream="order", introspect=True),))
    with pytest.raises(NotReady):
        worker.ask()
    assert worker.records() == []

    status, body = worker.ask(None, Active(ISSUER, "t"))
    assert (status, body["reason"]) == (headers.UNAVAILABLE_STATUS, Reason.INTROSPECTION_UNAVAILABLE)
    assert [record["decision"] for record in worker.records()] == ["deny"]
