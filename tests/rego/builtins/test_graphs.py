"""Graphs and walks as OPA answers (answers/graphs.jsonl)."""

import pytest
from tests.support.opa_answers import Answer, expected, given, recorded

from authz_rego.builtins.graphs import FUNCTIONS, walk_pairs
from authz_rego.errors import EvaluationError

ANSWERS = recorded(__file__, "graphs")
ALL = FUNCTIONS | {"walk": lambda value: [[way, member] for way, member in walk_pairs(value)]}


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_call_gives_what_opa_gives(answer: Answer) -> None:
    """To the last digit, and nothing where OPA has nothing."""
    assert given(ALL[answer.name], answer.operands) == expected(answer)


def test_every_function_is_asked_for_values_and_for_refusals() -> None:
    """A function without recorded answers would not be noticed here."""
    assert {answer.name for answer in ANSWERS} == set(ALL)


def test_paths_of_a_graph_where_all_are_neighbours_end_the_query() -> None:
    """Six nodes have some hundred paths, twenty-six more than anybody can wait for."""
    few, many = ({node: list(nodes) for node in nodes} for nodes in ("abcdef", "abcdefghijklmnopqrstuvwxyz"))

    assert len(FUNCTIONS["graph.reachable_paths"](few, ["a"])) > 100
    with pytest.raises(EvaluationError):
        FUNCTIONS["graph.reachable_paths"](many, ["a"])


def test_a_walk_does_not_need_python_s_stack() -> None:
    """A value of any depth can be walked through."""
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]

    assert len([way for way, _ in walk_pairs(deep)]) == 5_001
