"""OPA's `json.patch`: the operations of RFC 6902. Not how a document is edited (`edit_tree`)."""

from __future__ import annotations

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.edit_tree import EditTree, impossible
from authz_rego.builtins.operands import kind_of, wrong_operand
from authz_rego.builtins.paths import path_of
from authz_rego.errors import BuiltinError
from authz_rego.values.depth import MAX_DEPTH, is_deeper_than
from authz_rego.values.value import UNDEFINED, Key, Value, equal


def patched(document: Value, operations: Value) -> Value:
    """Raises BuiltinError when one operation fails, and EvaluationError where OPA stops altogether."""
    if type(operations) is not list:
        raise wrong_operand(operations, 2, "array")
    tree = EditTree(document)
    try:
        for operation in operations:
            if type(operation) is not dict:
                raise BuiltinError("json.patch: an operation must be an object")
            _apply(tree, operation)
        found = tree.render()
    except RecursionError:
        raise beyond_bounds("json.patch", f"a document more than {MAX_DEPTH} levels deep") from None
    if found is UNDEFINED:
        raise impossible()
    if is_deeper_than(found, MAX_DEPTH):
        raise beyond_bounds("json.patch", f"a document more than {MAX_DEPTH} levels deep")
    return found


def _apply(tree: EditTree, operation: dict[str | Key, Value]) -> None:
    path_text, name = _required(operation, "path"), _required(operation, "op")
    if type(name) is not str:
        raise BuiltinError(f"json.patch: attribute 'op' must be a string but found: {kind_of(name)}")
    path = path_of(path_text)
    if name == "add":
        tree.insert_at(path, _required(operation, "value"))
    elif name == "remove":
        tree.delete_at(path)
    elif name == "replace":
        tree.delete_at(path)
        tree.insert_at(path, _required(operation, "value"))
    elif name in {"move", "copy"}:
        source = path_of(_required(operation, "from"))
        found = tree.unfold(source).render()
        if name == "move":
            tree.delete_at(source)
        tree.insert_at(path, found)
    elif name == "test":
        found = tree.unfold(path).render()
        if found is UNDEFINED or not equal(found, _required(operation, "value")):
            raise BuiltinError("json.patch: a test failed")
    else:
        raise BuiltinError(f"json.patch: unrecognized op: {name[:100]!r}")


def _required(operation: dict[str | Key, Value], name: str) -> Value:
    found = operation.get(name, UNDEFINED)
    if found is UNDEFINED:
        raise BuiltinError(f"json.patch: missing required attribute {name!r}")
    return found
