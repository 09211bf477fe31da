"""`$"… {x} …"` becomes a call of `internal.template_string`; a part becomes the set of its values."""

from __future__ import annotations

from dataclasses import replace

from authz_rego.builtins.declarations import declarations
from authz_rego.check.expand import equality
from authz_rego.check.local_names import LocalNames
from authz_rego.check.outputs import Arity, outputs_of_body
from authz_rego.check.rebuild import Rebuild
from authz_rego.check.rules import PlacedRule, RuleNode, constant_prefix
from authz_rego.check.walk import SAFETY, Skip, contains, variables
from authz_rego.errors import RegoProblem
from authz_rego.syntax import tree
from authz_rego.syntax.text import ref_text

_COMPILE = "rego_compile_error"
_ROOTS = {"data", "input"}
_NAMES_OF_RULES = Skip(ref_heads=True, call_heads=True)


def without_templates(
    rule: tree.Rule, root: RuleNode, arity: Arity, names: LocalNames
) -> tuple[tree.Rule, list[RegoProblem]]:
    """The rule and its else-branches."""
    problems: list[RegoProblem] = []

    def branch(each: tree.Rule) -> tree.Rule:
        new = replace(each, else_=each.else_ and branch(each.else_))
        if not contains(replace(each, else_=None), (tree.TemplateString,)):
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

    def known_body(self, body: tree.Body, known: set[str]) -> tuple[tree.Body, set[str]]:
        """The body, with what it gives values to known in all of it."""
        before = self.safe
        self.safe = outputs_of_body(body, self._arity, known) | known
        new, safe = self.body(body), self.safe
        self.safe = before
        return new, safe

    def statement(self, terms: tree.Terms) -> tree.Terms:
        if isinstance(terms, tree.Every):
            domain = self.term(terms.domain)
            names = variables(terms.value) | (variables(terms.key) if terms.key is not None else set())
            body, _ = self.known_body(terms.body, self.safe | names)
            return replace(terms, domain=domain, body=body)
        return super().statement(terms)

    def term(self, term: tree.Term) -> tree.Term:
        match term:
            case tree.ArrayComprehension() | tree.SetComprehension():
                body, safe = self.known_body(term.body, self.safe)
                return replace(term, body=body, term=self._within(safe, term.term))
            case tree.ObjectComprehension():
                body, safe = self.known_body(term.body, self.safe)
                return replace(term, body=body, key=self._within(safe, term.key), value=self._within(safe, term.value))
            case tree.TemplateString():
                return self._call(term)
        return self.term_inside(term)

    def _within(self, safe: set[str], term: tree.Term) -> tree.Term:
        before, self.safe = self.safe, safe
        new = self.term(term)
        self.safe = before
        return new

    def _call(self, template: tree.TemplateString) -> tree.Call:
        place = template.place
        parts = tuple(part if isinstance(part, tree.Scalar) else self._part(part) for part in template.parts)
        operator = tree.Ref(tree.Var("internal", place), (tree.Scalar("template_string", place),), place)
        return tree.Call(operator, (tree.ArrayTerm(parts or (tree.Scalar("", place),), place),), place)

    def _part(self, expr: tree.Expr) -> tree.Term:
        term = expr.terms
        if isinstance(term, tree.Call):
            known = declarations().get(ref_text(term.operator))
            if known is not None and known.relation:
                found = f"illegal call to relation built-in '{known.name}' that may cause multiple outputs"
                self._problems.append(RegoProblem(_COMPILE, expr.place, found, "pick one of its values first"))
                return tree.Scalar("", expr.place)
        if isinstance(term, tree.SomeDecl | tree.Every | tree.Not | tree.Logical):
            found = "unexpected template-string expression type"
            self._problems.append(RegoProblem(_COMPILE, expr.place, found, "put a value between the braces"))
            return tree.Scalar("", expr.place)
        if isinstance(term, tree.Var) or (isinstance(term, tree.Ref) and self._is_surely_defined(term)):
            return tree.SetTerm((term,), term.place)
        for name in sorted(variables(term, SAFETY) - self.safe):
            found = f"var {self._names.shown(name)} is undeclared"
            self._problems.append(RegoProblem(_COMPILE, term.place, found, "give it a value before"))
        name = self._names.new()
        capture = replace(equality(name, self.term(term)), with_=expr.with_, generated=False)
        return tree.SetComprehension(tree.Var(name, term.place), (capture,), term.place)

    def _is_surely_defined(self, ref: tree.Ref) -> bool:
        """A rule with a default, a set, or a constant."""
        path = constant_prefix(ref.path)
        if not (isinstance(ref.head, tree.Var) and ref.head.name == "data") or len(path) != len(ref.path) or not path:
            return False
        node = self._root.find(path)
        rules = node.rules if node is not None else []
        if not rules or rules[0].rule.head.args:
            return False
        if rules[0].rule.default or rules[0].is_set:
            return True
        return _is_constant(rules[0]) if len(rules) == 1 else any(each.rule.default for each in rules[1:])


def _is_constant(placed: PlacedRule) -> bool:
    body, value = placed.rule.body, placed.rule.head.value
    if len(body) != 1 or not isinstance(body[0].terms, tree.Scalar) or body[0].terms.value is not True:
        return False
    if isinstance(value, tree.Scalar | tree.Var):
        return True
    if not isinstance(value, tree.ArrayTerm | tree.ObjectTerm | tree.SetTerm):
        return False
    # What OPA takes for constant has no variable and no template. A ref or a call in it may be undefined all the same:
    # then so is the string.
    return not variables(value, _NAMES_OF_RULES) and not contains(value, (tree.TemplateString,))
