"""OPA's `yaml.*`. Not YAML itself (`yaml`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authz_rego.builtins.bounds import beyond_bounds, require_length
from authz_rego.builtins.operands import string_operand
from authz_rego.builtins.yaml.decoding import decode
from authz_rego.builtins.yaml.emitting import emit
from authz_rego.builtins.yaml.json_values import json_value
from authz_rego.builtins.yaml.normalizing import normalize
from authz_rego.builtins.yaml.parser import parse
from authz_rego.builtins.yaml.rereading import reread
from authz_rego.builtins.yaml.scanner import scan
from authz_rego.errors import BuiltinError
from authz_rego.values.big_integers import BeyondBoundsError
from authz_rego.values.json_text import json_tree
from authz_rego.values.value import Value


def _unmarshal(value: Value) -> Value:
    return _read(string_operand(value, 1))


def _is_valid(value: Value) -> bool:
    if type(value) is not str:
        return False
    try:
        _read(value)
    except BuiltinError:
        return False
    return True


def _read(text: str) -> Value:
    """The first document. The others must be well-formed only."""
    documents = parse(scan(text))
    if not documents:
        return None
    normalize(documents[0])
    return json_value(decode(documents[0]))


def _marshal(value: Value) -> str:
    text = emit(reread(_tree(value)))
    require_length("yaml.marshal", len(text))
    return text


def _tree(value: Value) -> Any:
    try:
        return json_tree(value)
    except (BeyondBoundsError, RecursionError) as error:
        raise beyond_bounds("yaml.marshal", "a value that is too deep") from error
    except ValueError as error:
        raise BuiltinError(str(error)) from error


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "yaml.is_valid": _is_valid,
    "yaml.marshal": _marshal,
    "yaml.unmarshal": _unmarshal,
}
