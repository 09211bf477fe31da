"""What the functions of every rule have in common: how a body begins, what a head asks for, what is remembered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from authz_rego.check.walk import walk
from authz_rego.compile.bodies import BodyWriter, Scope
from authz_rego.compile.plan import Document
from authz_rego.compile.writer import Lines, Source
from authz_rego.syntax.tree import Expr, Rule, Scalar, Term, Var

if TYPE_CHECKING:
    from authz_rego.compile.generate import Generator


def begun(generator: Generator, document: Document, rule: Rule, otherwise: str) -> BodyWriter:
    """The writer of a rule's body, which says `otherwise` where it does not hold."""
    uses = Counter(node.name for node in walk(Rule(rule.head, rule.body, place=rule.place)) if isinstance(node, Var))
    writer = BodyWriter(generator, Scope({}, uses), Lines(), otherwise=otherwise)
    if generator.traced:
        number = generator.statement(Expr(Scalar(True), place=rule.place))
        generator.rules[number] = (document.text, rule)
        writer.rule = number
        writer.lines.add(f"c.trace.enter({number})")
    return writer


def matching(given: Iterable[tuple[Term, str]]) -> Callable[[BodyWriter], None]:
    """Terms of a head have these values."""

    def matched(writer: BodyWriter) -> None:
        for term, value in given:
            writer.match(term, value)

    return matched


def remember(source: Source, document: Document, value: str) -> None:
    """The document, made once for each question, by the function `value`."""
    lines = Lines()
    lines.add(f"v = c.memory.get({document.number}, MISSING)")
    lines.when("v is MISSING", f"v = c.memory[{document.number}] = {value}(c)")
    lines.add("return v")
    source.function(f"{document.name}(c)", lines)
