"""The schema and the documentation say what the model says, for every key."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.config_files import load_text

from authz_service.config.describe.reference import MARKER, reference, renewed
from authz_service.config.describe.schema import DIALECT, json_schema, plain_schema, sections
from authz_service.config.model import Config, Jwt
from authz_service.config.read.yaml_path import annotation_at, bare, is_mapping, kinds, known_keys
from authz_service.config.sections.section import Section

DOCS = Path(__file__).parents[4] / "docs"


Kinds = tuple[type[Section], ...]


def all_sections(several: Kinds = (Config,)) -> Iterator[tuple[type[Section], str, Kinds]]:
    """Every key of the model: the section, the key, and all kinds that the section has."""
    for section in several:
        for key, field in section.model_fields.items():
            yield section, key, several
            inner = bare(field.annotation)
            parts = kinds(inner) or next(filter(None, map(kinds, map(bare, getattr(inner, "__args__", ())))), ())
            yield from all_sections(parts)


def test_the_committed_schema_is_current() -> None:
    """Renew it by `authz schema > docs/config.schema.json`."""
    assert (DOCS / "config.schema.json").read_text(encoding="utf-8") == json.dumps(json_schema(), indent=2) + "\n"


def test_the_committed_documentation_is_current() -> None:
    """Renew it by the command in the file."""
    committed = (DOCS / "configuration.md").read_text(encoding="utf-8")

    assert committed == renewed(committed)
    assert committed.partition(MARKER)[0].strip()


def test_every_key_is_documented_with_type_default_meaning_and_example() -> None:
    tables = {part.partition("\n\n")[2] for part in reference().split("\n## ")}  # a section may stand in two places
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in "\n".join(tables).splitlines()
        if "| `" in line
    ]

    assert all(len(row) == 5 and all(row) and row[4] != "`null`" for row in rows)
    documented = {row[0].strip("`") for row in rows}
    keys = {(several, key) for _, key, several in all_sections() if Jwt not in several}
    assert {key for _, key in keys} - documented == set()
    assert len(rows) == len(keys)


def test_every_property_of_the_schema_is_described() -> None:
    for section in (*sections(plain_schema()), *sections(json_schema())):
        for key, value in section["properties"].items():
            assert value.get("description", "").endswith("."), key
        assert section["additionalProperties"] is False


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    schema = json_schema()

    def references(part: Any) -> Iterator[str]:
        for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            if key == "$ref":
                yield value
            else:
                yield from references(value)

    found = set(references(schema))
    assert found
    assert {f"#/$defs/{name}" for name in schema["$defs"]} == found
    assert schema["$schema"] == DIALECT


def test_the_schema_accepts_a_variable_wherever_a_value_stands() -> None:
    """In numbers, switches, choices, lists and mappings too; never in the place of a section."""
    variable = {"$ref": "#/$defs/Variable"}
    parts = {section.get("title"): section["properties"] for section in sections(json_schema())}

    for value in (
        parts["Runtime"]["envoy_threads"],
        parts["Egress"]["enabled"],
        parts["HttpTlsOfFiles"]["client_auth"],
        parts["Route"]["methods"]["items"],
        parts["Headers"]["inject_claims"]["patternProperties"]["^[!-~]+$"],
        json_schema()["properties"]["hosts"]["additionalProperties"],
    ):
        assert variable in value["anyOf"]
    assert "anyOf" not in parts["Proxy"]["auth"]


def test_no_key_of_the_schema_accepts_null() -> None:
    """The loader does not either: a key without a value is a problem."""
    assert '"null"' not in json.dumps(plain_schema())


def test_every_example_is_accepted_where_it_stands() -> None:
    """Examples are what people copy, and what the loader puts in the place of a broken value."""
    tried = 0
    for section, key, _ in all_sections():
        for example in section.model_fields[key].examples or ():
            section.__pydantic_validator__.validate_assignment(section.model_construct(), key, example)
            tried += 1
    assert tried > 30


def test_the_example_in_the_documentation_loads(tmp_path: Path) -> None:
    words = (DOCS / "configuration.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", words, re.DOTALL)

    config = load_text(tmp_path, example, {"ORDER_SERVICE_CLIENT_SECRET": "a"})

    assert config.proxy.enabled
    assert config.egress.enabled


def test_the_model_can_be_walked_by_place() -> None:
    """Problem reports depend on it."""
    assert annotation_at(("egress", "targets", "any", "tls", "ca_cert")) is Path
    assert is_mapping(annotation_at(("hosts",)))
    assert annotation_at(("jwt", "issuer")) is annotation_at(("jwt", "issuers", 0, "issuer")) is str
    assert annotation_at(("jwt", "unknown")) is None
    assert annotation_at(("proxy", "routes", "x")) is None
    assert known_keys(str) == {}
