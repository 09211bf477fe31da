"""Revocation lists and PKIs of every shape, live: good clients pass, revoked ones do not, and what is said is true.

By reload, on one sidecar. Row F10 starts a sidecar with each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress

import psutil
import pytest
from tests.support.certificates import Leaf, Life
from tests.support.listed_sidecar import HANDSHAKE, PLAIN, REFUSED_BY, ListedSidecar
from tests.support.live import Live
from tests.support.lone_sidecar import replace, until
from tests.support.revocation_shapes import (
    AT,
    BELOW,
    BOTH,
    CALLER,
    ISSUING,
    NOW,
    OTHER_ROOT,
    PAST,
    ROOT,
    SHAPES,
    WEEK,
    Shape,
    of,
)
from tests.support.revocations import below

from authz_service.domain.refusals import Reason

ENDS = 'authz_certificate_expiry_timestamp_seconds{name="client_ca_crl"}'
RENEWAL = 'authz_certificate_renewal_timestamp_seconds{name="client_ca_crl"}'
USABLE = [shape for shape in SHAPES if shape.by != "nobody"]
REFUSED = [shape for shape in SHAPES if shape.by == "nobody"]


@pytest.fixture(scope="module")
def running(live: Live, module_stack: ExitStack) -> ListedSidecar:
    listed = ListedSidecar(live)
    module_stack.enter_context(listed.sidecar)
    return listed


@pytest.fixture
def listed(running: ListedSidecar) -> Iterator[ListedSidecar]:
    """As it was before the test, whatever that did."""
    yield running
    running.put_back()
    until(lambda: not running.degraded(), state=running.degraded)


@pytest.mark.parametrize("shape", USABLE, ids=lambda shape: shape.name)
def test_lists_that_come_by_reload_refuse_the_revoked_alone(listed: ListedSidecar, shape: Shape) -> None:
    good, revoked = shape.clients()
    expected = ["200", REFUSED_BY[shape.by]]

    listed.put(shape, revoked)
    until(lambda: listed.answers(good, revoked) == expected, state=lambda: f"{listed.answers(good, revoked)}")

    until(lambda: shape.told in listed.degraded() if shape.told else not listed.degraded(), state=listed.degraded)
    assert listed.sidecar.readyz()["ready"]
    life = PAST if shape.told else WEEK
    assert listed.sidecar.metric(ENDS) == int(life.end)
    assert abs(listed.sidecar.metric(RENEWAL) - (life.end - (life.end - life.begin) / 5)) < 2
    assert listed.answers(good, revoked) == expected


@pytest.mark.parametrize("shape", REFUSED, ids=lambda shape: shape.name)
def test_lists_that_nobody_can_use_leave_the_last_good_ones(listed: ListedSidecar, shape: Shape) -> None:
    """With its bundle. What is wrong stands in /readyz and in the metrics, and goes when it is mended."""
    refused = 'authz_reloads_total{result="refused",what="certificates"}'
    before = listed.sidecar.metric(refused)

    listed.put(shape, shape.clients()[1])

    until(lambda: shape.told in listed.degraded(), state=listed.degraded)
    assert str(listed.lists) in listed.degraded()
    assert listed.sidecar.readyz()["ready"]
    assert listed.sidecar.metric(refused) > before
    assert listed.answers(listed.good, listed.revoked) == ["200", HANDSHAKE]


def test_lists_that_the_gate_must_look_at_need_a_gate_that_looks(listed: ListedSidecar) -> None:
    """Without `proxy.mtls` nobody would refuse the revoked."""
    shape = next(shape for shape in SHAPES if shape.by == "gate")
    _, revoked = shape.clients()

    listed.put(shape, revoked, {"proxy.mtls": {"enabled": False}})
    until(lambda: "Envoy would refuse all" in listed.degraded(), state=listed.degraded)
    listed.put(shape, revoked)
    until(lambda: listed.answers(revoked) == [Reason.CLIENT_CERT_REVOKED])


def test_a_list_that_ends_while_it_serves_ends_for_everybody(listed: ListedSidecar) -> None:
    """`crl_expired: deny`, on open connections too, and /readyz says so, until its successor comes."""
    ends = time.time() + 8  # time enough to read it
    shape = Shape("", "envoy", lambda serial: of(ROOT, serial, life=Life(NOW - 60, ends)))
    listed.put(shape, listed.revoked)
    until(lambda: "ends in" in listed.degraded(), state=listed.degraded)  # it serves
    with closing(listed.connection(listed.good)) as open_one:
        assert listed.ask(open_one) == (200, "")
        until(lambda: listed.answers(listed.good, listed.revoked) == [HANDSHAKE, HANDSHAKE])
        assert time.time() > ends - 1
        until(lambda: listed.ask(open_one) == (403, Reason.CLIENT_CERT_REVOKED))

    until(lambda: "certificate client_ca_crl has expired" in listed.degraded(), state=listed.degraded)
    until(lambda: "ends in" not in listed.degraded(), state=listed.degraded)
    listed.put_back()
    until(lambda: listed.answers(listed.good, listed.revoked) == ["200", HANDSHAKE])


@pytest.mark.parametrize("listed_by", ["envoy", "gate"])
def test_a_revoked_authority_takes_its_clients_with_it(listed: ListedSidecar, listed_by: str) -> None:
    """On open connections too. Those of its root stay."""
    scope = AT if listed_by == "gate" else None
    shape = Shape("", "envoy", lambda serial: of(ROOT, serial, scope=scope) + of(ISSUING), BOTH)
    below_it, of_root = below(ISSUING, name=CALLER), below(ROOT, name=CALLER)
    listed.put(shape, listed.revoked)
    until(lambda: listed.answers(below_it, of_root, listed.revoked)[:2] == ["200", "200"])
    with closing(listed.connection(below_it)) as its, closing(listed.connection(of_root)) as roots:
        assert listed.ask(its) == listed.ask(roots) == (200, "")

        replace(listed.lists, shape.lists(ISSUING.certificate.serial_number).decode())

        until(lambda: listed.ask(its) == (403, Reason.CLIENT_CERT_REVOKED))
        assert listed.ask(roots) == (200, "")
    until(lambda: listed.answers(below_it, of_root) == [REFUSED_BY[listed_by], "200"])


def test_an_issuing_authority_that_leaves_is_trusted_through_its_root(listed: ListedSidecar) -> None:
    """As after a restart: whoever sends its certificate along gets in, until its root has left too."""
    without = Shape("", "envoy", lambda serial: of(ROOT) + of(ISSUING, serial), (ROOT,), BELOW)
    good, revoked = without.clients()
    listed.put(without._replace(bundle=BOTH), revoked)
    told = listed.sidecar.log.count("authority_still_trusted")
    until(lambda: listed.answers(good, revoked) == ["200", HANDSHAKE])
    with closing(listed.connection(good)) as open_one:
        assert listed.ask(open_one) == (200, "")
        reloads = listed.sidecar.log.count("certificates_reloaded")
        listed.put(without, revoked)
        until(lambda: listed.sidecar.log.count("certificates_reloaded") > reloads)
        assert listed.answers(good, revoked) == ["200", HANDSHAKE]
        assert listed.ask(open_one) == (200, "")
        assert listed.sidecar.log.count("authority_still_trusted") == told + 1

        other = Shape("", "envoy", lambda serial: of(OTHER_ROOT, serial), (OTHER_ROOT,))
        listed.put(other, revoked)
        until(lambda: listed.ask(open_one) == (403, Reason.CLIENT_CERT_REVOKED))
    until(lambda: listed.answers(good, *other.clients()[:1]) == [HANDSHAKE, "200"])


@contextmanager
def hammered(listed: ListedSidecar, *clients: Leaf) -> Iterator[list[set[str]]]:
    """What each of these gets meanwhile, on new connections without a pause. From the plainest lists on, or none."""
    until(lambda: listed.answers(listed.good) == ["200"])
    found: list[set[str]] = [set() for _ in clients]
    ended = threading.Event()

    def hammer(client: Leaf, answers: set[str]) -> None:
        while not ended.is_set():
            answers.update(listed.answers(client))

    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(hammer, client, answers) for client, answers in zip(clients, found, strict=True)]
        try:
            yield found
        finally:
            ended.set()
    for each in running:
        each.result()


AT_ONCE = Shape("", "gate", lambda serial: of(ROOT, serial, scope=AT))


def test_who_is_refused_before_and_after_is_refused_while_the_lists_go_from_gate_to_envoy_and_back(
    listed: ListedSidecar,
) -> None:
    """A client of an authority without a list, who sends its certificate along, meets no moment at which neither looks:
    Envoy refuses him by plain lists, the gate by others. The good one always gets in.
    """
    stranger = below(ISSUING, name=CALLER)
    stranger = stranger._replace(certificate=stranger.certificate + ISSUING.pem)
    with hammered(listed, stranger, listed.good) as (strangers, good):
        for by, shape in (("gate", AT_ONCE), ("envoy", PLAIN)) * 3:
            replace(listed.lists, shape.lists(listed.revoked.serial).decode())
            expected = [REFUSED_BY[by]] * 2
            until(lambda expected=expected: listed.answers(stranger, listed.revoked) == expected)  # type: ignore[misc]

    assert strangers == {HANDSHAKE, REFUSED_BY["gate"]}
    assert good == {"200"}


def test_a_connection_from_before_does_not_outlive_the_gates_look_at_the_lists(listed: ListedSidecar) -> None:
    """The gate let its client connect and refused each request. Envoy, which looks from now on, does not see him."""
    stranger = below(ISSUING, name=CALLER)
    stranger = stranger._replace(certificate=stranger.certificate + ISSUING.pem)
    replace(listed.lists, AT_ONCE.lists(listed.revoked.serial).decode())
    until(lambda: listed.answers(stranger) == [REFUSED_BY["gate"]])
    with closing(listed.connection(stranger)) as his, closing(listed.connection(listed.good)) as good:
        assert listed.ask(his) == (403, Reason.CLIENT_CERT_REVOKED)
        replace(listed.lists, PLAIN.lists(listed.revoked.serial).decode())
        until(lambda: listed.answers(stranger) == [HANDSHAKE])

        assert [listed.ask(his) for _ in range(5)] == [(403, Reason.CLIENT_CERT_REVOKED)] * 5
        assert listed.ask(good) == (200, "")


def test_a_worker_that_does_not_answer_keeps_no_revocation_from_envoy(listed: ListedSidecar) -> None:
    """It is stopped, and so decides nothing; when it goes on it has ended."""
    until(lambda: listed.answers(listed.good, listed.revoked) == ["200", HANDSHAKE])
    newly = below(ROOT, name=CALLER)
    assert listed.answers(newly) == ["200"]
    stopped = listed.sidecar.workers()[0]
    stopped.suspend()
    try:
        replace(listed.lists, of(ROOT, listed.revoked.serial, newly.serial).decode())
        until(lambda: listed.answers(newly, listed.good) == [HANDSHAKE, "200"])
    finally:
        with suppress(psutil.NoSuchProcess):
            stopped.resume()
    until(lambda: stopped.pid not in [worker.pid for worker in listed.sidecar.workers()])
    until(lambda: listed.sidecar.readyz()["ready"])
