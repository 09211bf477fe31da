"""References that find nothing: a key that is not there, a scalar looked into, a function not called. Not calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from authz_rego.check.static_keys import StaticKey, key_order, term_of_key, without_repeats
from authz_rego.check.term_order import sorted_items, sorted_pairs, term_order
from authz_rego.check.type_access import keys_of, select, values_of
from authz_rego.check.type_env import ROOTS, TypeEnv
from authz_rego.check.type_errors import Found, Miss, missing, unsupported
from authz_rego.check.type_merging import is_empty, unifies
from authz_rego.check.type_tree import TypeNode, parts_of
from authz_rego.check.type_unification import fit
from authz_rego.check.types import ANY, STRING, AnyType, FunctionType, ObjectType, Type
from authz_rego.check.walk import COMPREHENSIONS, Node, children
from authz_rego.errors import RegoProblem
from authz_rego.syntax.tree import (
    ArrayTerm,
    Call,
    Every,
    Expr,
    Logical,
    Not,
    ObjectTerm,
    Ref,
    Scalar,
    SetTerm,
    Term,
    Var,
    With,
)

_EVERY_WITH: Final = (
    "`every` has no `with` that replaces a function: put it into a rule, and the `with` where that rule is used"
)


class References:
    """Checks the references of statements; variables in them get the types of the keys that there are."""

    def __init__(self, env: TypeEnv, shown: Callable[[Term], Term]) -> None:
        self._env = env
        self._shown = shown
        self._in_with = False
        self.problems: list[RegoProblem] = []

    def check(self, node: Node) -> None:
        """Adds to `problems` what is wrong with the references in it, but for those of comprehensions."""
        if isinstance(node, COMPREHENSIONS):
            return
        if isinstance(node, Ref) and not self._is_right(node):
            return
        if isinstance(node, With):
            self._in_with = True
        for each in _inside(node):
            self.check(each)
        if isinstance(node, With):
            self._in_with = False

    def _is_right(self, ref: Ref) -> bool:
        """False when it is a function: then nothing more is said of it."""
        parts = parts_of(ref)
        type_ = self._env.type_of_ref(parts)
        if type(type_) is FunctionType:
            refused = unsupported(ref.head.place, self._written(ref), len(parts) - 1, type_)
            # OPA takes what stands in a `with` of `every` for a value.
            problem = replace(refused.problem, fix=_EVERY_WITH) if self._in_with else refused.problem
            self.problems.append(problem)
            return False
        found = self._through(self._env, self._env.tree, ref, 0)
        if found is not None:
            self.problems.append(found.problem)
        return True

    def _written(self, ref: Ref) -> Ref:
        shown = self._shown(ref)
        return shown if isinstance(shown, Ref) else ref

    def _missing(self, ref: Ref, index: int, have: Type | None, want: Type | None, keys: Sequence[Term]) -> Found:
        return missing(ref.head.place, Miss(self._written(ref), index, have, want, keys))

    def _through(self, env: TypeEnv, node: TypeNode, ref: Ref, index: int) -> Found | None:
        """From a place where rules are on; a layer that does not know the reference leaves it to the next."""
        parts = parts_of(ref)
        while index < len(parts):
            step = parts[index]
            if index in {1, 2} and not _is_name(step):
                return self._missing(ref, index, self._env.type_of(step), STRING, _keys_at(node))
            if index and type(step) is Var:
                keys, known = keys_of(node.extent()), self._env.type_of(step)
                if known is None:
                    self._env.put_variable(step, keys)
                elif not unifies(keys, known):
                    return self._missing(ref, index, known, keys, _keys_at(node))
            child = node.child(step)
            if child is None:
                following = env.next
                if following is None:
                    return self._inside(ANY, ref, 1 if _is_root(parts[0]) else 0)
                env, node, index = following, following.tree, 0
                continue
            index += 1
            if child.type is not None:
                return self._inside(child.type, ref, index)
            node = child
        return None

    def _inside(self, type_: Type | None, ref: Ref, index: int) -> Found | None:
        """From a value of a type on."""
        parts = parts_of(ref)
        for at in range(index, len(parts)):
            if is_empty(type_):
                return self._in_empty(type_, ref, at)
            keys = keys_of(type_)
            if keys is None:
                return unsupported(ref.head.place, self._written(ref), at - 1, type_)
            step = parts[at]
            if isinstance(step, Var | Ref | ArrayTerm | ObjectTerm | SetTerm):
                found = self._computed(type_, keys, ref, at)
                if found is not None:
                    return found
                type_ = values_of(type_)
                continue
            member = select(type_, step.value) if type(step) is Scalar else None
            if member is None:
                return self._missing(ref, at, None, keys, _keys_in(type_))
            type_ = member
        return None

    def _computed(self, type_: Type | None, keys: Type, ref: Ref, index: int) -> Found | None:
        """A step that is no constant."""
        step = parts_of(ref)[index]
        if isinstance(step, ArrayTerm | ObjectTerm | SetTerm):
            if not fit(self._env, step, keys):
                return self._missing(ref, index, self._env.type_of(step), keys, ())
            return None
        known = self._env.type_of(step)
        if known is not None:
            return None if unifies(known, keys) else self._missing(ref, index, known, keys, _keys_in(type_))
        if type(step) is Var:
            self._env.put_variable(step, keys)
        return None

    def _in_empty(self, type_: Type | None, ref: Ref, index: int) -> Found | None:
        """Going through nothing is no mistake; asking for a certain member of it is."""
        step = parts_of(ref)[index]
        if type(step) is Scalar:
            return self._missing(ref, index, None, None, ())
        if type(step) is not Var:
            return None
        known, keys = self._env.type_of(step), keys_of(type_)
        if known is None:
            self._env.put_variable(step, ANY)
        elif keys is not None and not unifies(known, keys):
            return self._missing(ref, index, known, keys, ())
        return None


def _inside(node: Node) -> Sequence[Node]:
    """What is looked into, in OPA's order: of a plain statement its operands only, not its `with`."""
    match node:
        case Expr():
            terms = node.terms
            if isinstance(terms, Call):
                return terms.args
            if isinstance(terms, Not):
                return terms.body
            return tuple(children(node)) if isinstance(terms, Every | Logical) else (terms,)
        case ObjectTerm():
            return [each for pair in sorted_pairs(node) for each in pair]
        case SetTerm():
            return sorted_items(node)
    return tuple(children(node))


def _is_name(step: Term) -> bool:
    return type(step) is Var or (type(step) is Scalar and type(step.value) is str)


def _is_root(head: Term) -> bool:
    return type(head) is Var and head.name in ROOTS


def _keys_at(node: TypeNode) -> list[Term]:
    """The keys below a place, in order."""
    found = [child.key for child in node.children.values() if child.key is not None]
    return sorted(found, key=term_order)


def _keys_in(type_: Type | None) -> list[Term]:
    """The known keys of an object, or of the objects of a union, in order."""
    found = sorted(without_repeats(_known_keys(type_)), key=key_order)
    return [term_of_key(each) for each in found]


def _known_keys(type_: Type | None) -> list[StaticKey]:
    match type_:
        case ObjectType():
            return [each.key for each in type_.static]
        case AnyType():
            return [key for each in type_.of for key in _known_keys(each)]
    return []
