"""A tree's terms as OPA writes them, for messages. Not a formatter of modules."""

from __future__ import annotations

import json
import re

from authz_rego.syntax import tree
from authz_rego.values.number import Number
from authz_rego.values.text import int_text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
INFIX = {
    "plus": "+", "minus": "-", "mul": "*", "div": "/", "rem": "%", "and": "&", "or": "|", "eq": "=", "assign": ":=",
    "equal": "==", "neq": "!=", "lt": "<", "gt": ">", "lte": "<=", "gte": ">=",
}  # fmt: skip


def term_text(term: tree.Term) -> str:  # noqa: C901, PLR0911 - one line for each kind of term
    """On one line."""
    match term:
        case tree.Scalar():
            return scalar_text(term.value)
        case tree.Var():
            return "_" if term.is_wildcard else term.name
        case tree.Ref():
            return ref_text(term)
        case tree.ArrayTerm():
            return "[" + ", ".join(map(term_text, term.items)) + "]"
        case tree.SetTerm():
            return "{" + ", ".join(map(term_text, term.items)) + "}" if term.items else "set()"
        case tree.ObjectTerm():
            return "{" + ", ".join(f"{term_text(key)}: {term_text(value)}" for key, value in term.pairs) + "}"
        case tree.Call():
            return f"{ref_text(term.operator)}(" + ", ".join(map(term_text, term.args)) + ")"
        case tree.ArrayComprehension():
            return f"[{term_text(term.term)} | {body_text(term.body)}]"
        case tree.SetComprehension():
            return f"{{{term_text(term.term)} | {body_text(term.body)}}}"
        case tree.ObjectComprehension():
            return f"{{{term_text(term.key)}: {term_text(term.value)} | {body_text(term.body)}}}"
        case tree.TemplateString():
            parts = (part.value if isinstance(part, tree.Scalar) else f"{{{expr_text(part)}}}" for part in term.parts)
            return '$"' + "".join(map(str, parts)) + '"'


def scalar_text(value: bool | int | Number | str | None) -> str:  # noqa: FBT001 - a value, not a switch
    """As JSON writes it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Number):
        return value.text
    return (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or isinstance(value, bool)
        else int_text(value)
    )


def ref_text(ref: tree.Ref) -> str:
    """`data.a["b-c"][x]`."""
    text = term_text(ref.head)
    for each in ref.path:
        name = each.value if isinstance(each, tree.Scalar) and isinstance(each.value, str) else ""
        text += f".{name}" if _NAME.fullmatch(name) else f"[{term_text(each)}]"
    return text


def body_text(body: tree.Body) -> str:
    """Its statements on one line."""
    return "; ".join(map(expr_text, body))


def expr_text(expr: tree.Expr) -> str:
    """One statement."""
    text = ("not " if expr.negated else "") + _statement_text(expr)
    return text + "".join(f" with {term_text(each.target)} as {term_text(each.value)}" for each in expr.with_)


def _statement_text(expr: tree.Expr) -> str:
    terms = expr.terms
    match terms:
        case tree.SomeDecl():
            return "some " + ", ".join(map(term_text, terms.symbols))
        case tree.Every():
            names = ", ".join(term_text(each) for each in (terms.key, terms.value) if each is not None)
            return f"every {names} in {term_text(terms.domain)} {{ {body_text(terms.body)} }}"
        case tree.Not():
            return f"not {{ {body_text(terms.body)} }}"
        case tree.Logical():
            return f"{{ {body_text(terms.left)} }} {terms.operator} {{ {body_text(terms.right)} }}"
        case tree.Call() if len(terms.args) == 2 and ref_text(terms.operator) in INFIX:
            left, right = map(term_text, terms.args)
            return f"{left} {INFIX[ref_text(terms.operator)]} {right}"
    return term_text(terms)
