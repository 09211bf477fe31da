"""`trace`: a note that nobody reads. Not the explanation of a decision (`explain`)."""

from __future__ import annotations

from collections.abc import Callable

from authz_rego.builtins.operands import string_operand
from authz_rego.values.value import Value


def _trace(note: Value) -> bool:
    string_operand(note, 1)
    return True


FUNCTIONS: dict[str, Callable[..., Value]] = {"trace": _trace}
