"""What the policies and the data define, and what contradicts each other there. Not what they use (`references`)."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import pairwise

from authz_service.errors import Problem
from authz_service.policy.syntax import Module, Path, Rule, Term, pattern_variables

_PLAIN = {"constant", "array", "object", "set", "comprehension"}
_RESERVED = frozenset({"input", "data"})
_MAX_LISTED = 8
_WORDS = {
    "bracketed": "a set",
    "value": "a single value",
    "default": "a single value",
    "set": "a set",
    "function": "a function",
}


class Definitions:
    """All rules by the path of their document or function, beside the data."""

    def __init__(self, modules: Sequence[Module], data: object) -> None:
        self.modules = modules
        self.data = data
        self.rules: dict[Path, list[Rule]] = {}
        for module in modules:
            for rule in module.rules:
                self.rules.setdefault(rule.path, []).append(rule)
        self.packages = {module.package[:end] for module in modules for end in range(1, len(module.package) + 1)}

    def function(self, path: Path) -> Rule | None:
        return next((rule for rule in self.rules.get(path, ()) if rule.is_function), None)

    def children(self, path: Path) -> set[str]:
        """The names that rules and packages define right below a path."""
        below = [*self.rules, *self.packages]
        return {each[len(path)] for each in below if len(each) > len(path) and each[: len(path)] == path}


def definition_problems(definitions: Definitions) -> Iterator[Problem]:
    """Contradictions of rules with each other, with imports and with the data."""
    for path, rules in definitions.rules.items():
        yield from _duplicate_defaults(rules)
        yield from _computed_defaults(rules)
        yield from _mixed_kinds(rules)
        yield from _heads(rules)
        yield from _hidden_by_data(rules[0], path, definitions.data)
    yield from _nested_rules(definitions)
    for module in definitions.modules:
        yield from _ambiguous_imports(module)


def query_problems(query: str, definitions: Definitions) -> Iterator[Problem]:
    """The configured query has to name one complete rule."""
    path = tuple(query.split("."))
    rules = definitions.rules.get(path, [])
    complete = sorted(
        rule.name
        for rules in definitions.rules.values()
        for rule in rules[:1]
        if rule.kind in {"value", "default"} and not rule.dynamic
    )
    fix = f"set proxy.authz.policy_query to a rule with a single value; {meant(query, complete)}"
    if path[0] != "data" or not all(part.isidentifier() for part in path):
        yield Problem(query, "the policy query is not of the form data.<package>.<rule>", fix)
    elif not rules:
        yield Problem(query, _nothing_there(path, definitions), fix)
    elif rules[0].kind not in {"value", "default"} or any(rule.dynamic for rule in rules):
        kind = "an object of many rules" if rules[0].dynamic else _WORDS[rules[0].kind]
        found = f"the policy query names {kind}, which is not a decision"
        yield Problem(query, found, fix, rules[0].file, rules[0].line)


def meant(name: str, known: Iterable[str], below: str = "") -> str:
    """The known name that is probably meant, or what there is."""
    names = sorted(set(known))
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {below}{close[0]}?"
    listed = ", ".join(below + each for each in names[:_MAX_LISTED]) + (", …" if len(names) > _MAX_LISTED else "")
    return f"there is {listed}" if names else "there is nothing of the kind"


def _nothing_there(path: Path, definitions: Definitions) -> str:
    if path in definitions.packages:
        return "the policy query names a package, not a rule in it"
    if any(each[: len(path)] == path for each in definitions.rules):
        return "the policy query names an object of many rules, which cannot be asked as a whole"
    return "the policy query names no rule of these policies"


def _duplicate_defaults(rules: Sequence[Rule]) -> Iterator[Problem]:
    defaults = [rule for rule in rules if rule.kind == "default"]
    for first, second in pairwise(defaults):
        found = f"a second default; the first is at {first.file}:{first.line}"
        yield Problem(
            second.name, found, "keep one of them: which one would win is not defined", second.file, second.line
        )


def _computed_defaults(rules: Sequence[Rule]) -> Iterator[Problem]:
    for rule in rules:
        if rule.kind == "default" and any(_depends(head) for head in rule.bodies[0].heads):
            fix = "write a constant here; what has to be computed belongs into a rule with a body"
            yield Problem(rule.name, "the default is not a constant", fix, rule.file, rule.line)


def _depends(term: Term) -> bool:
    return term.kind not in _PLAIN or (term.kind != "comprehension" and any(map(_depends, term.parts)))


def _heads(rules: Sequence[Rule]) -> Iterator[Problem]:
    """What OPA does not let a rule's head be."""
    for rule in rules:
        if rule.kind == "bracketed":
            fix = f"write `{rule.path[-1]} contains …`"
            yield Problem(rule.name, "a set that is written with brackets is Rego v0", fix, rule.file, rule.line)
        for name in _RESERVED & frozenset().union(*map(pattern_variables, rule.arguments)):
            fix = "give the argument another name"
            yield Problem(
                rule.name, f"an argument is called `{name}`, which hides the document", fix, rule.file, rule.line
            )


def _mixed_kinds(rules: Sequence[Rule]) -> Iterator[Problem]:
    """A name is a value, a set or a function; a function has one number of arguments."""
    whole = [rule for rule in rules if not rule.dynamic]
    for rule in whole[1:]:
        first = whole[0]
        if _kind(rule) != _kind(first):
            found = f"{_described(rule)} here, but {_described(first)} at {first.file}:{first.line}"
            yield Problem(rule.name, found, "give one of them another name", rule.file, rule.line)


def _kind(rule: Rule) -> tuple[str, int]:
    word = "a function" if rule.is_function else _WORDS[rule.kind]
    return word, len(rule.arguments)


def _described(rule: Rule) -> str:
    word, arguments = _kind(rule)
    return f"{word} of {arguments} arguments" if rule.is_function else word


def _nested_rules(definitions: Definitions) -> Iterator[Problem]:
    """`p.b.c := 1` beside `p[x] := …`: a reference to `p.b` finds one of them, and says nothing of the other."""
    for path, rules in definitions.rules.items():
        for end in range(2, len(path)):
            for outer in definitions.rules.get(path[:end], ())[:1]:
                names = "the names that are computed by" if outer.dynamic else "the rule"
                found = f"defined below {names} {outer.name} ({outer.file}:{outer.line})"
                fix = "rename the package or the rule: one would hide the other"
                yield Problem(rules[0].name, found, fix, rules[0].file, rules[0].line)


def _hidden_by_data(rule: Rule, path: Path, data: object) -> Iterator[Problem]:
    """The engine gives data precedence: `{"order": {"allow": true}}` in data.json would allow everything."""
    for part in path[1:]:
        if not isinstance(data, dict):
            break
        if part not in data:
            return
        data = data[part]
    found = "the data has a value at the path of this rule, which would replace it"
    yield Problem(rule.name, found, "move the value in data.json or data.yaml to another key", rule.file, rule.line)


def _ambiguous_imports(module: Module) -> Iterator[Problem]:
    taken = {rule.path[len(module.package)]: f"the rule in line {rule.line}" for rule in module.rules}
    for each in module.imports:
        if each.alias in taken:
            found = f"`{each.alias}` is also {taken[each.alias]}"
            fix = f"import it under another name: `import {'.'.join(each.path)} as other_{each.alias}`"
            yield Problem(f"import {'.'.join(each.path)}", found, fix, module.file, each.line)
        taken[each.alias] = f"the import in line {each.line}"
