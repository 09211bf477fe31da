"""An evaluation that takes too long ends in the policy's own code, and nowhere else."""

from __future__ import annotations

import gc
import time

import pytest

from authz_rego import Policy
from authz_service.policy.decide.time_limit import TimeLimit, TooLong

ENDLESS = "package p\n\nx if { some a in numbers.range(1, 9000); some b in numbers.range(1, 9000); a * b == 0 }\n"


@pytest.mark.ended_by_signal
def test_a_policy_ends_although_the_first_signals_find_other_code() -> None:
    """A callback of the garbage collector would have swallowed it."""
    query = Policy.compile([("p.rego", ENDLESS)], {}).query("data.p.x")
    before = time.process_time()

    def busy(phase: str, info: dict[str, int]) -> None:
        del phase, info
        while time.process_time() < before + 0.1:
            pass

    def evaluated() -> None:
        with TimeLimit().of(0.02):
            gc.collect()
            query.evaluate({})

    gc.callbacks.append(busy)
    try:
        with pytest.raises(TooLong):
            evaluated()
    finally:
        gc.callbacks.remove(busy)


@pytest.mark.ended_by_signal
def test_what_is_no_policy_is_ended_later() -> None:
    """Whatever it is: nothing is waited for without an end."""

    def endless() -> None:
        with TimeLimit().of(0.01):
            while True:
                pass

    with pytest.raises(TooLong):
        endless()


def test_what_is_in_time_is_not_ended() -> None:
    with TimeLimit().of(5):
        query = Policy.compile([("p.rego", "package p\n\nx if input == {}\n")], {}).query("data.p.x")

    assert query.evaluate({}) is True
