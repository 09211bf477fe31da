"""What becomes of a value when OPA writes it as JSON and reads that as YAML, before it writes YAML. Not the writing."""

from __future__ import annotations

import re
from typing import Any, Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.yaml.parser import parse
from authz_rego.builtins.yaml.resolving import resolve
from authz_rego.builtins.yaml.scanner import scan
from authz_rego.errors import BuiltinError
from authz_rego.values.byte_texts import json_escaped, readable
from authz_rego.values.depth import MAX_DEPTH, is_deeper_than
from authz_rego.values.json_text import for_html, scalar_text
from authz_rego.values.number import Number

_LONGEST_KEY: Final = 1024  # characters of its JSON
# JSON leaves these as they are; YAML takes none of them, and U+0085 for a line break.
_STRANGE: Final = re.compile("[\x7f-\x9f\ufffe\uffff]")


def reread(tree: Any) -> Any:
    """None, bool, int, float, str, lists and dicts; raises BuiltinError where the JSON is no YAML."""
    if is_deeper_than(tree, MAX_DEPTH):
        raise beyond_bounds("yaml.marshal", f"a value more than {MAX_DEPTH} levels deep")
    return _reread(tree)


def _reread(tree: Any) -> Any:
    if isinstance(tree, dict):
        found = {_key(key): _reread(member) for key, member in tree.items()}
        if len(found) < len(tree):  # keys that differ by bytes that are no UTF-8 only
            raise BuiltinError("yaml: mapping key already defined")
        return found
    if isinstance(tree, list):
        return [_reread(each) for each in tree]
    if isinstance(tree, str):
        return _text(tree)
    if isinstance(tree, bool) or tree is None:
        return tree
    return _number(tree)


def _key(key: str) -> str:
    written = json_escaped(for_html(scalar_text(key)))
    if len(written) > _LONGEST_KEY or "\x85" in key:
        raise BuiltinError("yaml: did not find expected ',' or '}'")
    return _text(key)


def _text(text: str) -> str:
    text = readable(text)
    if not _STRANGE.search(text):
        return text
    # A byte order mark would be no matter, in JSON: no token begins a line there.
    hidden = scalar_text(text).replace("\ufeff", r"\ufeff")
    return parse(scan(for_html(hidden)))[0].value


def _number(number: int | Number) -> int | float | str:
    try:
        text = scalar_text(number)
    except ValueError as error:
        raise BuiltinError(str(error)) from error
    _, value = resolve("", text)
    assert isinstance(value, int | float | str)  # JSON's numbers begin with a digit or a minus
    return value
