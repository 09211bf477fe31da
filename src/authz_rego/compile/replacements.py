"""Statements with `with`: what stands in for input, data and functions, while they are evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz_rego.builtins.declarations import declarations
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import Expr, Ref, Scalar, Var, With

if TYPE_CHECKING:
    from authz_rego.compile.bodies import BodyWriter


def replaced(writer: BodyWriter, expr: Expr) -> None:
    """The statement, in a context of its own."""
    inputs, data, mocks = [], [], []
    for each in expr.with_:
        assert isinstance(each.target, Ref)
        target = ref_text(each.target)
        if not all(isinstance(step, Scalar) and type(step.value) is str for step in each.target.path):
            writer.lines.add("raise bad_path()")
            writer.never()
        path = "(" + "".join(f"{writer.evaluated(step)}, " for step in each.target.path) + ")"
        root = each.target.head.name if isinstance(each.target.head, Var) else ""
        if root == "input":
            inputs.append(f"({path}, {writer.evaluated(each.value)})")
        elif root == "data" and not writer.generator.is_function(target):
            is_function = isinstance(each.value, Ref) and writer.generator.is_function(ref_text(each.value))
            data.append(f"({path}, {'U' if is_function else writer.evaluated(each.value)})")
        else:
            mocks.append(f"{target!r}: {_mock(writer, each)}")
    name = writer.source.name("c")
    parts = (f"({''.join(f'{each}, ' for each in part)})" for part in (inputs, data))
    arguments = f"{', '.join(parts)}, {{{', '.join(mocks)}}}" if mocks else ", ".join(parts)
    writer.lines.add(f"{name} = {writer.context}.replacing({arguments})")
    before, writer.context = writer.context, name
    writer.plain(Expr(expr.terms, place=expr.place))
    writer.context = before


def _mock(writer: BodyWriter, each: With) -> str:
    """What stands in for a function: another one, the value of a rule, or a value."""
    value = each.value
    if isinstance(value, Ref):
        name = ref_text(value)
        document = writer.generator.function_document(name)
        if document is not None:
            return document.name
        if name in declarations():
            return f"builtin_mock({writer.generator.builtin(name)})"
        path = tuple(step.value for step in value.path if isinstance(step, Scalar))
        return f"rule_mock({writer.source.constant(path)})"
    return f"value_mock({writer.evaluated(value)})"
