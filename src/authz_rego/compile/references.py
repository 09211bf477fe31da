"""References as look-ups: into values, rules and data. A variable without a value makes a loop."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from authz_rego.compile.forms import form_of
from authz_rego.compile.plan import Document, Kind
from authz_rego.compile.terms import LONGEST_LITERAL, as_written
from authz_rego.syntax.text import scalar_text
from authz_rego.syntax.tree import (
    ArrayTerm,
    ObjectTerm,
    Ref,
    Scalar,
    Term,
    Var,
)
from authz_rego.values.value import UNDEFINED, place_key

if TYPE_CHECKING:
    from authz_rego.compile.bodies import BodyWriter


def reference(writer: BodyWriter, ref: Ref) -> str:
    """The value of a reference; a variable in it that has none yet makes a loop."""
    if isinstance(ref.head, Var):
        written = writer.scope.bound.get(as_written(ref.head.name))
        if written and ref.path and not writer.is_ground(ref.path[0]):
            return _as_written(writer, written, ref)
        if ref.head.name in writer.scope.bound:
            return _steps(writer, writer.scope.bound[ref.head.name], ref.path, (writer.scope.bound[ref.head.name],))
        if ref.head.name == "input":
            return _input(writer, ref)
        if ref.head.name == "data":
            return _data(writer, ref)
    if isinstance(ref.head, Scalar):
        writer.never()  # nothing is inside of a number or a text
    raise AssertionError(f"not a reference to anything: {ref}")


def _as_written(writer: BodyWriter, written: str, ref: Ref) -> str:
    """A loop through a set or an object that the body itself writes down."""
    key, member = writer.source.name("v"), writer.source.name("v")
    writer.loop(f"for {key}, {member} in {written}:")
    writer.match(ref.path[0], key)
    return _steps(writer, member, ref.path[1:], (member,))


def _input(writer: BodyWriter, ref: Ref) -> str:
    value = writer.scope.paths.get((writer.context, "input"))
    if value is None:
        value = writer.source.name("v")
        writer.lines.add(f"{value} = {writer.context}.input")
        writer.fail_if(f"{value} is U")
        writer.scope.paths[writer.context, "input"] = value
    return _steps(writer, value, ref.path, (writer.context, "input"))


def _steps(
    writer: BodyWriter, value: str, path: Sequence[Term], known: tuple[str, ...], *, lookup: str = "lookup"
) -> str:
    """Into a value, step by step; `known` is what the value is remembered by."""
    is_constant = True
    for step in path:
        if not writer.is_ground(step):
            is_constant = False
            value = _each(writer, value, step)
            continue
        is_constant = is_constant and isinstance(step, Scalar)
        key = (*known, scalar_text(step.value)) if isinstance(step, Scalar) else known
        if is_constant and key in writer.scope.paths:
            value, known = writer.scope.paths[key], key
            continue
        value = _step(writer, value, step, lookup)
        if is_constant:
            known = key
            writer.scope.paths[known] = value
    return value


def _step(writer: BodyWriter, value: str, step: Term, lookup: str) -> str:
    text = writer.evaluated(step)
    found = writer.source.name("v")
    value = writer.named(value)
    if isinstance(step, Scalar) and isinstance(step.value, str) and lookup == "lookup":
        writer.lines.add(f"{found} = {value}.get({text}, U) if type({value}) is dict else lookup({value}, {text})")
    elif isinstance(step, Scalar) and type(step.value) is int and 0 <= step.value < LONGEST_LITERAL:
        quick = f"{value}[{text}] if type({value}) is list and len({value}) > {text}"
        writer.lines.add(f"{found} = {quick} else {lookup}({value}, {text})")
    else:
        writer.lines.add(f"{found} = {lookup}({value}, {text})")
    writer.fail_if(f"{found} is U")
    return found


def _each(writer: BodyWriter, value: str, step: Term) -> str:
    """One loop; the step's variables are the keys."""
    member = writer.source.name("v")
    if writer.is_unused(step):
        writer.loop(f"for {member} in members({value}):")
        return member
    if isinstance(step, Var) and step.name in writer.scope.formed:  # OPA panics
        value = writer.named(value)
        writer.raise_if(f"type({value}) is list and {value}", "formed_index()")
    key = writer.source.name("v")
    writer.loop(f"for {key}, {member} in items({value}):")
    writer.match(step, key)
    return member


def _data(writer: BodyWriter, ref: Ref) -> str:
    """Rules and plain data: by the shortest way that is known to be right."""
    return _walked(writer, ref) if writer.generator.plan.may_be_replaced(ref.path) else unreplaced(writer, ref)


def unreplaced(writer: BodyWriter, ref: Ref) -> str:
    """The same where no `with` puts anything there."""
    node = writer.generator.plan.tree
    for index, step in enumerate(ref.path):
        if not isinstance(step, Scalar):
            return _walked(writer, ref)
        child = node.children.get(place_key(step.value))
        if child is None:
            return _plain_data(writer, ref)
        document = writer.generator.plan.of(child)
        if document is not None:
            return _document(writer, document, ref.path[index + 1 :])
        node = child
    path = tuple(step.value for step in ref.path if isinstance(step, Scalar))
    value = writer.named(f"at({writer.context}, {writer.source.constant(path)})")
    writer.fail_if(f"{value} is U")
    return value


def is_plain_data(writer: BodyWriter, ref: Ref) -> bool:
    """Whether it is of `data`, and of no rule."""
    if not isinstance(ref.head, Var) or ref.head.name != "data" or "data" in writer.scope.bound:
        return False
    node = writer.generator.plan.tree
    for step in ref.path:
        child = node.children.get(place_key(step.value)) if isinstance(step, Scalar) else None
        if child is None:
            return True
        if writer.generator.plan.of(child) is not None:
            return False
        node = child
    return True


def _document(writer: BodyWriter, document: Document, path: Sequence[Term]) -> str:
    if document.kind is Kind.FUNCTION:
        writer.never()
    known = (writer.context, document.name)
    asked = path[: document.keys]
    if not asked and path and not writer.is_ground(path[0]) and document.has_indices:
        asked = path[:1]
    keys = [*takewhile(writer.is_ground, asked)]
    if _is_known_beyond(writer, asked, keys):
        given: list[str] = []
        forms = tuple(form_of(writer, each, given) for each in asked)
        function = writer.generator.of_forms(document, forms, len(given))
        value = writer.named(f"{function}({', '.join([writer.context, *given])})")
        return _steps(writer, value, path, (value,))
    if keys:
        arguments = ", ".join([writer.context, *map(writer.evaluated, keys)])
        value = writer.named(f"{document.name}_at{len(keys)}({arguments})")
        writer.fail_if(f"{value} is U")
        return _steps(writer, value, path[len(keys) :], (value,))
    value = writer.scope.paths.get(known, "")
    if not value:
        value = writer.named(f"{document.name}({writer.context})")
        if document.kind is Kind.COMPLETE:
            writer.fail_if(f"{value} is U")
        writer.scope.paths[known] = value
    return _steps(writer, value, path, known)


def _is_known_beyond(writer: BodyWriter, asked: Sequence[Term], keys: Sequence[Term]) -> bool:
    """Whether more is known than the keys at the beginning; where the first is a variable OPA does not look."""
    if not keys and asked and isinstance(asked[0], Var):
        return False
    return any(isinstance(each, ArrayTerm | ObjectTerm) or writer.is_ground(each) for each in asked[len(keys) :])


def _plain_data(writer: BodyWriter, ref: Ref) -> str:
    """Data that no rule makes: what is at the constants is known now."""
    constants: list[object] = []
    for step in ref.path:
        if not isinstance(step, Scalar):
            break
        constants.append(step.value)
    value = writer.generator.stored(tuple(constants))
    if value is UNDEFINED:
        writer.never()
    name = writer.generator.stored_constant(tuple(constants), value)
    return _steps(writer, name, ref.path[len(constants) :], (name,), lookup="base_lookup")


def _walked(writer: BodyWriter, ref: Ref) -> str:
    """Step by step at the time of the question."""
    cursor = "start"
    for step in ref.path:
        if writer.is_ground(step):
            cursor = writer.named(f"step({writer.context}, {cursor}, {writer.evaluated(step)})")
            writer.fail_if(f"{cursor} is U")
        else:
            key, new = writer.source.name("v"), writer.source.name("v")
            writer.loop(f"for {key}, {new} in each({writer.context}, {cursor}):")
            writer.match(step, key)
            cursor = new
    value = writer.named(f"finish({writer.context}, {cursor})")
    writer.fail_if(f"{value} is U")
    return value
