"""Rules that stand where data stands, too: one of them would never be seen. Not conflicts among rules (`rules`)."""

from __future__ import annotations

from collections.abc import Iterator

from authz_rego.check.rules import RuleNode
from authz_rego.errors import RegoProblem
from authz_rego.values.value import Value, value_of


def data_problems(root: RuleNode, data: Value) -> Iterator[RegoProblem]:
    """The first rule at each path that the data has, or has something above that is no object."""
    yield from _below(root, data, ())


def _below(node: RuleNode, value: Value, path: tuple[str, ...]) -> Iterator[RegoProblem]:
    for key, child in node.children.items():
        is_object = type(value) is dict
        if type(key) is not str or (is_object and key not in value):  # data has no path through a number
            continue
        name = (*path, str(value_of(key)))
        if child.rules:
            found = f"conflicting rule for data path {'/'.join(name)} found"
            fix = "rename the rule, or move the data to another path"
            yield RegoProblem("rego_compile_error", child.rules[0].rule.place, found, fix)
        else:
            yield from _below(child, value[key] if is_object else value, name)
