"""Names that may not be taken: `data` and `input`, and what another import is called already."""

from __future__ import annotations

from collections.abc import Iterator

from authz_rego.check.names import ROOTS, is_assignment, is_root, rule_name
from authz_rego.check.walk import walk
from authz_rego.errors import RegoProblem
from authz_rego.syntax.text import ref_text, term_text
from authz_rego.syntax.tree import Call, Expr, Import, Module

_COMPILE = "rego_compile_error"


def import_problems(module: Module) -> Iterator[RegoProblem]:
    """Two imports of one name."""
    known: dict[str, Import] = {}
    for each in module.imports:
        if each.name in known:
            found = f"import must not shadow {_text(known[each.name])}"
            yield RegoProblem(_COMPILE, each.place, found, f"import it under another name: `as {each.name}_2`")
        else:
            known[each.name] = each


def override_problems(module: Module) -> Iterator[RegoProblem]:
    """Rules, arguments and variables called `data` or `input`."""
    for rule in module.rules:
        if rule_name(rule) in ROOTS:
            yield _shadow("rules", rule_name(rule), "rule name", rule)
        for arg in rule.head.args or ():
            if is_root(arg):
                found = f"args must not shadow {term_text(arg)} (use a different variable name)"
                yield RegoProblem(_COMPILE, arg.place, found, "call the argument something else")
    for rule in module.rules:
        for node in walk(rule):
            if isinstance(node, Expr) and is_assignment(node.terms) and isinstance(node.terms, Call):
                name = term_text(node.terms.args[0]) if node.terms.args else ""
                if name in ROOTS:
                    yield _shadow("variables", name, "variable name", node)


def _shadow(what: str, name: str, kind: str, node: object) -> RegoProblem:
    found = f"{what} must not shadow {name} (use a different {kind})"
    return RegoProblem(_COMPILE, node.place, found, f"call it something else than `{name}`")  # type: ignore[attr-defined]


def _text(each: Import) -> str:
    alias = f" as {each.alias}" if each.alias is not None else ""
    return f"import {ref_text(each.path)}{alias}"
