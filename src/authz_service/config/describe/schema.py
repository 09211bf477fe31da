"""The model as JSON Schema (2020-12), for editors and the documentation. Not the validation itself (`loader`)."""

from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from authz_service.config.model import Address, Config, Endpoint
from authz_service.config.sections.section import Section
from authz_service.durations import format_duration, format_size

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """What an editor checks: every value may also be, or contain, `${VARIABLE}`."""
    schema = plain_schema()
    for section in sections(schema):
        section["properties"] = {key: _or_variable(value) for key, value in section["properties"].items()}
    schema["$defs"]["Variable"] = {"type": "string", "pattern": r"\$\{", "description": "Substituted at start."}
    return {"$schema": DIALECT, "title": "Configuration of authz-service", **schema}


def plain_schema() -> dict[str, Any]:
    """The keys, their types, defaults and descriptions."""
    schema = Config.model_json_schema(schema_generator=_Generator, mode="validation")
    for kind in Section.__subclasses__():
        for other in kind.ignores:
            there = schema["$defs"][kind.__name__]["properties"]
            schema["$defs"][kind.__name__]["properties"] = schema["$defs"][other.__name__]["properties"] | there
    several = schema["$defs"]["Jwt"]
    one = {"$ref": "#/$defs/JwtIssuer"}
    schema["$defs"]["Issuers"] = several
    schema["$defs"]["Jwt"] = {"description": several["description"], "anyOf": [one, {"$ref": "#/$defs/Issuers"}]}
    for section in sections(schema):
        _one_of_two(section)
        for value in section["properties"].values():
            if "$ref" in value:  # a section's description is its key's description
                value.setdefault("description", schema["$defs"][value["$ref"].split("/")[-1]]["description"])
            if "patternProperties" in value:
                value["additionalProperties"] = False
    return schema


def _one_of_two(section: dict[str, Any]) -> None:
    """A secret that must be there may be in a file."""
    pairs = [(key, f"{key}_file") for key in section.get("required", ()) if f"{key}_file" in section["properties"]]
    for key, file in pairs:
        section["required"].remove(key)
        section["oneOf"] = [{"required": [key]}, {"required": [file]}]


class _Generator(GenerateJsonSchema):
    """No `null` (a key without a value is a problem), no invented titles, no defaults that repeat a whole section."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = self.generate_inner(schema["schema"])
        default = _as_written(schema.get("default"), described.get("title"))
        return described if default in (None, "", [], {}) else {**described, "default": default}

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Not `oneOf`: of a variable in the place of the deciding word nobody knows what it will be."""
        return {"anyOf": [self.generate_inner(kind) for kind in schema["choices"].values()]}

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def _as_written(default: object, kind: str | None) -> object:
    """The default as one would write it; None for a whole section."""
    if isinstance(default, float) and kind == "duration":
        return format_duration(default)
    if isinstance(default, int) and kind == "size":
        return format_size(default)
    if isinstance(default, Address | Endpoint | Path):
        return str(default)
    return list(default) if isinstance(default, tuple) else None if isinstance(default, Section) else default


def sections(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in (schema, *schema["$defs"].values()) if "properties" in part]


def _or_variable(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type") == "array":
        return {**value, "items": _or_variable(value["items"])}
    if "patternProperties" in value:
        named = {pattern: _or_variable(entry) for pattern, entry in value["patternProperties"].items()}
        return {**value, "patternProperties": named}
    if value.get("type") == "object":
        return {**value, "additionalProperties": _or_variable(value["additionalProperties"])}
    if "$ref" in value or "anyOf" in value:
        return value
    about = {key: item for key, item in value.items() if key in {"description", "default", "examples"}}
    rest = {key: item for key, item in value.items() if key not in about}
    return {**about, "anyOf": [rest, {"$ref": "#/$defs/Variable"}]}
