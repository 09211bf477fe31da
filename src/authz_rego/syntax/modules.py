"""The face of this package: a file's text to its module, and for tests a body or a term. Not what the names mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from authz_rego.errors import Place, RegoProblem, RegoProblems
from authz_rego.syntax.annotations import attach, blocks_of
from authz_rego.syntax.cursor import PARSE_ERROR, TOO_DEEP, Cursor, GiveUp, from_chain
from authz_rego.syntax.depth import deepest_problem
from authz_rego.syntax.from_bodies import NoRule, rule_of
from authz_rego.syntax.heads import Written
from authz_rego.syntax.statements import GRAMMAR, Found, Package, statements
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tokens import IN_V1
from authz_rego.syntax.tree import Body, Call, Expr, Import, Module, Ref, Term, Var

_TREE = TypeVar("_TREE")
_V0: Final = "is this Rego v0? `opa fmt --write --v0-v1` converts the file"


def parse_module(file: str, text: str) -> Module:
    """The module of a file in Rego v1. Raises RegoProblems with all that OPA finds wrong with it at once."""
    return _tried(Cursor(file, text, GRAMMAR), _module)


def parse_body(text: str) -> Body:
    """The statements of a query."""
    return _tried(Cursor("", text, GRAMMAR), _body)


def parse_term(text: str) -> Term:
    """One term."""
    body = parse_body(text)
    if len(body) != 1 or not _is_term(body[0]):
        raise RegoProblems([RegoProblem(PARSE_ERROR, Place("", 1, 1), "expected exactly one term")])
    return body[0].terms  # type: ignore[return-value]


def _annotated_term(text: str) -> Term:
    """A term as annotations name one, where a call is none, and OPA does not see a `not` before it."""
    body = parse_body(text)
    if len(body) != 1 or isinstance(body[0].terms, Call) or not isinstance(body[0].terms, Term):
        raise RegoProblems([RegoProblem(PARSE_ERROR, Place("", 1, 1), "expected exactly one term")])
    return body[0].terms


def _is_term(expr: Expr) -> bool:
    return not (expr.negated or expr.with_) and isinstance(expr.terms, Term)


def _tried(cursor: Cursor, read: Callable[[Cursor], _TREE]) -> _TREE:
    try:
        return read(cursor)
    except GiveUp as end:
        raise RegoProblems([end.problem]) from None
    except RecursionError:
        problem = RegoProblem(PARSE_ERROR, cursor.place(), TOO_DEEP, "give what is deep inside a name of its own")
        raise RegoProblems([problem]) from None


def _body(cursor: Cursor) -> Body:
    found = statements(cursor, only_queries=True)
    errors = cursor.errors()
    if not errors and not all(isinstance(each, list) for each in found):
        errors = [RegoProblem(PARSE_ERROR, Place("", 1, 1), "expected body")]
    if errors:
        raise RegoProblems(errors)
    return tuple(each.expr for body in found if isinstance(body, list) for each in body)


# ── modules ──


def _module(cursor: Cursor) -> Module:
    found = statements(cursor)
    blocks, problems = blocks_of(from_chain(cursor.state.comments), cursor.file, _annotated_term)
    problems = cursor.errors() + problems
    if problems:
        raise RegoProblems(problems)
    if not found:
        at = blocks[0].place if blocks else Place(cursor.file, 0, 0)
        problem = "package expected" if blocks else "empty module"
        raise RegoProblems([RegoProblem(PARSE_ERROR, at, problem, "begin the file with `package` and a name")])
    written, problems = _rules_of(found)
    for each in written:
        problems += _problems_of_v1(each)
    if problems:
        raise RegoProblems(problems)
    package = found[0]
    assert isinstance(package, Package)
    imports = tuple(each for each in found if isinstance(each, Import))
    module = Module(cursor.file, package.path, imports, tuple(each.rule for each in written), (), package.place)
    problems = attach(module, blocks) or deepest_problem(module)
    if problems:
        raise RegoProblems(problems)
    return module


def _rules_of(found: list[Found]) -> tuple[list[Written], list[RegoProblem]]:
    written: list[Written] = []
    problems: list[RegoProblem] = []
    if not isinstance(found[0], Package):
        problems.append(RegoProblem(PARSE_ERROR, _place_of(found[0]), "package expected", "begin with `package`"))
    for each in found[1:]:
        if isinstance(each, Written):
            written.append(each)
        elif isinstance(each, Package):
            problems.append(RegoProblem(PARSE_ERROR, each.place, "unexpected package", "a file has one `package`"))
        elif isinstance(each, list):
            try:
                written.append(rule_of(each))
            except NoRule as reason:
                problems.append(RegoProblem(PARSE_ERROR, each[0].expr.place, str(reason)))
    return written, problems


def _place_of(found: Found) -> Place:
    if isinstance(found, Written):
        return found.rule.place
    return found[0].expr.place if isinstance(found, list) else found.place


def _problems_of_v1(written: Written) -> Iterator[RegoProblem]:
    """What Rego v1 demands of a rule, and of its else-branches."""
    each: Written | None = written
    while each is not None:
        rule, head = each.rule, each.rule.head
        kind = "function" if head.args else "rule"
        ref: Ref = head.ref
        name = ref.head.name if isinstance(ref.head, Var) else ""
        if not isinstance(ref.head, Var):  # OPA's parser lets it pass, and its compiler crashes on it
            found = f"rule head ref {ref_text(ref)} invalid"
            yield RegoProblem(PARSE_ERROR, rule.place, found, "a rule begins with its name")
        if not ref.path and name in IN_V1:
            found = f"{name} keyword cannot be used for rule name"
            yield RegoProblem(PARSE_ERROR, rule.place, found, "give the rule another name")
        if not each.has_body and each.value_was_made:
            found = f"{kind} must have value assignment and/or body declaration"
            yield RegoProblem(PARSE_ERROR, rule.place, found, "write `:=` and a value, or `if` and a condition")
        if each.has_body and not each.has_if and not rule.default:
            found = f"`if` keyword is required before {kind} body"
            yield RegoProblem(PARSE_ERROR, rule.place, found, f"write `if` before the `{{`; {_V0}")
        if head.value is None and not each.has_contains:
            found = "`contains` keyword is required for partial set rules"
            yield RegoProblem(PARSE_ERROR, rule.place, found, f"write `contains` before the member; {_V0}")
        each = each.else_
