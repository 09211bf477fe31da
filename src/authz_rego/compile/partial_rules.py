"""Rules of many members: sets and objects, whole, at a key, or by the form of a key. Not of one (`complete_rules`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from authz_rego.check.rules import PlacedRule
from authz_rego.compile.bodies import BodyWriter
from authz_rego.compile.forms import Form, Given, check_form, match_form
from authz_rego.compile.plan import Document, Kind
from authz_rego.compile.rule_frame import begun, matching, remember
from authz_rego.compile.writer import Lines
from authz_rego.syntax.tree import Term

if TYPE_CHECKING:
    from authz_rego.compile.generate import Generator


class PartialRules:
    def __init__(self, generator: Generator, document: Document) -> None:
        self._generator = generator
        self._source = generator.source
        self._document = document
        self._name = document.name

    def write(self) -> None:
        self._members()
        remember(self._source, self._document, f"{self._name}_value")
        for count in range(1, self._document.keys + 1):
            self._at(count)

    def of_forms(self, forms: tuple[Form, ...], count: int) -> str:
        """The name of a function that gives the members whose keys have these forms, for `count` arguments."""
        is_set = self._document.kind is Kind.SET
        name = self._source.name(f"{self._name}_like")
        arguments = [f"a{number}" for number in range(count)]
        lines = Lines()
        lines.add(f"whole = c.memory.get({self._document.number}, MISSING)")
        lines.when("whole is not MISSING", "return whole")
        lines.add(f"out = {'set()' if is_set else 'PartialObject()'}")
        for placed in self._document.rules:
            known = [*zip(self._document.keys_of(placed), forms, strict=False)]
            add = self._adding(placed, is_set=is_set, is_flat=False)
            head = partial(_match_forms, known, arguments)
            body = self._tried(placed, arguments, _checking(known, arguments, add), head)
            lines.add(f"{body}({', '.join(['c', 'out', *arguments])})")
        lines.add(f"return {'frozenset(out)' if is_set else 'out.value()'}")
        self._source.function(f"{name}({', '.join(['c', *arguments])})", lines)
        return name

    def _members(self) -> None:
        is_set = self._document.kind is Kind.SET
        is_flat = not is_set and self._is_flat()
        lines = Lines()
        lines.add(f"out = {'set()' if is_set else '{}' if is_flat else 'PartialObject()'}")
        for placed in self._document.rules:
            body = self._tried(placed, [], self._adding(placed, is_set=is_set, is_flat=is_flat))
            lines.add(f"{body}(c, out)")
        lines.add(f"return {'frozenset(out)' if is_set else 'out' if is_flat else 'out.value()'}")
        self._source.function(f"{self._name}_value(c)", lines)

    def _tried(
        self,
        placed: PlacedRule,
        arguments: list[str],
        add: Callable[[BodyWriter], None],
        head: Callable[[BodyWriter], None] = lambda _: None,
    ) -> str:
        """The name of a function that adds what a rule gives, when its head is what is asked for, if anything is."""
        writer = begun(self._generator, self._document, placed.rule, "return")
        writer.body(placed.rule.body, add, head)
        body = self._source.name("body")
        self._source.function(f"{body}({', '.join(['c', 'out', *arguments])})", writer.lines)
        return body

    def _is_flat(self) -> bool:
        return all(len(each.ref.path) == self._document.depth + 1 and not each.is_set for each in self._document.rules)

    def _adding(self, placed: PlacedRule, *, is_set: bool, is_flat: bool) -> Callable[[BodyWriter], None]:
        head = placed.rule.head
        place = self._source.constant(head.place)

        def add(writer: BodyWriter) -> None:
            if is_set:
                assert head.key is not None
                writer.lines.add(f"out.add({writer.key(head.key)})")
                return
            suffix = self._document.suffix(placed)
            if is_flat:
                assert head.value is not None
                writer.put(suffix[0], head.value, place)
                return
            path = "(" + "".join(f"{writer.evaluated(each)}, " for each in suffix) + ")"
            if placed.is_set:
                assert head.key is not None
                writer.lines.add(f"out.add({path}, {writer.evaluated(head.key)}, {place})")
            else:
                assert head.value is not None
                writer.lines.add(f"out.put({path}, {writer.evaluated(head.value)}, {place})")

        return add

    def _at(self, count: int) -> None:
        """What is at so many keys, one below the other; rules that have other keys are not tried."""
        number, is_set = self._document.number, self._document.kind is Kind.SET
        is_flat = is_set or self._document.keys == 1
        keys = [f"key{index}" for index in range(count)]
        lines = Lines()
        lines.add(f"whole = c.memory.get({number}, MISSING)")
        lines.when("whole is not MISSING", f"return {self._looked_up('whole', keys)}")
        lines.add(f"name = ({number}, {', '.join(f'key_of({each})' for each in keys)})")
        lines.add("found = c.memory.get(name, MISSING)")
        lines.when("found is not MISSING", "return found")
        if is_flat:
            lines.add("found = U" if not is_set else "found = set()")
            for placed in self._document.rules:
                lines.add(f"found = {self._one_member(placed, is_set=is_set)}(c, key0, found)")
            lines.add("found = c.memory[name] = " + ("key0 if found else U" if is_set else "found"))
        else:
            lines.add("out = PartialObject()")
            for placed in self._document.rules:
                head = matching(zip(self._document.keys_of(placed), keys, strict=False))
                body = self._tried(placed, keys, self._adding(placed, is_set=False, is_flat=False), head)
                lines.add(f"{body}({', '.join(['c', 'out', *keys])})")
            lines.add(f"found = c.memory[name] = {self._looked_up('out.value()', keys)}")
        lines.add("return found")
        self._source.function(f"{self._name}_at{count}({', '.join(['c', *keys])})", lines)

    @staticmethod
    def _looked_up(value: str, keys: list[str]) -> str:
        for key in keys:
            value = f"lookup({value}, {key})"
        return value

    def _one_member(self, placed: PlacedRule, *, is_set: bool) -> str:
        writer = begun(self._generator, self._document, placed.rule, "return found")
        head = placed.rule.head
        key = head.key if is_set else self._document.suffix(placed)[0]
        assert key is not None
        is_inner_set = placed.is_set and not is_set
        place = self._source.constant(head.place)

        def success(each: BodyWriter) -> None:
            if is_set:
                each.lines.add("found.add(1)")
            elif is_inner_set:
                assert head.key is not None
                each.lines.add(f"found = (frozenset() if found is U else found) | {{{each.key(head.key)}}}")
            else:
                assert head.value is not None
                each.lines.add(f"v = {each.evaluated(head.value)}")
                each.lines.when("found is U", "found = v")
                each.lines.open("elif not equal(found, v):")
                each.lines.add(f"raise object_conflict({place})")
                each.lines.close()

        writer.body(placed.rule.body, success, matching([(key, "key")]))
        writer.lines.depth = 1
        writer.lines.add("return found")
        name = self._source.name("body")
        self._source.function(f"{name}(c, key, found)", writer.lines)
        return name


def _match_forms(known: list[tuple[Term, Form]], arguments: list[str], writer: BodyWriter) -> None:
    for term, form in known:
        match_form(writer, form, term, arguments)


def _checking(
    known: list[tuple[Term, Form]], arguments: list[str], add: Callable[[BodyWriter], None]
) -> Callable[[BodyWriter], None]:
    """Adds what has the forms, where only the body said what a key is."""

    def checked(writer: BodyWriter) -> None:
        for term, form in known:
            if not isinstance(form, Given | None):
                check_form(writer, form, writer.named(writer.evaluated(term)), arguments)
        add(writer)

    return checked
