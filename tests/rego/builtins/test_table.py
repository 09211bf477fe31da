"""Every builtin of OPA is there, or refused by name."""

from collections import Counter
from importlib import import_module

import pytest

from authz_rego.builtins import table
from authz_rego.builtins.declarations import declarations
from authz_rego.builtins.table import REFUSED, functions

# Those that the compiler answers itself.
COMPILED = {
    *("assign", "print", "internal.print", "internal.test_case"),
    *("time.now_ns", "walk", "rego.metadata.chain", "rego.metadata.rule"),
}


def test_every_builtin_is_called_refused_compiled_or_deprecated() -> None:
    """None is forgotten, and none is two of these."""
    deprecated = {name for name, each in declarations().items() if each.deprecated}
    found = Counter([*functions(), *REFUSED, *COMPILED, *(deprecated - set(functions()))])
    assert set(declarations()) == set(found)
    assert {name for name, count in found.items() if count > 1} == set()


def test_no_two_families_have_a_function_of_one_name() -> None:
    """The later one would win, unseen."""
    families = [import_module(f"authz_rego.builtins.{name}").FUNCTIONS for name in table.FAMILIES]
    assert sum(map(len, families)) == len(functions())


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refusal_says_why_in_words(name: str) -> None:
    """One line, for whoever wrote the policy."""
    assert len(REFUSED[name].split()) > 5
    assert "\n" not in REFUSED[name]
