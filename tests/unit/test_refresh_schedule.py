"""When something is asked for again, after a success and after failures."""

import pytest
from tests.support.fake_clock import FakeClock

from authz_service.refresh_schedule import RefreshSchedule


def schedule(clock: FakeClock) -> RefreshSchedule:
    return RefreshSchedule(clock, first_retry=1.0)


def test_the_first_time_is_now() -> None:
    assert schedule(FakeClock()).is_due


def test_failures_double_the_pause_until_the_longest() -> None:
    clock = FakeClock(chance=1.0)
    asked = schedule(clock)

    assert [asked.failed("away", longest=5.0) for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    assert (asked.failures, asked.last_error) == (4, "away")
    assert asked.next_at == pytest.approx(clock.now() + 5.0)


def test_whoever_asks_now_begins_with_the_shortest_pause_again() -> None:
    asked = schedule(FakeClock(chance=1.0))
    for _ in range(3):
        asked.failed("away", longest=5.0)

    assert not asked.is_due
    asked.ask_now()

    assert asked.is_due
    assert asked.failures == 3
    assert asked.failed("away", longest=5.0) == 1.0


def test_no_pause_is_beyond_the_latest_moment() -> None:
    assert schedule(FakeClock()).failed("away", longest=5.0, retry_after=60.0, latest=3.0) == 3.0


@pytest.mark.parametrize(("failures", "scatter", "pause"), [(0, True, 100.0), (1, True, 60.0), (1, False, 100.0)])
def test_what_all_sidecars_had_at_one_moment_is_scattered(failures: int, scatter: bool, pause: float) -> None:
    """At the start and after an outage, and not otherwise."""
    clock = FakeClock(chance=0.5)
    asked = schedule(clock)
    asked.succeeded(100.0)
    assert asked.next_at == pytest.approx(clock.now() + 60.0)

    for _ in range(failures):
        asked.failed("away", longest=5.0)
    asked.succeeded(100.0, scatter=scatter)

    assert asked.next_at == pytest.approx(clock.now() + pause)
    assert (asked.failures, asked.last_error) == (0, "")
