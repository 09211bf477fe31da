"""Rules of one value: complete rules, and functions for their arguments. Not sets and objects (`partial_rules`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from authz_rego.check.dependencies import branches, is_constant
from authz_rego.check.rules import PlacedRule
from authz_rego.compile.bodies import BodyWriter
from authz_rego.compile.forms import Form, Given, check_form, match_form
from authz_rego.compile.index import index_of
from authz_rego.compile.plan import Document, Kind, may_repeat, walks
from authz_rego.compile.rule_frame import begun, matching, remember
from authz_rego.compile.values import constant_value
from authz_rego.compile.writer import Lines
from authz_rego.syntax.tree import Rule, Term

if TYPE_CHECKING:
    from authz_rego.compile.generate import Generator


class CompleteRules:
    """`form` is what is known of the value that is asked for; so many parts of it come after the arguments."""

    def __init__(self, generator: Generator, document: Document, form: Form = None, known: int = 0) -> None:
        self._generator = generator
        self._source = generator.source
        self._document = document
        self._name = document.name
        self._args = [f"a{index}" for index in range(generator.arity(document))]
        self._form = form
        self._known = [f"k{index}" for index in range(known)]

    def write(self) -> None:
        if self._document.kind is Kind.FUNCTION:
            self._value(self._name, self._args)
        elif self._document.is_asked_once:
            self._value(self._name, [])
        else:
            self._value(f"{self._name}_value", [])
            remember(self._source, self._document, f"{self._name}_value")

    def of_form(self) -> str:
        """The name of a function that gives values of the form only: bodies that give others are not tried.

        As in OPA, the first value that is found for some arguments is the only one there is for them from then on.
        """
        name, value = self._source.name(f"{self._name}_like"), self._source.name(f"{self._name}_like")
        arguments = ", ".join(["c", *self._args, *self._known])
        self._value(value, [*self._args, *self._known])
        lines = Lines()
        keys = "".join(f", key_of({each})" for each in self._args)
        lines.add(f"name = ({self._document.number}, 'gives'{keys})")
        lines.add("v = c.memory.get(name, MISSING)")
        lines.open("if v is MISSING:")
        lines.add(f"v = {value}({arguments})")
        lines.when("v is not U", "c.memory[name] = v")
        lines.close()
        lines.add("return v")
        self._source.function(f"{name}({arguments})", lines)
        return name

    def _value(self, name: str, args: list[str]) -> None:
        """Of a complete rule, or of a function for its arguments."""
        rules = self._document.rules
        if len(rules) == 1 and rules[0].rule.else_ is None and self._document.default is None:
            self._body(rules[0].rule, args, name, is_only=True)
            return
        chains = [self._chain(each, args) for each in rules]
        lines = Lines()
        default = self._document.default
        if self._document.early:
            self._first(chains, args, lines)
        else:
            self._agreeing(chains, args, lines)
        if default is not None:
            lines.add(f"return {self._otherwise(default, args)}")
        else:
            lines.add("return U")
        self._source.function(f"{name}({', '.join(['c', *args])})", lines)

    def _otherwise(self, default: Rule, args: list[str]) -> str:
        """What a default gives."""
        value = default.head.value
        if value is not None and is_constant(value) and not args and not self._generator.traced:
            return self._source.constant(constant_value(value))
        return f"{self._body(default, args, is_only=True)}({', '.join(['c', *args])})"

    def _chain(self, placed: PlacedRule, args: list[str]) -> list[str]:
        """The functions of a rule's branches."""
        return [
            self._body(branch, args, is_only=len(self._document.rules) == 1 or self._document.early)
            for branch in branches(placed.rule)
        ]

    def _first(self, chains: list[list[str]], args: list[str], lines: Lines) -> None:
        """All give the same: the first that holds."""
        arguments = ", ".join(["c", *args])
        index = index_of(self._generator, self._document, chains, args)
        if index is not None:
            lines.lines += index.lines
            lines.open(f"for f in {index.candidates}:")
            lines.add(f"v = f({arguments})")
            lines.when("v is not U", "return v")
            lines.close()
            return
        self._first_of([body for chain in chains for body in chain], arguments, lines)

    @staticmethod
    def _first_of(bodies: list[str], arguments: str, lines: Lines) -> None:
        """What the first of them gives that holds."""
        for body in bodies:
            lines.add(f"v = {body}({arguments})")
            lines.when("v is not U", "return v")

    def _agreeing(self, chains: list[list[str]], args: list[str], lines: Lines) -> None:
        """All that hold have to give the same."""
        arguments = ", ".join(["c", *args])
        if len(chains) == 1:
            self._first_of(chains[0], arguments, lines)
            return
        lines.add("found = U")
        index = index_of(self._generator, self._document, chains, args)
        if index is not None:
            lines.lines += index.lines
            lines.open(f"for f in {index.candidates}:")
            lines.add(f"v = f({arguments}, found)")
            lines.when("v is not U", "found = v")
            lines.close()
        for chain in chains if index is None else ():
            for number, body in enumerate(chain):
                if number:
                    lines.open("if v is U:")
                lines.add(f"v = {body}({arguments}, found)")
            lines.depth = 1
            lines.when("v is not U", "found = v")
        lines.when("found is not U", "return found")

    def _body(self, rule: Rule, args: list[str], name: str = "", *, is_only: bool) -> str:
        """A function that gives a branch's value, or U. Without `is_only` it is told what others gave."""
        assert rule.head.value is not None
        writer = begun(self._generator, self._document, rule, "return U")
        head = name or self._source.name("body")
        value = rule.head.value
        form, known = self._form, self._known
        matched = matching(zip(rule.head.args or (), args, strict=False))

        def given(writer: BodyWriter) -> None:
            matched(writer)
            match_form(writer, form, value, known)

        is_constant_value = is_constant(value)
        explores = self._document.raises and not self._document.early  # another way may be an error
        mine = list(args) if is_only else [*args, "found"]
        if is_constant_value and (not explores or not may_repeat(rule)) and is_only:
            writer.body(rule.body, lambda each: each.lines.add(f"return {each.evaluated(value)}"), given)
        else:
            self._all_ways(writer, rule, value, given, is_only=is_only)
        if writer.loops:
            writer.lines.depth = 1
            writer.lines.add("return " + ("mine" if self._counts_ways(writer) else "U"))
        self._source.function(f"{head}({', '.join(['c', *mine])})", writer.lines)
        return head

    @staticmethod
    def _counts_ways(writer: BodyWriter) -> bool:
        return any(line.strip() == "mine = U" for line in writer.lines.lines)

    def _all_ways(
        self, writer: BodyWriter, rule: Rule, value: Term, given: Callable[[BodyWriter], None], *, is_only: bool
    ) -> None:
        """Each way in which the body holds gives the value that others gave. Of 2.5 and 2.50 the first is kept."""
        place = self._source.constant((self._document.kind is Kind.FUNCTION, walks(rule), rule.place))
        if may_repeat(rule):
            writer.lines.add("mine = U")

        def success(each: BodyWriter) -> None:
            found = each.evaluated(value)
            if not isinstance(self._form, Given | None):
                found = each.named(found)
                check_form(each, self._form, found, self._known)
            if not each.loops:
                if not is_only:
                    each.lines.add(f"v = {found}")
                    keep(each, "found")
                    found = "v"
                each.lines.add(f"return {found}")
                return
            each.lines.add(f"v = {found}")
            if not is_only:
                keep(each, "found")
            keep(each, "mine")
            each.lines.add("mine = v")

        def keep(each: BodyWriter, before: str) -> None:
            each.lines.open(f"if {before} is not U:")
            each.lines.when(f"not equal({before}, v)", f"raise conflict({place})")
            each.lines.add(f"v = {before}")
            each.lines.close()

        writer.body(rule.body, success, given)
