"""What a template string (`$"a {b}"`) does with its parts. Not how they are found (`compile`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authz_rego.builtins.bounds import require_length
from authz_rego.builtins.operands import kind_of, wrong_operand
from authz_rego.errors import EvaluationError
from authz_rego.values.byte_texts import mended
from authz_rego.values.text import term_text
from authz_rego.values.value import Value, value_of


def _template_string(parts: Value) -> str:
    """Strings, numbers, booleans and null stand for themselves; else a set of one value, or of none for undefined."""
    if type(parts) is not list:
        raise wrong_operand(parts, 1, "array")
    found = [part if type(part) is str else _text(part) for part in parts]
    # After the types of all: OPA has gone through the parts once before it sees a second output.
    if any(type(part) is frozenset and len(part) > 1 for part in parts):
        raise EvaluationError("eval_conflict_error", "template-strings must not produce multiple outputs")
    require_length("internal.template_string", sum(map(len, found)))
    return mended("".join(found))


def _text(part: Value) -> str:
    if type(part) is frozenset:
        if not part:
            return "<undefined>"
        key = next(iter(part))
        return key if type(key) is str else term_text(value_of(key))
    if type(part) is list or type(part) is dict:
        raise EvaluationError("eval_internal_error", f"illegal argument type: {kind_of(part)}")
    return term_text(part)


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {"internal.template_string": _template_string}
