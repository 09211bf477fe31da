"""`rego.metadata.rule()` and `.chain()`: the annotations of the rule that asks, as constants. Not their reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from authz_rego.check.expand import equality
from authz_rego.check.local_names import LocalNames
from authz_rego.check.rebuild import Rebuild
from authz_rego.check.rules import full_ref
from authz_rego.check.type_replacing import ground_prefix
from authz_rego.check.walk import walk
from authz_rego.errors import RegoProblem
from authz_rego.syntax import tree
from authz_rego.syntax.text import ref_text
from authz_rego.values.value import Value, sorted_values, value_of

CHAIN, RULE = "rego.metadata.chain", "rego.metadata.rule"


def with_metadata(rule: tree.Rule, number: int, modules: Sequence[tree.Module], names: LocalNames) -> tree.Rule:
    """The rule with what it asks about itself written out."""
    new = replace(rule, else_=rule.else_ and with_metadata(rule.else_, number, modules, names))
    asked = {_asked(node) for node in walk(replace(rule, else_=None))} - {""}
    if not asked:
        return new
    before: list[tree.Expr] = []
    known: dict[str, str] = {}
    for name in (CHAIN, RULE):
        if name in asked:
            known[name] = names.new()
            before.append(equality(known[name], _chain(rule, number, modules) if name == CHAIN else _own(rule)))
    new = replace(new, body=(*before, *new.body) if before else new.body)
    return _Answers(known).rule_itself(new)


def redeclared_problems(modules: Sequence[tree.Module]) -> Iterator[RegoProblem]:
    """A second `package` annotation of one package; a second `document` or `subpackages` annotation of one path."""
    packages: list[tuple[tuple[tree.Term, ...], tree.Annotation]] = []
    paths: list[tuple[tuple[tree.Term, ...], tree.Annotation]] = []
    for module in modules:
        for each in module.annotations:
            if each.scope == "rule":
                continue
            ref, known = module.package, packages if each.scope == "package" else paths
            if each.scope == "document":
                ref = next(full_ref(module, rule) for rule in module.rules if _has(rule, each))
            path = ground_prefix(ref)
            first = next((other for place, other in known if place == path), None)
            if first is None:
                known.append((path, each))
                continue
            found = f"{each.scope} annotation redeclared: {first.place.file}:{first.place.row}"
            yield RegoProblem("rego_type_error", each.place, found, "keep one of the two blocks")


def _has(rule: tree.Rule, annotation: tree.Annotation) -> bool:
    return any(each is annotation for each in rule.annotations)


def _asked(node: object) -> str:
    terms = node.terms if isinstance(node, tree.Expr) else None
    name = ref_text(terms.operator) if isinstance(terms, tree.Call) else ""
    return name if name in {CHAIN, RULE} else ""


class _Answers(Rebuild):
    def __init__(self, known: dict[str, str]) -> None:
        self._known = known

    def rule_itself(self, rule: tree.Rule) -> tree.Rule:
        return replace(rule, head=self.head(rule.head), body=self.body(rule.body))

    def expr(self, expr: tree.Expr) -> tree.Expr:
        name = _asked(expr)
        if not name:
            return self.expr_inside(expr)
        answer = tree.Var(self._known[name], expr.place)
        call = expr.terms
        assert isinstance(call, tree.Call)
        if not call.args:
            return replace(expr, terms=answer, with_=(), generated=True)
        operator = tree.Ref(tree.Var("eq", expr.place), (), expr.place)
        return replace(expr, terms=tree.Call(operator, (call.args[0], answer), expr.place), with_=(), generated=True)


def _own(rule: tree.Rule) -> tree.Term:
    own = [each for each in rule.annotations if each.scope == "rule"]
    return literal(_object(own[0])) if own else tree.ObjectTerm(())


def _chain(rule: tree.Rule, number: int, modules: Sequence[tree.Module]) -> tree.Term:
    """From the rule outwards: its own, its document's, its package's, and those of the packages around it."""
    module = modules[number]
    path: list[Value] = [each.value for each in full_ref(module, rule).path if isinstance(each, tree.Scalar)]
    package = [each.value for each in module.package.path if isinstance(each, tree.Scalar)]
    links: list[Value] = []
    own = [each for each in rule.annotations if each.scope == "rule"]
    links += [_link(path, each) for each in reversed(own)] or [_link(path, None)]  # the closest first
    links += [_link(path, each) for each in _of_document(path, modules)]
    packages = [(other, each) for other in modules for each in other.annotations if each.scope == "package"]
    links += [_link(package, each) for other, each in packages if other.package == module.package]
    for end in range(len(package), -1, -1):
        around = [each.value for each in module.package.path[:end] if isinstance(each, tree.Scalar)]
        for other in modules:
            if [each.value for each in other.package.path if isinstance(each, tree.Scalar)] == around:
                links += [_link(around, each) for each in other.annotations if each.scope == "subpackages"]
    return literal(links)


def _of_document(path: list[Value], modules: Sequence[tree.Module]) -> list[tree.Annotation]:
    found = []
    for module in modules:
        for rule in module.rules:
            if [each.value for each in full_ref(module, rule).path if isinstance(each, tree.Scalar)] == path:
                found += [each for each in rule.annotations if each.scope == "document"]
    return found


def _link(path: list[Value], annotation: tree.Annotation | None) -> Value:
    link: dict[str, Value] = {"path": list(path)}
    if annotation is not None:
        link["annotations"] = _object(annotation)
    return link


def _object(annotation: tree.Annotation) -> Value:
    return {"scope": annotation.scope, **annotation.members}


def literal(value: Value) -> tree.Term:
    """A value as a term."""
    if isinstance(value, list):
        return tree.ArrayTerm(tuple(map(literal, value)))
    if isinstance(value, dict):
        return tree.ObjectTerm(tuple((literal(value_of(key)), literal(member)) for key, member in value.items()))
    if isinstance(value, frozenset):
        return tree.SetTerm(tuple(map(literal, sorted_values(map(value_of, value)))))
    return tree.Scalar(value)
