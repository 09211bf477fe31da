"""Paths into documents: `"a/b"` or `["a", "b"]`. Not what is done there."""

from __future__ import annotations

from collections.abc import Sequence

from authz_rego.builtins.operands import kind_of
from authz_rego.errors import BuiltinError
from authz_rego.values.value import Value


def path_of(value: Value) -> Sequence[Value]:
    """The steps of a JSON pointer, whose leading slashes may be missing or many, or of an array."""
    if type(value) is list:
        return value
    if type(value) is not str:
        raise BuiltinError(
            "operand 2 must be one of {set, array} containing string paths or array of path segments "
            f"but got {kind_of(value)}"
        )
    if not value:
        return ()
    return [step.replace("~1", "/").replace("~0", "~") for step in value.lstrip("/").split("/")]
