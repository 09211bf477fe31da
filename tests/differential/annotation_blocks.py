"""`# METADATA` blocks by chance: what OPA reads in them, what it refuses, and schemas. Not what they stand above (`rules`)."""

# ruff: noqa: E501 - tables of YAML

from __future__ import annotations

from random import Random
from typing import Final

# Members of a block, several lines each.
_MEMBERS: Final = (
    "title: {}", "title: '1.50'", "description: |\n  what it is\n  in two lines", "description: 017", "custom:\n  level: 3\n  tags: [a, b]", "custom: {a: 1.50, b: ~, c: 2020-01-01, d: {e: [1e3]}}",
    "authors:\n- A B <a@b.c>\n- name: C\n- email: d@e.f", "authors: [x]", "organizations: [a, 1, true]", "related_resources:\n- http://a.b/c d\n- ref: x\n  description: y",
    "labels: {l: 017, m: yes}", "compile: {unknowns: [input.x]}", "entrypoint: false", "unknown: [1]", "custom: &a {k: [1]}\nlabels: *a",
)  # fmt: skip
_WRONG: Final = (
    "scope: nothing", "scope: [rule]", "scope: package", "entrypoint: 1", "entrypoint: true\nscope: rule", "authors: ['']", "authors: [{x: y}]", "authors: {a: b}", "authors: [1]",
    "organizations: a", "organizations: [[a]]", "related_resources: ['%zz']", "related_resources: [{description: x}]", "related_resources: [1]", "custom: [1]", "custom: {a: {1: 2}}",
    "custom: {1: 2}", "labels: x", "title: [1]", "schemas: [{a: b}]", "schemas: [{input: 1}]", "schemas: [{input: foo}]", "schemas: {input: schema.x}", "schemas: [{'input.': {}}]", "title: a\ntitle: b",
    "title:x", "a: [", "compile: {unknowns: ['1']}", "compile: {mask_rule: '1'}",
)  # fmt: skip
_PATHS: Final = (
    "input",
    "input.token",
    "input.token.sub",
    "input.request",
    "input.token.groups",
    "data.users",
    "data.users.alice.roles",
    "input.missing.more",
)
_TYPES: Final = (
    "string",
    "number",
    "integer",
    "boolean",
    "object",
    "array",
    "'null'",
    "[string, 'null']",
    "[object, array]",
    "[number]",
)
_KEYS: Final = ("sub", "groups", "roles", "token", "request", "method", "a", "b", "alice", "realm_access")
# Beside the types, in a share of the schemas; of the last some are none.
_MORE: Final = (
    "required: [a]", "additionalProperties: false", "additionalProperties: {type: string}", "minLength: 1", "title: x", "enum: [1, '1']", "pattern: '('", "format: uri", "minimum: 1.5", "uniqueItems: true",
    "oneOf: [{type: string}]", "not: {type: string}", "if: {}", "unknown: 1", "const: [1]", "minItems: 0", "propertyNames: {}", "definitions: {a: {type: string}}", "$schema: 'http://json-schema.org/draft-07/schema#'",
    "required: [a, a]", "enum: [1, 1.0]", "minLength: -1", "minimum: x", "items: 1", "properties: 1", "exclusiveMinimum: true", "type: 5", "type: text", "title: 1", "anyOf: [1]", "patternProperties: {'(': {}}",
)  # fmt: skip


def block(chance: Random, title: str, *, wrong: float = 0.0) -> str:
    """The block's lines, with an end of line."""
    members = chance.sample(_MEMBERS, chance.choice((1, 1, 2, 3)))
    if chance.random() < 0.25:
        schemas = "".join(f"\n- {chance.choice(_PATHS)}: {_schema(chance, 2)}" for _ in range(chance.choice((1, 1, 2))))
        members.append(f"schemas:{schemas}")
    if chance.random() < wrong:
        members.append(chance.choice(_WRONG))
    names = [each.partition(":")[0] for each in members]
    members = [each for at, each in enumerate(members) if names[at] not in names[:at] or chance.random() < wrong]
    lines = "\n".join(members).replace("{}", title, 1).split("\n")
    return "# METADATA\n" + "".join(f"# {line}\n" for line in lines)


def _schema(chance: Random, depth: int) -> str:
    parts = []
    if chance.random() < 0.8:
        parts.append(f"type: {chance.choice(_TYPES)}")
    if depth and chance.random() < 0.5:
        members = ", ".join(
            f"{key}: {_schema(chance, depth - 1)}" for key in chance.sample(_KEYS, chance.choice((1, 2, 3)))
        )
        parts.append(f"properties: {{{members}}}")
    if depth and chance.random() < 0.25:
        items = _schema(chance, depth - 1)
        parts.append(f"items: {items if chance.random() < 0.6 else f'[{items}, {_schema(chance, 0)}]'}")
    if depth and chance.random() < 0.2:
        parts.append(f"anyOf: [{_schema(chance, depth - 1)}, {_schema(chance, 0)}]")
    if chance.random() < 0.15:
        parts.append(chance.choice(_MORE))
    names = [each.partition(":")[0] for each in parts]
    return "{" + ", ".join(each for at, each in enumerate(parts) if names[at] not in names[:at]) + "}"
