"""What a `with` does to types: what it replaces may be what it is replaced by, what depends on that may be anything.

Not whether the `with` is right (`type_check`, `with_targets`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from authz_rego.check.json_schemas import SchemaAt
from authz_rego.check.static_keys import is_constant, is_ground
from authz_rego.check.term_order import TermOrder, term_order
from authz_rego.check.type_env import TypeEnv
from authz_rego.check.type_tree import TypeNode, parts_of, place_of
from authz_rego.check.types import ANY, FunctionType, union
from authz_rego.check.walk import walk
from authz_rego.syntax.tree import Expr, Head, Ref, Rule, Term, Var, With


class Branch(NamedTuple):
    """A rule, or an else-branch of one, as it is checked."""

    ref: Ref  # data.package.name…, with what of the head is computed
    rule: Rule
    is_else: bool = False
    schemas: tuple[SchemaAt, ...] = ()  # of annotations


class Replacing:
    """What the `with`s of some rules replace. `used_by` gives the branches that use a branch, by their numbers."""

    def __init__(self, branches: Sequence[Branch], used_by: Callable[[int], Iterable[int]]) -> None:
        self._branches = branches
        self._used_by = used_by
        self._rules: RulePlace | None = None
        self._replaced: set[int] | None = None
        self._dependents: dict[tuple[bool, TermOrder], TypeNode | None] = {}

    def is_replaced(self, branch: int) -> bool:
        """Whether some `with` replaces the rule (its first branch), or may do so."""
        if self._replaced is None:
            targets = (each for branch in self._branches for each in _data_targets(branch.rule))
            self._replaced = {number for target in targets for number in self._matching(target)}
        return branch in self._replaced

    def env(self, env: TypeEnv, expr: Expr) -> TypeEnv:
        """In which a statement is checked; the same when its `with`s (or none) change nothing."""
        layer = env
        replaced = TypeNode()
        for each in expr.with_:
            target = _as_ref(each.target)
            if target is None:
                continue
            type_ = env.type_of(target)
            is_function = type(type_) is FunctionType
            dependents = self._relaxed(target, is_function)
            if dependents is not None:
                layer = layer.inner_with(dependents)
            if is_function:
                continue
            both = None
            if is_ground(target) and type_ is not None:
                value = env.type_of(each.value)
                both = None if value is None else union(type_, value)
            replaced.put(ground_prefix(target), both or ANY)
        return layer.inner_with(replaced) if replaced.children else layer

    def _relaxed(self, target: Ref, is_function: bool) -> TypeNode | None:  # noqa: FBT001
        """All that depends on what is replaced, as anything; a replaced function itself stays known for its arity."""
        key = is_function, term_order(target)
        if key not in self._dependents:
            tree = TypeNode()
            for number in self._reached(self._matching(target)):
                path = ground_prefix(self._branches[number].ref)
                if not is_function or term_order(Ref(path[0], path[1:])) != term_order(target):
                    tree.put(path, ANY)
            self._dependents[key] = tree if tree.children else None
        return self._dependents[key]

    def _reached(self, start: Iterable[int]) -> list[int]:
        found: dict[int, None] = {}
        todo = list(start)
        while todo:
            number = todo.pop()
            if number not in found:
                found[number] = None
                todo.extend(self._used_by(number))
        return list(found)

    def _matching(self, target: Ref) -> list[int]:
        """The rules that a reference could mean; no else-branches."""
        if self._rules is None:
            self._rules = RulePlace()
            for number, branch in enumerate(self._branches):
                if not branch.is_else:
                    self._rules.add(ground_prefix(branch.ref), number, branch.ref)
        return sorted(set(self._rules.matching(parts_of(target), 0)))


class RulePlace:
    """Rules by the constant beginnings of their references."""

    __slots__ = ("children", "rules")

    def __init__(self) -> None:
        self.rules: list[tuple[int, Sequence[Term]]] = []
        self.children: dict[TermOrder, RulePlace] = {}

    def add(self, path: Sequence[Term], number: int, ref: Ref) -> None:
        node = self
        for each in path:
            node = node.children.setdefault(place_of(each), RulePlace())
        node.rules.append((number, parts_of(ref)))

    def matching(self, parts: Sequence[Term], index: int) -> Iterator[int]:
        if index >= len(parts):
            yield from self.all()
            return
        children: Iterable[RulePlace] = self.children.values()
        if index == 0 or is_constant(parts[index]):
            found = self.children.get(place_of(parts[index]))
            children = () if found is None else (found,)
        for child in children:
            for number, ref in child.rules:
                if _may_meet(ref, parts, index + 1):
                    yield number
            yield from child.matching(parts, index + 1)

    def all(self) -> Iterator[int]:
        for number, _ in self.rules:
            yield number
        for child in self.children.values():
            yield from child.all()


def _may_meet(one: Sequence[Term], other: Sequence[Term], start: int) -> bool:
    pairs = zip(one[start:], other[start:], strict=False)
    return all(not (is_constant(a) and is_constant(b)) or term_order(a) == term_order(b) for a, b in pairs)


def ground_prefix(ref: Ref) -> tuple[Term, ...]:
    """The head, and the path up to the first step with a variable."""
    parts = parts_of(ref)
    end = next((index for index, each in enumerate(parts) if index and not is_ground(each)), len(parts))
    return parts[:end]


def _as_ref(target: Term) -> Ref | None:
    if isinstance(target, Var):
        return Ref(target, (), target.place)
    return target if isinstance(target, Ref) else None


def _data_targets(rule: Rule) -> Iterator[Ref]:
    """Of all `with`s in this branch."""
    parts: tuple[Head | Expr, ...] = (rule.head, *rule.body)
    for part in parts:
        for node in walk(part):
            target = _as_ref(node.target) if isinstance(node, With) else None
            if target is not None and target.head == Var("data"):
                yield target
