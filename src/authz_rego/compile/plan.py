"""Documents: the rules of one place, how they are evaluated, and what they use. Not their source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from authz_rego.check.dependencies import branches, is_constant, rules_of
from authz_rego.check.rules import PlacedRule, RuleNode
from authz_rego.check.stages import Compiled
from authz_rego.check.walk import variables, walk
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import (
    Call,
    Expr,
    ObjectComprehension,
    ObjectTerm,
    Ref,
    Rule,
    Scalar,
    SetTerm,
    Term,
    Var,
    With,
)
from authz_rego.values.value import Key, value_of


class Kind(Enum):
    """How the rules of one place give their document."""

    COMPLETE = "complete"
    FUNCTION = "function"
    SET = "set"
    OBJECT = "object"


@dataclass(slots=True)
class Document:
    """The rules at one path below `data`."""

    number: int
    path: tuple[str | Key, ...]
    kind: Kind
    rules: list[PlacedRule]
    default: Rule | None
    early: bool = False  # all give the same value: the first that holds ends it, as in OPA
    raises: bool = False  # it may find two values where there can be one
    is_asked_once: bool = False  # by one place, that is come to once in a question: nothing has to be remembered

    @property
    def depth(self) -> int:
        return len(self.path)

    @property
    def name(self) -> str:
        return f"d{self.number}"

    @property
    def text(self) -> str:
        """Its path as it is written: `data.package.rule`."""
        return ref_text(Ref(Var("data"), tuple(Scalar(value_of(each)) for each in self.path)))

    @property
    def keys(self) -> int:
        """How many keys in a row can be asked for without all that stands beside them."""
        if self.kind is Kind.SET:
            return int(self.raises or any(map(_hides_variables, self.rules)))
        return max(len(self.keys_of(each)) for each in self.rules) if self.kind is Kind.OBJECT else 0

    @property
    def has_indices(self) -> bool:
        """Whether members of the set are keys that a body looks for."""
        return self.kind is Kind.SET and any(map(_is_index, self.rules))

    def keys_of(self, placed: PlacedRule) -> tuple[Term, ...]:
        """What a rule's head says of the keys below the document's path; a member of a set is one, too."""
        member = placed.rule.head.key if placed.is_set else None
        return (*self.suffix(placed), *([] if member is None else [member]))

    def suffix(self, placed: PlacedRule) -> tuple[Term, ...]:
        """What a rule's head has below the document's path."""
        return placed.ref.path[self.depth :]


def _hides_variables(placed: PlacedRule) -> bool:
    """Whether a member has variables where they are not found: OPA finds it only in the whole set."""
    assert placed.rule.head.key is not None
    for term in walk(placed.rule.head.key):
        hidden = term.items if isinstance(term, SetTerm) else ()
        if isinstance(term, ObjectTerm):
            hidden = tuple(key for key, _ in term.pairs)
        if any(map(variables, hidden)):
            return True
    return False


def _is_index(placed: PlacedRule) -> bool:
    key = placed.rule.head.key
    return isinstance(key, Var) and any(isinstance(node, Ref) and key in node.path for node in walk(placed.rule))


@dataclass(slots=True)
class Plan:
    """All documents, and what `with` replaces anywhere."""

    tree: RuleNode
    documents: dict[int, Document] = field(default_factory=dict)  # by the id of their place
    by_rule: dict[int, Document] = field(default_factory=dict)  # by the id of each of their rules
    replaced_data: list[tuple[Term, ...]] = field(default_factory=list)
    replaced_functions: set[str] = field(default_factory=set)

    def of(self, node: RuleNode) -> Document | None:
        return self.documents.get(id(node))

    def all(self) -> list[Document]:
        return list(self.documents.values())

    def may_be_replaced(self, path: Sequence[Term]) -> bool:
        """Whether a `with` could put something at, above or below this path."""
        return any(all(map(_may_be_same, target, path)) for target in self.replaced_data)


def _may_be_same(one: Term, other: Term) -> bool:
    return one == other or not (isinstance(one, Scalar) and isinstance(other, Scalar))


def plan(compiled: Compiled) -> Plan:
    """Of all modules."""
    made = Plan(compiled.tree)
    _documents(compiled.tree, (), made)
    rules = [rule for module in compiled.modules for rule in module.rules]
    for document in made.all():
        for each in (*(placed.rule for placed in document.rules), document.default):
            if each is not None:
                made.by_rule[id(each)] = document
    functions = {each.text: each for each in made.all() if each.kind is Kind.FUNCTION}
    for rule in rules:
        for node in walk(rule):
            if isinstance(node, With):
                _note_target(node, functions, made)
    _note_uses(rules, made)
    _note_raising(made)
    return made


def _documents(node: RuleNode, path: tuple[str | Key, ...], made: Plan) -> None:
    if node.rules:
        is_open = any(not each.is_ground for each in node.rules)
        below = [rule for child in node.children.values() for each in child.below() for rule in each.rules]
        rules = [*_in_order(node.rules), *_in_order(below if is_open else ())]
        made.documents[id(node)] = _document(len(made.documents), path, rules)
        if is_open:
            return
    for key, child in node.children.items():
        _documents(child, (*path, key), made)


def _in_order(rules: Iterable[PlacedRule]) -> list[PlacedRule]:
    return sorted(rules, key=lambda each: (each.module, each.index))


def _document(number: int, path: tuple[str | Key, ...], rules: list[PlacedRule]) -> Document:
    default = next((each.rule for each in rules if each.rule.default), None)
    others = [each for each in rules if not each.rule.default]
    if any(not each.is_ground for each in rules):
        kind = Kind.OBJECT
    elif rules[0].is_set:
        kind = Kind.SET
    else:
        kind = Kind.COMPLETE if rules[0].rule.head.args is None else Kind.FUNCTION
    return Document(number, path, kind, others, default, early=_is_early(kind, others))


def _is_early(kind: Kind, rules: list[PlacedRule]) -> bool:
    if kind not in {Kind.COMPLETE, Kind.FUNCTION}:
        return False
    values = [branch.head.value for each in rules for branch in branches(each.rule)]
    return all(value is not None and is_constant(value) and value == values[0] for value in values)


def _note_target(each: With, functions: dict[str, Document], made: Plan) -> None:
    if not isinstance(each.target, Ref) or not isinstance(each.target.head, Var):
        return
    name = ref_text(each.target)
    root = each.target.head.name
    if name in functions or root not in {"data", "input"}:
        made.replaced_functions.add(name)
    elif root == "data":
        made.replaced_data.append(each.target.path)


def _note_uses(rules: list[Rule], made: Plan) -> None:
    complete = {id(rule) for rule in rules if id(rule) in made.by_rule and made.by_rule[id(rule)].kind is Kind.COMPLETE}
    counts: Counter[int] = Counter()
    once: set[int] = set()
    for rule in rules:
        for document in _used(rule, made):
            counts[document.number] += 1
        if id(rule) in complete:
            once |= {each.number for branch in branches(rule) for each in _asked_once(branch, made)}
    for each in made.all():
        each.is_asked_once = each.kind is Kind.COMPLETE and counts[each.number] == 1 and each.number in once


def _asked_once(rule: Rule, made: Plan) -> Iterator[Document]:
    """What a body names before anything in it can be tried more than once."""
    for expr in rule.body:
        if not isinstance(expr.terms, Ref) and not (isinstance(expr.terms, Call) and not expr.with_):
            return
        if may_repeat(expr) or expr.with_:
            return
        if not isinstance(expr.terms, Call) or all(isinstance(each, Var | Scalar | Ref) for each in expr.terms.args):
            yield from _used(expr, made)


def _used(node: Rule | Expr, made: Plan) -> Iterator[Document]:
    for ref in walk(node):
        if isinstance(ref, Ref) and isinstance(ref.head, Var) and ref.head.name == "data":
            for rule in rules_of(made.tree, ref):
                found = made.by_rule.get(id(rule.rule))
                if found is not None:
                    yield found


def _note_raising(made: Plan) -> None:
    """Until nothing changes: what uses something that may raise may raise itself."""
    uses: dict[int, set[int]] = {}
    by_number = {each.number: each for each in made.all()}
    for each in made.all():
        rules = [*(p.rule for p in each.rules), *([each.default] if each.default is not None else [])]
        each.raises = _may_conflict(each) or any(_has_conflicts(rule, made) for rule in rules)
        uses[each.number] = {used.number for rule in rules for used in _used(rule, made)}
    changed = True
    while changed:
        changed = False
        for each in made.all():
            if not each.raises and any(by_number[number].raises for number in uses[each.number]):
                each.raises = changed = True


def _may_conflict(document: Document) -> bool:
    if document.kind is Kind.SET or document.early:
        return False
    if document.kind is Kind.OBJECT or len(document.rules) > 1:
        return True
    return any(may_repeat(branch) for each in document.rules for branch in branches(each.rule))


def may_repeat(part: Rule | Expr) -> bool:
    """Whether a body, or a statement of it, may hold in several ways."""
    refs = (node for node in walk(part) if isinstance(node, Ref))
    return walks(part) or any(not isinstance(each, Scalar) for ref in refs for each in ref.path)


def walks(part: Rule | Expr) -> bool:
    """Whether it calls `walk`."""
    return any(isinstance(node, Call) and ref_text(node.operator) == "walk" for node in walk(part))


def may_raise(node: Expr, made: Plan) -> bool:
    """Whether a statement may end the question: by a document, an object of its own, or what `with` puts there."""
    return any(each.raises for each in _used(node, made)) or _has_conflicts(node, made)


def _has_conflicts(node: Rule | Expr, made: Plan) -> bool:
    return any(
        isinstance(each, ObjectComprehension)
        or (isinstance(each, Call) and ref_text(each.operator) in made.replaced_functions)
        for each in walk(node)
    )
