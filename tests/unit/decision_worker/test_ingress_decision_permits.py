"""A worker lets Envoy repeat what it would repeat itself, with the epoch of the rules and keys that it decided by."""

import json
import os
import random
from pathlib import Path

import msgspec
import pytest
from tests.support.audit_files import verified
from tests.support.decision_cache import DecisionCache, Permit, permit_in
from tests.support.decisions import keys
from tests.support.remembering_worker import Live

from authz_service.domain.rules import TokenDenials
from authz_service.errors import AuditUnavailable
from authz_service.ext_authz.remembered import one_taken_apart

EPOCH = 1_800_000_000_000_000


def live_in(folder: Path, **changes: object) -> Live:
    live = Live(folder)
    live.use_of(EPOCH, cached_in_envoy=True, **changes)
    return live


def permits(live: Live, count: int = 4) -> list[Permit | None]:
    answers = [live.ask(b"c-%d" % number) for number in range(count)]
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    return [permit_in(answer) for answer in answers]


def test_it_comes_with_the_second_and_with_each_that_is_repeated(tmp_path: Path) -> None:
    """The same each time: another thread of Envoy may not have it yet."""
    live = live_in(tmp_path)

    first, second, third, fourth = permits(live)
    assert first is None
    assert second is not None
    assert second == third == fourth
    assert second.epoch == EPOCH
    judged = live.records()[1]["decision_id"]
    assert second.record[3].endswith(b',"repeats":"%b"' % judged.encode())
    assert b"x-user-id: " in second.owned


def test_it_ends_when_the_workers_own_memory_does(tmp_path: Path) -> None:
    live = live_in(tmp_path)
    _, permit = permits(live, 2)

    assert permit is not None
    (known,) = live.revisions.remembered._known.values()
    assert permit.until == int(known.until * 1_000_000)


@pytest.mark.parametrize(
    "change", [{"cached_in_envoy": False}, {"copies": True}, {"remember": 0.0}], ids=["off", "copies", "no memory"]
)
def test_where_envoy_must_ask_there_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    live = live_in(tmp_path)
    live.use_of(EPOCH + 1, **change)

    assert permits(live) == [None] * 4


def test_of_a_record_that_was_cut_there_is_none(tmp_path: Path) -> None:
    live = live_in(tmp_path)
    live.asked = live.asked._replace(path=b"/orders/" + b"x" * 4000)

    assert permits(live) == [None] * 4
    live.asked = live.asked._replace(path=b"/orders/" + b"x" * 2000)
    assert permits(live, 2)[1] is not None


def test_a_refusal_has_none(tmp_path: Path) -> None:
    live = live_in(tmp_path)
    live.asked = live.asked._replace(path=b"/admin")

    assert [permit_in(live.ask()) for _ in range(3)] == [None] * 3


@pytest.mark.parametrize("correlation_id", [b"", b"a b", b"c-1\r\nx-correlation-id: c-2", b"x" * 129])
def test_without_one_good_correlation_id_there_is_none(tmp_path: Path, correlation_id: bytes) -> None:
    live = live_in(tmp_path)

    answers = [live.ask(correlation_id) for _ in range(3)]
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert [permit_in(answer) for answer in answers] == [None] * 3


def test_what_is_not_kept_by_the_worker_has_none(tmp_path: Path) -> None:
    """Its parser found another correlation id than stands in the bytes."""
    live = live_in(tmp_path)
    live.ask()
    service, question = live.revisions.service_for(b""), live.question()
    found = dict(line.split(b": ", 1) for line in question.split(b"\r\n")[1:-2])

    for correlation_id, is_one in ((b"c-2", False), (b"c-1", True)):
        request = service.read(b"POST", question.split(b" ")[1], found | {b"x-correlation-id": correlation_id})
        assert (permit_in(service.answer(request, came_in=one_taken_apart(question))) is not None) is is_one


def test_what_is_not_on_record_has_none(tmp_path: Path) -> None:
    """Although it goes on, with audit.on_failure: continue."""
    live = live_in(tmp_path, audit_required=False)
    sink = live.revisions.service_for(b"")._audit._sink
    there, sink._descriptor = sink._descriptor, os.open("/dev/full", os.O_WRONLY)

    assert permits(live) == [None] * 4
    os.close(sink._descriptor)
    sink._descriptor = there
    assert permits(live, 2)[1] is not None


class TestEpoch:
    """What a worker decides by, and what the control plane has told it: where they differ, Envoy may repeat nothing."""

    def test_without_one_there_is_no_permit(self, tmp_path: Path) -> None:
        live = Live(tmp_path)
        live.use(cached_in_envoy=True)

        assert permits(live) == [None] * 4

    def test_it_is_that_of_the_rules_or_keys_that_came_last(self, tmp_path: Path) -> None:
        live = live_in(tmp_path)
        permits(live)

        live.revisions.set_keys(keys(), EPOCH + 1)
        assert [permit and permit.epoch for permit in permits(live, 3)] == [None, EPOCH + 1, EPOCH + 1]
        live.use_of(EPOCH + 2)
        assert [permit and permit.epoch for permit in permits(live, 3)] == [None, EPOCH + 2, EPOCH + 2]
        live.revisions.set_epoch(EPOCH + 3)
        assert [permit and permit.epoch for permit in permits(live, 3)] == [None, EPOCH + 3, EPOCH + 3]

    def test_while_rules_are_on_their_way_there_is_no_permit(self, tmp_path: Path) -> None:
        """Neither where keys come with a newer one meanwhile; with the rules it is the newest."""
        live = live_in(tmp_path)
        permits(live)

        live.revisions.expect(EPOCH + 1)
        assert permits(live) == [None] * 4
        live.revisions.set_keys(keys(), EPOCH + 2)
        assert permits(live) == [None] * 4
        live.revisions.use(live.given, live.revisions.engine_for(live.given), EPOCH + 1)
        assert [permit and permit.epoch for permit in permits(live, 3)] == [None, EPOCH + 2, EPOCH + 2]

    def test_rules_that_are_followed_by_others_give_none(self, tmp_path: Path) -> None:
        live = live_in(tmp_path)

        for epoch in (EPOCH + 1, EPOCH + 2):
            live.revisions.expect(epoch)
        live.revisions.use(live.given, live.revisions.engine_for(live.given), EPOCH + 1)
        assert permits(live) == [None] * 4
        live.revisions.use(live.given, live.revisions.engine_for(live.given), EPOCH + 2)
        assert [permit and permit.epoch for permit in permits(live, 3)] == [None, EPOCH + 2, EPOCH + 2]
        assert live.revisions.has_newer_than(EPOCH + 1)
        assert not live.revisions.has_newer_than(EPOCH + 2)

    def test_after_rules_that_cannot_be_used_there_is_no_permit(self, tmp_path: Path) -> None:
        """It goes on deciding by the last ones, for itself. Until others are in force."""
        live = live_in(tmp_path)
        permits(live)

        with pytest.raises(AuditUnavailable):
            live.use_of(EPOCH + 1, audit_path=str(tmp_path / "no" / "audit"))
        live.revisions.set_keys(keys(), EPOCH + 2)
        assert permits(live) == [None] * 4
        assert live.is_remembered
        live.use_of(EPOCH + 3, audit_path=str(live.file))
        assert [permit and permit.epoch for permit in permits(live, 2)] == [None, EPOCH + 3]


class Told:
    """A worker that hears from the control plane in any order of events, as `decision_worker.process` has it."""

    def __init__(self, folder: Path) -> None:
        self.live, self.epoch, self.rules = live_in(folder), EPOCH, 1
        self.coming: list[tuple[int, int]] = []  # rules by number, with their epoch
        self.waiting: tuple[int, int] | None = None  # for their destination
        self.asked = 0

    def tell_rules(self) -> None:
        self.epoch, self.rules = self.epoch + 1, self.rules + 1
        self.live.revisions.expect(self.epoch)
        self.coming.append((self.rules, self.epoch))

    def tell_keys(self) -> None:
        self.epoch += 1
        self.live.revisions.set_keys(keys(), self.epoch)

    def take_over(self) -> None:
        if self.coming:
            self._use(self.coming.pop(0))

    def try_again(self) -> None:
        if self.waiting is not None:
            self._use(self.waiting)

    def fail(self) -> None:
        if self.coming:
            self.waiting = self.coming.pop(0)
            with pytest.raises(AuditUnavailable):
                self._with(self.waiting, str(self.live.file.parent / "no" / "audit"))

    def _use(self, told: tuple[int, int]) -> None:
        if not self.live.revisions.has_newer_than(told[1]):
            self._with(told, str(self.live.file))
            self.waiting = None

    def _with(self, told: tuple[int, int], audit_path: str) -> None:
        given = msgspec.structs.replace(self.live.given, revision=f"r{told[0]}", audit_path=audit_path)
        self.live.revisions.use(given, self.live.revisions.engine_for(given), told[1])

    def permitted(self) -> Permit | None:
        """By a question that was never asked before."""
        self.asked += 1
        self.live.asked = self.live.asked._replace(path=b"/orders/%d" % self.asked)
        return permits(self.live, 2)[1]


@pytest.mark.parametrize("seed", range(6))
def test_in_any_order_of_events_what_envoy_takes_was_decided_by_the_newest_rules(tmp_path: Path, seed: int) -> None:
    """And as soon as these are in force it gets permits that it takes."""
    told, chance, taken = Told(tmp_path), random.Random(seed), 0
    events = (told.tell_rules, told.tell_keys, told.take_over, told.take_over, told.try_again, told.fail)

    for _ in range(60):
        chance.choice(events)()
        permit = told.permitted()
        newest = b'"revision":"r%d"' % told.rules
        if permit is not None and permit.epoch == told.epoch:
            taken += 1
            assert newest in permit.record[2]
        elif told.live.revisions._in_force and not told.coming and told.waiting is None:
            assert newest not in json.dumps(told.live.records()[-1], separators=(",", ":")).encode()
    assert taken


class Cached:
    """A worker behind a decision cache; the board is the control plane's."""

    def __init__(self, folder: Path) -> None:
        self.live = live_in(folder)
        self.board = EPOCH
        self.cache = DecisionCache(self.live.file, self.live.revisions.remembered.now, lambda: self.board)

    def ask(self, question: bytes) -> bytes:
        return self.cache.repeat(question) or self.cache.learn(question, self.live.ask_raw(question))


def test_a_cache_repeats_the_third_and_asks_when_a_byte_differs(tmp_path: Path) -> None:
    """Every other byte but the correlation id's makes it another question."""
    cached = Cached(tmp_path)
    question = cached.live.question()
    for _ in range(3):
        cached.ask(question)
    assert cached.cache.repeated == 1

    inside = question.index(b"c-1")
    for at in set(range(0, len(question), 5)) - {inside, inside + 1, inside + 2}:
        assert cached.cache.repeat(question[:at] + bytes([question[at] ^ 1]) + question[at + 1 :]) is None
    assert cached.cache.repeat(cached.live.question(b"c-9")) is not None
    assert verified(cached.live.file).problems == []


def test_what_was_allowed_before_a_token_was_denied_is_not_repeated(tmp_path: Path) -> None:
    """From the moment at which the control plane raises its epoch, before any worker knows of it."""
    cached = Cached(tmp_path)
    question = cached.live.question()
    for _ in range(3):
        cached.ask(question)
    assert cached.cache.repeat(question) is not None

    cached.board = EPOCH + 1
    assert cached.cache.repeat(question) is None
    for _ in range(3):  # the worker has not heard yet: its permits are of before
        assert cached.ask(question).startswith(b"HTTP/1.1 200 ")
    assert cached.cache.repeat(question) is None
    cached.live.use_of(EPOCH + 1, denials=TokenDenials(claims=(("", "jti", "5a1c"),)))
    assert all(cached.ask(question).startswith(b"HTTP/1.1 401 ") for _ in range(3))


def test_who_asks_gets_the_same_from_both(tmp_path: Path) -> None:
    """The service gets what the worker would say, whichever of them says it."""
    cached = Cached(tmp_path)
    question = cached.live.question()

    answers = {cached.ask(question) for _ in range(4)}
    assert len(answers) == 1
    assert cached.cache.repeated == 2
