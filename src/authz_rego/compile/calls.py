"""Calls of builtins and functions, the plain ones without a call. Not what they do (`builtins`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from authz_rego.builtins.declarations import declarations
from authz_rego.compile.forms import form_of
from authz_rego.compile.plan import Document
from authz_rego.compile.references import unreplaced
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import (
    ArrayTerm,
    Call,
    Ref,
    Scalar,
    SetTerm,
    Term,
)

if TYPE_CHECKING:
    from authz_rego.compile.bodies import BodyWriter


_COMPARISONS = {"lt": "<", "gt": ">", "lte": "<=", "gte": ">="}
_ARITHMETIC = {"plus": "+", "minus": "-", "mul": "*"}
# Tests of a value's type, by what they ask of the operand.
_TYPE_TESTS = {
    "is_array": "type({}) is list", "is_boolean": "type({}) is bool", "is_null": "{} is None",
    "is_number": "(type({0}) is int or type({0}) is Number)", "is_object": "type({}) is dict",
    "is_set": "type({}) is frozenset", "is_string": "type({}) is str",
}  # fmt: skip
# Builtins that always answer.
_MEMBERSHIP = {"internal.member_2", "internal.member_3"}
_TOTAL = _COMPARISONS.keys() | _TYPE_TESTS.keys() | _MEMBERSHIP | {"equal", "neq", "type_name"}


def call(writer: BodyWriter, call: Call) -> None:
    name = ref_text(call.operator)
    document = writer.generator.function_document(name)
    if document is not None:
        _call_function(writer, name, document, call)
        return
    declaration = declarations().get(name)
    if declaration is None:  # a rule that is no function, called without arguments: its value, whatever a `with` says
        assert isinstance(call.operator, Ref)
        _give(writer, unreplaced(writer, call.operator), call.args[0] if call.args else None, ())
        return
    arguments = [writer.evaluated(each) for each in call.args[: declaration.arity]]
    output = call.args[declaration.arity] if len(call.args) > declaration.arity else None
    if declaration.relation:
        _walk(writer, arguments, output)
    elif name == "time.now_ns":
        _now(writer, output)
    else:
        constant = call.args[1] if len(call.args) > 1 and writer.generator.is_value(call.args[1]) else None
        _call_builtin(writer, name, arguments, output, constant)


def _now(writer: BodyWriter, output: Term | None) -> None:
    """One value for each question, unless a `with` says another."""
    name = "time.now_ns"
    if name in writer.generator.plan.replaced_functions:
        value = writer.named(_unless_rule(writer, name, f"{writer.context}.call({name!r}, now_ns, 0)", output))
        writer.fail_if(f"{value} is U")
        _give(writer, value, output, ())
    else:
        _give(writer, "c.now_ns", output, ())


def _walk(writer: BodyWriter, arguments: list[str], output: Term | None) -> None:
    if output is None:
        return  # there is always a pair that holds: the value itself
    path, value = writer.source.name("v"), writer.source.name("v")
    writer.loop(f"for {path}, {value} in walk_pairs({arguments[0]}):")
    if isinstance(output, ArrayTerm) and len(output.items) == 2:
        for pattern, part in zip(output.items, (path, value), strict=True):
            if not writer.is_unused(pattern):
                writer.match(pattern, part)
    else:
        writer.match(output, writer.named(f"[{path}, {value}]"))


def _call_builtin(
    writer: BodyWriter, name: str, arguments: list[str], output: Term | None, constant: Term | None
) -> None:
    is_mocked = name in writer.generator.plan.replaced_functions
    if not is_mocked and _compared(writer, name, arguments, output):
        return
    if not is_mocked and name == "internal.member_2" and _is_among(writer, arguments, constant, output):
        return
    function = writer.generator.builtin(name)
    if is_mocked:
        text = f"{writer.context}.call_builtin({', '.join([repr(name), function, *arguments])})"
        text = _unless_rule(writer, name, text, output)
    else:
        text = _called(writer, name, function, arguments)
    if name in _TOTAL and not is_mocked:
        _give(writer, text, output, arguments)
        return
    value = writer.source.name("v")
    writer.lines.open("try:")
    writer.lines.add(f"{value} = {text}")
    writer.lines.close()
    writer.lines.open("except BuiltinError:")
    writer.fail(*arguments)
    writer.lines.close()
    if is_mocked:
        writer.fail_if(f"{value} is U", *arguments)
    _give(writer, value, output, arguments)


def _unless_rule(writer: BodyWriter, name: str, call: str, output: Term | None) -> str:
    """What a function gives that may be replaced; true where a rule stands in for it and nobody takes the value."""
    return call if output is not None else f"True if {writer.context}.is_rule_mocking({name!r}) else {call}"


def _called(writer: BodyWriter, name: str, function: str, arguments: list[str]) -> str:
    """A builtin's call; Python's own operator where the operands are what they mostly are."""
    text = f"{function}({', '.join(arguments)})"
    if name in _ARITHMETIC:
        left, right = arguments
        return f"{left} {_ARITHMETIC[name]} {right} if type({left}) is type({right}) is int else {text}"
    if name == "count":
        collection = writer.named(arguments[0])
        return f"len({collection}) if type({collection}) is list else {function}({collection})"
    if name == "internal.member_2" and _is_text(arguments[0]):
        value, collection = arguments[0], writer.named(arguments[1])
        return f"{value} in {collection} if type({collection}) is list else {function}({value}, {collection})"
    return text


def _is_among(writer: BodyWriter, arguments: list[str], constant: Term | None, output: Term | None) -> bool:
    """Whether a value is one of some texts, if that was asked."""
    if output is not None or not isinstance(constant, ArrayTerm | SetTerm):
        return False
    texts = [item.value for item in constant.items if isinstance(item, Scalar) and isinstance(item.value, str)]
    if len(texts) != len(constant.items):
        return False
    value, known = writer.named(arguments[0]), writer.source.constant(frozenset(texts))
    writer.fail_if(f"type({value}) is not str or {value} not in {known}", value, arguments[1])
    return True


def _compared(writer: BodyWriter, name: str, arguments: list[str], output: Term | None) -> bool:
    """Comparisons and tests that nobody takes the answer of."""
    if output is not None:
        return False
    if name in _TYPE_TESTS:
        value = writer.named(arguments[0])
        writer.fail_if(f"not {_TYPE_TESTS[name].format(value)}", value)
        return True
    if name not in {"neq", "equal", *_COMPARISONS}:
        return False
    left, right = arguments
    if name in _COMPARISONS:
        sign = _COMPARISONS[name]
        both_int = f"type({left}) is type({right}) is int"
        writer.fail_if(f"not ({left} {sign} {right} if {both_int} else compare({left}, {right}) {sign} 0)", *arguments)
    else:
        writer.fail_if(f"{'' if name == 'neq' else 'not '}{_equal(left, right)}", *arguments)
    return True


def _equal(left: str, right: str) -> str:
    """The test that two values are equal; Python's own where only text is compared."""
    return f"({left} == {right})" if _is_text(left) or _is_text(right) else f"equal({left}, {right})"


def _is_text(source: str) -> bool:
    """Whether it is a literal text."""
    return source[:1] in {"'", '"'}


def _give(writer: BodyWriter, text: str, output: Term | None, arguments: Sequence[str]) -> None:
    """What a call gives: to its output, or it must not be false."""
    if output is None:
        value = writer.named(text)
        writer.fail_if(f"{value} is False", *arguments)
    elif not writer.is_unused(output):
        writer.match(output, writer.named(text))
    elif not text.isidentifier():
        writer.lines.add(text)


def _call_function(writer: BodyWriter, name: str, document: Document, call: Call) -> None:
    arity = writer.generator.arity(document)
    arguments = [writer.evaluated(each) for each in call.args[:arity]]
    output = call.args[arity] if len(call.args) > arity else None
    function = document.name
    known: list[str] = []
    form = None if output is None else form_of(writer, output, known)
    if form is not None:  # as in OPA, what has to come out is known before a body is tried
        function = writer.generator.giving(document, form, len(known))
        arguments += known
    if name in writer.generator.plan.replaced_functions:
        text = f"{writer.context}.call({', '.join([repr(name), function, str(arity), *arguments])})"
        text = _unless_rule(writer, name, text, output)
    else:
        text = f"{function}({', '.join([writer.context, *arguments])})"
    value = writer.named(text)
    if output is None:
        writer.fail_if(f"{value} is U or {value} is False", *arguments)
        return
    writer.fail_if(f"{value} is U", *arguments)
    if not writer.is_unused(output):
        writer.match(output, value)
