"""Revocation lists and PKIs of every shape, live: good clients pass, revoked ones do not, and what is said is true.

By reload, on one sidecar. Row F10 starts a sidecar with each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from tests.support.certificates import Life
from tests.support.listed_sidecar import HANDSHAKE, REFUSED_BY, ListedSidecar
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
    """`crl_expired: deny`, and /readyz says so, until its successor comes."""
    ends = time.time() + 8  # time enough to read it
    shape = Shape("", "envoy", lambda serial: of(ROOT, serial, life=Life(NOW - 60, ends)))
    listed.put(shape, listed.revoked)
    until(lambda: listed.answers(listed.good, listed.revoked) == [HANDSHAKE, HANDSHAKE])
    assert time.time() > ends - 1

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
