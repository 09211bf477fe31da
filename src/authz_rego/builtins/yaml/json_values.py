"""Decoded YAML as Rego's values, by way of JSON as OPA goes it. Not the decoding (`decoding`)."""

from __future__ import annotations

import math

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.go_layouts import read_layout, write_time
from authz_rego.builtins.yaml.decoding import Decoded, Map
from authz_rego.builtins.yaml.floats import json_text
from authz_rego.builtins.yaml.resolving import Timestamp, key_name, moment_of
from authz_rego.errors import BuiltinError
from authz_rego.values.byte_texts import readable, text_of_bytes
from authz_rego.values.number import number_of
from authz_rego.values.value import Value


def json_value(decoded: Decoded) -> Value:
    """The value; raises BuiltinError for what JSON cannot say."""
    if isinstance(decoded, list):
        return [json_value(each) for each in decoded]
    if isinstance(decoded, Map):
        return _object(decoded)
    if isinstance(decoded, str | bytes):
        return _text(decoded)
    if isinstance(decoded, float):
        if not math.isfinite(decoded):
            raise BuiltinError("json: unsupported value")
        return number_of(json_text(decoded))
    return _time(decoded) if isinstance(decoded, Timestamp) else decoded


def _object(found: Map) -> dict[str, Value]:
    named = [(key_name(key), json_value(member)) for (_, key), member in found.members.items()]
    if any(name is None for name, _ in named):
        raise BuiltinError("yaml: unsupported map key")
    if len({name for name, _ in named}) < len(named):
        # Of 1 and "1", chance says which one is kept: Go goes through its maps in any order.
        raise beyond_bounds("yaml", "two keys of one name, of which OPA takes any")
    return {_text(name): member for name, member in sorted(named, key=_bytes) if name is not None}


def _bytes(named: tuple[str | bytes | None, Value]) -> bytes:
    return named[0] if isinstance(named[0], bytes) else (named[0] or "").encode()


def _text(text: str | bytes) -> str:
    """JSON puts U+FFFD in place of each byte that is no UTF-8."""
    return readable(text if isinstance(text, str) else text_of_bytes(text))


def _time(timestamp: Timestamp) -> str:
    moment = moment_of(timestamp)
    hours = abs(moment.offset) // 3600
    if hours >= 24:
        raise BuiltinError("json: timezone hour outside of range [0,23]")
    return write_time(moment, read_layout("RFC3339Nano"))
