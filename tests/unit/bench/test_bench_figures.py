"""A goal is held or not, and both readers, the person and the program, are told the same."""

import json
from io import StringIO
from pathlib import Path

import pytest
from bench.figures import Figure, Goal, at_least, at_most, number, print_figures, write_json
from rich.console import Console


@pytest.mark.parametrize(
    ("goal", "value", "held"),
    [
        (at_most(40), 40.0, True),
        (at_most(40), 40.1, False),
        (at_least(0.55), 0.55, True),
        (at_least(0.55), 0.549, False),
    ],
)
def test_a_goal_is_held_up_to_its_bound(goal: Goal, value: float, held: bool) -> None:
    assert Figure("ingress", "cost", value, "µs", goal).held is held


def test_a_figure_without_a_goal_is_neither_held_nor_not() -> None:
    assert Figure("ingress", "p50", 1.0, "ms").held is None


def test_the_json_names_each_figure_once_with_its_goal(tmp_path: Path) -> None:
    figures = [Figure("ingress", "cost", 41.23456, "µs", at_most(40)), Figure("egress", "cost", 1.0, "µs")]

    write_json(figures, tmp_path / "figures.json")

    assert json.loads((tmp_path / "figures.json").read_text()) == {
        "figures": [
            {"name": "ingress: cost", "value": 41.2346, "unit": "µs", "goal": "≤ 40", "held": False},
            {"name": "egress: cost", "value": 1.0, "unit": "µs", "goal": None, "held": None},
        ]
    }


def test_the_table_shows_what_was_not_held() -> None:
    console = Console(width=100, file=StringIO(), record=True)

    print_figures([Figure("a", "x", 1.0, "s", at_most(1)), Figure("a", "y", 2.0, "s", at_most(1))], console)

    text = console.export_text()
    assert text.count("not held") == 1
    assert "1 of 2 goals held." in text


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (0.5678, "0.57"), (-13.8, "-13.8")]
)
def test_numbers_have_three_figures(value: float, text: str) -> None:
    assert number(value) == text
