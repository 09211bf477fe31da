"""How much a builtin on text may make, and what is said beyond. Not the errors that OPA knows (`BuiltinError`).

Where OPA has an answer and we have none, the query must end: were the expression merely undefined, a `not` around it
would hold.
"""

from __future__ import annotations

from typing import Final

from authz_rego.errors import EvaluationError

LONGEST_TEXT: Final = 16 * 1024 * 1024  # characters


def beyond_bounds(name: str, why: str) -> EvaluationError:
    """The error of a call that OPA could answer and we cannot."""
    return EvaluationError("eval_builtin_error", f"{name}: {why}")


def require_length(name: str, length: int) -> None:
    """Raises EvaluationError for a result that would be too long; called before it is made."""
    if length > LONGEST_TEXT:
        raise beyond_bounds(name, f"the result would have more than {LONGEST_TEXT} characters")
