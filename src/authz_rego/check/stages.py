"""All that lies between modules as written and rules that can be evaluated: OPA's stages, in its order. READ FIRST.

A stage that finds something ends the compiling, as there: what comes later would only repeat it in other words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from authz_rego.builtins.declarations import declarations
from authz_rego.check.dependencies import Dependencies, RuleId, branches, dependencies, recursion_problems
from authz_rego.check.dynamic import dynamic_rule
from authz_rego.check.expand import (
    Equals,
    comprehension_terms,
    expanded_rule,
    head_references,
    head_values,
)
from authz_rego.check.functions import (
    call_problems,
    deprecated_problems,
    every_with_function_problems,
    refused_problems,
    void_problems,
)
from authz_rego.check.imports import import_problems, override_problems
from authz_rego.check.local_names import LocalNames
from authz_rego.check.locals import rewrite_rule
from authz_rego.check.meant import function_fix, variable_fix
from authz_rego.check.metadata import redeclared_problems, with_metadata
from authz_rego.check.names import resolve_modules
from authz_rego.check.outputs import Arity
from authz_rego.check.prints import WithoutPrints
from authz_rego.check.rebuild import renamed
from authz_rego.check.rules import RuleNode, arity_in, conflict_problems, full_ref, rule_tree
from authz_rego.check.safety import UnsafeVariable, order_body
from authz_rego.check.templates import without_templates
from authz_rego.check.type_check import check_types
from authz_rego.check.type_replacing import Branch
from authz_rego.check.type_schemas import Schemas
from authz_rego.check.walk import SAFETY, variables, variables_of, walk
from authz_rego.check.with_targets import with_values
from authz_rego.errors import UNSUPPORTED, RegoProblem, RegoProblems
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import Head, Module, Ref, Rule, Scalar, Var


@dataclass(slots=True)
class Compiled:
    """Modules that can be evaluated."""

    modules: tuple[Module, ...]
    tree: RuleNode
    dependencies: Dependencies
    names: LocalNames


def compile_modules(
    modules: Iterable[Module], data_problems: Callable[[RuleNode], Iterable[RegoProblem]] = lambda _: ()
) -> Compiled:
    """Raises RegoProblems: all that one stage found. `data_problems` tells which rules stand where data stands."""
    return _Stages(sorted(modules, key=lambda module: module.file), data_problems).run()


class _Stages:
    def __init__(self, modules: list[Module], data_problems: Callable[[RuleNode], Iterable[RegoProblem]]) -> None:
        self._modules = modules
        self._data_problems = data_problems
        self._names = LocalNames(_all_names(modules))
        self._problems: list[RegoProblem] = []
        self._forgotten: list[RegoProblem] = []  # what OPA should have found
        self._tree = RuleNode()
        self._arity: Arity = lambda _: -1

    def run(self) -> Compiled:
        self._resolve()
        self._tree = rule_tree(self._modules)
        self._arity = arity_in(self._tree, _builtin_arity)
        self._locals()
        self._expand()
        found = dependencies(self._modules, rule_tree(self._modules))
        self._bind()
        self._check(found)
        return Compiled(tuple(self._modules), rule_tree(self._modules), found, self._names)

    # ── one stage after the other ──

    def _resolve(self) -> None:
        self._modules, problems = resolve_modules(self._modules)
        self._stop_at(problems)
        self._each(lambda rule: head_references(rule, self._names))
        self._stop_at(problem for module in self._modules for problem in override_problems(module))
        self._stop_at(problem for module in self._modules for problem in import_problems(module))

    def _locals(self) -> None:
        self._each(self._found(lambda rule: rewrite_rule(rule, self._names, declarations())))
        self._stop_at(self._problems)
        self._each(self._found(lambda rule: without_templates(rule, self._tree, self._arity, self._names)))
        self._stop_at(self._problems)
        self._stop_at(problem for rule in self._rules() for problem in void_problems(rule))
        self._each(WithoutPrints().rule)

    def _expand(self) -> None:
        self._each(lambda rule: expanded_rule(rule, self._names))
        modules = list(self._modules)
        self._stop_at(redeclared_problems(modules))
        for number, module in enumerate(modules):
            rules = tuple(with_metadata(rule, number, modules, self._names) for rule in module.rules)
            self._modules[number] = replace(module, rules=rules)

    def _bind(self) -> None:
        self._each(lambda rule: comprehension_terms(rule, self._names))
        self._each(lambda rule: head_values(rule, self._names))
        self._each(self._found(lambda rule: with_values(rule, self._tree, self._names)))
        self._stop_at(self._problems)

    def _check(self, found: Dependencies) -> None:
        self._tree = rule_tree(self._modules)
        conflicts = conflict_problems(self._tree, self._modules, self._shown)
        self._stop_at([*conflicts, *self._data_problems(self._tree)])
        self._stop_at(problem for rule in self._rules() for problem in refused_problems(rule))
        self._stop_at(
            problem
            for module in self._modules
            for rule in module.rules
            for problem in call_problems(
                rule, self._arity, self._shown, partial(function_fix, package=self._package(module))
            )
        )
        self._safe()
        self._each(Equals().rule)
        self._each(lambda rule: dynamic_rule(rule, self._names))
        self._stop_at(recursion_problems(found, self._shown))
        types = self._type_problems(found)
        self._stop_at([*types, *(problem for rule in self._rules() for problem in deprecated_problems(rule))])
        forgotten = dict.fromkeys(self._forgotten)
        self._stop_at(replace(it, code=UNSUPPORTED, found=f"{it.found}, which OPA lets pass") for it in forgotten)

    def _type_problems(self, found: Dependencies) -> list[RegoProblem]:
        order = found.order()
        position = {node: index for index, node in enumerate(order)}
        used_by: dict[int, list[int]] = {}
        for node, used in found.of.items():
            for each in used:
                used_by.setdefault(position[each], []).append(position[node])
        schemas = Schemas(self._modules)
        checked = [self._branch(node, schemas) for node in order]
        written, subjects = self._names.written, self._names.subjects
        self._stop_at(
            problem
            for rule in self._rules()
            for problem in every_with_function_problems(rule, lambda name: name in declarations())
        )
        _, problems = check_types(
            checked, written=written, subjects=subjects, used_by=lambda index: used_by.get(index, ())
        )
        return problems

    def _branch(self, node: RuleId, schemas: Schemas) -> Branch:
        module = self._modules[node.module]
        rule = module.rules[node.rule]
        is_else = node.branch > 0
        known = schemas.of(module, rule, is_else=is_else)
        return Branch(full_ref(module, rule), list(branches(rule))[node.branch], is_else, known)

    def _safe(self) -> None:
        problems: list[RegoProblem] = []
        unsafe = [self._unsafe_in(module) for module in self._modules]
        for module, of in zip(self._modules, unsafe, strict=True):
            for rule in module.rules:
                for branch in branches(rule):
                    problems += self._unsafe_head(branch, of(branch, rule))
        self._stop_at(problems)
        for number, (module, of) in enumerate(zip(self._modules, unsafe, strict=True)):
            rules = tuple(self._ordered(rule, rule, of, problems) for rule in module.rules)
            self._modules[number] = replace(module, rules=rules)
        self._stop_at(dict.fromkeys(problems))

    def _unsafe_in(self, module: Module) -> Callable[[Rule, Rule], UnsafeVariable]:
        """How problems of variables are told in a branch of a rule of this module."""
        scopes, package = _Scopes(module), self._package(module)

        def unsafe_in(branch: Rule, whole: Rule) -> UnsafeVariable:
            fix = partial(variable_fix, rule=whole, package=package, names=self._names)
            return UnsafeVariable(scopes.of(branch), fix)

        return unsafe_in

    def _unsafe_head(self, rule: Rule, unsafe_variable: UnsafeVariable) -> list[RegoProblem]:
        known = variables_of(rule.body, SAFETY)
        for arg in rule.head.args or ():
            known |= variables(arg)
        missing = variables(rule.head) - known
        places = {node.name: node.place for node in walk(rule.head) if isinstance(node, Var) and node.name in missing}
        shown = [(self._names.shown(name), place) for name, place in sorted(places.items())]
        return [unsafe_variable(name, place) for name, place in shown if not self._names.is_made(name)]

    def _ordered(
        self, rule: Rule, whole: Rule, unsafe_in: Callable[[Rule, Rule], UnsafeVariable], problems: list[RegoProblem]
    ) -> Rule:
        known: set[str] = set()
        for arg in rule.head.args or ():
            known |= variables(arg)
        body, found, forgotten = order_body(rule.body, known, self._arity, self._names, unsafe_in(rule, whole))
        problems += found
        self._forgotten += forgotten
        return replace(rule, body=body, else_=rule.else_ and self._ordered(rule.else_, whole, unsafe_in, problems))

    # ── helpers ──

    def _rules(self) -> list[Rule]:
        return [rule for module in self._modules for rule in module.rules]

    def _package(self, module: Module) -> list[Module]:
        """The modules of the same package, as they are now."""
        return [each for each in self._modules if each.package == module.package]

    def _each(self, change: Callable[[Rule], Rule]) -> None:
        self._modules = [replace(module, rules=tuple(map(change, module.rules))) for module in self._modules]

    def _found(self, change: Callable[[Rule], tuple[Rule, list[RegoProblem]]]) -> Callable[[Rule], Rule]:
        def changed(rule: Rule) -> Rule:
            new, problems = change(rule)
            self._problems += problems
            return new

        return changed

    def _stop_at(self, problems: Iterable[RegoProblem]) -> None:
        found = list(problems)
        if found:
            raise RegoProblems(sorted(found, key=lambda each: each.place))

    def _shown(self, ref: Ref) -> str:
        written = renamed(ref, self._names.shown)
        return ref_text(written) if isinstance(written, Ref) else ""


class _Scopes:
    """What is added to a message where a line has rules of several names."""

    def __init__(self, module: Module) -> None:
        self._names: dict[int, set[str]] = {}
        for rule in module.rules:
            for branch in branches(rule):
                self._names.setdefault(branch.place.row, set()).add(_ground_name(branch.head))

    def of(self, rule: Rule) -> str:
        shared = len(self._names.get(rule.place.row, ())) > 1
        return f" in rule {_ground_name(rule.head)}" if shared else ""


def _ground_name(head: Head) -> str:
    path = []
    for each in head.ref.path:
        if not isinstance(each, Scalar):
            break
        path.append(each)
    return ref_text(replace(head.ref, path=tuple(path)))


def _builtin_arity(name: str) -> int | None:
    found = declarations().get(name)
    return None if found is None else found.arity


def _all_names(modules: Sequence[Module]) -> set[str]:
    return {node.name for module in modules for rule in module.rules for node in walk(rule) if isinstance(node, Var)}
