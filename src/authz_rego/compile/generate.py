"""The source of a policy: a function for each document of rules, one for each body. Not the statements (`bodies`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from authz_rego.builtins.table import TEARING, functions
from authz_rego.check.dependencies import branches, is_constant
from authz_rego.check.rules import PlacedRule
from authz_rego.check.walk import walk
from authz_rego.compile.bodies import BodyWriter, Scope
from authz_rego.compile.forms import Form, Given, check_form, match_form
from authz_rego.compile.index import index_of
from authz_rego.compile.plan import Document, Kind, Plan, may_repeat
from authz_rego.compile.values import constant_value
from authz_rego.compile.writer import Lines, Source
from authz_rego.evaluate.tearing import Tearing
from authz_rego.syntax.text import term_text
from authz_rego.syntax.tree import Expr, Rule, Scalar, Term, Var
from authz_rego.values.text import term_text as value_text
from authz_rego.values.value import Value


class Generator:
    """Writes all documents; `traced` makes functions that tell what they try."""

    def __init__(self, plan: Plan, stored: Callable[[tuple[Any, ...]], Value], *, traced: bool = False) -> None:
        self.plan = plan
        self.source = Source()
        self.traced = traced
        self.stored = stored
        self.builtins: dict[str, Callable[..., Value]] = {}
        self.statements: list[Expr] = []
        self.tables: dict[
            str, tuple[dict[Any, list[str]], str, list[str]]
        ] = {}  # indexes: rows, the rest's name, the rest
        self.rules: dict[int, tuple[str, Rule]] = {}  # the statements that are beginnings of rules
        self.tearing = Tearing()
        self._builtin_names: dict[str, str] = {}  # what those that it calls are called in the source
        self._stored_names: dict[str, str] = {}
        self._hoisted: dict[str, str] = {}
        self._forms: dict[tuple[int, str], str] = {}
        self._functions = {each.text: each for each in plan.all() if each.kind is Kind.FUNCTION}

    # ── what bodies ask for ──

    def statement(self, expr: Expr) -> int:
        """The number of a statement, for traces."""
        self.statements.append(expr)
        return len(self.statements) - 1

    def is_function(self, name: str) -> bool:
        return name in self._functions

    def function_document(self, name: str) -> Document | None:
        return self._functions.get(name)

    def of_forms(self, document: Document, forms: tuple[Form, ...], count: int) -> str:
        """The function that gives the members of a document whose keys have forms; `count` parts are arguments."""
        key = (document.number, repr(forms))
        if key not in self._forms:
            self._forms[key] = _DocumentWriter(self, document).of_forms(forms, count)
        return self._forms[key]

    @staticmethod
    def arity(document: Document) -> int:
        rule = document.rules[0].rule if document.rules else document.default
        return len((rule.head.args if rule is not None else None) or ())

    @property
    def calls_tearing(self) -> bool:
        """Whether it calls what may make texts that are no UTF-8."""
        return not TEARING.isdisjoint(self._builtin_names)

    def builtin(self, name: str) -> str:
        """What a builtin is called in the source."""
        if name not in self._builtin_names:
            self._builtin_names[name] = f"b_{name.replace('.', '_')}"
            function = functions()[name]
            self.builtins[self._builtin_names[name]] = self.tearing.watched(function) if name in TEARING else function
        return self._builtin_names[name]

    @staticmethod
    def is_value(term: Term) -> bool:
        return is_constant(term)

    def hoisted(self, term: Term) -> str:
        """The name of a constant; two that are written differently have two, as numbers keep their digits."""
        text = term_text(term)
        if text not in self._hoisted:
            self._hoisted[text] = self.source.constant(constant_value(term))
        return self._hoisted[text]

    def stored_constant(self, path: tuple[Any, ...], value: Value) -> str:
        """The name of what stands at a path of the data: where numbers are texts, so that 1 and 1.0 are two keys."""
        key = value_text(list(path))
        if key not in self._stored_names:
            self._stored_names[key] = self.source.constant(value)
        return self._stored_names[key]

    # ── documents ──

    def write(self) -> None:
        """All documents, in their order."""
        for document in self.plan.all():
            _DocumentWriter(self, document).write()


def _match_forms(known: list[tuple[Term, Form]], arguments: list[str], writer: BodyWriter) -> None:
    for term, form in known:
        match_form(writer, form, term, arguments)


def _checking(
    known: list[tuple[Term, Form]], arguments: list[str], add: Callable[[BodyWriter], None]
) -> Callable[[BodyWriter], None]:
    """Adds what has the forms, where only the body said what a key is."""

    def checked(writer: BodyWriter) -> None:
        for term, form in known:
            if isinstance(term, Var) and not isinstance(form, Given):
                check_form(writer, form, writer.evaluated(term), arguments)
        add(writer)

    return checked


def _matching(given: Iterable[tuple[Term, str]]) -> Callable[[BodyWriter], None]:
    """Terms of a head have these values."""

    def matched(writer: BodyWriter) -> None:
        for term, value in given:
            writer.match(term, value)

    return matched


class _DocumentWriter:
    def __init__(self, generator: Generator, document: Document) -> None:
        self._generator = generator
        self._source = generator.source
        self._document = document
        self._name = document.name
        self._only_body = ""  # the one function that gives the value, where there is one
        self._args = [f"a{index}" for index in range(generator.arity(document))]

    def write(self) -> None:
        match self._document.kind:
            case Kind.COMPLETE if self._document.is_asked_once:
                self._value(self._name, [])
            case Kind.COMPLETE:
                self._value(f"{self._name}_value", [])
                self._remembered()
            case Kind.FUNCTION:
                self._value(self._name, self._args)
                if self._document.with_output:
                    self._value(f"{self._name}_gives", [*self._args, "gives"])
            case Kind.SET | Kind.OBJECT:
                self._members()
                self._remembered()
        for count in range(1, self._document.keys + 1):
            self._at(count)

    def _remembered(self) -> None:
        """The document, made once for each question."""
        lines = Lines()
        number = self._document.number
        lines.add(f"v = c.memory.get({number}, MISSING)")
        lines.open("if v is MISSING:")
        lines.add(f"v = c.memory[{number}] = {self._only_body or f'{self._name}_value'}(c)")
        lines.close()
        lines.add("return v")
        self._source.function(f"{self._name}(c)", lines)

    # ── one value ──

    def _value(self, name: str, args: list[str]) -> None:
        """Of a complete rule, or of a function for its arguments."""
        chains = [self._chain(each, args) for each in self._document.rules]
        if self._document.kind is Kind.COMPLETE and len(chains) == 1 == len(chains[0]) and not self._document.default:
            self._only_body = chains[0][0]
            if name != self._name:
                return
        lines = Lines()
        default = self._document.default
        if self._document.early:
            self._first(chains, args, lines)
        else:
            self._agreeing(chains, args, lines)
        if default is not None:
            value = self._body(default, args, is_only=True)
            lines.add(f"return {value}({', '.join(['c', *args])})")
        else:
            lines.add("return U")
        self._source.function(f"{name}({', '.join(['c', *args])})", lines)

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
            lines.open("if v is not U:")
            lines.add("return v")
            lines.depth = 1
            return
        for chain in chains:
            for body in chain:
                lines.add(f"v = {body}({arguments})")
                lines.open("if v is not U:")
                lines.add("return v")
                lines.close()

    def _agreeing(self, chains: list[list[str]], args: list[str], lines: Lines) -> None:
        """All that hold have to give the same."""
        arguments = ", ".join(["c", *args])
        if len(chains) == 1:
            for body in chains[0]:
                lines.add(f"v = {body}({arguments})")
                lines.open("if v is not U:")
                lines.add("return v")
                lines.close()
            return
        lines.add("found = U")
        index = index_of(self._generator, self._document, chains, args)
        if index is not None:
            lines.lines += index.lines
            lines.open(f"for f in {index.candidates}:")
            lines.add(f"v = f({arguments}, found)")
            lines.open("if v is not U:")
            lines.add("found = v")
            lines.depth = 1
        for chain in chains if index is None else ():
            for number, body in enumerate(chain):
                if number:
                    lines.open("if v is U:")
                lines.add(f"v = {body}({arguments}, found)")
            lines.depth = 1
            lines.open("if v is not U:")
            lines.add("found = v")
            lines.close()
        lines.open("if found is not U:")
        lines.add("return found")
        lines.close()

    def _body(self, rule: Rule, args: list[str], *, is_only: bool) -> str:
        """A function that gives a branch's value, or U. Without `is_only` it is told what others gave."""
        assert rule.head.value is not None
        writer = self._writer(rule, "return U")
        head = self._source.name("body")
        self._enter(writer, rule)
        value = rule.head.value
        given = [*zip(rule.head.args or (), args, strict=False)]
        if len(args) > len(given):
            given.append((value, "gives"))
        is_constant_value = is_constant(value)
        explores = self._document.raises and not self._document.early  # another way may be an error
        mine = list(args) if is_only else [*args, "found"]
        if is_constant_value and (not explores or not self._may_repeat(rule)) and is_only:
            writer.body(rule.body, lambda each: each.lines.add(f"return {each.evaluated(value)}"), _matching(given))
        else:
            self._all_ways(writer, rule, value, _matching(given), is_only=is_only)
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
        place = self._source.constant((self._document.kind is Kind.FUNCTION, rule.place))
        if self._may_repeat(rule):
            writer.lines.add("mine = U")

        def success(each: BodyWriter) -> None:
            found = each.evaluated(value)
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
            each.lines.open(f"if not equal({before}, v):")
            each.lines.add(f"raise conflict({place})")
            each.lines.close()
            each.lines.add(f"v = {before}")
            each.lines.close()

        writer.body(rule.body, success, given)

    @staticmethod
    def _may_repeat(rule: Rule) -> bool:
        return may_repeat(rule)

    # ── many members ──

    def _members(self) -> None:
        is_set = self._document.kind is Kind.SET
        is_flat = not is_set and self._is_flat()
        lines = Lines()
        lines.add(f"out = {'set()' if is_set else '{}' if is_flat else 'PartialObject()'}")
        for placed in self._document.rules:
            writer = self._writer(placed.rule, "return")
            self._enter(writer, placed.rule)
            writer.body(placed.rule.body, self._adding(placed, is_set=is_set, is_flat=is_flat))
            head = self._source.name("body")
            self._source.function(f"{head}(c, out)", writer.lines)
            lines.add(f"{head}(c, out)")
        lines.add(f"return {'frozenset(out)' if is_set else 'out' if is_flat else 'out.value()'}")
        self._source.function(f"{self._name}_value(c)", lines)

    def of_forms(self, forms: tuple[Form, ...], count: int) -> str:
        """The name of a function that gives the members whose keys have these forms, for `count` arguments."""
        is_set = self._document.kind is Kind.SET
        name = self._source.name(f"{self._name}_like")
        arguments = [f"a{number}" for number in range(count)]
        lines = Lines()
        lines.add(f"whole = c.memory.get({self._document.number}, MISSING)")
        lines.open("if whole is not MISSING:")
        lines.add("return whole")
        lines.close()
        lines.add(f"out = {'set()' if is_set else 'PartialObject()'}")
        for placed in self._document.rules:
            known = [*zip(self._document.keys_of(placed), forms, strict=False)]
            add = self._adding(placed, is_set=is_set, is_flat=False)
            body = self._tried(
                placed, arguments, partial(_match_forms, known, arguments), _checking(known, arguments, add)
            )
            lines.add(f"{body}({', '.join(['c', 'out', *arguments])})")
        lines.add(f"return {'frozenset(out)' if is_set else 'out.value()'}")
        self._source.function(f"{name}({', '.join(['c', *arguments])})", lines)
        return name

    def _tried(
        self,
        placed: PlacedRule,
        arguments: list[str],
        head: Callable[[BodyWriter], None],
        add: Callable[[BodyWriter], None],
    ) -> str:
        """The name of a function that adds what a rule gives, when its head is what it is asked for."""
        writer = self._writer(placed.rule, "return")
        self._enter(writer, placed.rule)
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
        lines.open("if whole is not MISSING:")
        lines.add(f"return {self._looked_up('whole', keys)}")
        lines.close()
        lines.add(f"name = ({number}, {', '.join(f'key_of({each})' for each in keys)})")
        lines.add("found = c.memory.get(name, MISSING)")
        lines.open("if found is not MISSING:")
        lines.add("return found")
        lines.close()
        if is_flat:
            lines.add("found = U" if not is_set else "found = set()")
            for placed in self._document.rules:
                lines.add(f"found = {self._one_member(placed, is_set=is_set)}(c, key0, found)")
            lines.add("found = c.memory[name] = " + ("key0 if found else U" if is_set else "found"))
        else:
            lines.add("out = PartialObject()")
            for placed in self._document.rules:
                head = _matching(zip(self._document.keys_of(placed), keys, strict=False))
                body = self._tried(placed, keys, head, self._adding(placed, is_set=False, is_flat=False))
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
        writer = self._writer(placed.rule, "return found")
        head = placed.rule.head
        key = head.key if is_set else self._document.suffix(placed)[0]
        assert key is not None
        self._enter(writer, placed.rule)
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
                each.lines.open("if found is U:")
                each.lines.add("found = v")
                each.lines.close()
                each.lines.open("elif not equal(found, v):")
                each.lines.add(f"raise object_conflict({place})")
                each.lines.close()

        writer.body(placed.rule.body, success, _matching([(key, "key")]))
        writer.lines.depth = 1
        writer.lines.add("return found")
        name = self._source.name("body")
        self._source.function(f"{name}(c, key, found)", writer.lines)
        return name

    # ── helpers ──

    def _writer(self, rule: Rule, otherwise: str) -> BodyWriter:
        uses = Counter(
            node.name for node in walk(Rule(rule.head, rule.body, place=rule.place)) if isinstance(node, Var)
        )
        return BodyWriter(self._generator, Scope({}, uses, ordered=self._document.raises), Lines(), otherwise=otherwise)

    def _enter(self, writer: BodyWriter, rule: Rule) -> None:
        if self._generator.traced:
            number = self._generator.statement(Expr(Scalar(True), place=rule.place))
            self._generator.rules[number] = (self._document.text, rule)
            writer.rule = number
            writer.lines.add(f"c.trace.enter({number})")
