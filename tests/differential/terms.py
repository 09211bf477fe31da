"""Fills the holes of `templates`: terms and statements of generated policies. Not whole rules (`rules`)."""

# ruff: noqa: E501 - tables

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Final

from tests.differential.documents import METHODS, NAMES, NUMBERS, REFERENCES, ROLES, WORDS
from tests.differential.names import Known, Scope, shown
from tests.differential.templates import CONSTANTS, KINDS, TERMS

from authz_rego.builtins.declarations import declarations
from authz_rego.builtins.table import functions

_HOLE: Final = re.compile(r"«([+=-]?)(\w+)»")
_INFIX: Final = re.compile(r"(^«\w+»(?:, «\w+»)? (?:[-+*/%&|<>]|[=!<>]=|in) )|^-")
_ARITHMETIC: Final = re.compile(r"^«num» [-+*/%] ")
_REFERABLE: Final = re.compile(r"[a-zA-Z_\[{][^`]*", re.DOTALL)
_SCALARS: Final = re.compile(r"(?:true|false|null)$")
_BODY: Final = "«body»"
# Texts that are no UTF-8.
_TORN: Final = (
    'base64.decode("/w==")', 'base64.decode("w6k=")', 'hex.decode("c3")', 'hex.decode("a9")', 'hex.decode("61ff62")', 'base64url.decode("gICA")',
    'urlquery.decode("%C3%A9%ff")', 'urlquery.decode("a%80")', 'replace("é", "", "x")', 'hex.decode("eda080")', 'hex.decode("f09f98")', 'uri.parse("/%ff").path',
)  # fmt: skip

_BY_THE_COMPILER: Final = frozenset({"time.now_ns", "rego.metadata.rule", "rego.metadata.chain"})

Body = Callable[[Scope, int], str]


@cache
def usable(kind: str) -> tuple[str, ...]:
    """The templates of that kind without those of builtins that no policy may call here."""
    missing = [
        name for name in declarations() if name not in functions() and "." in name and name not in _BY_THE_COMPILER
    ]
    return tuple(each for each in TERMS[kind] if not any(f"{name}(" in each for name in missing))


class Terms:
    """Of one policy."""

    def __init__(self, chance: Random, body: Body) -> None:
        self._chance = chance
        self._body = body  # makes the statements of a comprehension

    def term(self, kind: str, scope: Scope, depth: int, *, alone: bool = False) -> str:
        """A term that mostly has a value of the kind; `alone`: it needs no brackets around an operator."""
        chance = self._chance
        if kind in CONSTANTS or kind in ("word", "order", "package"):
            return self._constant(kind, scope)
        if chance.random() < 0.04:
            kind = chance.choice(("dyn", "dyn", "dyn", "dyn", *KINDS))
        if kind == "dyn" or depth <= 0 or chance.random() < 0.45:
            return self._leaf(kind, scope)
        if chance.random() < 0.25:
            call = self._call(kind, scope, depth)
            if call:
                return call
        template = chance.choice(usable(kind))
        text = self.filled(template, scope, depth - 1)
        if alone or not _INFIX.match(template) or (_ARITHMETIC.match(template) and chance.random() < 0.2):
            return text
        return f"({text})"

    def filled(self, template: str, scope: Scope, depth: int) -> str:
        """The template with its holes filled; what it declares is known in the scope from then on."""
        inner = scope
        if template.startswith("¦"):
            inner, template = scope.inner(), template[1:]
        if _BODY in template:
            inner = scope.inner()
            template = template.replace(_BODY, self._body(inner, depth).replace("«", "").replace("»", ""))
        text = _HOLE.sub(lambda hole: self._use(hole, inner, depth), template)
        scope.uses(text)
        new: list[tuple[str, str]] = []
        text = _HOLE.sub(lambda hole: self._variable(hole, inner, new), text)
        text = _HOLE.sub(lambda hole: next(name for name, kind in reversed(new) if kind == hole[2]), text)
        scope.uses(text)
        inner.kinds.update(new)
        return text

    def _use(self, hole: re.Match[str], scope: Scope, depth: int) -> str:
        sign, kind = hole.groups()
        if sign:
            return hole[0]
        after = hole.string[hole.end() : hole.end() + 1]
        return self._referable(kind, scope, depth) if after in (".", "[") and after else self.term(kind, scope, depth)

    def _variable(self, hole: re.Match[str], scope: Scope, new: list[tuple[str, str]]) -> str:
        """Chosen after all terms are written, so that it does not stand in them."""
        sign, kind = hole.groups()
        if sign == "-":
            return hole[0]
        if sign == "=" and self._chance.random() < 0.12 and scope.visible() and "«-" not in hole.string:
            return self._chance.choice(sorted(scope.visible()))
        name = scope.new_name(self._chance, declared=sign == "+")
        while any(name == each for each, _ in new):
            name += "1"
        new.append((name, kind))
        return name

    # ── parts ──

    def _referable(self, kind: str, scope: Scope, depth: int) -> str:
        """What may stand before a dot or a bracket."""
        for _ in range(6):
            text = self.term(kind, scope, depth)
            if _REFERABLE.match(text) and not _SCALARS.match(text) and not text.startswith("-"):
                return text
        return self._chance.choice(REFERENCES["obj" if kind not in REFERENCES or kind == "str" else kind])

    def _leaf(self, kind: str, scope: Scope) -> str:
        chance = self._chance
        known = [
            name for name, each in scope.visible().items() if each == kind or (kind == "any" and chance.random() < 0.3)
        ]
        if known and chance.random() < 0.5:
            return self._perhaps_missing(chance.choice(known))
        rules = [each for each in scope.place.known if each.args is None and each.kind == kind]
        if rules and chance.random() < 0.45:
            return self._perhaps_missing(shown(chance.choice(rules[-8:]).path, scope, chance))
        references = REFERENCES.get(kind)
        if references and (kind == "dyn" or chance.random() < 0.7):
            return self._perhaps_missing(shown(chance.choice(references), scope, chance))
        return self._literal(kind)

    def _perhaps_missing(self, reference: str) -> str:
        number = self._chance.random()
        if number > 0.05:
            return reference
        return reference + self._chance.choice((".missing", '["a"]', "[0]", ".k", '["missing"].more'))

    def _literal(self, kind: str) -> str:
        chance = self._chance
        if kind == "num":
            return chance.choice(NUMBERS)
        if kind == "str":
            return chance.choice(_TORN) if chance.random() < 0.08 else self._word()
        simple = {
            "bool": ("true", "false", "true"),
            "dyn": ("null",),
            "strs": ('["admin", "b"]', '["é", hex.decode("ff"), "\ufffd"]', '["alice"]', "[]", '["a", "b", "c"]'),
            "nums": ("[1, 2.5]", "[3]", "[]", "[1, 1.0, 2]"),
            "objs": (
                '[{"k": "a", "v": 1}, {"k": "b"}]',
                "[{}]",
                '[{"k": "a", "v": 2}, {"k": "a", "v": 3, "role": "x"}]',
            ),
            "obj": ('{"a": 1}', '{"a": {"b": "k"}, "k": "v"}', '{1: "a", null: 2, "k": [1]}', "{}"),
            "set": (
                '{"a", "admin"}',
                '{"é", "z", base64.decode("gICA")}',
                "set()",
                '{"alice", "1", "bob"}',
                '{"x", "k"}',
            ),
            "any": (
                "null",
                "1",
                '{["a"], {"k": 1}}',
                '"a"',
                "[1, null]",
                '{"a": [1]}',
                "true",
                "{1, 2}",
                "1.0",
                '""',
                "0.1",
            ),
        }
        return chance.choice(simple[kind])

    def _constant(self, kind: str, scope: Scope) -> str:
        if kind == "word":
            return self._word()
        if kind == "order":
            return self._chance.choice(("<", "<=", ">", ">="))
        if kind == "package":
            finished = [f"data.{each}" for each in scope.place.packages]
            return self._chance.choice(finished or ["data.users"])
        return self._chance.choice(CONSTANTS[kind])

    def _word(self) -> str:
        chance = self._chance
        word = chance.choice(chance.choice((ROLES, NAMES, METHODS, WORDS, WORDS)))
        if "`" not in word and chance.random() < 0.1:
            return f"`{word}`"
        return json.dumps(word, ensure_ascii=chance.random() < 0.3)

    def _call(self, kind: str, scope: Scope, depth: int) -> str:
        functions = [each for each in scope.place.known if each.args is not None and each.kind == kind]
        return self.call_of(self._chance.choice(functions), scope, depth) if functions else ""

    def call_of(self, function: Known, scope: Scope, depth: int) -> str:
        args = ", ".join(self.term(each, scope, depth - 1, alone=True) for each in function.args or ())
        text = f"{shown(function.path, scope, self._chance)}({args})"
        scope.uses(text)
        return text
