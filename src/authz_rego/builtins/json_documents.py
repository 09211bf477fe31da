"""OPA's `json.*`: text to values and back, and paths into documents. Not their patches (`json_patches`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from authz_rego.builtins.bounds import LONGEST_TEXT, beyond_bounds
from authz_rego.builtins.json_patches import patched
from authz_rego.builtins.objects import Object, filtered, object_operand
from authz_rego.builtins.operands import string_operand, wrong_operand
from authz_rego.builtins.paths import path_of
from authz_rego.errors import BuiltinError
from authz_rego.values.big_integers import BeyondBoundsError
from authz_rego.values.byte_texts import mended, readable
from authz_rego.values.json_layout import indented
from authz_rego.values.json_syntax import is_json
from authz_rego.values.json_text import from_json, to_json
from authz_rego.values.value import Key, Value, key_of, sorted_keys, value_of


def _is_valid(text: Value) -> Value:
    return type(text) is str and is_json(readable(text))


def _unmarshal(text: Value) -> Value:
    try:
        return from_json(readable(string_operand(text, 1)))
    except BeyondBoundsError as problem:
        raise beyond_bounds("json.unmarshal", str(problem)) from problem
    except ValueError as problem:
        raise BuiltinError(f"json.unmarshal: {problem}") from problem


def _marshal(value: Value) -> Value:
    try:
        return to_json(value)
    except BeyondBoundsError as problem:
        raise beyond_bounds("json.marshal", str(problem)) from problem
    except ValueError as problem:
        raise BuiltinError(f"json.marshal: {problem}") from problem


def _marshal_with_options(value: Value, options: Value) -> Value:
    given = object_operand(options, 2)
    for key, option in given.items():
        expected = {"prefix": str, "indent": str, "pretty": bool}.get(key) if type(key) is str else None
        if expected is None:
            raise BuiltinError(f"operand 2 object contained unknown key {value_of(key)}")
        if type(option) is not expected:
            raise BuiltinError(f"operand 2 key {key} failed cast to {'bool' if expected is bool else 'string'}")
    text = _marshal(value)
    prefix, indent = given.get("prefix", ""), given.get("indent", "\t")
    if not given.get("pretty", "prefix" in given or "indent" in given):
        return text
    try:
        return mended(prefix + indented(text, prefix, indent, LONGEST_TEXT))
    except BeyondBoundsError as problem:
        raise beyond_bounds("json.marshal_with_options", str(problem)) from problem


def _filter(value: Value, paths: Value) -> Value:
    """As `opa run --read-ast-values-from-store` answers, whatever of the value comes from the data.

    The store that OPA has without that flag hands out objects of the data unread, and on one that a policy put into
    another object (`json.filter({"a": data.b}, ["a/c"])`) OPA's builtin has an error, unless a comparison, in whichever
    rule, has read it before. An answer that hangs on that is none to be equal to.
    """
    found = object_operand(value, 1)
    return filtered(found, _tree(_paths(paths)))


def _remove(value: Value, paths: Value) -> Value:
    found = object_operand(value, 1)
    return _without(found, _tree(_paths(paths)))


def _paths(paths: Value) -> list[Sequence[Value]]:
    if type(paths) is list:
        return [*map(path_of, paths)]
    if type(paths) is frozenset:
        return [path_of(value_of(key)) for key in sorted_keys(paths)]
    raise wrong_operand(paths, 2, "set", "array")


def _tree(paths: Iterable[Sequence[Value]]) -> Object:
    """The paths as one object with null at the end of each; the end of a shorter path hides longer ones."""
    root: Object = {}
    for path in paths:
        node: Any = root
        for step in path[:-1]:
            node = node.setdefault(key_of(step), {})
            if node is None:
                break
        if path and node is not None:
            node[key_of(path[-1])] = None
    return root


def _without(value: Value, unwanted: Value) -> Value:
    """The value less what the tree of paths names; arrays close up."""
    kind = type(value)
    if type(unwanted) is not dict:
        return value
    if kind is list:
        at = enumerate(value)
        return [_without(member, unwanted.get(str(index))) for index, member in at if _stays(str(index), unwanted)]
    if kind is frozenset:
        kept = [key for key in sorted_keys(value) if _stays(key, unwanted)]
        return frozenset(key_of(_without(value_of(key), unwanted.get(key))) for key in kept)
    if kind is dict:
        return {key: _without(member, unwanted.get(key)) for key, member in value.items() if _stays(key, unwanted)}
    return value


def _stays(key: str | Key, unwanted: Object) -> bool:
    return key not in unwanted or unwanted[key] is not None


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "json.filter": _filter,
    "json.is_valid": _is_valid,
    "json.marshal": _marshal,
    "json.marshal_with_options": _marshal_with_options,
    "json.patch": patched,
    "json.remove": _remove,
    "json.unmarshal": _unmarshal,
}
