"""Bodies of generated policies: statements, `not`, `every`, `with`, `and`, `or`. Not what stands in them (`terms`)."""

# ruff: noqa: E501 - tables of Rego

from __future__ import annotations

import re
from random import Random
from typing import Final

from tests.differential.documents import REFERENCES
from tests.differential.names import Known, Scope
from tests.differential.templates import BINDINGS, CONDITIONS
from tests.differential.terms import Terms

_NOT_NEGATABLE: Final = re.compile(r"(?:print|true|trace)\b")
# Builtins that `with` replaces, by the kinds of their operands and of their result.
_REPLACED: Final = (
    Known("", "count", "num", ("any",)), Known("", "startswith", "bool", ("str", "str")), Known("", "lower", "str", ("str",)),
    Known("", "regex.match", "bool", ("str", "str")), Known("", "split", "strs", ("str", "str")), Known("", "time.now_ns", "num", ()),
    Known("", "object.get", "any", ("obj", "str", "any")), Known("", "to_number", "num", ("str",)), Known("", "is_string", "bool", ("any",)),
    Known("", "json.unmarshal", "any", ("str",)), Known("", "concat", "str", ("str", "strs")), Known("", "json.marshal", "str", ("any",)),
)  # fmt: skip


class Statements:
    """Of one policy."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self.terms = Terms(chance, self.inline)

    def body(self, scope: Scope, length: int, depth: int = 2) -> list[str]:
        """The statements of a rule's body."""
        found = [self._statement(scope, depth) for _ in range(length)]
        if self._chance.random() < 0.06:  # OPA orders them itself
            self._chance.shuffle(found)
        twin = self._chance.choice(found)
        if self._chance.random() < 0.02 and not twin.startswith("some ") and ":=" not in twin:
            found.insert(self._chance.randint(0, len(found)), twin)  # it may take one for the other
        return found

    def inline(self, scope: Scope, depth: int) -> str:
        """The body of a comprehension."""
        length = self._chance.choice((1, 1, 2, 2, 3))
        found = [self._binding(scope, depth)] + [self._statement(scope, depth) for _ in range(length - 1)]
        return "; ".join(found)

    def condition(self, scope: Scope, depth: int) -> str:
        return self.terms.filled(self._picked(CONDITIONS), scope, depth)

    # ── kinds of statements ──

    def _statement(self, scope: Scope, depth: int) -> str:  # noqa: PLR0911 - one line for each kind of statement
        number = self._chance.random()
        if number < 0.40:
            return self._binding(scope, depth)
        if number < 0.72:
            return self._with(self.condition(scope, depth), scope, depth, 0.08)
        if number < 0.87:
            return self._negation(scope, depth)
        if number < 0.93:
            return self._every(scope, depth)
        if number < 0.95 and scope.place.keywords & {"and", "or"}:
            return self._logical(scope, depth)
        if number < 0.97:
            return self._gone_through(scope, depth)
        changed = self._with("", scope, depth, 0.6)
        return self._use_of_a_rule(scope, depth) + changed

    def _binding(self, scope: Scope, depth: int) -> str:
        changed = self._with("", scope, depth, 0.05)  # before there are new variables
        text = self.terms.filled(self._picked(BINDINGS), scope, depth)
        return text if ";" in text or "\n" in text else text + changed

    def _negation(self, scope: Scope, depth: int) -> str:
        inner = scope.inner()
        text = self._operand(inner, depth)
        if "not" in scope.place.keywords and self._chance.random() < 0.4:
            more = self._binding(inner, depth)
            return f"not {{ {more}; {text} }}"
        return self._with(f"not {text}", scope, depth, 0.1)

    def _every(self, scope: Scope, depth: int) -> str:
        chance = self._chance
        kind, member = chance.choice(
            (("strs", "str"), ("nums", "num"), ("objs", "obj"), ("set", "str"), ("obj", "any"), ("any", "any"))
        )
        domain = self.terms.term(kind, scope, depth - 1)
        scope.uses(domain)
        inner = scope.inner()
        inner.used |= scope.used
        names = [inner.new_name(chance, declared=True) for _ in range(chance.choice((1, 1, 2)))]
        if len(set(names)) < len(names):
            names = names[:1]
        inner.kinds.update(zip(names, ("str", member) if len(names) == 2 else (member,), strict=True))
        inside = inner.inner()
        statements = [self._about(names, inside, depth - 1)]
        if chance.random() < 0.5:
            statements.append(self.condition(inside, depth - 1))
        if chance.random() < 0.4:
            statements.insert(0, self._binding(inside, depth - 1))
        if chance.random() < 0.2:
            statements.append(f"{names[-1]} = {self.terms.term(member, inside, depth - 1)}")
        if chance.random() < 0.15 and depth > 0:
            statements.append(self._statement(inside, depth - 1))
        text = f"every {', '.join(names)} in {domain} {{ {'; '.join(statements)} }}"
        return self._with(text, scope, depth, 0.05)

    def _operand(self, scope: Scope, depth: int) -> str:
        """A condition that says something, has no variable of its own, and does not look like a body."""
        text = self.condition(scope, depth)
        while _NOT_NEGATABLE.match(text) or text.startswith("{"):
            text = self.condition(scope, depth)
        return text.replace("[_]", "[0]") if self._chance.random() < 0.97 else text

    def _about(self, names: list[str], scope: Scope, depth: int) -> str:
        """A condition with all of these variables, which must not stay unused."""
        chance = self._chance
        subject = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
        forms = ("{} != «dyn»", "{} == «dyn»", "{} != «any»", "{} in «any»", "is_string({})", "«dyn» == {}", "«dyn»[_] = {}", "{} = «dyn»", "not {} in «strs»", "{} > «any»")  # fmt: skip
        return self.terms.filled(chance.choice(forms).format(subject), scope, depth)

    def _logical(self, scope: Scope, depth: int) -> str:
        operator = self._chance.choice(sorted(scope.place.keywords & {"and", "or"}))
        sides = []
        for _ in range(2):
            inner = scope.inner()
            text = self._operand(inner, depth - 1)
            sides.append(f"{{ {self._binding(inner, depth - 1)}; {text} }}" if self._chance.random() < 0.3 else text)
        return f" {operator} ".join(sides)

    def _use_of_a_rule(self, scope: Scope, depth: int) -> str:
        """A rule or a call, so that what `with` changes is used."""
        chance = self._chance
        rules = [each for each in scope.place.known if not each.args]
        if not rules or chance.random() < 0.3:
            return self.condition(scope, depth)
        rule = chance.choice(rules)
        value = self.terms.term(rule.kind, scope, 0) if rule.args is None else self.terms.call_of(rule, scope, depth)
        scope.uses(value)
        name = scope.new_name(chance, declared=True)
        text = f"{name} := {value}"
        scope.kinds[name] = "any"
        scope.uses(text)
        return text

    def _gone_through(self, scope: Scope, depth: int) -> str:
        """What `with` replaces, come to from above."""
        chance = self._chance
        kind = chance.choice(("bool", "num", "str", "strs", "obj", "objs", "any"))
        below = [each.partition("[")[0].split(".") for each in REFERENCES[kind]]
        target = chance.choice([each for each in below if len(each) > 2] or [["data", "users", "alice"]])
        above = ".".join(target[: chance.randrange(2, len(target))])
        value = self.terms.term(kind, scope, depth - 1)
        name = scope.new_name(chance, declared=True)
        forms = ("{n} := {a}[_]", "some {n}; {a}[{n}]", "{n} := {a}", "{n} := {a}[_][_]", "some {n} in {a}", "{n} := object.keys({a})", "{n} := [x | x := {a}[_]]")  # fmt: skip
        scope.kinds[name] = "any"
        return f"{chance.choice(forms).format(n=name, a=above)} with {'.'.join(target)} as {value}"

    # ── with ──

    def _with(self, text: str, scope: Scope, depth: int, share: float) -> str:
        while self._chance.random() < share:
            target, value = self._replacement(scope, depth)
            text += f" with {target} as {value}"
            share = 0.3
        return text

    def _replacement(self, scope: Scope, depth: int) -> tuple[str, str]:
        chance, term = self._chance, self.terms.term
        rules = [each for each in scope.place.known if each.args is None and "." not in each.name]
        number = chance.random()
        if number < 0.5 or not rules:
            kind = chance.choice(("bool", "num", "str", "strs", "obj", "objs", "any"))
            path = chance.choice(REFERENCES[kind]).partition("[")[0]
            return path, term(kind, scope, depth - 1)
        if number < 0.7:
            rule = chance.choice(rules)
            return rule.path, term(rule.kind, scope, depth - 1)
        functions = [*_REPLACED, *(each for each in scope.place.known if each.args is not None)]
        if chance.random() < 0.3:  # those without arguments can be taken for rules
            functions = [each for each in functions if not each.args] + rules
        target = chance.choice(functions)
        same = [each for each in functions if len(each.args or ()) == len(target.args or ()) and each != target]
        if number < 0.85 and same:
            return _called(target), _called(chance.choice([each for each in same if each[2:] == target[2:]] or same))
        return _called(target), term(target.kind, scope, depth - 1)

    def _picked(self, table: tuple[tuple[int, str], ...]) -> str:
        weights = [weight for weight, _ in table]
        return self._chance.choices(table, weights)[0][1]


def _called(function: Known) -> str:
    return function.path if function.package else function.name
