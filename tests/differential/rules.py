"""Rules of generated policies: heads of every form, `else`, defaults, functions. Not their bodies (`statements`)."""

# ruff: noqa: E501 - tables of Rego

from __future__ import annotations

import json
import re
from random import Random
from typing import Final

from tests.differential.annotation_blocks import block
from tests.differential.names import Known, Place, Scope
from tests.differential.statements import Statements
from tests.differential.templates import KINDS

RULE_NAMES: Final = (
    "allow", "deny", "reasons", "role", "roles", "users", "limit", "p", "q", "r", "x", "path", "owner", "grants", "user", "ok",
    "names", "level", "v1", "result", "bad", "scores", "by_name", "s", "t", "item",
)  # fmt: skip
FUNCTION_NAMES: Final = ("f", "g", "h", "is_admin", "has_role", "normal", "pick", "mark", "count_of")
_KINDS_OF_RULES: Final = ("bool", "bool", "bool", "str", "str", "num", "strs", "obj", "set", "objs", "nums", "any")
_GROUND: Final = re.compile(r"\{n\}\.([a-z.]*[a-z])(?![a-z.])")
_METADATA: Final = "# METADATA\n# title: {}\n# description: what it is\n# custom:\n#   level: 3\n#   tags: [a, b]\n"
_WRONG_BLOCKS: Final = 0.03

_NUMBERS = ("1", "2.0", "1.5", "3e1", "0")  # no two are equal: that is refused
_ASKED = (*_NUMBERS, "1.0", "2", "3/2", "15e-1", "30", "0.0", "-0", '"1"')


class Rules:
    """Of one policy."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._statements = Statements(chance)
        self._terms = self._statements.terms

    def write(self, place: Place) -> list[str]:
        """A rule of a new name with all that defines it, each definition a text of its own; it is known from then on."""
        chance = self._chance
        makers = (
            (6, self._boolean), (5, self._complete), (5, self._partial_set), (4, self._partial_object), (3, self._general),
            (4, self._function), (1, self._constant), (1, self._about_metadata),
        )  # fmt: skip
        maker = chance.choices([each for _, each in makers], [weight for weight, _ in makers])[0]
        name = self._new_name(place, FUNCTION_NAMES if maker == self._function else RULE_NAMES)
        place.own.append(name)  # its own name hides imports, also in its own body
        texts, known = maker(name, place)
        place.known += known
        if chance.random() < 0.06 and maker != self._about_metadata:
            scope = chance.choice(("", "", "# scope: document\n", "# scope: rule\n"))
            texts[0] = block(chance, name, wrong=_WRONG_BLOCKS) + scope + texts[0]
        if chance.random() < 0.05:
            texts[0] = f"# {chance.choice(('why', 'ж', 'metadata', '}'))}\n{texts[0]}"
        return texts

    def more(self, place: Place) -> list[str]:
        """Another definition of a rule of the package, which another file has begun."""
        begun = [each for each in place.known if each.package == place.package and each.kind in {"bool", "set", "obj"}]
        if not begun:
            return []
        rule = self._chance.choice(begun)
        scope = Scope(place)
        head = rule.name
        if rule.args is not None:
            head += f"({', '.join(self._parameter(each, scope, plain=True) for each in rule.args)})"
        inner = scope.inner()
        inner.used.update(scope.kinds)
        body = _braces(self._statements.body(inner, self._length()))
        said = {"set": f" contains {self._ground('str')}", "obj": f"[{self._key(inner)}] := {self._ground('num')}"}
        return [f"{head}{said.get(rule.kind, '') if rule.args is None else ''} if {body}"]

    def _new_name(self, place: Place, names: tuple[str, ...]) -> str:
        taken = {*place.own, *(each.name.split(".")[0] for each in place.known if each.package == place.package)}
        free = [name for name in names if name not in taken]
        return self._chance.choice(free) if free else f"{names[0]}{len(taken)}"

    # ── forms ──

    def _boolean(self, name: str, place: Place) -> tuple[list[str], list[Known]]:
        chance = self._chance
        texts = [self._definition(f"{name} if", place) for _ in range(chance.choice((1, 1, 2, 3)))]
        if chance.random() < 0.15:
            texts[-1] += self._else(place, "bool")
        if chance.random() < 0.5:
            texts.insert(
                chance.randrange(len(texts) + 1), f"default {name} := {chance.choice(('false', 'false', 'true'))}"
            )
        return texts, [Known(place.package, name, "bool")]

    def _complete(self, name: str, place: Place) -> tuple[list[str], list[Known]]:
        chance = self._chance
        kind = chance.choice(_KINDS_OF_RULES)
        operator = chance.choice((":=", ":=", ":=", "="))
        constant = self._terms.term(kind, Scope(place), 0)
        texts = []
        for _ in range(chance.choice((1, 1, 1, 2))):
            scope = Scope(place)
            body = self._statements.body(scope, self._length())
            value = constant if chance.random() < 0.5 else self._terms.term(kind, scope, 2, alone=True)
            texts.append(f"{name} {operator} {value} if {_braces(body)}")
            if chance.random() < 0.25:
                texts[-1] += self._else(place, kind)
        if chance.random() < 0.3:
            texts.insert(0, f"default {name} := {self._ground(kind)}")
        return texts, [Known(place.package, name, kind)]

    def _constant(self, name: str, place: Place) -> tuple[list[str], list[Known]]:
        kind = self._chance.choice(KINDS)
        text = f"{name} := {self._terms.term(kind, Scope(place), 3, alone=True)}"
        return [text], [Known(place.package, name, kind)]

    def _partial_set(self, name: str, place: Place) -> tuple[list[str], list[Known]]:
        chance = self._chance
        texts = []
        kind = chance.choice(("str", "str", "str", "any", "obj", "num"))
        for _ in range(chance.choice((1, 1, 2, 3))):
            scope = Scope(place)
            body = self._statements.body(scope, self._length())
            member = self._terms.term(kind, scope, 1)
            texts.append(f"{name} contains {member} if {_braces(body)}")
        if chance.random() < 0.15:
            texts.append(f"{name} contains {self._ground('str')}")
        return texts, [Known(place.package, name, "set")]

    def _partial_object(self, name: str, place: Place) -> tuple[list[str], list[Known]]:
        chance = self._chance
        texts = []
        for _ in range(chance.choice((1, 1, 2))):
            scope = Scope(place)
            body = self._statements.body(scope, self._length())
            key = self._terms.term(chance.choice(("str", "str", "any", "num")), scope, 1)
            # Mostly one value for all: two values of one key are an error of the whole question.
            value = self._terms.term(chance.choice(KINDS), scope, 1) if chance.random() < 0.35 else self._ground("str")
            texts.append(f"{name}[{key}] := {value} if {_braces(body)}")
        if chance.random() < 0.2:
            texts.append(f"{name}[{self._ground('str')}] := {self._ground('num')}")
        return texts, [Known(place.package, name, "obj")]

    def _general(self, name: str, place: Place) -> tuple[list[str], list[Known]]:
        chance = self._chance
        known = [Known(place.package, name, "obj")]
        forms = ("{n}.a.b := {v}", "{n}.a[{k}].b := {v}", "{n}[{k}][{k2}] := {v}", "{n}.c contains {v}", "{n}[{k}] contains {v}",
                 "{n}.d[{k}] := {v}", "{n}[{k}].e contains {v}", '{n}["f g"] := {v}', "{n}.h", "{n}[{k}].i", "{n}.j[{k}] = {v}",
                 "{n}[{k}].l[{k2}] := {v}", "{n}[{k}][{k2}] contains {v}", "{n}[{k}][{k2}].m", "{n}.o[{k}][{k2}] contains {v}")  # fmt: skip
        texts = []
        for form in chance.sample(forms, chance.choice((1, 1, 2))):
            scope = Scope(place)
            body = self._statements.body(scope, self._length())
            keys = {"k": self._key(scope), "k2": self._key(scope)}
            value = (
                self._ground(chance.choice(("str", "num", "bool")))
                if chance.random() < 0.6
                else self._terms.term("str", scope, 1)
            )
            texts.append(f"{form.format(n=name, v=value, **keys)} if {_braces(body)}")
            ground = _GROUND.match(form)
            if ground:
                known.append(Known(place.package, f"{name}.{ground[1]}", "any"))
        if chance.random() < 0.15:
            texts.append(f"{name}.z := {self._ground('num')}")
        if chance.random() < 0.2:  # OPA finds rules at numbers by the number's text
            numbers = chance.sample(_NUMBERS, chance.choice((1, 2, 3)))
            below = chance.choice(("", "", ".n"))
            texts += [f"{name}[{number}]{below} := {self._ground('num')}" for number in numbers]
            asked = f"[{', '.join(_ASKED)}, input.n, input.a]"
            texts.append(f"{name}_at contains [n, {name}[n]] if {{ some n in {asked}; {name}[n] }}")
            texts.append(f"{name}_one if {{ n := {chance.choice(_ASKED)}; {name}[n] }}")
        return texts, known

    def _function(self, name: str, place: Place) -> tuple[list[str], list[Known]]:
        chance = self._chance
        args = tuple(
            chance.choice(("str", "str", "num", "strs", "obj", "any")) for _ in range(chance.choice((1, 1, 2, 2, 3, 0)))
        )
        kind = chance.choice(("bool", "bool", "str", "num", "strs", "obj", "any"))
        texts = []
        for number in range(chance.choice((1, 1, 2, 3))):
            scope = Scope(place)
            head = f"{name}({', '.join(self._parameter(each, scope, plain=number == 0) for each in args)})"
            inner = scope.inner()
            inner.used.update(scope.kinds)  # a parameter cannot be declared again
            body = self._statements.body(inner, chance.choice((1, 1, 2)))
            if kind == "bool" and chance.random() < 0.7:
                texts.append(f"{head} if {_braces(body)}")
            elif chance.random() < 0.2:
                texts.append(f"{head} := {self._terms.term(kind, scope, 2, alone=True)}")
            else:
                value = self._ground(kind) if chance.random() < 0.4 else self._terms.term(kind, inner, 1, alone=True)
                texts.append(f"{head} := {value} if {_braces(body)}")
                if chance.random() < 0.35:
                    texts[-1] += self._else(place, kind, scope)
        if chance.random() < 0.2 and args:
            wildcards = ", ".join(chance.choice(("_", f"a{number}")) for number in range(len(args)))
            texts.append(f"default {name}({wildcards}) := {self._ground(kind)}")
        return texts, [Known(place.package, name, kind, args)]

    def _about_metadata(self, name: str, place: Place) -> tuple[list[str], list[Known]]:
        chance = self._chance
        asked = chance.choice(
            (
                "rego.metadata.rule()",
                "rego.metadata.chain()",
                "rego.metadata.rule().custom.level",
                "count(rego.metadata.chain())",
            )
        )
        form = chance.choice(("{} := y if {{ y := {} }}", "{} := {}", "{} contains y if {{ y := {} }}"))
        text = block(chance, name) if chance.random() < 0.8 else ""
        if "custom" in asked and chance.random() < 0.7:
            text = _METADATA.format(name)
        return [text + form.format(name, asked)], [Known(place.package, name, "any")]

    # ── parts ──

    def _definition(self, head: str, place: Place) -> str:
        return f"{head} {_braces(self._statements.body(Scope(place), self._length()))}"

    def _length(self) -> int:
        return self._chance.choice((1, 1, 2, 2, 2, 3, 3, 4))

    def _else(self, place: Place, kind: str, scope: Scope | None = None) -> str:
        chance = self._chance
        text = ""
        for _ in range(chance.choice((1, 1, 2))):
            inner = scope.inner() if scope else Scope(place)
            inner.used.update(scope.kinds if scope else ())
            body = self._statements.body(inner, chance.choice((1, 1, 2)))
            value = self._ground(kind) if chance.random() < 0.5 else self._terms.term(kind, inner, 1, alone=True)
            text += f" else := {value} if {_braces(body)}"
        if chance.random() < 0.4:
            text += f" else := {self._ground(kind)}"
        return text

    def _parameter(self, kind: str, scope: Scope, *, plain: bool) -> str:
        chance = self._chance
        number = 0.0 if plain else chance.random()
        name = scope.new_name(chance, declared=chance.random() < 0.3)
        scope.kinds[name] = kind
        scope.used.add(name)
        if number < 0.7:
            return name
        if number < 0.8:
            del scope.kinds[name]
            return chance.choice(("_", self._ground(kind)))
        if kind == "strs":
            scope.kinds[name] = "str"
            return chance.choice((f"[{name}]", f"[{name}, _]", f'["admin", {name}]'))
        if kind == "obj":
            scope.kinds[name] = "any"
            return chance.choice((f'{{"a": {name}}}', f'{{"k": {name}, "v": _}}'))
        return name

    def _key(self, scope: Scope) -> str:
        known = sorted(scope.visible())
        if known and self._chance.random() < 0.7:
            return self._chance.choice(known)
        return self._chance.choice(('"a"', '"k"', "1", "input.route", "input.request.segments[_]", "input.token.sub"))

    def _ground(self, kind: str) -> str:
        """A constant, as `default` needs one."""
        constants = {
            "bool": "true",
            "num": "3",
            "str": '"d"',
            "strs": '["d"]',
            "nums": "[7]",
            "objs": '[{"k": "d"}]',
            "obj": '{"d": 1}',
            "set": '{"d"}',
        }
        return constants.get(kind) or json.dumps(self._chance.choice((None, 1, "d", [])))


def _braces(body: list[str]) -> str:
    if len(body) == 1 and "\n" not in body[0] and not body[0].startswith("{") and ";" not in body[0]:
        return body[0]
    return "{\n\t" + "\n\t".join(body) + "\n}"
