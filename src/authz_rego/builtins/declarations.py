"""What OPA says of each of its builtins: how many arguments, of which types, what comes out. Data, not behaviour.

As `opa capabilities --current` has it, without words.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


class Declaration(NamedTuple):
    """One builtin. Types are as OPA writes them in JSON: `{"type": "string"}`, `{"type": "any", "of": […]}` …"""

    name: str
    args: tuple[dict[str, Any], ...]
    result: dict[str, Any] | None
    variadic: dict[str, Any] | None = None
    infix: str = ""
    relation: bool = False
    nondeterministic: bool = False
    deprecated: bool = False

    @property
    def arity(self) -> int:
        return len(self.args)


@cache
def declarations() -> dict[str, Declaration]:
    """By name."""
    text = files("authz_rego.builtins").joinpath("opa_builtins.json").read_text()
    return {each["name"]: _declaration(each) for each in json.loads(text)["builtins"]}


def _declaration(each: dict[str, Any]) -> Declaration:
    decl = each["decl"]
    return Declaration(
        each["name"],
        tuple(decl.get("args", ())),
        decl.get("result"),
        decl.get("variadic"),
        each.get("infix", ""),
        each.get("relation", False),
        each.get("nondeterministic", False),
        each.get("deprecated", False),
    )
