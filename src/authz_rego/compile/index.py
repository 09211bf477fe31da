"""Rules that compare with constants are found by the constant: a thousand rules cost little more than ten."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from authz_rego.check.dependencies import is_constant
from authz_rego.check.names import is_equality
from authz_rego.compile.values import constant_value
from authz_rego.syntax.tree import Body, Call, Ref, Rule, Scalar, Term, Var
from authz_rego.values.value import Key, Value, key_of

if TYPE_CHECKING:
    from authz_rego.compile.generate import Generator
    from authz_rego.compile.plan import Document

_LARGEST = 2**53
_FEWEST = 5  # below that many rules a look-up costs more than it saves
_Path = tuple["str | Key", ...]


class Index(NamedTuple):
    """Lines that find what may hold, and the name of it."""

    lines: list[str]
    candidates: str


def index_of(generator: Generator, document: Document, chains: list[list[str]], args: list[str]) -> Index | None:
    """Of a document's rules; None when it would not help."""
    if len(chains) < _FEWEST or generator.traced or any(len(chain) > 1 for chain in chains):
        return None
    by_rule = [_comparisons(each.rule, args) for each in document.rules]
    counts = Counter(path for known in by_rule for path in known)
    if not counts:
        return None
    path, count = max(counts.items(), key=lambda each: (len({k[each[0]] for k in by_rule if each[0] in k}), each[1]))
    if count < _FEWEST:
        return None
    values = dict.fromkeys(known[path] for known in by_rule if path in known)
    source = generator.source
    table = source.name("t")
    others = source.name("t")
    rows = {
        value: [chain[0] for chain, known in zip(chains, by_rule, strict=True) if known.get(path, value) == value]
        for value in values
    }
    rest = [chain[0] for chain, known in zip(chains, by_rule, strict=True) if path not in known]
    generator.tables[table] = (rows, others, rest)
    head, *steps = path
    start = str(head) if head != "input" else "c.input"
    constant = source.constant(tuple(step.value if isinstance(step, Key) else step for step in steps))
    lines = [f"    v = find({start}, {constant})"] if steps else [f"    v = {start}"]
    lines.append(f"    fs = {others} if v is U else {table}.get(v if type(v) is str else key_of(v), {others})")
    return Index(lines, "fs")


def _comparisons(rule: Rule, args: list[str]) -> dict[_Path, str | Key]:
    """The constants that must stand at paths of the input, or for arguments, if the rule is to hold."""
    found: dict[_Path, str | Key] = {}
    names: dict[str, _Path] = {}
    for pattern, arg in zip(rule.head.args or (), args, strict=False):
        if isinstance(pattern, Scalar) and _is_plain(pattern.value):
            found[(arg,)] = key_of(pattern.value)
        elif isinstance(pattern, Var):
            names[pattern.name] = (arg,)
    for left, right in _equalities(rule.body):
        path = _path(left, names)
        if path is not None and is_constant(right) and _is_plain(constant_value(right)):
            found.setdefault(path, key_of(constant_value(right)))
        elif path is not None and isinstance(right, Var):
            names.setdefault(right.name, path)
    return found


def _is_plain(value: Value) -> bool:
    """Whether all that equals the value is found by its key; numbers beyond a double's are equal under several keys."""
    return value is None or type(value) in {str, bool} or (type(value) is int and abs(value) < _LARGEST)


def _equalities(body: Body) -> list[tuple[Term, Term]]:
    pairs: list[tuple[Term, Term]] = []
    for expr in body:
        if is_equality(expr.terms) and not expr.negated and not expr.with_ and isinstance(expr.terms, Call):
            left, right = expr.terms.args[:2]
            pairs += [(left, right), (right, left)]
    return pairs


def _path(term: Term, names: dict[str, _Path]) -> _Path | None:
    if isinstance(term, Var):
        return names.get(term.name)
    if not isinstance(term, Ref) or not isinstance(term.head, Var):
        return None
    start: _Path | None = ("input",) if term.head.name == "input" else names.get(term.head.name)
    if start is None or not all(isinstance(step, Scalar) for step in term.path):
        return None
    return (*start, *(key_of(step.value) for step in term.path if isinstance(step, Scalar)))
