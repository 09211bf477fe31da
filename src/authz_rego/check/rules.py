"""The rules of all modules by where they stand below `data`, and what of them cannot stand beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from authz_rego.check.names import package_path
from authz_rego.errors import UNSUPPORTED, RegoProblem
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import Module, Ref, Rule, Scalar, Term, Var
from authz_rego.values.value import Key, place_key

_TYPE = "rego_type_error"
Path = tuple["str | Key", ...]


@dataclass(slots=True)
class PlacedRule:
    """A rule and its full reference: `data.package.name…`, with the variables of its head."""

    module: int
    index: int
    rule: Rule
    ref: Ref
    package: tuple[str, ...]

    @property
    def is_set(self) -> bool:
        """`contains`, OPA's multi-value."""
        return self.rule.head.value is None

    @property
    def is_ground(self) -> bool:
        return all(isinstance(each, Scalar) for each in self.ref.path)

    @property
    def prefix(self) -> Path:
        """The path below `data`, up to its first variable."""
        return constant_prefix(self.ref.path)

    @property
    def arity(self) -> int:
        return len(self.rule.head.args or ())


@dataclass(slots=True)
class RuleNode:
    """A place below `data`: the rules that stand there, and what is below."""

    rules: list[PlacedRule] = field(default_factory=list)
    children: dict[str | Key, RuleNode] = field(default_factory=dict)
    hidden: bool = False

    def find(self, path: Iterable[str | Key]) -> RuleNode | None:
        node: RuleNode | None = self
        for each in path:
            node = node.children.get(each) if node is not None else None
        return node

    def below(self) -> Iterator[RuleNode]:
        """The place, and all below it."""
        yield self
        for child in self.children.values():
            yield from child.below()


def constant_prefix(path: Iterable[Term]) -> Path:
    """The constants at a reference's beginning."""
    found: list[str | Key] = []
    for each in path:
        if not isinstance(each, Scalar):
            break
        found.append(place_key(each.value))
    return tuple(found)


def full_ref(module: Module, rule: Rule) -> Ref:
    """`data.package.name…` of a rule."""
    head = rule.head.ref
    name = head.head.name if isinstance(head.head, Var) else ""
    return Ref(Var("data", head.place), (*module.package.path, Scalar(name, head.place), *head.path), head.place)


def rule_tree(modules: Iterable[Module]) -> RuleNode:
    """Of everything below `data`."""
    root = RuleNode()
    for number, module in enumerate(modules):
        package = package_path(module)
        _grow(root, tuple(package))
        for index, rule in enumerate(module.rules):
            placed = PlacedRule(number, index, rule, full_ref(module, rule), package)
            _grow(root, placed.prefix).rules.append(placed)
    system = root.children.get("system")
    if system is not None:
        system.hidden = True
    return root


def _grow(root: RuleNode, path: Path) -> RuleNode:
    node = root
    for each in path:
        node = node.children.setdefault(each, RuleNode())
    return node


def arity_in(root: RuleNode, builtins: Callable[[str], int | None]) -> Callable[[Ref], int]:
    """Arguments that what a reference names takes; -1 when it names nothing."""

    def arity(ref: Ref) -> int:
        taken = builtins(ref_text(ref))
        if taken is not None:
            return taken
        if not (isinstance(ref.head, Var) and ref.head.name == "data"):
            return -1
        prefix = constant_prefix(ref.path)
        node = root.find(prefix) if len(prefix) == len(ref.path) else None
        return node.rules[0].arity if node is not None and node.rules else -1

    return arity


# ── conflicts ──


def conflict_problems(root: RuleNode, modules: list[Module], shown: Callable[[Ref], str]) -> list[RegoProblem]:
    """Rules of one name that cannot be one document."""
    problems: list[RegoProblem] = []
    _conflicts_below(root, modules, shown, problems)
    packages: dict[Path, Module] = {}
    for module in modules:
        packages.setdefault(tuple(package_path(module)), module)
    for node in root.below():
        for placed in node.rules:
            other = packages.get(placed.prefix) if placed.is_ground else None
            if other is not None:
                here = modules[placed.module]
                found = (
                    f"package {'.'.join(package_path(other))} conflicts with rule {ref_text(placed.rule.head.ref)} "
                    f"defined at {placed.rule.place}"
                )
                problems.append(RegoProblem(_TYPE, here.package_place, found, "rename the rule or the package"))
    return problems


def _conflicts_below(
    node: RuleNode, modules: list[Module], shown: Callable[[Ref], str], problems: list[RegoProblem]
) -> None:
    found = _conflict(node, modules, shown) if node.rules else None
    if found is not None:
        problems.append(found)
    problems += _equal_numbers(node)
    for child in node.children.values():
        _conflicts_below(child, modules, shown, problems)


def _conflict(node: RuleNode, modules: list[Module], shown: Callable[[Ref], str]) -> RegoProblem | None:
    rules = node.rules
    place, name = rules[0].rule.place, shown(rules[-1].ref)
    inside = _inside(node)
    if inside:
        others = "".join(f"\n  rule {shown(each.ref)} at {each.rule.place}" for each in inside)
        found = f"rule {name} conflicts with:{others}"
        return RegoProblem(_TYPE, place, found, "a value that a rule gives has no rules below it: rename one of them")
    if _differ_in_kind(rules):
        found = f"conflicting rules {name} found"
        return RegoProblem(_TYPE, place, found, "rules of one name are all values, all sets, or all functions alike")
    defaults = [each for each in rules if each.rule.default]
    if len(defaults) > 1:
        found = f"multiple default rules {name} found at " + ", ".join(str(each.rule.place) for each in defaults)
        package = modules[defaults[0].module].package_place
        return RegoProblem(_TYPE, package, found, "keep one of the defaults")
    return None


def _equal_numbers(node: RuleNode) -> Iterator[RegoProblem]:
    """Keys that are one number. OPA compiles them: two rules for whoever asks by a key, and no value of the whole."""
    first: dict[Key, RuleNode] = {}
    for key, child in node.children.items():
        if isinstance(key, str) or first.setdefault(Key(key.value), child) is child:
            continue
        rules = [
            next(rule for below in each.below() for rule in below.rules) for each in (first[Key(key.value)], child)
        ]
        one, other = sorted((each.rule.place for each in rules), key=lambda place: (place.file, place.row))
        found = f"a key of this rule is the same number as that of the rule at {one}, written otherwise"
        yield RegoProblem(UNSUPPORTED, other, found, "write the number in one way")


def _inside(node: RuleNode) -> list[PlacedRule]:
    below = [rule for child in node.children.values() for each in child.below() for rule in each.rules]
    if any(each.is_ground for each in node.rules):
        return below
    return [each for each in below if each.rule.head.args]


def _differ_in_kind(rules: list[PlacedRule]) -> bool:
    kinds = {each.is_set for each in rules}
    complete = {not each.is_set and each.is_ground for each in rules}
    sets = {each.is_ground for each in rules if each.is_set}
    return any(len(each) > 1 for each in (kinds, complete, sets, {rule.arity for rule in rules}))
