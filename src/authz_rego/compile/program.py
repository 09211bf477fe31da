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
from authz_rego.evaluate.context import MISSING, Context, builtin_mock, value_mock
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


def _now_ns(context: Context) -> Value:
    return context.now_ns


def _undefined(_: Context) -> Value:
    return UNDEFINED


def _namespace(generator: Generator, documents: Documents) -> dict[str, Any]:
    """All that the functions name."""
    return {
        "__builtins__": _PYTHONS,
        "U": UNDEFINED,
        "MISSING": MISSING,
        "Number": Number,
        "COLLECTIONS": COLLECTIONS,
        "BuiltinError": BuiltinError,
        "PartialObject": PartialObject,
        "at": documents.at,
        "bad_path": bad_path,
        "base_lookup": base_lookup,
        "builtin_mock": builtin_mock,
        "compare": compare,
        "conflict": conflict,
        "document_mock": lambda path: lambda context, *_: documents.at(context, path),
        "each": documents.each,
        "equal": equal,
        "find": find,
        "finish": documents.finish,
        "items": items,
        "key_of": key_of,
        "lookup": lookup,
        "members": members,
        "now_ns": _now_ns,
        "object_conflict": object_conflict,
        "object_of": object_of,
        "same_keys": same_keys,
        "unpaired": unpaired,
        "step": documents.step,
        "value_mock": value_mock,
        "walk_pairs": walk_pairs,
        **generator.builtins,
        **generator.source.constants,
    }


# Of Python's own functions a policy's source names only these.
_PYTHONS: dict[str, Callable[..., Any] | type] = {
    "bool": bool, "dict": dict, "frozenset": frozenset, "int": int, "len": len, "list": list, "set": set, "str": str,
    "type": type,
}  # fmt: skip


def conflict(at: tuple[bool, Place]) -> EvaluationError:
    """Two values of one complete rule, or of one call of a function."""
    is_function, place = at
    what = "functions" if is_function else "complete rules"
    return EvaluationError(
        CONFLICT,
        f"{what} must not produce multiple outputs for same inputs"
        if is_function
        else f"{what} must not produce multiple outputs",
        place,
    )


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


def same_keys() -> EvaluationError:
    """What OPA makes of it depends on the names of its own variables, and on who looks into the object when."""
    return EvaluationError(CONFLICT, SAME_KEYS)
