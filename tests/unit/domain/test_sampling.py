"""Everybody picks the same decisions, about as many as were asked for."""

import pytest

from authz_service.domain.sampling import is_sampled


@pytest.mark.parametrize(("percent", "picked"), [(0, 0), (10, 100), (50, 500), (100, 1000)])
def test_a_part_of_the_ids_is_picked(percent: int, picked: int) -> None:
    assert sum(is_sampled(f"{number:08x}-rest", percent) for number in range(1000)) == picked


def test_what_is_no_id_of_ours_is_not_left_out() -> None:
    assert is_sampled("no id", 1)
    assert not is_sampled("00000063", 1)
