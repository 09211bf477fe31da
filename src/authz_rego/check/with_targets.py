"""`with`: what may be replaced by what. Its values become plain, as arguments of calls do."""

from __future__ import annotations

from dataclasses import replace

from authz_rego.builtins.declarations import declarations
from authz_rego.check.expand import equality, needs_evaluation
from authz_rego.check.local_names import LocalNames
from authz_rego.check.rebuild import Rebuild
from authz_rego.check.rules import RuleNode, constant_prefix
from authz_rego.errors import RegoProblem
from authz_rego.syntax.text import ref_text, term_text
from authz_rego.syntax.tree import Body, Expr, Ref, Rule, Term, Var, With

_COMPILE, _TYPE = "rego_compile_error", "rego_type_error"
_NEVER_REPLACED = {"eq", "rego.metadata.chain", "rego.metadata.rule"}
_REPLACING = "with keyword replacing built-in function: "


def with_values(rule: Rule, root: RuleNode, names: LocalNames) -> tuple[Rule, list[RegoProblem]]:
    """The rule, with each value of a `with` that has to be looked up bound before."""
    problems: list[RegoProblem] = []
    return _Withs(root, names, problems).rule(rule), problems


class _Withs(Rebuild):
    def __init__(self, root: RuleNode, names: LocalNames, problems: list[RegoProblem]) -> None:
        self._root, self._names, self._problems = root, names, problems

    def body(self, body: Body) -> Body:
        new: list[Expr] = []
        known: list[tuple[With, Var]] = []  # statements that were one have one `with`: its value is looked up once
        for expr in body:
            inside = self.expr(expr)
            withs: list[With] = []
            for each in inside.with_:
                target, value, is_bound = self._judged(each)
                if is_bound:
                    # Several can have one place: that of the `else` in which they stand.
                    local = next((var for one, var in known if one == each and one.place == each.place), None)
                    if local is None:
                        local = Var(self._names.new(), value.place)
                        new.append(equality(local.name, value))
                        known.append((each, local))
                    value = local
                withs.append(replace(each, target=target, value=value))
            new.append(replace(inside, with_=tuple(withs)))
        return tuple(new)

    def _judged(self, each: With) -> tuple[Term, Term, bool]:
        """Target and value as they go on, and whether the value has to be bound before."""
        target, value = _function_ref(each.target), _function_ref(each.value)
        root = target.head.name if isinstance(target, Ref) and isinstance(target.head, Var) else ""
        if root == "data" and isinstance(target, Ref):
            return target, value, self._data(target, value)
        if root == "input":
            return target, value, needs_evaluation(value)
        name = ref_text(target) if isinstance(target, Ref) else ""
        if name in declarations():
            self._builtin(name, target)
            is_function = self._is_rule(value) or _is_builtin(value)
            return target, value, not is_function and needs_evaluation(value)
        found = "with keyword target must reference existing input, data, or a function"
        self._problems.append(RegoProblem(_TYPE, target.place, found, "name a function, or a path below input or data"))
        return target, value, False

    def _data(self, target: Ref, value: Term) -> bool:
        path = constant_prefix(target.path)
        node: RuleNode | None = self._root
        for step in path[:-1]:
            node = node.children.get(step) if node is not None else None
            if node is not None and node.rules:
                found = "with keyword cannot partially replace virtual document(s)"
                self._problems.append(RegoProblem(_COMPILE, target.place, found, "replace the whole rule"))
                return False
        last = node.children.get(path[-1]) if node is not None and path else None
        is_function = last is not None and any(each.rule.head.args for each in last.rules)
        if is_function and (self._is_rule(value) or _is_builtin(value)):
            return False
        if self._is_function(value):
            return False
        return needs_evaluation(value)

    def _builtin(self, name: str, target: Term) -> None:
        known = declarations()[name]
        found = ""
        if name in _NEVER_REPLACED:
            found = f'replacement of "{name}" invalid'
        elif name.startswith("internal."):
            found = f'replacement of internal function "{name}" invalid'
        elif known.relation:
            found = "target must not be a relation"
        elif known.result is None:
            found = "target must not be a void function"
        if found:
            self._problems.append(
                RegoProblem(_COMPILE, target.place, _REPLACING + found, "replace a rule that calls it")
            )

    def _is_rule(self, value: Term) -> bool:
        return self._node(value) is not None

    def _is_function(self, value: Term) -> bool:
        node = self._node(value)
        return node is not None and any(each.rule.head.args for each in node.rules)

    def _node(self, value: Term) -> RuleNode | None:
        if not isinstance(value, Ref) or term_text(value.head) != "data":
            return None
        path = constant_prefix(value.path)
        return self._root.find(path) if len(path) == len(value.path) else None


def _function_ref(term: Term) -> Term:
    """A builtin's name on its own is a reference to it."""
    return Ref(term, (), term.place) if isinstance(term, Var) and term.name in declarations() else term


def _is_builtin(value: Term) -> bool:
    return isinstance(value, Ref) and ref_text(value) in declarations()
