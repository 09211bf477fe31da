"""A worker that remembers what it allowed answers and records what one does that judges each request anew."""

import os
from pathlib import Path

import msgspec
import pytest
from tests.support.audit_files import verified
from tests.support.decisions import HEADERS, PEERS, policy
from tests.support.fake_transport import FakeTransport
from tests.support.remembering import Play, twins_in
from tests.support.remembering_worker import Live
from tests.support.tokens import ISSUER, an_ec_signer, good_claims, jwk, jwks, mint

from authz_service.decision_worker.in_flight import Ending
from authz_service.decision_worker.ingress_decision import Known
from authz_service.domain.rules import IssuerKeys, TokenDenials
from authz_service.errors import AuditUnavailable
from authz_service.ext_authz.http_protocol import DecisionProtocol
from authz_service.ext_authz.remembered import one_taken_apart


@pytest.mark.parametrize("seed", range(2))
def test_with_and_without_a_memory_in_worker_or_envoy_all_say_the_same(tmp_path: Path, seed: int) -> None:
    """Whatever is asked, whatever changes between: the same answer, the same record but for its own marks."""
    twins = twins_in(tmp_path)

    differences = [each for each in Play(twins, seed).steps(600) if each]
    assert differences == []
    assert twins.repeated > 40  # or it would say nothing
    assert twins.remembering.recalled - twins.repeated > 100  # known heads
    assert twins.cached.cache.repeated > 40
    assert min(twins.allowed, twins.refused) > 100
    report = verified(twins.cached.file)
    assert (report.problems, len(report.writers)) == ([], 2)  # Envoy's own chain, and the worker's


def test_the_third_of_requests_that_are_alike_is_not_judged_and_is_on_record(tmp_path: Path) -> None:
    """Each record has its own id and correlation id; the repeated one names the decision that it repeats."""
    live = Live(tmp_path)

    answers = [live.ask(b"c-%d" % number) for number in range(4)]
    assert len(set(answers)) == 1
    assert answers[0].startswith(b"HTTP/1.1 200 ")
    first, second, third, fourth = live.records()
    assert [record["correlation_id"] for record in (first, second, third, fourth)] == ["c-0", "c-1", "c-2", "c-3"]
    assert len({record["decision_id"] for record in live.records()}) == 4
    assert (first["repeats"], second["repeats"]) == ("", "")
    assert third["repeats"] == fourth["repeats"] == second["decision_id"]
    delta = live.counters.take()
    assert delta is not None
    assert delta.memory == {"new": 1, "second": 1, "repeated": 2}
    assert delta.decisions == {"allow|allowed": 4}


def test_a_refusal_is_judged_each_time(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.asked = live.asked._replace(path=b"/admin")

    assert all(live.ask().startswith(b"HTTP/1.1 403 ") for _ in range(4))
    assert {record["repeats"] for record in live.records()} == {""}


@pytest.mark.parametrize(
    "change",
    [
        {"denials": TokenDenials(claims=(("", "jti", "5a1c"),))},
        {"policy": msgspec.structs.replace(policy(), data='{"a": 1}')},
        {"peers": msgspec.structs.replace(PEERS, revoked_fingerprints=("ab" * 32,))},
        {},
    ],
)
def test_whatever_changes_nothing_is_remembered_from_before(tmp_path: Path, change: dict[str, object]) -> None:
    live = Live(tmp_path)
    for _ in range(2):
        live.ask()
    assert live.is_remembered

    live.use(**change)
    assert not live.is_remembered


def test_rules_that_cannot_be_used_have_already_said_who_is_denied(tmp_path: Path) -> None:
    """The denylist is in force when the audit's new destination turns out not to be there."""
    live = Live(tmp_path)
    for _ in range(2):
        live.ask()

    with pytest.raises(AuditUnavailable):
        live.use(denials=TokenDenials(claims=(("", "jti", "5a1c"),)), audit_path=str(tmp_path / "no" / "audit"))
    assert not live.is_remembered
    assert live.ask().startswith(b"HTTP/1.1 401 ")


def test_by_other_rules_a_known_head_is_read_anew(tmp_path: Path) -> None:
    """Which headers are read is a matter of the rules."""
    live = Live(tmp_path)
    for path in (b"/orders?a=1", b"/orders?a=2", b"/orders?a=3"):
        live.asked = live.asked._replace(path=path)
        live.ask()

    live.use(headers=msgspec.structs.replace(HEADERS, extract=()))
    live.ask()
    *before, after = (record["user_context"] for record in live.records())
    assert before == ["john"] * 3
    assert after != "john"


def test_a_known_head_that_lacks_a_key_is_left_to_who_can_wait_for_it(tmp_path: Path) -> None:
    """Nothing is answered before, and nothing is on record."""
    live = Live(tmp_path)
    live.asked = live.asked._replace(token=mint(good_claims(), signer=an_ec_signer()).encode())
    service, asked = live.revisions.service_for(b""), one_taken_apart(live.question())
    assert asked is not None
    live.revisions.heads.learn(asked, service, service.read(*parts(live.question())))
    assert live.revisions.heads.find(asked) is not None

    assert live.answering.recall(live.question()) is None
    assert not live.records()


def test_a_head_that_comes_once_is_not_learnt(tmp_path: Path) -> None:
    """It would drive out others, and costs more than being read."""
    live = Live(tmp_path)
    question = live.question()
    asked = one_taken_apart(question)
    assert asked is not None

    for known in (False, True):
        live.answering.answer(*parts(question), question)
        assert (live.revisions.heads.find(asked) is not None) is known


def test_what_was_shown_last_is_not_taken_for_another_question(tmp_path: Path) -> None:
    live = Live(tmp_path)
    question, other = live.question(), live.question().replace(b"10.0.1.10", b"10.0.1.11")
    for _ in range(2):
        live.answering.recall(other)
        live.answering.answer(*parts(question), question)

    found = [live.revisions.heads.find(asked) for asked in map(one_taken_apart, (question, other)) if asked]
    assert [each is not None for each in found] == [True, False]


def parts(question: bytes) -> tuple[bytes, bytes, dict[bytes, bytes]]:
    """As the parser finds them."""
    line, *lines = question.split(b"\r\n")[:-2]
    return line.split(b" ")[0], line.split(b" ")[1], dict(each.split(b": ", 1) for each in lines)


def test_with_other_keys_a_token_is_verified_anew(tmp_path: Path) -> None:
    live = Live(tmp_path)
    for _ in range(2):
        live.ask()
    assert live.is_remembered

    live.revisions.set_keys(IssuerKeys(ISSUER, jwks(jwk(an_ec_signer()))))
    assert not live.is_remembered


def test_after_a_death_in_the_middle_of_a_question_each_is_judged_with_care(tmp_path: Path) -> None:
    """And the worker that stands by never repeats: it hears only what another one did not answer."""
    live = Live(tmp_path)
    for _ in range(2):
        live.ask()
    assert live.is_remembered

    live.in_flight.begin(live.revisions.service_for(b"").read(b"GET", b"/", {}), 1)
    live.in_flight.file(0, Ending.CRASHED)
    assert not live.is_remembered
    beside = Live(tmp_path, slot=1)
    assert beside.in_flight.stands_by
    asked = one_taken_apart(beside.question())
    assert asked is not None
    beside.revisions.remembered.remember(asked, "c-1", Known(*[None] * 5), float("inf"))
    assert not beside.is_remembered


def test_without_its_record_a_repeated_allow_is_none(tmp_path: Path) -> None:
    """As any other: 503, and it goes on when there is room again."""
    live = Live(tmp_path)
    for _ in range(2):
        live.ask()
    sink = live.revisions.service_for(b"")._audit._sink
    there, sink._descriptor = sink._descriptor, os.open("/dev/full", os.O_WRONLY)

    assert live.ask().startswith(b"HTTP/1.1 463 ")
    os.close(sink._descriptor)
    sink._descriptor = there
    assert live.ask().startswith(b"HTTP/1.1 200 ")
    assert [record["event"] for record in live.records()] == ["access", "access", "audit_gap", "access"]


def test_what_was_not_on_record_is_not_remembered(tmp_path: Path) -> None:
    """With audit.on_failure: continue, too: a record names the decision that it repeats."""
    live = Live(tmp_path)
    live.use(audit_required=False)
    sink = live.revisions.service_for(b"")._audit._sink
    there, sink._descriptor = sink._descriptor, os.open("/dev/full", os.O_WRONLY)

    assert all(live.ask().startswith(b"HTTP/1.1 200 ") for _ in range(3))
    assert not live.is_remembered
    os.close(sink._descriptor)
    sink._descriptor = there


def test_pieces_of_a_question_are_no_question(tmp_path: Path) -> None:
    """Of one that came in two, nothing is remembered: neither its end nor its whole."""
    live = Live(tmp_path)
    question = live.question()
    cut = question.index(b"x-correlation-id") - 2

    for _ in range(3):
        transport = FakeTransport()
        protocol = DecisionProtocol(live.answering.answer, recall=live.answering.recall)
        protocol.connection_made(transport)
        protocol.data_received(question[:cut])
        protocol.data_received(question[cut:])
        assert transport.written.startswith(b"HTTP/1.1 200 ")
    assert not live.is_remembered
    assert live.answering.recall(question[cut:]) is None
