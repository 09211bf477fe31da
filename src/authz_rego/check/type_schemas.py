"""Which JSON Schemas annotations give to a rule, and what these change in what is known of types. Not what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from authz_rego.check.json_schemas import SchemaAt, SchemaError, UnsupportedSchemaError, check_schema, schema_type
from authz_rego.check.rules import full_ref
from authz_rego.check.static_keys import key_order
from authz_rego.check.type_env import TypeEnv
from authz_rego.check.type_replacing import ground_prefix
from authz_rego.check.types import ANY, Dynamic, ObjectType, Property, Type, object_type
from authz_rego.errors import UNSUPPORTED, Place, RegoProblem
from authz_rego.syntax.tree import Annotation, Module, Rule, Scalar, Term, Var

_Path = tuple[Term, ...]


class Schemas:
    """Those of all annotations that stand in them themselves. One that is a name (`schema.x`) is a file that OPA is
    told of when it checks, and nothing to it otherwise.
    """

    def __init__(self, modules: Sequence[Module]) -> None:
        self._packages: list[tuple[_Path, Annotation]] = []
        self._paths: list[tuple[_Path, Annotation]] = []  # of documents, and of packages with all below
        self._has_any = any(_definitions(each) for module in modules for each in module.annotations)
        if not self._has_any:
            return
        for module in modules:
            package = ground_prefix(module.package)
            for each in module.annotations:
                if each.scope == "package":
                    self._packages.append((package, each))
                elif each.scope == "subpackages":
                    self._paths.append((package, each))
            for rule in module.rules:
                path = ground_prefix(full_ref(module, rule))
                self._paths += [(path, each) for each in rule.annotations if each.scope == "document"]

    def of(self, module: Module, rule: Rule, *, is_else: bool) -> tuple[SchemaAt, ...]:
        """Those that hold in a branch of a rule; a later one is put over an earlier."""
        if not self._has_any:
            return ()
        package, document = ground_prefix(module.package), ground_prefix(full_ref(module, rule))
        around = [each for path, each in self._paths if path == package[: len(path)]]
        own = [each for path, each in self._packages if path == package]
        own += [each for path, each in self._paths if path == document]
        if not is_else:
            own += [each for each in rule.annotations if each.scope == "rule"]
        return tuple(found for each in (*around, *own) for found in _definitions(each))


def _definitions(annotation: Annotation) -> list[SchemaAt]:
    return [
        SchemaAt((Var(each["path"][0]), *map(Scalar, each["path"][1:])), each["definition"])
        for each in annotation.members.get("schemas", ())
        if "definition" in each
    ]


def put_schemas(env: TypeEnv, schemas: Sequence[SchemaAt], place: Place) -> Iterator[RegoProblem]:
    """Has the types of the schemas known in the layer; the problems are the rule's, as OPA tells them."""
    for path, definition in schemas:
        try:
            check_schema(definition)
        except SchemaError as problem:
            found = f"unable to compile the schema: {problem}"
            yield RegoProblem("rego_type_error", place, found, "correct the schema in the annotation, or take it out")
        except UnsupportedSchemaError as problem:
            found = f"{problem} is not supported in a schema of an annotation"
            yield RegoProblem(
                UNSUPPORTED, place, found, "write the schema without it, or give it to `opa check` as a file"
            )
        else:
            _put(env, path, schema_type(definition))


def _put(env: TypeEnv, path: _Path, type_: Type) -> None:
    root = env.type_of_ref(path[:1])
    if root is None or len(path) == 1:
        env.tree.put(path, type_)
    else:
        env.tree.put(path[:1], _replaced(root, path[1:], type_))


def _replaced(type_: Type | None, path: _Path, by: Type) -> Type:
    """The type with another one at the path."""
    if type(type_) is not ObjectType:
        return _object(path, by, Dynamic(ANY, ANY))
    step = path[0]
    assert isinstance(step, Scalar)
    order = key_order(step.value)
    others = [each for each in type_.static if each.order != order]
    known = [each for each in type_.static if each.order == order]
    if known:
        value = by if len(path) == 1 else _replaced(known[0].value, path[1:], by)
        return object_type([*others, Property(step.value, order, value)], type_.dynamic)
    return object_type([*others, *_object(path, by, type_.dynamic).static], type_.dynamic)


def _object(path: _Path, of: Type, dynamic: Dynamic | None) -> ObjectType:
    step = path[0]
    assert isinstance(step, Scalar)
    value = of if len(path) == 1 else _object(path[1:], of, dynamic)
    return object_type([Property(step.value, key_order(step.value), value)], dynamic)
