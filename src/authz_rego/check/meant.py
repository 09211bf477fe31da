"""What may have been meant by a name that nobody defines: a rule's, a function's, or another rule's variable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from authz_rego.builtins.declarations import declarations
from authz_rego.check.local_names import LocalNames
from authz_rego.check.walk import walk
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import Module, Rule, Var


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The question, with a blank at its end; nothing when no name is like it."""
    close = get_close_matches(name, set(names) - {name}, n=1, cutoff=0.75)
    return f"did you mean {close[0]}? " if close else ""


def variable_fix(name: str, rule: Rule, package: Sequence[Module], names: LocalNames) -> str:
    """What to do about a variable without a value in a rule; `package` are the modules of the rule's package."""
    for module in package:
        for other in module.rules:
            if other is not rule and _has_local(other, name, names):
                where = f"`{ref_text(other.head.ref)}` ({other.place.file}:{other.place.row})"
                return f"it is local to {where}: make `{name}` a rule of its own, or assign it in this body too"
    rules = (ref_text(each.head.ref) for module in package for each in module.rules)
    hint = did_you_mean(name, [*rules, "input", "data"])
    other_way = f"assign it in this body (`{name} := …`, `some {name} in …`), or define a rule `{name}`"
    return f"{hint}Else {other_way}" if hint else other_way


def _has_local(rule: Rule, name: str, names: LocalNames) -> bool:
    return any(isinstance(node, Var) and node.name != name and names.shown(node.name) == name for node in walk(rule))


def function_fix(name: str, package: Sequence[Module]) -> str:
    """What to do about a call of what is no function."""
    functions = [ref_text(each.head.ref) for module in package for each in module.rules if each.head.args]
    return did_you_mean(name, [*functions, *declarations()]).rstrip() or "define it, or import the package that has it"
