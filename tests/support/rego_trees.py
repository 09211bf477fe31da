"""Our trees in the form in which OPA's are recorded: lists with places. Not the trees themselves (`syntax.tree`)."""

from __future__ import annotations

import json
from typing import Any

from authz_rego.errors import Place, RegoProblems
from authz_rego.syntax.modules import parse_body, parse_module
from authz_rego.syntax.tree import (
    Annotation,
    ArrayComprehension,
    ArrayTerm,
    Body,
    Call,
    Every,
    Expr,
    Logical,
    Not,
    ObjectComprehension,
    ObjectTerm,
    Ref,
    Rule,
    Scalar,
    SetComprehension,
    SetTerm,
    SomeDecl,
    TemplateString,
    Term,
    Var,
)
from authz_rego.values.json_text import from_json, to_json
from authz_rego.values.number import number_text

Form = Any  # as JSON has it


def recorded_form(mode: str, text: str) -> Form:
    """What our parser makes of a text, as `{"errors": …}`, `{"body": …}` or the parts of a module."""
    try:
        if mode == "body":
            return {"body": _body(parse_body(text))}
        module = parse_module("x.rego", text)
    except RegoProblems as refused:
        return {"errors": [[each.place.row, each.place.column, each.found] for each in refused.problems]}
    return {
        "package": _term(module.package)[:3],
        "ploc": _place(module.package_place),
        "imports": [[_term(each.path), each.alias or "", _place(each.place)] for each in module.imports],
        "rules": [_rule(each) for each in module.rules],
        "annotations": [_annotation(each) for each in module.annotations],
    }


def _place(place: Place) -> Form:
    return [place.row, place.column]


def _terms(terms: tuple[Term, ...]) -> Form:
    return [_term(each) for each in terms]


def _body(body: Body) -> Form:
    return [_expr(each) for each in body]


def _term(term: Term | None) -> Form:
    if term is None:
        return None
    return [*_content(term), _place(term.place)]


def _content(term: Term) -> list[Form]:  # noqa: C901, PLR0911  # one line for each kind of term
    match term:
        case Scalar():
            return _scalar(term)
        case Var():
            return ["var", term.name]
        case Ref():
            return ["ref", _term(term.head), _terms(term.path)]
        case ArrayTerm():
            return ["array", _terms(term.items)]
        case SetTerm():
            return ["set", _terms(term.items)]
        case ObjectTerm():
            return ["object", [[_term(key), _term(value)] for key, value in term.pairs]]
        case Call():
            return ["call", [_term(term.operator), *_terms(term.args)]]
        case ArrayComprehension():
            return ["arraycomp", _term(term.term), _body(term.body)]
        case SetComprehension():
            return ["setcomp", _term(term.term), _body(term.body)]
        case ObjectComprehension():
            return ["objectcomp", _term(term.key), _term(term.value), _body(term.body)]
        case TemplateString():
            parts = [_expr(each) if isinstance(each, Expr) else _term(each) for each in term.parts]
            return ["template", term.multi_line, parts]


def _scalar(term: Scalar) -> list[Form]:
    value = term.value
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return ["bool", value]
    return ["string", value] if isinstance(value, str) else ["number", number_text(value)]


def _expr(expr: Expr) -> Form:
    with_ = [[_term(each.target), _term(each.value), _place(each.place)] for each in expr.with_]
    return ["expr", _statement(expr), expr.negated, with_, expr.generated, _place(expr.place)]


def _statement(expr: Expr) -> Form:
    terms = expr.terms
    match terms:
        case Call():  # OPA has no place for it here
            return ["call", [_term(terms.operator), *_terms(terms.args)]]
        case SomeDecl():
            return ["some", _terms(terms.symbols), _place(terms.place)]
        case Every():
            names = [_term(terms.key), _term(terms.value)]
            return ["every", *names, _term(terms.domain), _body(terms.body), _place(terms.place)]
        case Not():
            return ["not", _body(terms.body), terms.explicit, _place(terms.place)]
        case Logical():
            sides = [_body(terms.left), _body(terms.right), terms.left_explicit, terms.right_explicit]
            return ["logical", terms.operator, *sides, _place(terms.place)]
    return _term(terms)


def _rule(rule: Rule | None) -> Form:
    if rule is None:
        return None
    head = rule.head
    args = None if head.args is None else _terms(head.args)
    written = [_term(head.ref)[:3], args, _term(head.key), _term(head.value), head.assign, _place(head.place)]
    own = [_annotation(each) for each in rule.annotations if each.scope == "rule"]
    return ["rule", ["head", *written], _body(rule.body), rule.default, _rule(rule.else_), own, _place(rule.place)]


def _annotation(annotation: Annotation) -> Form:
    value = from_json(to_json({"scope": annotation.scope, **annotation.members}))
    return [json.loads(to_json(value)), _place(annotation.place)]


# ── comparing ──


def difference(opas: Form, ours: Form, way: str = "") -> str | None:
    """Where they differ. OPA sorts sets and objects, and has no place for what nobody wrote."""
    if not isinstance(opas, list) or not isinstance(ours, list):
        same = opas == ours and type(opas) is type(ours)
        return None if same else f"at {way}: OPA has {opas!r}, we have {ours!r}"
    if opas == [-1, -1]:
        return None
    if len(opas) == len(ours) == 3 and opas[0] == ours[0] and opas[0] in ("set", "object"):
        opas, ours = [opas[0], sorted(opas[1], key=_content_first), opas[2]], [
            ours[0], sorted(ours[1], key=_content_first), ours[2],
        ]  # fmt: skip
    if len(opas) != len(ours):
        return f"at {way}: OPA has {opas!r}, we have {ours!r}"
    found = (difference(one, other, f"{way}/{at}") for at, (one, other) in enumerate(zip(opas, ours, strict=True)))
    return next(filter(None, found), None)


def _content_first(form: Form) -> str:
    return json.dumps([_without_places(form), form])


def _without_places(form: Form) -> Form:
    if not isinstance(form, list):
        return form
    is_place = len(form) == 2 and all(type(each) is int for each in form)
    return None if is_place else [_without_places(each) for each in form]
