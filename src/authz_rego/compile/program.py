"""A policy's functions, ready to be called. Not what is asked of them (`policy`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from authz_rego.builtins.graphs import walk_pairs
from authz_rego.check.rules import RuleNode
from authz_rego.check.stages import Compiled
from authz_rego.compile.generate import Generator
from authz_rego.compile.plan import Kind, Plan, plan
from authz_rego.errors import NOWHERE, BuiltinError, EvaluationError, Place
from authz_rego.evaluate.context import MISSING, Context, RuleMock, builtin_mock, value_mock
from authz_rego.evaluate.documents import Documents
from authz_rego.evaluate.documents import Place as DataPlace
from authz_rego.evaluate.lookups import (
    COLLECTIONS,
    base_lookup,
    find,
    items,
    lookup,
    members,
)
from authz_rego.evaluate.partial import CONFLICT, PartialObject
from authz_rego.values.number import Number
from authz_rego.values.value import UNDEFINED, Key, Value, compare, equal, key_of

SAME_KEYS = "two keys of one object are the same"
WALKED = " (OPA does not look for another one in walk where one is enough for who asks)"


@dataclass(frozen=True, slots=True)
class Program:
    """All documents of a policy."""

    source: str
    documents: Documents
    generator: Generator


def program(compiled: Compiled, data: Value, *, traced: bool = False) -> Program:
    """Compiles the rules to Python, over this data."""
    made = plan(compiled)
    stored = Documents(DataPlace(), data).stored
    generator = Generator(made, stored, traced=traced)
    generator.write()
    source = generator.source.text()
    documents = Documents(DataPlace(), data)
    namespace = _namespace(generator, documents)
    exec(compile(source, "<rego>", "exec"), namespace)  # noqa: S102 - made from a tree, see tests/rego/test_hostile_policies.py
    for table, (rows, others, rest) in generator.tables.items():
        namespace[table] = {key: tuple(namespace[name] for name in names) for key, names in rows.items()}
        namespace[others] = tuple(namespace[name] for name in rest)
    documents.root = _places(made.tree, made, namespace)
    documents.start = type(documents.start)((), documents.root)
    namespace["start"] = documents.start
    return Program(source, documents, generator)


def _places(node: RuleNode, made: Plan, namespace: dict[str, Any]) -> DataPlace:
    document = made.of(node)
    place = DataPlace(hidden=node.hidden)
    if document is not None:
        place.document = _undefined if document.kind is Kind.FUNCTION else namespace[document.name]
        place.members = tuple(namespace[f"{document.name}_at{count + 1}"] for count in range(document.keys))
        return place
    place.children = {key: _places(child, made, namespace) for key, child in node.children.items()}
    return place


def now_ns(context: Context) -> Value:
    """The time that the question says."""
    return context.now_ns


def _undefined(_: Context) -> Value:
    return UNDEFINED


def _namespace(generator: Generator, documents: Documents) -> dict[str, Any]:
    """All that the functions name."""
    return {
        "__builtins__": _PYTHONS,
        "U": UNDEFINED,
        "MISSING": MISSING,
        "COLLECTIONS": COLLECTIONS,
        "rule_mock": lambda path: RuleMock(lambda context: documents.at(context, path)),
        **_named(Number, BuiltinError, PartialObject, object_of),
        **_named(bad_path, conflict, formed_index, object_conflict, same_keys, unpaired),
        **_named(compare, equal, key_of, base_lookup, find, items, lookup, members, now_ns, walk_pairs),
        **_named(builtin_mock, value_mock, documents.at, documents.each, documents.finish, documents.step),
        **generator.builtins,
        **generator.source.constants,
    }


def _named(*functions: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {each.__name__: each for each in functions}


# Of Python's own functions a policy's source names only these.
_PYTHONS = _named(bool, dict, frozenset, int, len, list, set, str, type)


def conflict(at: tuple[bool, bool, Place]) -> EvaluationError:
    """Two values of one complete rule, or of one call of a function."""
    is_function, walks, place = at
    who, when = ("functions", " for same inputs") if is_function else ("complete rules", "")
    return EvaluationError(CONFLICT, f"{who} must not produce multiple outputs{when}{WALKED if walks else ''}", place)


def object_conflict(place: Place = NOWHERE) -> EvaluationError:
    """Two values at one key of an object."""
    return EvaluationError(CONFLICT, "object keys must be unique", place)


def bad_path() -> EvaluationError:
    """A `with` at what no text leads to: a number, or a variable."""
    return EvaluationError(CONFLICT, "bad document path: `with` replaces what text leads to")


def object_of(*pairs: tuple[str | Key, Value]) -> Value:
    """An object with computed keys. Raises EvaluationError when two of them are the same."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise same_keys()
    return found


def unpaired() -> EvaluationError:
    """Two patterns at keys of which only a question says that they are one: neither has a value for the other."""
    return EvaluationError(CONFLICT, "two patterns stand at one computed key: give one of them its value before")


def formed_index() -> EvaluationError:
    """What has to be an array or an object is looked for among the indices of an array."""
    return EvaluationError(CONFLICT, "an index of an array is asked for by the form of an array or an object")


def same_keys() -> EvaluationError:
    """What OPA makes of it depends on the names of its own variables, and on who looks into the object when."""
    return EvaluationError(CONFLICT, SAME_KEYS)
