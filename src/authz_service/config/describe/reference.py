"""The model as Markdown: the tables of docs/configuration.md. Not the words around them.

`python -m authz_service.config.describe.reference docs/configuration.md` renews the tables of that file.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from authz_service.config.describe.schema import plain_schema

MARKER = "<!-- Generated from here on: python -m authz_service.config.describe.reference docs/configuration.md -->"

_HEAD = "| Key | Type | Default | Meaning | Example |\n|---|---|---|---|---|"
_KINDS = {"boolean": "`true` or `false`", "integer": "whole number", "number": "number", "string": "text"}


def reference() -> str:
    """Every key with type, default, meaning and example, section by section."""
    schema = plain_schema()
    parts = [f"## Top level\n\n{_table(schema)}"]
    for key, value in schema["properties"].items():
        parts += _below(key, value, schema)
    return "\n\n".join(parts) + "\n"


def renewed(document: str) -> str:
    """The document with its tables as they are now."""
    words, _, _ = document.partition(MARKER)
    return f"{words}{MARKER}\n\n{reference()}"


def _below(path: str, value: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """A heading and a table for the section that a key holds, if it holds one; then the sections in it."""
    names, path = _sections_in(value, path)
    if not names:
        return
    section = _merged([schema["$defs"][name] for name in names])
    note = section["description"] if len(names) == 1 else value["description"]
    if names == ["Jwt"]:
        section, note = schema["$defs"]["JwtIssuer"], f"{note} `jwt: {{issuers: [ … ]}}` is the list."
    yield f"## `{path}`\n\n{note}\n\n{_table(section)}"
    for key, inner in section["properties"].items():
        yield from _below(f"{path}.{key}", inner, schema)


def _sections_in(value: dict[str, Any], path: str) -> tuple[list[str], str]:
    """The names of the section that a key, or each of its entries, is made of: several where it has kinds. None for a
    plain value.
    """
    named: dict[str, Any] = next(iter(value.get("patternProperties", {}).values()), {})
    for inner, suffix in ((value, ""), (value.get("items", {}), "[]"), (named, ".<name>")):
        kinds = inner.get("anyOf", [inner])
        if all("$ref" in kind for kind in kinds):
            return [str(kind["$ref"]).rpartition("/")[2] for kind in kinds], path + suffix
    return [], path


def _merged(kinds: list[dict[str, Any]]) -> dict[str, Any]:
    """One table for all kinds of a section: required is what each of them requires."""
    if len(kinds) == 1:
        return kinds[0]
    properties: dict[str, Any] = {}
    for kind in kinds:
        for key, value in kind["properties"].items():
            known = properties.setdefault(key, {**value})
            words = [*_words(known), *(word for word in _words(value) if word not in _words(known))]
            known.update({"enum": words} if words else {})
            known.pop("const", None)
            if "default" in value:
                known.setdefault("default", value["default"])
    required = set.intersection(*(set(kind.get("required", ())) for kind in kinds))
    return {"properties": properties, "required": [key for key in properties if key in required]}


def _words(value: dict[str, Any]) -> list[object]:
    """Those that may be written, where only a few may."""
    return (
        [] if isinstance(value.get("const"), bool) else value.get("enum", [value["const"]] if "const" in value else [])
    )


def _table(section: dict[str, Any]) -> str:
    required = section.get("required", [])
    rows = [_row(key, value, key in required) for key, value in section["properties"].items()]
    return "\n".join([_HEAD, *rows])


def _row(key: str, value: dict[str, Any], required: bool) -> str:  # noqa: FBT001 - a column of a table
    is_section = bool(_sections_in(value, "")[0]) and "items" not in value and "patternProperties" not in value
    default = "**required**" if required else _code(value["default"]) if "default" in value else "none"
    shown = value.get("examples", [value.get("default")])[0]
    example = "see below" if _sections_in(value, "")[0] else _code(shown)
    cells = (f"`{key}`", _kind(value), "see below" if is_section else default, value["description"], example)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value or all("$ref" in kind for kind in value.get("anyOf", [{}])):
        return "section"
    if "title" in value:
        return str(value["title"])
    if "enum" in value or "anyOf" in value:
        named = [f"`{choice}`" for choice in value.get("enum", ())]
        return " or ".join(named or map(_kind, value["anyOf"]))
    if value["type"] == "array":
        plural = "" if "enum" in value["items"] else "s"
        return f"list of {_kind(value['items'])}{plural}"
    if value["type"] == "object":
        patterned = next(iter(value.get("patternProperties", {}).values()), None)
        return f"mapping of name to {_kind(patterned or value['additionalProperties'])}"
    limits = f" from {value['minimum']} to {value['maximum']}" if "minimum" in value else ""
    return _KINDS[value["type"]] + limits


def _code(value: object) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed(file.read_text(encoding="utf-8")), encoding="utf-8")
