"""Members of a form, `[_, "a"]`: what is known of a key that is not known as a whole. Not keys that are (`references`).

As in OPA, the rules of a document are tried with what is known: the errors of others are not seen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from authz_rego.check.walk import walk
from authz_rego.syntax.text import term_text
from authz_rego.syntax.tree import ArrayTerm, ObjectTerm, Scalar, Term, Var

if TYPE_CHECKING:
    from authz_rego.compile.bodies import BodyWriter


@dataclass(frozen=True, slots=True)
class Given:
    """A part that is known: the number of the argument that it is."""

    number: int


@dataclass(frozen=True, slots=True)
class Same:
    """A part that is not known, and stands elsewhere in the term, too: a variable."""

    name: str


# Of a term: what is known, nothing (None), the forms of an array's items, or those of an object's values: by what their
# keys are, with the names of these.
Form: TypeAlias = "Given | Same | tuple[Form, ...] | dict[str, tuple[str, Form]] | None"


def form_of(writer: BodyWriter, term: Term, arguments: list[str]) -> Form:
    """The form of a term; the known parts are added to the arguments."""
    uses = Counter(node.name for node in walk(term) if isinstance(node, Var))
    return _form_of(writer, term, arguments, uses)


def _form_of(writer: BodyWriter, term: Term, arguments: list[str], uses: Counter[str]) -> Form:
    if writer.is_ground(term):
        arguments.append(writer.evaluated(term))
        return Given(len(arguments) - 1)
    match term:
        case Var() if uses[term.name] > 1:
            return Same(term.name)
        case ArrayTerm():
            return tuple(_form_of(writer, item, arguments, uses) for item in term.items)
        case ObjectTerm() if all(isinstance(key, Scalar) for key, _ in term.pairs):
            return {
                term_text(key): (writer.key(key), _form_of(writer, value, arguments, uses)) for key, value in term.pairs
            }
    return None


def match_form(writer: BodyWriter, form: Form, term: Term, arguments: list[str]) -> None:
    """The term of a head must have the form, as far as that can be said before its body."""
    if isinstance(form, Given):
        writer.match(term, arguments[form.number])
    elif isinstance(form, Same | None):
        return
    elif isinstance(term, Var):
        writer.scope.formed.add(term.name)
    elif isinstance(form, tuple) and isinstance(term, ArrayTerm) and len(form) == len(term.items):
        for part, item in zip(form, term.items, strict=True):
            match_form(writer, part, item, arguments)
    elif isinstance(form, dict) and isinstance(term, ObjectTerm) and len(form) == len(term.pairs):
        for key, value in term.pairs:
            if isinstance(key, Scalar) and term_text(key) not in form:
                writer.never()
            _, part = form.get(term_text(key), ("", None))
            match_form(writer, part, value, arguments)
    else:
        writer.never()


def check_form(
    writer: BodyWriter, form: Form, value: str, arguments: list[str], seen: dict[str, str] | None = None
) -> None:
    """The same of a value, where a body says what a key is."""
    seen = {} if seen is None else seen
    if isinstance(form, Same):
        first = seen.setdefault(form.name, value)
        if first != value:
            writer.fail_if(f"not equal({first}, {value})", value)
    elif isinstance(form, Given):
        writer.fail_if(f"not equal({value}, {arguments[form.number]})", value)
    elif isinstance(form, tuple):
        writer.fail_if(f"type({value}) is not list or len({value}) != {len(form)}", value)
        for index, part in enumerate(form):
            check_form(writer, part, f"{value}[{index}]", arguments, seen)
    elif isinstance(form, dict):
        writer.fail_if(f"type({value}) is not dict or len({value}) != {len(form)}", value)
        for key, part in form.values():
            writer.fail_if(f"{key} not in {value}", value)
            check_form(writer, part, f"{value}[{key}]", arguments, seen)
