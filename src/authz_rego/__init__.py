"""Rego as OPA decides it, compiled to Python. Knows nothing of HTTP, tokens or sidecars. Begin with `policy`.

What is named here is imported when it is first asked for: who only wants `authz_rego.values` loads no compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from authz_rego.errors import EvaluationError, RegoError, RegoProblem, RegoProblems
    from authz_rego.policy import Policy, Query
    from authz_rego.values.value import UNDEFINED

__all__ = ["UNDEFINED", "EvaluationError", "Policy", "Query", "RegoError", "RegoProblem", "RegoProblems"]

_ERRORS = ("EvaluationError", "RegoError", "RegoProblem", "RegoProblems")
_HOMES = {
    **dict.fromkeys(_ERRORS, "authz_rego.errors"),
    "Policy": "authz_rego.policy",
    "Query": "authz_rego.policy",
    "UNDEFINED": "authz_rego.values.value",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
