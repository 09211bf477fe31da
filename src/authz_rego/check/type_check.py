"""Infers the types of rules from what they are made of, and finds what can never be, as OPA does.

READ FIRST of all `type_…` modules: here a rule's body is gone through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from authz_rego.check.term_text import ref_text
from authz_rego.check.type_access import builtin_types, keys_of, values_of
from authz_rego.check.type_env import TypeEnv
from authz_rego.check.type_errors import Found, Shown, Wanted, mismatch, undefined_function, wrong_arguments
from authz_rego.check.type_memory import Checked, Known
from authz_rego.check.type_merging import has_empty, unifies, without_empty
from authz_rego.check.type_refs import References
from authz_rego.check.type_replacing import Branch, Replacing, ground_prefix
from authz_rego.check.type_schemas import put_schemas
from authz_rego.check.type_tree import builtin_tree, parts_of
from authz_rego.check.type_unification import fit, unify
from authz_rego.check.types import (
    ANY,
    Dynamic,
    FunctionType,
    ObjectType,
    SetType,
    Type,
    is_anything,
    is_unknown,
)
from authz_rego.check.walk import COMPREHENSIONS, Node, children, walk
from authz_rego.errors import RegoProblem
from authz_rego.syntax.tree import Body, Call, Comprehension, Expr, Head, Term, Var

_MEMBER = {"internal.member_2": 2, "internal.member_3": 3}


def check_types(
    branches: Sequence[Branch],
    *,
    written: Mapping[str, str],
    subjects: Mapping[str, Term],
    used_by: Callable[[int], Iterable[int]] = lambda _: (),
) -> tuple[TypeEnv, list[RegoProblem]]:
    """The types of all rules, and what is wrong with them, in the order in which OPA says it.

    What a branch uses comes before it. `written` has the user's names of generated variables, `subjects` the terms that
    such variables stand for, `used_by` the numbers of the branches that use the branch of a number.
    """
    checker = TypeCheck(branches, Shown(written, subjects), used_by)
    return checker.run()


class TypeCheck:
    """The same, with what was found out of each branch's variables."""

    def __init__(self, branches: Sequence[Branch], shown: Shown, used_by: Callable[[int], Iterable[int]]) -> None:
        self._branches = branches
        self._shown = shown
        self._replacing = Replacing(branches, used_by)
        self._problems: list[RegoProblem] = []
        self.env = TypeEnv(builtin_tree(), self._quietly).inner()
        self._known = Known()

    def run(self) -> tuple[TypeEnv, list[RegoProblem]]:
        for number in range(len(self._branches)):
            self._branch(number)
        return self.env, sorted(self._problems, key=lambda each: (each.place, each.found))

    # ── rules ──

    def _branch(self, number: int) -> None:
        branch = self._branches[number]
        self._known = Known()
        around = self.env.inner()
        self._problems += put_schemas(around, branch.schemas, branch.rule.place)
        env, problems = self._body(around, branch.rule.body)
        self._problems += problems
        path = parts_of(branch.ref)
        if problems:  # said once: whoever uses it shall not be told again
            self.env.tree.put(path, ANY)
            return
        type_ = _head_type(env, branch)
        if type_ is None:
            return
        if has_empty(type_) and self._replacing.is_replaced(number):
            type_ = without_empty(type_)
            assert type_ is not None
        self.env.tree.insert(
            path if type(type_) is FunctionType else ground_prefix(branch.ref), type_, self.env.type_of
        )

    # ── bodies ──

    def _quietly(self, env: TypeEnv, term: Comprehension) -> TypeEnv | None:
        """For those who ask for the type of a comprehension: its problems are found elsewhere."""
        inner, problems = self._inner_body(env, term)
        return None if problems else inner

    def _inner_body(self, env: TypeEnv, term: Comprehension) -> Checked:
        found = self._known.find(env, term)
        if found is None:
            found = self._body(env, term.body)
            self._known.keep(env, term, found)
        return found

    def _body(self, env: TypeEnv, body: Body) -> Checked:
        env = env.inner()
        problems: list[RegoProblem] = []
        for expr in body:
            around = self._replacing.env(env, expr) if expr.with_ else env
            inside = self._comprehensions(around, expr)
            references = References(around, self._shown.term)
            references.check(expr)
            problems += inside
            problems += references.problems
            found = self._statement(around, expr)
            if found is not None and not (found.is_consequence and (inside or references.problems)):
                problems.append(found.problem)
        return env, problems

    def _comprehensions(self, env: TypeEnv, expr: Expr) -> list[RegoProblem]:
        """What is wrong inside of the statement's comprehensions; of several the last one's problems, as OPA has it."""
        found: list[RegoProblem] = []
        todo: list[Node] = [expr]
        while todo:
            node = todo.pop()
            if isinstance(node, COMPREHENSIONS):
                _, problems = self._inner_body(env, node)
                if problems:
                    found = problems
                    continue
            todo.extend(reversed(list(children(node))))
        return found

    # ── statements ──

    def _statement(self, env: TypeEnv, expr: Expr) -> Found | None:
        found = _with_problem(env, expr)
        if found is not None or not isinstance(expr.terms, Call):
            return found
        call = expr.terms
        name = ref_text(call.operator)
        if name == "eq":
            return _equality(env, expr, call)
        if name in _MEMBER:
            found = _member(env, expr, call, _MEMBER[name])
            if found is not None:
                return found
        return _call(env, expr, call, name)


# ── heads ──


def _head_type(env: TypeEnv, branch: Branch) -> Type | None:
    """What the rule gives; None when nothing is known of it."""
    head = branch.rule.head
    if head.args:
        return _function_type(env, head)
    if head.value is not None:
        type_ = env.type_of(head.value)
    else:
        assert head.key is not None
        of = env.type_of(head.key)
        type_ = None if of is None else SetType(of)
    for step in reversed(branch.ref.path[len(ground_prefix(branch.ref)) - 1 :]):
        key = env.type_of(step)
        if type_ is None or key is None:
            return None
        type_ = ObjectType((), Dynamic(key, type_))
    return type_


def _function_type(env: TypeEnv, head: Head) -> FunctionType:
    assert head.args is not None
    assert head.value is not None
    for arg in head.args:
        for node in walk(arg):
            if isinstance(node, Var) and env.type_of(node) is None:
                env.put_variable(node, ANY)
    return FunctionType(tuple(map(env.type_of, head.args)), env.type_of(head.value))


# ── statements ──


def _with_problem(env: TypeEnv, expr: Expr) -> Found | None:
    """A function in place of one with another number of arguments."""
    for each in expr.with_:
        target, value = env.type_of(each.target), env.type_of(each.value)
        if type(target) is FunctionType and type(value) is FunctionType and not unifies(target, value):
            name = ref_text(each.target)  # type: ignore[arg-type]  # what is of a function's type is a reference
            return wrong_arguments(each.place, name, "arity mismatch", value.args, Wanted.arguments_of(target))
    return None


def _equality(env: TypeEnv, expr: Expr, call: Call) -> Found | None:
    types = tuple(map(env.type_of, call.args))
    if len(call.args) != 2:
        what = "too few arguments" if len(call.args) < 2 else "too many arguments"
        wanted = Wanted.arguments_of(builtin_types()["eq"])._replace(names=())
        return wrong_arguments(expr.place, "eq", what, types, wanted)
    return None if unify(env, *call.args) else mismatch(expr.place, *types)


def _member(env: TypeEnv, expr: Expr, call: Call, arity: int) -> Found | None:
    """`x in xs`, of which a declaration cannot say that x must be one of xs."""
    if len(call.args) < arity:
        return None
    collection = env.type_of(call.args[arity - 1])
    values = values_of(collection)
    if values is None:  # nothing to go through: it is false
        return None
    if arity == 3:
        found = _operand(env, expr, call.args[0], keys_of(collection))
        if found is not None:
            return found
    return _operand(env, expr, call.args[arity - 2], values)


def _operand(env: TypeEnv, expr: Expr, term: Term, type_: Type | None) -> Found | None:
    if is_unknown(type_):
        return None
    have = env.type_of(term)
    if (is_unknown(have) or unifies(have, type_)) and fit(env, term, type_):
        return None
    return mismatch(expr.place, have, type_)


def _call(env: TypeEnv, expr: Expr, call: Call, name: str) -> Found | None:  # noqa: PLR0911 - one for each mistake
    function = env.type_of_ref(parts_of(call.operator))
    if is_anything(function):
        return None
    if not isinstance(function, FunctionType):
        return undefined_function(expr.place, name, builtin_types())
    wanted = Wanted.of(function)
    wrong = partial(wrong_arguments, expr.place, name, wanted=wanted)
    types = list(map(env.type_of, call.args))
    if len(types) > len(wanted.args) and wanted.variadic is None:
        return wrong("too many arguments", types)
    if len(types) < function.arity:
        return wrong("too few arguments", types)
    for index, arg in enumerate(call.args):
        if not is_unknown(types[index]) and not unifies(types[index], function.arg(index)):
            return wrong("invalid argument(s)", types)
        if not fit(env, arg, function.arg(index)):
            return wrong("invalid argument(s)", list(map(env.type_of, call.args)))
    return None
