"""Terms as the text of Python values. What has to be looked up first is (`references`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from authz_rego.check.walk import variables
from authz_rego.syntax.tree import (
    ArrayComprehension,
    ArrayTerm,
    ObjectComprehension,
    ObjectTerm,
    Ref,
    Scalar,
    SetComprehension,
    SetTerm,
    Term,
    Var,
)
from authz_rego.values.number import Number
from authz_rego.values.value import key_of

if TYPE_CHECKING:
    from authz_rego.compile.bodies import BodyWriter


LONGEST_LITERAL = 2**63  # Python reads no literal of more than 4,300 digits

_EMPTY = {ArrayComprehension: "[]", SetComprehension: "set()", ObjectComprehension: "{}"}


def as_written(name: str) -> str:
    """What a variable's set or object has as it is written, in OPA's order of terms: members, or pairs, one by one."""
    return f"{name} as written"


def evaluated(writer: BodyWriter, term: Term) -> str:  # noqa: PLR0911 - one line for each kind of term
    """The text of a value; references in it are looked up first."""
    match term:
        case Scalar():
            return _literal(writer, term)
        case Var():
            return writer.scope.bound[term.name]
        case Ref():
            return writer.reference(term)
        case ArrayTerm() | ObjectTerm() | SetTerm() if writer.generator.is_value(term):
            return writer.generator.hoisted(term)
        case ArrayTerm():
            return "[" + ", ".join(map(partial(evaluated, writer), term.items)) + "]"
        case ObjectTerm():
            pairs = [(key(writer, name), evaluated(writer, value)) for name, value in term.pairs]
            if len(pairs) < 2 or all(isinstance(name, Scalar) for name, _ in term.pairs):
                return "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"
            return "object_of(" + ", ".join(f"({name}, {value})" for name, value in pairs) + ")"
        case SetTerm():
            return "frozenset((" + "".join(f"{key(writer, item)}, " for item in term.items) + "))"
        case ArrayComprehension() | SetComprehension() | ObjectComprehension():
            return writer.named(_comprehension(writer, term))
    raise AssertionError(f"not a value: {term}")


def _literal(writer: BodyWriter, term: Scalar) -> str:
    if isinstance(term.value, Number) or (isinstance(term.value, int) and abs(term.value) > LONGEST_LITERAL):
        return writer.generator.hoisted(term)
    text = repr(term.value)
    writer.literals.add(text)
    return text


def key(writer: BodyWriter, term: Term) -> str:
    """The text of a key of an object, or of a member of a set."""
    if isinstance(term, Scalar):
        return repr(term.value) if isinstance(term.value, str) else writer.source.constant(key_of(term.value))
    return f"key_of({evaluated(writer, term)})"


def _comprehension(writer: BodyWriter, term: ArrayComprehension | SetComprehension | ObjectComprehension) -> str:
    """A call of a function that makes it."""
    result = "frozenset(out)" if isinstance(term, SetComprehension) else "out"
    inner, parameters, arguments = writer.apart(variables(term), otherwise=f"return {result}")
    inner.lines.add(f"out = {_EMPTY[type(term)]}")
    inner.body(term.body, lambda each: _add(each, term))
    inner.lines.depth = 1
    inner.lines.add(f"return {result}")
    head = writer.source.name("all")
    writer.source.function(f"{head}({parameters})", inner.lines)
    return f"{head}({arguments})"


def _add(writer: BodyWriter, term: ArrayComprehension | SetComprehension | ObjectComprehension) -> None:
    """What one way of the body to hold gives."""
    match term:
        case ArrayComprehension():
            writer.lines.add(f"out.append({evaluated(writer, term.term)})")
        case SetComprehension():
            writer.lines.add(f"out.add({key(writer, term.term)})")
        case _:
            put(writer, term.key, term.value, writer.source.constant(term.key.place), keep_last=True)


def put(writer: BodyWriter, name: Term, value: Term, place: str, *, keep_last: bool = False) -> None:
    """A member of an object that is being made: `out`. Of equal values (2.5, 2.50) the first is kept, or the last."""
    at, member = writer.named(key(writer, name)), writer.named(writer.evaluated(value))
    found = writer.source.name("v")
    writer.lines.add(f"{found} = out.get({at}, U)")
    writer.lines.when(f"{found} is not U and not equal({found}, {member})", f"raise object_conflict({place})")
    if not keep_last:
        writer.lines.open(f"if {found} is U:")
    writer.lines.add(f"out[{at}] = {member}")
    if not keep_last:
        writer.lines.close()
