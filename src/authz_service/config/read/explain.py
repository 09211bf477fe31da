"""One error of pydantic's → one finding that says what to write. Never shows a secret, nor what a variable holds."""

import difflib
import json
import re
import typing

from pydantic_core import ErrorDetails

from authz_service.config.finding import Finding, Place
from authz_service.config.read.document import Document
from authz_service.config.read.yaml_path import annotation_at, choices, is_under_secret, known_keys

_KEY = "[key]"  # what pydantic puts at the end of a place when the key of a mapping is wrong
_FIXES = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "int_parsing": "write a whole number",
    "int_parsing_size": "write a smaller number",
    "int_type": "write a whole number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "string_type": "write one value",
    "too_short": "write at least one",
    "tuple_type": "write a list, such as [one, two]",
    "dict_type": "write keys and values below it, indented",
    "model_type": "write its keys below it, indented",
}


def finding_of(error: ErrorDetails, place: Place, sought_in: str, document: Document) -> Finding:
    """`sought_in` is the kind of a section, where there are several."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(place, sought_in)
    if kind == "missing":
        return Finding(place, "is missing", _addition(place))
    if place and place[-1] == _KEY:
        return Finding(place[:-1], "the key is not accepted", str(context.get("error", "write another key")))
    found = _found(error["input"], place, document)
    if kind == "literal_error":
        return Finding(place, found, _choice(place, document.written.get(place, "")))
    if kind == "value_error":
        return Finding(place, found, str(context["error"]))
    return Finding(place, found, _FIXES.get(kind) or error["msg"].replace("Input should be", "write a value"))


def nearest_key(place: Place) -> str | None:
    """The known key that an unknown one resembles."""
    near = difflib.get_close_matches(str(place[-1]), known_keys(annotation_at(place[:-1])), n=1, cutoff=0.5)
    return near[0] if near else None


def _unknown_key(place: Place, sought_in: str) -> Finding:
    keys = known_keys(annotation_at(place[:-1]))
    if place[-1] in keys:
        word, colon, _ = sought_in.partition(":")
        fix = f"remove {place[-1]}, or change {word}" if colon else f"remove {place[-1]}"
        return Finding(place, f"is not used with {sought_in}", fix)
    near = nearest_key(place)
    known = ", ".join(sorted(keys))
    return Finding(place, "unknown key", f"did you mean {near}?" if near else f"remove it; known here: {known}")


def _addition(place: Place) -> str:
    keys, name = known_keys(annotation_at(place[:-1])), str(place[-1])
    example = keys[name].examples if name in keys else None
    if f"{name}_file" in keys:
        return f"write {name}: ${{A_VARIABLE}}, or {name}_file: /a/file"
    if not example:
        return "add it"
    shown = json.dumps(example[0]) if isinstance(example[0], dict) else example[0]
    return f"add it, such as {name}: {shown}"


def _choice(place: Place, written: str) -> str:
    options = ", ".join(choices(place))
    if place[:1] == ("jwt",) and re.match(r"(?i)none$|hs", written):
        return f"write one of {options}; none and HS* are never accepted, because then anybody could sign"
    return f"write one of {options}"


def _found(value: object, place: Place, document: Document) -> str:
    """What stands there, as written in the file: a variable's name, never its value."""
    if isinstance(value, dict):
        return "found a section"
    if isinstance(value, list | tuple):
        return "found a list" if value else "found an empty list"
    expected = annotation_at(place)
    if is_under_secret(place) or known_keys(expected) or typing.get_origin(expected) in {dict, tuple}:
        return "found a single value (not shown)"
    written = re.sub(r"//\S*@", "//***@", document.written.get(place, ""))
    written = re.sub(r"(://[^?]*)\?.*", r"\1?***", written)
    return f"found '{written[:77]}...'" if len(written) > 80 else f"found '{written}'"
