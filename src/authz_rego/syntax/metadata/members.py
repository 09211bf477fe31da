"""What a metadata block says, as `rego.metadata` gives it, checked as OPA checks it. Not its YAML (`raw`)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

from authz_rego.builtins.yaml.floats import yaml_text
from authz_rego.builtins.yaml.json_values import json_value
from authz_rego.errors import BuiltinError, RegoProblems
from authz_rego.syntax.metadata.raw import LooseMap, Raw
from authz_rego.syntax.metadata.urls import UrlError, normal_url
from authz_rego.syntax.text import term_text
from authz_rego.syntax.tree import Ref, Scalar, Term, Var
from authz_rego.values.characters import SPACES
from authz_rego.values.number import number_of
from authz_rego.values.value import Value, key_of

ParseTerm = Callable[[str], Term]  # raises RegoProblems
_WORD: Final = re.compile(f"[^{SPACES}]+")
_NEITHER: Final = "invalid value type, must be string or map"


class MetadataError(Exception):
    """What is wrong with a block."""


def members_of(raw: Raw, parse_term: ParseTerm) -> dict[str, Value]:
    """All but the scope; what is empty is not there. Raises MetadataError."""
    related = [_related(each) for each in raw.related_resources]
    _check_compile(raw.compile or {}, parse_term)
    schemas = [_schema(each, parse_term) for each in raw.schemas]
    found: dict[str, Value] = {
        "title": raw.title,
        "entrypoint": raw.entrypoint,
        "description": raw.description,
        "organizations": [each for each in raw.organizations if each is not None],
        "related_resources": related,
        "schemas": schemas,
        "authors": [_author(each) for each in raw.authors],
        "custom": {key: _value(_checked(value)) for key, value in (raw.custom or {}).items()},
        "labels": {key: _value(_checked(value)) for key, value in (raw.labels or {}).items()},
    }
    return {name: value for name, value in found.items() if value}


# ── the members ──


def _related(given: Any) -> Value:
    try:
        return _related_from(_checked(given))
    except (MetadataError, UrlError) as problem:
        raise MetadataError(f"invalid related-resource definition {_shown(given)}: {problem}") from None


def _related_from(given: Any) -> Value:
    if isinstance(given, str):
        if not given:
            raise MetadataError("ref URL may not be empty string")
        return _without_empty({"ref": normal_url(given)})
    if isinstance(given, dict):
        ref = _text_in(given, "ref")
        if not ref:
            raise MetadataError("'ref' value required in object")
        return _without_empty({"ref": normal_url(ref), "description": _text_in(given, "description")})
    raise MetadataError(_NEITHER)


def _author(given: Any) -> Value:
    try:
        return _author_from(_checked(given))
    except MetadataError as problem:
        raise MetadataError(f"invalid author definition {_shown(given)}: {problem}") from None


def _author_from(given: Any) -> Value:
    if isinstance(given, str):
        words = _WORD.findall(given)
        if not words:
            raise MetadataError("author is an empty string")
        last = words[-1]
        email = ""
        if len(last) >= 2 and last[0] == "<" and last[-1] == ">":
            email = last[1:-1]
            words.pop()
        return _without_empty({"name": " ".join(words), "email": email})
    if isinstance(given, dict):
        name, email = _text_in(given, "name"), _text_in(given, "email")
        if not name and not email:
            raise MetadataError("'name' and/or 'email' values required in object")
        return _without_empty({"name": name, "email": email})
    raise MetadataError(_NEITHER)


def _without_empty(found: dict[str, str]) -> Value:
    return {name: text for name, text in found.items() if text}


def _text_in(given: dict[str, Any], name: str) -> str:
    found = given.get(name)
    return found.strip(SPACES) if isinstance(found, str) else ""


def _schema(given: dict[str, Any] | None, parse_term: ParseTerm) -> Value:
    path, schema = next(iter((given or {}).items()), ("", None))
    ref = _reference(path, parse_term)
    found: dict[str, Value] = {"path": _names(ref)}
    if isinstance(schema, str):
        found["schema"] = _names(_schema_reference(schema, parse_term))
    elif isinstance(schema, dict) and not isinstance(schema, LooseMap):
        if not all(isinstance(each, Scalar) and isinstance(each.value, str) for each in ref.path):
            raise MetadataError(f'schema for path "{path}", which is not of names alone, is not supported')
        found["definition"] = _value(schema)
    else:
        raise MetadataError(f'invalid schema declaration for path "{path}"')
    return found


def _reference(text: str, parse_term: ParseTerm) -> Ref:
    found = _find_term(text, parse_term)
    if not isinstance(found, Ref):
        raise MetadataError("invalid document reference")
    return found


def _schema_reference(text: str, parse_term: ParseTerm) -> Ref:
    found = _find_term(text, parse_term)
    if isinstance(found, Var):
        found = Ref(found, ())
    if not isinstance(found, Ref) or found.head != Var("schema"):
        raise MetadataError("invalid schema reference")
    return found


def _find_term(text: str, parse_term: ParseTerm) -> Term | None:
    try:
        return parse_term(text)
    except RegoProblems:
        return None


def _names(ref: Ref) -> list[Value]:
    parts = (ref.head, *ref.path)
    return [
        each.value if isinstance(each, Scalar) and isinstance(each.value, str) else term_text(each) for each in parts
    ]


def _check_compile(given: dict[str, Any], parse_term: ParseTerm) -> None:
    unknowns, mask = given.get("unknowns"), given.get("mask_rule")
    for each in unknowns if isinstance(unknowns, list) else []:
        if isinstance(each, str):
            try:
                _reference(each, parse_term)
            except MetadataError:
                raise MetadataError(f'invalid unknowns element "{each}"') from None
    if isinstance(mask, str):
        try:
            found = parse_term(mask)
        except RegoProblems as problem:
            raise MetadataError(f'invalid mask_rule annotation "{mask}": {problem}') from None
        if not (isinstance(found, (Var, Ref)) or (isinstance(found, Scalar) and isinstance(found.value, str))):
            raise MetadataError(f'invalid mask_rule annotation type "{mask}"')


# ── values ──


def _checked(given: Any, path: tuple[str, ...] = ()) -> Any:
    """Keys must be texts; OPA does not look into what stands in a map whose keys are."""
    if isinstance(given, LooseMap):
        raise MetadataError(f"invalid map key type(s): {'/'.join(path)}")
    if isinstance(given, list):
        for at, each in enumerate(given):
            _checked(each, (*path, str(at)))
    return given


def _value(given: Any) -> Value:
    if isinstance(given, LooseMap):
        return {key_of(_value(key)): _value(value) for key, value in given.items()}
    if isinstance(given, dict):
        return {key: _value(value) for key, value in given.items()}
    if isinstance(given, list):
        return [_value(each) for each in given]
    if isinstance(given, float):
        return number_of(yaml_text(given)) if math.isfinite(given) else yaml_text(given)
    try:
        return json_value(given)
    except BuiltinError as problem:
        raise MetadataError(str(problem)) from None


def _shown(given: Any) -> str:
    """Roughly as Go prints it."""
    if isinstance(given, dict):
        return "map[" + " ".join(f"{_shown(key)}:{_shown(given[key])}" for key in sorted(given, key=str)) + "]"
    if isinstance(given, list):
        return "[" + " ".join(map(_shown, given)) + "]"
    return given if isinstance(given, str) else f"%!s({given})"
