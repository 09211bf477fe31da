"""How deep a value is."""

import pytest

from authz_rego.values.depth import is_deeper_than
from authz_rego.values.value import Key, Value


@pytest.mark.parametrize("value", [[[1]], {"a": {"b": 1}}, frozenset({Key([1])}), {Key([1]): 1}, {"a": [1]}])
def test_what_has_a_collection_in_a_collection_is_two_levels_deep(value: Value) -> None:
    """In keys, too."""
    assert is_deeper_than(value, 1)
    assert not is_deeper_than(value, 2)


def test_a_scalar_has_no_depth() -> None:
    """Text is no collection."""
    assert not is_deeper_than("abc", 0)
    assert is_deeper_than([], 0)
