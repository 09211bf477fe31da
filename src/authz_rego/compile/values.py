"""Constants of a policy as values. Nothing that has to be evaluated."""

from __future__ import annotations

from authz_rego.syntax.tree import ArrayTerm, ObjectTerm, Scalar, SetTerm, Term
from authz_rego.values.value import Value, key_of


def constant_value(term: Term) -> Value:
    """The value of a term without variables, references and calls."""
    match term:
        case Scalar():
            return term.value
        case ArrayTerm():
            return [constant_value(item) for item in term.items]
        case SetTerm():
            return frozenset(key_of(constant_value(item)) for item in term.items)
        case ObjectTerm():
            return {key_of(constant_value(key)): constant_value(value) for key, value in term.pairs}
    raise AssertionError(f"not a constant: {term}")
