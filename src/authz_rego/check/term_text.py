"""How OPA prints terms and statements in its messages. Not a formatter of policies."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from authz_rego.builtins.declarations import declarations
from authz_rego.check.term_order import sorted_items, sorted_pairs
from authz_rego.syntax import tree
from authz_rego.values.number import Number
from authz_rego.values.text import number_text, quote

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNESCAPED_BRACE = re.compile(r"(?<!\\)\{")
_KEYWORDS = frozenset(
    [
        "not",
        "package",
        "import",
        "as",
        "default",
        "else",
        "with",
        "null",
        "true",
        "false",
        "some",
        "if",
        "contains",
        "in",
        "every",
    ]
)


def term_text(term: tree.Term) -> str:  # noqa: C901, PLR0911 - one line for each kind of term
    """As OPA's `Term.String` has it."""
    match term:
        case tree.Scalar():
            return _scalar(term.value)
        case tree.Var():
            return "_" if term.is_wildcard else term.name
        case tree.Ref():
            return ref_text(term)
        case tree.ArrayTerm():
            return f"[{_listed(term.items)}]"
        case tree.ObjectTerm():
            pairs = (f"{term_text(key)}: {term_text(value)}" for key, value in sorted_pairs(term))
            return "{" + ", ".join(pairs) + "}"
        case tree.SetTerm():
            return "{" + _listed(sorted_items(term)) + "}" if term.items else "set()"
        case tree.Call():
            return f"{term_text(term.operator)}({_listed(term.args)})"
        case tree.ArrayComprehension():
            return f"[{_comprehended(term.term)} | {body_text(term.body)}]"
        case tree.SetComprehension():
            return "{" + f"{_comprehended(term.term)} | {body_text(term.body)}" + "}"
        case tree.ObjectComprehension():
            return "{" + f"{_comprehended(term.key)}: {_comprehended(term.value)} | {body_text(term.body)}" + "}"
    return _template(term)


def ref_text(ref: tree.Ref) -> str:
    """`.name` for a name, brackets for everything else."""
    head = ref.head
    first = head.value if type(head) is tree.Scalar and type(head.value) is str else term_text(head)
    return first + "".join(map(_step, ref.path))


def _step(term: tree.Term) -> str:
    if type(term) is not tree.Scalar or type(term.value) is not str:
        return f"[{term_text(term)}]"
    name = term.value
    if _PLAIN_NAME.fullmatch(name) and name not in _KEYWORDS:
        return f".{name}"
    if any(each == "\\" or unicodedata.category(each) == "Cc" for each in name):
        return f"[{quote(name)}]"
    return f'["{name}"]'


def _scalar(value: bool | int | Number | str | None) -> str:  # noqa: FBT001 - a value, not a switch
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value)


def _listed(terms: Iterable[tree.Term]) -> str:
    return ", ".join(map(term_text, terms))


def _comprehended(term: tree.Term) -> str:
    """Before the `|` of a comprehension operators stand between their operands, so that `a | b` is no riddle."""
    if type(term) is tree.Call and len(term.args) == 2:
        declared = declarations().get(term_text(term.operator))
        if declared is not None and declared.infix and declared.infix != "in":
            left, right = map(_comprehended, term.args)
            return f"({left} {declared.infix} {right})"
    return term_text(term)


def _template(term: tree.TemplateString) -> str:
    return '$"' + "".join(map(_part, term.parts)) + '"'


def _part(part: tree.Scalar | tree.Expr) -> str:
    if type(part) is tree.Expr:
        return "{" + expr_text(part) + "}"
    text = _scalar(part.value)  # type: ignore[union-attr]
    return _UNESCAPED_BRACE.sub(r"\\{", text[1:-1]) if text.startswith('"') else text


def body_text(body: tree.Body) -> str:
    """As OPA's `Body.String` has it."""
    return "; ".join(map(expr_text, body))


def expr_text(expr: tree.Expr) -> str:
    """As OPA's `Expr.String` has it."""
    withs = "".join(f" with {term_text(each.target)} as {term_text(each.value)}" for each in expr.with_)
    return ("not " if expr.negated else "") + _statement(expr.terms) + withs


def _statement(terms: tree.Terms) -> str:  # noqa: PLR0911 - one line for each kind
    match terms:
        case tree.SomeDecl():
            return _some(terms)
        case tree.Every():
            key = "" if terms.key is None else f"{term_text(terms.key)}, "
            names = f"{key}{term_text(terms.value)}"
            return f"every {names} in {term_text(terms.domain)} {{ {body_text(terms.body)} }}"
        case tree.Not():
            if terms.explicit or len(terms.body) != 1:
                return "not {" + body_text(terms.body) + "}"
            text = body_text(terms.body)
            return f"not ({text})" if _needs_parentheses(terms.body[0], (tree.Not, tree.Logical)) else f"not {text}"
        case tree.Logical():
            left = _operand(terms.left, terms.left_explicit, terms.operator, right=False)
            right = _operand(terms.right, terms.right_explicit, terms.operator, right=True)
            return f"{left} {terms.operator} {right}"
        case tree.Call() if len(terms.args) == 2 and term_text(terms.operator) == "eq":
            return f"{term_text(terms.args[0])} = {term_text(terms.args[1])}"
    return term_text(terms)


def _some(some: tree.SomeDecl) -> str:
    call = some.symbols[0]
    if type(call) is not tree.Call:
        return f"some {_listed(some.symbols)}"
    *names, domain = call.args
    return f"some {_listed(names)} in {term_text(domain)}"


def _operand(body: tree.Body, explicit: bool, operator: str, *, right: bool) -> str:  # noqa: FBT001
    text = body_text(body)
    if explicit or len(body) != 1:
        return f"{{ {text} }}"
    inner = body[0].terms
    loose = type(inner) is tree.Logical and (right if inner.operator == operator else operator == "and")
    return f"({text})" if loose or _needs_parentheses(body[0], ()) else text


def _needs_parentheses(expr: tree.Expr, kinds: tuple[type, ...]) -> bool:
    """What would be read as something else: a `with`, and a set or an object where a body may stand."""
    terms = expr.terms
    return bool(expr.with_) or isinstance(terms, kinds) or _starts_with_brace(terms)


def _starts_with_brace(node: object) -> bool:
    if type(node) is tree.Ref:
        return _starts_with_brace(node.head)
    return isinstance(node, tree.ObjectTerm | tree.SetComprehension | tree.ObjectComprehension) or (
        type(node) is tree.SetTerm and bool(node.items)
    )
