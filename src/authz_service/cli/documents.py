"""What the commands print with `--format json`, and its JSON Schemas: `authz schema NAME`."""

from __future__ import annotations

from importlib import import_module

import msgspec

# Command → where its document is. Named, so that `authz run` loads none of them.
DOCUMENTS = {
    "explain": ("authz_service.cli.explain", "ExplainDocument"),
    "matrix": ("authz_service.cli.matrix", "MatrixDocument"),
    "lint": ("authz_service.cli.lint", "LintDocument"),
    "explain-recorded": ("authz_service.cli.explain_recorded", "ExplainRecordedDocument"),
    "replay": ("authz_service.cli.replay", "ReplayDocument"),
    "suggest": ("authz_service.cli.suggest", "SuggestDocument"),
    "trail": ("authz_service.cli.trail", "TrailDocument"),
}


def print_document(document: msgspec.Struct) -> None:
    print(msgspec.json.format(msgspec.json.encode(document)).decode())


def document_of(command: str) -> type[msgspec.Struct]:
    module, name = DOCUMENTS[command]
    found: type[msgspec.Struct] = getattr(import_module(module), name)
    return found


def schema_of(command: str) -> dict[str, object]:
    """A value of type `object` is any JSON."""
    made = msgspec.json.schema(document_of(command), schema_hook=lambda _: {"description": "any JSON"})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
