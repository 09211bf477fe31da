"""JSON Schemas of annotations: whether they are any, as OPA finds, and which type they describe. Not where they hold.

What OPA's type checker makes of them is the names and the kinds of members. No input is checked against them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from authz_rego.builtins.regex_syntax import translate
from authz_rego.check.static_keys import key_order
from authz_rego.check.types import (
    ANY,
    BOOLEAN,
    NUMBER,
    STRING,
    ArrayType,
    Dynamic,
    ObjectType,
    Property,
    Type,
    object_type,
    union,
)
from authz_rego.errors import BuiltinError
from authz_rego.syntax.metadata.urls import UrlError, normal_url
from authz_rego.syntax.tree import Term
from authz_rego.values.number import Number, float64

Schema: TypeAlias = Any  # as JSON has it
_TYPES: Final = ("array", "boolean", "integer", "number", "null", "object", "string")
# Of several types the first that stands here is the only one, as in OPA.
_SCALARS: Final = (({"boolean"}, BOOLEAN), ({"string"}, STRING), ({"integer", "number"}, NUMBER))
_SCHEMA: Final = "Valid Schema"
_OF_NAMES: Final = ("properties", "dependencies", "patternProperties")
_OLD_DRAFTS: Final = ("http://json-schema.org/draft-04/schema", "http://json-schema.org/draft-06/schema")
_DRAFT_7: Final = "http://json-schema.org/draft-07/schema"


class SchemaAt(NamedTuple):
    """What a part of the input or of the data looks like."""

    path: tuple[Term, ...]
    definition: Schema


class SchemaError(Exception):
    """Why a definition is no JSON Schema, in OPA's words."""


class UnsupportedSchemaError(Exception):
    """What of JSON Schema is not known here."""


# ── types ──


def schema_type(schema: Schema) -> Type:
    """The type of what `check_schema` has let through."""
    if type(schema) is bool:
        return ANY
    alternatives = schema.get("anyOf")
    if not alternatives:
        return _plain_type(schema)
    found: Type | None = None
    if _types_in(schema):
        core = _plain_type(schema)
        if type(core) is ObjectType and core.static:
            found = core
    for each in alternatives:
        found = union(schema_type(each), found)
    return found or ANY


def _plain_type(schema: dict[str, Schema]) -> Type:
    properties, items = schema.get("properties"), schema.get("items")
    has_items = items not in (None, [])
    types = set(_types_in(schema))
    for names, scalar in _SCALARS:
        if names & types:
            return scalar
    if not types & {"object", "array"}:  # none that has a type of its own: null is none
        types = {"object"} if properties else {"array"} if has_items else set()
    if "object" in types:
        known = [Property(name, key_order(name), schema_type(each)) for name, each in (properties or {}).items()]
        return object_type(known, None if known else Dynamic(ANY, ANY))
    if "array" in types:
        if type(items) is list and items:
            return ArrayType(tuple(map(schema_type, items)))
        return ArrayType((), schema_type(items) if has_items else ANY)
    return ANY


def _types_in(schema: dict[str, Schema]) -> tuple[str, ...]:
    found = schema.get("type", ())
    return (found,) if type(found) is str else tuple(found)


# ── checks ──


def check_schema(schema: Schema) -> None:
    """Raises SchemaError, or UnsupportedSchemaError."""
    draft = schema.get("$schema", "")
    if type(draft) is not str:
        raise SchemaError("$schema must be of type string")
    try:
        draft = normal_url(draft)
    except UrlError as problem:
        raise SchemaError(str(problem)) from None
    if draft in _OLD_DRAFTS:
        raise UnsupportedSchemaError("an old draft of JSON Schema")
    if _has_name(schema):
        raise UnsupportedSchemaError("a schema's own name (`$id`)")
    _Check(is_draft_7=draft == _DRAFT_7).schema(schema)


def _has_name(node: Schema) -> bool:
    if type(node) is list:
        return any(map(_has_name, node))
    if type(node) is not dict:
        return False
    if type(node.get("id" if "id" in node else "$id")) is str:
        return True
    inside = [each for key, each in node.items() if key not in ("const", "enum", *_OF_NAMES)]
    for key in _OF_NAMES:
        below = node.get(key)
        inside += below.values() if type(below) is dict else ()
    return any(map(_has_name, inside))


class _Check:
    """Keyword after keyword, in OPA's order. Words that it does not know say nothing, as there."""

    def __init__(self, *, is_draft_7: bool) -> None:
        self._is_draft_7 = is_draft_7
        must_be_object = partial(self._schema_or, told="{key} must be of an object")
        self._keywords: tuple[tuple[str, Callable[[Schema, str], None]], ...] = (
            ("$id", self._text), ("definitions", self._definitions), ("title", self._text), ("description", self._text),
            ("$ref", self._reference), ("type", self._type), ("properties", self._properties),
            ("additionalProperties", partial(self._schema_or, told=_wrong_type(f"boolean/{_SCHEMA}"))),
            ("patternProperties", self._patterns),
            ("propertyNames", partial(self._schema_or, told=_wrong_type(_SCHEMA).format(key="patternProperties"))),
            ("dependencies", self._dependencies), ("items", self._items),
            ("additionalItems", partial(self._schema_or, told=_wrong_type(f"boolean/{_SCHEMA}"))),
            ("multipleOf", self._multiple), ("minimum", self._number), ("exclusiveMinimum", self._exclusive),
            ("maximum", self._number), ("exclusiveMaximum", self._exclusive), ("minLength", self._count),
            ("maxLength", self._count), ("pattern", self._text), ("format", self._text), ("minProperties", self._count),
            ("maxProperties", self._count), ("required", self._required), ("minItems", self._count),
            ("maxItems", self._count), ("uniqueItems", self._flag), ("contains", lambda each, _: self.schema(each)),
            ("enum", self._enum), ("oneOf", self._schemas), ("anyOf", self._schemas), ("allOf", self._all_of),
            ("not", must_be_object), ("if", must_be_object), ("then", must_be_object), ("else", must_be_object),
        )  # fmt: skip

    def schema(self, node: Schema) -> None:
        if type(node) is bool:
            return
        if type(node) is not dict:
            raise SchemaError(f"Expected: {_SCHEMA}, given: Invalid JSON")
        if "id" in node and not self._is_draft_7:
            self._text(node["id"], "id")
        for key, check in self._keywords:
            if key in node:
                check(node[key], key)
                if key.startswith("exclusive") and type(node[key]) is bool and key[9:].lower() not in node:
                    raise SchemaError(f"{key} cannot be used without {key[9:].lower()}")
        for least, most in (("minLength", "maxLength"), ("minProperties", "maxProperties")):
            if least in node and most in node and node[least] > node[most]:
                raise SchemaError(f"{least} cannot be greater than {most}")

    def _text(self, given: Schema, key: str) -> None:
        if type(given) is not str:
            raise SchemaError(_wrong_type("string").format(key=key))

    def _reference(self, given: Schema, key: str) -> None:
        self._text(given, key)
        raise UnsupportedSchemaError("`$ref`")

    def _type(self, given: Schema, _: str) -> None:
        types = given if type(given) is list else [given]
        if not all(type(each) is str for each in types):
            raise SchemaError("Invalid type. Expected: type, given: string/Array Of Strings")
        for at, each in enumerate(types):
            if each not in _TYPES:
                told = f"NOT VALID -- given: /{each}/ Expected valid values are:[{' '.join(_TYPES)}]"
                raise SchemaError(f"has a primitive type that is {told}")
            if each in types[:at]:
                raise SchemaError(f"{each} type is duplicated")

    def _enum(self, given: Schema, key: str) -> None:
        found = list(map(_as_floats, self._list(given, key)))
        if any(each in found[:at] for at, each in enumerate(found)):
            raise SchemaError("enum items must be unique")

    def _schema_or(self, given: Schema, key: str, told: str) -> None:
        if type(given) not in (bool, dict):
            raise SchemaError(told.format(key=key))
        self.schema(given)

    def _schemas(self, given: Schema, key: str) -> None:
        for each in self._list(given, key):
            self.schema(each)

    def _all_of(self, given: Schema, key: str) -> None:
        self._schemas(given, key)
        if given:
            raise UnsupportedSchemaError("`allOf`")

    def _list(self, given: Schema, key: str) -> list[Schema]:
        if type(given) is not list:
            raise SchemaError(f"{key} must be of an array")
        return given

    def _flag(self, given: Schema, key: str) -> None:
        if type(given) is not bool:
            raise SchemaError(f"{key} must be of a boolean")

    def _definitions(self, given: Schema, key: str) -> None:
        told = _wrong_type("Array Of Schemas")
        if type(given) is not dict:
            raise SchemaError(told.format(key=key))
        for each in given.values():
            self._schema_or(each, key, told)

    def _properties(self, given: Schema, _: str) -> None:
        if type(given) is not dict:
            raise SchemaError("Properties must be of type object")
        for each in given.values():
            self.schema(each)

    def _patterns(self, given: Schema, key: str) -> None:
        if type(given) is not dict:
            raise SchemaError(_wrong_type(_SCHEMA).format(key=key))
        for pattern, each in given.items():
            try:
                translate(pattern)
            except BuiltinError:
                raise SchemaError(f"Invalid regex pattern '{pattern}'") from None
            self.schema(each)

    def _dependencies(self, given: Schema, key: str) -> None:
        told = "Dependency must be of type Schema Or Array Of Strings"
        if type(given) is not dict:
            raise SchemaError(f"{key} must be of type object")
        for each in given.values():
            if type(each) is not list:
                self._schema_or(each, key, told)
            elif not all(type(name) is str for name in each):
                raise SchemaError(told)

    def _items(self, given: Schema, key: str) -> None:
        for each in given if type(given) is list else [given]:
            self._schema_or(each, key, _wrong_type(f"{_SCHEMA}/Array Of Schemas"))

    def _required(self, given: Schema, key: str) -> None:
        names = self._list(given, key)
        if not all(type(each) is str for each in names):
            raise SchemaError(_wrong_type("string").format(key=key))
        if len(set(names)) < len(names):
            raise SchemaError("required items must be unique")

    def _number(self, given: Schema, key: str) -> None:
        if not _is_number(given):
            raise SchemaError(f"{key} must be of a Number")

    def _multiple(self, given: Schema, key: str) -> None:
        if not _is_number(given):
            raise SchemaError(_wrong_type("Number").format(key=key))
        if float64(given) <= 0:
            raise SchemaError(f"{key} must be strictly greater than 0")

    def _exclusive(self, given: Schema, key: str) -> None:
        if not _is_number(given) and (self._is_draft_7 or type(given) is not bool):
            raise SchemaError(_wrong_type("number" if self._is_draft_7 else "boolean/number").format(key=key))

    def _count(self, given: Schema, key: str) -> None:
        if type(given) is not int or not -(2**63) <= given < 2**63:
            raise SchemaError(f"{key} must be of an integer")
        if given < 0:
            raise SchemaError(f"{key} must be greater than or equal to 0")


def _wrong_type(expected: str) -> str:
    return f"Invalid type. Expected: {expected}, given: {{key}}"


def _is_number(given: Schema) -> bool:
    return type(given) is int or type(given) is Number


def _as_floats(value: Schema) -> Any:
    """What is equal for OPA where it looks for one thing twice."""
    if type(value) is list:
        return [*map(_as_floats, value)]
    if type(value) is dict:
        return {name: _as_floats(each) for name, each in value.items()}
    return (type(value) is bool, float64(value) if _is_number(value) else value)
