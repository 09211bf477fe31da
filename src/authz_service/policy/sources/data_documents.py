"""Data for policies: one document from JSON or YAML text, many documents into one. Knows no files and no policies."""

import json
import re
from typing import TYPE_CHECKING, NoReturn

from authz_rego.values.number import Number, number_of
from authz_rego.values.python_documents import from_python
from authz_rego.values.value import Value

if TYPE_CHECKING:
    import yaml

Document = dict[str, Value]

MAX_DEPTH = 64  # as of tokens
_CORRECT = "correct the line"
_SURROGATE = re.compile("[\ud800-\udfff]")


class BadFile(Exception):  # noqa: N818 - carries what is wrong with a file to where its name is known
    """What a person has to mend in one file."""

    def __init__(self, found: str, fix: str, line: int = 0) -> None:
        super().__init__(found)
        self.found = found
        self.fix = fix
        self.line = line


def parse_document(text: str, *, is_json: bool) -> Document:
    """Rego's values; numbers in JSON keep their digits. Raises BadFile for what two readers could read in two ways."""
    try:
        value = _parsed_json(text) if is_json else _parsed_yaml(text)
    except RecursionError as error:
        raise BadFile("nested too deeply", f"stay below {MAX_DEPTH} levels") from error
    if not isinstance(value, dict):
        raise BadFile("not an object at the top", 'write `{"key": …}`: the keys are what policies see below data')
    _require_plain(value, MAX_DEPTH)
    return value


def merge(into: Document, document: Document, path: str = "data") -> None:
    """Adds a document; raises BadFile where both have a value."""
    for key, value in document.items():
        here = into.get(key)
        if key not in into:
            into[key] = value
        elif isinstance(here, dict) and isinstance(value, dict):
            merge(here, value, f"{path}.{key}")
        else:
            raise BadFile(f"{path}.{key} is defined by another data file too", "keep one of the two")


def _require_plain(value: Value, depth: int) -> None:
    if depth == 0:
        raise BadFile("nested too deeply", f"stay below {MAX_DEPTH} levels")
    children = (*value, *value.values()) if type(value) is dict else value if type(value) is list else ()
    for child in children:
        _require_plain(child, depth - 1)
    if type(value) is str and not value.isascii() and _SURROGATE.search(value):
        raise BadFile("text that is not Unicode (half of a surrogate pair)", "write the whole character")


def _number(text: str) -> int | Number:
    try:
        return number_of(text)
    except ValueError as error:
        raise BadFile("a number that JSON cannot carry", "write it as text, or a smaller one") from error


def _parsed_json(text: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_number,
            parse_float=_number,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise BadFile(f"not JSON: {error.msg}", _CORRECT, error.lineno) from error


def _unique(pairs: list[tuple[str, object]]) -> Document:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise BadFile(f"the key {twice!a} is there twice in one object", "keep one of the two")
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise BadFile(f"{name} is not JSON", "write a number")


def _parsed_yaml(text: str) -> object:
    import yaml  # the control plane has it; a decision worker, which imports the package's lean half, does not

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return {} if node is None else _from_yaml(loader, node, set())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise BadFile(f"not YAML: {error.problem}", _CORRECT, line) from error
    except (yaml.YAMLError, ValueError) as error:
        raise BadFile(f"not YAML: {error}".partition("\n")[0], "correct the file") from error


def _plain(value: object, line: int) -> Value:
    if isinstance(value, str):
        return value
    try:
        return from_python(value)
    except ValueError as error:  # infinite, or no number at all
        raise BadFile("a number that JSON cannot carry", "write it as text, or a smaller one", line) from error


def _from_yaml(loader: "yaml.SafeLoader", node: "yaml.Node", seen: set[int]) -> object:
    import yaml

    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        value: object = loader.construct_object(node)
        if value is not None and not isinstance(value, bool | int | float | str):
            raise BadFile(f"{node.value!a} is read as a {type(value).__name__}", "put it in quotes", line)
        return _plain(value, line)
    if id(node) in seen:  # ten lines of aliases are gigabytes of data
        raise BadFile("an alias (`*name`)", "write the value out, or use JSON", line)
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_from_yaml(loader, each, seen) for each in node.value]
    document: Document = {}
    for key_node, value_node in node.value:
        key = _from_yaml(loader, key_node, seen)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise BadFile(f"the key {key!a} is not text", "put it in quotes", line)
        if key in document:
            raise BadFile(f"the key {key!a} is there twice in one object", "keep one of the two", line)
        document[key] = _from_yaml(loader, value_node, seen)
    return document
