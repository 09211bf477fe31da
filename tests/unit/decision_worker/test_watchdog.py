"""Who lives and does not turn is found; a busy machine is not mistaken for that, and never are two ended at once."""

from collections.abc import Sequence

import pytest

from authz_service.decision_worker.watchdog import SILENT_LOOKS, SPUN, Look, Watchdog

SILENT = [Look(1, "S", 0.5)] * (SILENT_LOOKS + 1)
WORKERS = {100: 0, 200: 1}


class Seen:
    """What each worker shows, look after look; the last one over and over."""

    def __init__(self, **looks: Sequence[Look]) -> None:
        self.looks = {int(pid[1:]): list(those) for pid, those in looks.items()}
        self.watch = Watchdog(self._look_at)

    def _look_at(self, pid: int, slot: int) -> Look:
        del slot
        looks = self.looks[pid]
        return looks.pop(0) if len(looks) > 1 else looks[0]

    def found(self, count: int, workers: dict[int, int]) -> list[int]:
        return [pid for _ in range(count) if (pid := self.watch.find(workers)) is not None]


@pytest.mark.parametrize(
    ("looks", "hung"),
    [
        pytest.param(SILENT, True, id="silent"),
        pytest.param([look._replace(state="T") for look in SILENT], True, id="stopped"),
        pytest.param([look._replace(beats=n) for n, look in enumerate(SILENT)], False, id="turning"),
        pytest.param([look._replace(state="R") for look in SILENT], False, id="waiting for a processor"),
        pytest.param([look._replace(state="D") for look in SILENT], False, id="waiting for a disk"),
        pytest.param([look._replace(state="t") for look in SILENT], False, id="in a debugger's hands"),
        pytest.param([*SILENT[:-1], Look(2, "S", 0.5)], False, id="silent for a while"),
        pytest.param([*SILENT[:-1], Look(1, "R", 0.5)], False, id="runnable again"),
        pytest.param([Look(1, "R", 0.5), Look(1, "R", 0.6 + SPUN)], True, id="in a loop"),
        pytest.param([Look(1, "R", 0.5), Look(1, "R", 0.4 + SPUN)], False, id="hard at work"),
        pytest.param([Look(255, "S", 0.5), Look(0, "S", 0.5)], False, id="turning, at the byte's end"),
    ],
)
def test_silence_alone_is_not_hanging(looks: Sequence[Look], hung: bool) -> None:
    """The kernel says whether it could have turned."""
    assert bool(Seen(_100=looks).found(len(looks), {100: 0})) is hung


def test_the_second_lives_until_the_first_one_s_successor_turns() -> None:
    """Both are silent: one is ended; the other when the new one has shown itself."""
    seen = Seen(_100=SILENT, _200=SILENT, _300=[Look(1, "R", 0.0), Look(1, "S", 0.0), Look(2, "S", 0.0)])

    assert seen.found(SILENT_LOOKS + 1, WORKERS) == [100]
    assert seen.found(2, {200: 1, 300: 0}) == []
    assert seen.found(1, {200: 1, 300: 0}) == [200]


def test_a_successor_that_does_not_turn_is_ended_too() -> None:
    """Else a worker that never comes up would protect the other one for ever."""
    seen = Seen(_100=SILENT, _200=SILENT, _300=SILENT)

    assert seen.found(SILENT_LOOKS + 1, WORKERS) == [100]
    assert seen.found(SILENT_LOOKS + 1, {200: 1, 300: 0}) == [300]
