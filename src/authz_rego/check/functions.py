"""Calls of functions: that they exist, take so many arguments, and give something where a value is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from authz_rego.builtins.declarations import declarations
from authz_rego.builtins.table import REFUSED
from authz_rego.check.names import is_equality
from authz_rego.check.outputs import Arity
from authz_rego.check.walk import walk
from authz_rego.errors import UNSUPPORTED, RegoProblem
from authz_rego.syntax.text import ref_text, term_text
from authz_rego.syntax.tree import Call, Every, Expr, Ref, Rule

_TYPE = "rego_type_error"


def void_problems(rule: Rule) -> Iterator[RegoProblem]:
    """`x := print("…")`: what gives nothing stands for a value."""
    known = declarations()
    for node in walk(rule):
        if isinstance(node, Expr):
            continue
        if isinstance(node, Call) and not _is_statement(node, rule):
            found = known.get(ref_text(node.operator))
            if found is not None and found.result is None:
                text = f"{term_text(node)} used as value"
                yield RegoProblem(_TYPE, node.place, text, "write it as a statement of its own")


def _is_statement(call: Call, rule: Rule) -> bool:
    return any(isinstance(node, Expr) and node.terms is call for node in walk(rule))


def call_problems(
    rule: Rule, arity: Arity, shown: Callable[[Ref], str], meant: Callable[[str], str]
) -> Iterator[RegoProblem]:
    """Functions that do not exist, or are given too much or too little."""
    for node in walk(rule):
        if not (isinstance(node, Expr) and isinstance(node.terms, Call)):
            continue
        call = node.terms
        wanted, given = arity(call.operator), len(call.args)
        name = shown(call.operator)
        if wanted < 0:
            yield RegoProblem(_TYPE, node.place, f"undefined function {name}", meant(name))
        elif node.generated and not is_equality(call) and given != wanted + 1:
            yield _arity_problem(node, name, wanted, given - 1)
        elif not node.generated and given not in {wanted, wanted + 1}:
            yield _arity_problem(node, name, wanted, given)


def every_with_function_problems(rule: Rule, is_function: Callable[[str], bool]) -> Iterator[RegoProblem]:
    """`every … with f as g`: OPA has no functions replaced there."""
    for node in walk(rule):
        if isinstance(node, Expr) and isinstance(node.terms, Every):
            for each in node.with_:
                name = ref_text(each.target) if isinstance(each.target, Ref) else ""
                if is_function(name):
                    text = f"function {name} used as reference, not called"
                    yield RegoProblem(
                        _TYPE, node.place, text, "put the `every` into a rule, and replace the function there"
                    )


def refused_problems(rule: Rule) -> Iterator[RegoProblem]:
    """Builtins of OPA that policies may not call here."""
    for node in walk(rule):
        if isinstance(node, Ref):
            name = ref_text(node)
            if name in REFUSED:
                yield RegoProblem(UNSUPPORTED, node.place, f"`{name}` is not there", REFUSED[name])


def deprecated_problems(rule: Rule) -> Iterator[RegoProblem]:
    """Builtins that policies of today may not call."""
    for node in walk(rule):
        if isinstance(node, Call):
            name = ref_text(node.operator)
            known = declarations().get(name)
            if known is not None and known.deprecated:
                text = f"deprecated built-in function calls in expression: {name}"
                yield RegoProblem(_TYPE, node.place, text, _INSTEAD.get(name, "write it with the operators of today"))


_INSTEAD = {
    "any": "use `some x in xs; x == true`, or `true in xs`",
    "all": "use `every x in xs { x == true }`",
    "re_match": "use regex.match",
    "set_diff": "use `a - b`",
    "net.cidr_overlap": "use net.cidr_contains",
}


def _arity_problem(expr: Expr, name: str, wanted: int, given: int) -> RegoProblem:
    plural = "argument" if given == 1 else "arguments"
    text = f"function {name} has arity {wanted}, got {given} {plural}"
    return RegoProblem(_TYPE, expr.place, text, f"give it {wanted}")
