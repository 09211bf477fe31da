"""With and without are compared within their round, so that a slow minute of the machine spoils one round, not all."""

import pytest
from bench.load import Load
from bench.rounds import Comparison, Run


def run(rate: int, envoy_us: float) -> Run:
    return Run(Load(rate, 1.0, 0, 0, 900, 2500), envoy_us, 30.0, 0.0)


def test_the_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    """The second round was made on a machine half as fast, the third had a hiccup on one side."""
    with_it = [run(600, 80), run(300, 160), run(100, 90)]
    without = [run(1000, 40), run(500, 80), run(1000, 40)]

    assert Comparison(with_it, without).throughput_ratio == 0.6
    assert Comparison(with_it, without).extra_envoy_us == 50


def test_rounds_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        _ = Comparison([run(600, 80), run(600, 80)], [run(1000, 40)]).throughput_ratio
