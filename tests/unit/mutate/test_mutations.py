"""The list of mutations fits the code: `make mutate` takes minutes, a line that has moved is found here in no time."""

from pathlib import Path

import pytest
from tests.mutate.mutation import Mutation
from tests.mutate.mutations import MUTATIONS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_changes_one_place_of_a_module_that_can_still_be_compiled(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text(encoding="utf-8")

    mutated = mutation.apply(text)

    assert mutated != text
    if mutation.file.endswith(".py"):  # those in C: tests/processes/mutate
        compile(mutated, mutation.file, "exec")
    assert mutation.tests
    assert all((ROOT / test).exists() for test in mutation.tests)


def test_a_line_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 times"):
        Mutation("gone", "x.py", "old", "new", ("tests",)).apply("text")
    with pytest.raises(ValueError, match="2 times"):
        Mutation("twice", "x.py", "old", "new", ("tests",)).apply("old old")


def test_there_are_at_least_forty_and_no_name_twice() -> None:
    assert len(MUTATIONS) >= 40
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
