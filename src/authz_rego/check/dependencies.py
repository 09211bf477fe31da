"""Which rules a rule may use, the order that follows, and rules that use themselves. Not how they are evaluated."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from authz_rego.check.names import is_equality
from authz_rego.check.rules import PlacedRule, RuleNode, full_ref
from authz_rego.check.walk import walk
from authz_rego.errors import RegoProblem
from authz_rego.syntax import tree
from authz_rego.values.value import place_key

_MOST_EXPANDED = 64  # constants that a variable is narrowed to, as OPA bounds it


class RuleId(NamedTuple):
    """A branch of a rule: the module's number, the rule's in it, the branch's (0 is the rule, 1 its first else)."""

    module: int
    rule: int
    branch: int = 0


@dataclass(slots=True)
class Dependencies:
    """What each branch of each rule may use."""

    of: dict[RuleId, list[RuleId]]
    rules: dict[RuleId, tree.Rule]
    refs: dict[RuleId, tree.Ref]
    narrowed: dict[RuleId, set[RuleId]] = field(default_factory=dict)  # what is used whatever a variable holds

    def order(self) -> list[RuleId]:
        """What is used comes before what uses it."""
        done: dict[RuleId, None] = {}
        todo = [(each, iter(self._sorted(self.of[each]))) for each in reversed(self._sorted(self.of))]
        entered = set[RuleId]()
        while todo:
            node, rest = todo[-1]
            entered.add(node)
            following = next((each for each in rest if each not in done and each not in entered), None)
            if following is None:
                done.setdefault(node)
                todo.pop()
            else:
                todo.append((following, iter(self._sorted(self.of[following]))))
        return list(done)

    def _sorted(self, nodes: Iterable[RuleId]) -> list[RuleId]:
        def place(node: RuleId) -> tuple[str, int, int, RuleId]:
            at = self.rules[node].place
            return at.file, at.row, at.column, node

        return sorted(nodes, key=place)


def branches(rule: tree.Rule) -> Iterator[tree.Rule]:
    """The rule and its else-branches."""
    each: tree.Rule | None = rule
    while each is not None:
        yield each
        each = each.else_


def dependencies(modules: Sequence[tree.Module], root: RuleNode) -> Dependencies:
    """Of all rules. A reference with variables may use every rule that its constants leave open."""
    found = Dependencies({}, {}, {})
    for number, module in enumerate(modules):
        for index, rule in enumerate(module.rules):
            for branch, each in enumerate(branches(rule)):
                node = RuleId(number, index, branch)
                found.rules[node], found.refs[node] = each, full_ref(module, rule)
    for node, rule in found.rules.items():
        used: dict[RuleId, None] = {}
        surely: set[RuleId] = set()
        for ref, narrowed in _references(rule):
            is_static = all(map(is_constant, ref.path)) or len(narrowed) == 1
            for one in narrowed:
                for placed in rules_of(root, one):
                    ids = [
                        RuleId(placed.module, placed.index, branch) for branch, _ in enumerate(branches(placed.rule))
                    ]
                    used.update(dict.fromkeys(ids))
                    if is_static and all(isinstance(each, tree.Scalar) for each in one.path[: len(placed.ref.path)]):
                        surely.update(ids)
        found.of[node] = list(used)
        found.narrowed[node] = surely
    return found


def rules_of(root: RuleNode, ref: tree.Ref) -> list[PlacedRule]:
    """All rules that a reference could mean."""
    if not (isinstance(ref.head, tree.Var) and ref.head.name == "data"):
        return []
    found: dict[int, PlacedRule] = {}
    _rules_below(root, ref.path, 0, found)
    return list(found.values())


def _rules_below(node: RuleNode, path: Sequence[tree.Term], index: int, found: dict[int, PlacedRule]) -> None:
    if index >= len(path):
        for each in node.below():
            found.update((id(rule), rule) for rule in each.rules)
        return
    step = path[index]
    if is_constant(step):
        child = node.children.get(place_key(step.value)) if isinstance(step, tree.Scalar) else None
        children = [child] if child is not None else []
    else:
        children = list(node.children.values())
    for child in children:
        for rule in child.rules:
            if _may_meet(rule.ref.path, path, index + 1):
                found[id(rule)] = rule
        _rules_below(child, path, index + 1, found)


def _may_meet(one: Sequence[tree.Term], other: Sequence[tree.Term], start: int) -> bool:
    return all(
        left == right or not is_constant(left) or not is_constant(right)
        for left, right in zip(one[start:], other[start:], strict=False)
    )


def _references(rule: tree.Rule) -> Iterator[tuple[tree.Ref, list[tree.Ref]]]:
    """Each reference in a branch, with what is left of it when variables of known values are filled in."""
    bindings = list(_constant_variables(rule.body))
    for at, expr in enumerate(rule.body):
        known = {name: values for index, name, values in bindings if index < at}
        yield from _references_in(expr, known)
    known = {name: values for _, name, values in bindings}
    yield from _references_in(rule.head, known)


def _references_in(
    node: tree.Expr | tree.Rule | object, known: dict[str, list[tree.Term]]
) -> Iterator[tuple[tree.Ref, list[tree.Ref]]]:
    for each in walk(node):  # type: ignore[arg-type]
        if isinstance(each, tree.Ref) and isinstance(each.head, tree.Var) and each.head.name == "data":
            yield each, _narrowed(each, known) if known else [each]


def _narrowed(ref: tree.Ref, known: dict[str, list[tree.Term]]) -> list[tree.Ref]:
    expanded = [ref]
    for index, step in enumerate(ref.path):
        values = None if is_constant(step) else _values(step, known)
        if values and len(expanded) * len(values) <= _MOST_EXPANDED:
            expanded = [
                tree.Ref(each.head, (*each.path[:index], value, *each.path[index + 1 :]), ref.place)
                for each in expanded
                for value in values
            ]
    return expanded


def _constant_variables(body: tree.Body) -> Iterator[tuple[int, str, list[tree.Term]]]:
    """Variables of a body that can only be one of some constants, each with where that is said."""
    known: dict[str, list[tree.Term]] = {}
    for index, expr in enumerate(body):
        if not is_equality(expr.terms) or expr.negated or expr.with_ or not isinstance(expr.terms, tree.Call):
            continue
        if len(expr.terms.args) != 2:
            continue
        left, right = expr.terms.args
        for side, other in ((left, right), (right, left)):
            values = _values(other, known) if isinstance(side, tree.Var) else None
            if values is not None and isinstance(side, tree.Var):
                if side.name not in known:
                    known[side.name] = values
                    yield index, side.name, values
                break


def _values(term: tree.Term, known: dict[str, list[tree.Term]]) -> list[tree.Term] | None:
    """The constants that a term can be, if that is known."""
    if isinstance(term, tree.Var):
        return known.get(term.name)
    if isinstance(term, tree.Ref):
        values = _values(term.head, known)
        for step in term.path:
            if values is None:
                return None
            values = _members(values, step)
        return values
    return [term] if is_constant(term) else None


def _members(values: list[tree.Term], step: tree.Term) -> list[tree.Term] | None:
    found: list[tree.Term] = []
    for value in values:
        match value:
            case tree.ArrayTerm():
                pairs: list[tuple[tree.Term, tree.Term]] = [
                    (tree.Scalar(index), item) for index, item in enumerate(value.items)
                ]
            case tree.SetTerm():
                pairs = [(item, item) for item in value.items]
            case tree.ObjectTerm():
                pairs = list(value.pairs)
            case _ if is_constant(step):
                continue
            case _:
                return None
        found += [member for key, member in pairs if not is_constant(step) or key == step]
    return found if len(found) <= _MOST_EXPANDED else None


def is_constant(term: tree.Term) -> bool:
    """Whether it is a value as it stands."""
    match term:
        case tree.Scalar():
            return True
        case tree.ArrayTerm() | tree.SetTerm():
            return all(map(is_constant, term.items))
        case tree.ObjectTerm():
            return all(is_constant(key) and is_constant(value) for key, value in term.pairs)
    return False


def recursion_problems(found: Dependencies, shown: Callable[[tree.Ref], str]) -> list[RegoProblem]:
    """Rules that come back to themselves."""
    problems = []
    for node in _in_circles(found.of):
        surely = _path_back(node, lambda each: found.narrowed[each])
        path = surely or _path_back(node, lambda each: found.of[each])
        if path is None:
            continue
        names = " -> ".join(shown(found.refs[each]) for each in path)
        word = "is" if surely else "may be"
        text = f"rule {shown(found.refs[node])} {word} recursive: {names}"
        fix = "break the circle: Rego has no recursion; walk(…) and graph.reachable(…) go through nested data"
        problems.append(RegoProblem("rego_recursion_error", found.rules[node].place, text, fix))
    return problems


def _in_circles(edges: Mapping[RuleId, Iterable[RuleId]]) -> list[RuleId]:
    """Those that may come back to themselves: what is left when what uses nothing that is left is taken away."""
    users: dict[RuleId, list[RuleId]] = {}
    uses = {node: set(used) for node, used in edges.items()}
    for node, used in uses.items():
        for each in used:
            users.setdefault(each, []).append(node)
    done = [node for node, used in uses.items() if not used]
    while done:
        node = done.pop()
        for user in users.get(node, ()):
            uses[user].discard(node)
            if not uses[user]:
                done.append(user)
    return [node for node, used in uses.items() if used]


def _path_back(start: RuleId, edges: Callable[[RuleId], Iterable[RuleId]]) -> list[RuleId] | None:
    came_from: dict[RuleId, RuleId] = {}
    todo = deque([start])
    while todo:
        node = todo.popleft()
        for each in edges(node):
            if each == start:
                path = [start, node] if node != start else [start]
                while node != start:
                    node = came_from[node]
                    path.append(node)
                return [*reversed(path[1:]), start] if len(path) > 1 else [start, start]
            if each not in came_from:
                came_from[each] = node
                todo.append(each)
    return None
