"""`$"… {x} …"` becomes a call of `internal.template_string`; a part becomes the set of its values."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from authz_rego.builtins.declarations import declarations
from authz_rego.check.expand import equality
from authz_rego.check.local_names import LocalNames
from authz_rego.check.outputs import Arity, outputs_of_body
from authz_rego.check.rebuild import Rebuild
from authz_rego.check.rules import PlacedRule, RuleNode, constant_prefix
from authz_rego.check.walk import SAFETY, contains, variables
from authz_rego.errors import RegoProblem
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import (
    ArrayComprehension,
    ArrayTerm,
    Body,
    Call,
    Every,
    Expr,
    ObjectComprehension,
    ObjectTerm,
    Ref,
    Rule,
    Scalar,
    SetComprehension,
    SetTerm,
    TemplateString,
    Term,
    Terms,
    Var,
)

_COMPILE = "rego_compile_error"
_ROOTS = {"data", "input"}


def without_templates(rule: Rule, root: RuleNode, arity: Arity, names: LocalNames) -> tuple[Rule, list[RegoProblem]]:
    """The rule and its else-branches."""
    problems: list[RegoProblem] = []

    def branch(each: Rule) -> Rule:
        new = replace(each, else_=each.else_ and branch(each.else_))
        if not contains(replace(each, else_=None), (TemplateString,)):
            return new
        known = set(_ROOTS)
        for arg in each.head.args or ():
            known |= variables(arg)
        rewriter = _Templates(root, arity, names, problems)
        body, safe = rewriter.known_body(each.body, known)
        rewriter.safe = safe
        return replace(new, body=body, head=rewriter.head(each.head))

    return branch(rule), problems


class _Templates(Rebuild):
    def __init__(self, root: RuleNode, arity: Arity, names: LocalNames, problems: list[RegoProblem]) -> None:
        self._root, self._arity, self._names, self._problems = root, arity, names, problems
        self.safe: set[str] = set()

    def known_body(self, body: Body, known: set[str]) -> tuple[Body, set[str]]:
        """The body, with what it gives values to known in all of it."""
        before = self.safe
        self.safe = outputs_of_body(body, self._arity, known) | known
        new, safe = self.body(body), self.safe
        self.safe = before
        return new, safe

    def statement(self, terms: Terms) -> Terms:
        if isinstance(terms, Every):
            domain = self.term(terms.domain)
            names = variables(terms.value) | (variables(terms.key) if terms.key is not None else set())
            body, _ = self.known_body(terms.body, self.safe | names)
            return replace(terms, domain=domain, body=body)
        return super().statement(terms)

    def term(self, term: Term) -> Term:
        match term:
            case ArrayComprehension() | SetComprehension():
                body, safe = self.known_body(term.body, self.safe)
                return replace(term, body=body, term=self._within(safe, term.term))
            case ObjectComprehension():
                body, safe = self.known_body(term.body, self.safe)
                return replace(term, body=body, key=self._within(safe, term.key), value=self._within(safe, term.value))
            case TemplateString():
                return self._call(term)
        return self.term_inside(term)

    def _within(self, safe: set[str], term: Term) -> Term:
        before, self.safe = self.safe, safe
        new = self.term(term)
        self.safe = before
        return new

    def _call(self, template: TemplateString) -> Call:
        place = template.place
        parts = tuple(part if isinstance(part, Scalar) else self._part(part) for part in template.parts)
        operator = Ref(Var("internal", place), (Scalar("template_string", place),), place)
        return Call(operator, (ArrayTerm(parts or (Scalar("", place),), place),), place)

    def _part(self, expr: Expr) -> Term:
        term = expr.terms
        if isinstance(term, Call):
            known = declarations().get(ref_text(term.operator))
            if known is not None and known.relation:
                found = f"illegal call to relation built-in '{known.name}' that may cause multiple outputs"
                self._problems.append(RegoProblem(_COMPILE, expr.place, found, "pick one of its values first"))
                return Scalar("", expr.place)
        if not _is_term(term):
            found = "unexpected template-string expression type"
            self._problems.append(RegoProblem(_COMPILE, expr.place, found, "put a value between the braces"))
            return Scalar("", expr.place)
        if isinstance(term, Var) or (isinstance(term, Ref) and self._is_surely_defined(term)):
            return SetTerm((term,), term.place)
        for name in sorted(variables(term, SAFETY) - self.safe):
            found = f"var {self._names.shown(name)} is undeclared"
            self._problems.append(RegoProblem(_COMPILE, term.place, found, "give it a value before"))
        name = self._names.new()
        capture = replace(equality(name, self.term(term)), with_=expr.with_, generated=False)
        return SetComprehension(Var(name, term.place), (capture,), term.place)

    def _is_surely_defined(self, ref: Ref) -> bool:
        """A rule with a default, a set, or a constant."""
        path = constant_prefix(ref.path)
        if not (isinstance(ref.head, Var) and ref.head.name == "data") or len(path) != len(ref.path) or not path:
            return False
        node = self._root.find(path)
        rules = node.rules if node is not None else []
        if not rules or rules[0].rule.head.args:
            return False
        if rules[0].rule.default or rules[0].is_set:
            return True
        return _is_constant(rules[0]) if len(rules) == 1 else any(each.rule.default for each in rules[1:])


def _is_term(terms: object) -> TypeGuard[Term]:
    return isinstance(
        terms,
        Scalar | Var | Ref | ArrayTerm | ObjectTerm | SetTerm | Call | ArrayComprehension | SetComprehension
        | ObjectComprehension | TemplateString,
    )  # fmt: skip


def _is_constant(placed: PlacedRule) -> bool:
    body, value = placed.rule.body, placed.rule.head.value
    if len(body) != 1 or not isinstance(body[0].terms, Scalar) or body[0].terms.value is not True:
        return False
    if isinstance(value, Scalar | Var):
        return True
    return isinstance(value, ArrayTerm | ObjectTerm | SetTerm) and not contains(
        value, (Var, Ref, Call, ArrayComprehension, SetComprehension, ObjectComprehension)
    )
