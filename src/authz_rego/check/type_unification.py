"""Fits terms to types, and to each other: variables get the types that they must have. Not what a misfit is called."""

from __future__ import annotations

from authz_rego.check.static_keys import is_constant, static_key
from authz_rego.check.term_order import sorted_items, sorted_pairs, term_order
from authz_rego.check.type_access import select, values_of
from authz_rego.check.type_env import TypeEnv
from authz_rego.check.type_merging import unifies
from authz_rego.check.types import ANY, AnyType, ArrayType, ObjectType, SetType, Type, is_unknown, union
from authz_rego.syntax.tree import ArrayTerm, ObjectTerm, Ref, SetTerm, Term, Var


def unify(env: TypeEnv, one: Term, other: Term) -> bool:
    """Whether the two can be equal."""
    types = env.type_of(one), env.type_of(other)
    if not is_unknown(types[0]) or not is_unknown(types[1]):
        if is_unknown(types[0]):
            return fit(env, one, types[1])
        return fit(env, other, types[0]) if is_unknown(types[1]) else unifies(*types)
    found = _unify_unknown(env, one, other)
    if found is not None:
        return found
    # A variable of which nothing is known, and something of which a part is known.
    if type(one) is Var and types[0] is None and types[1] is not None:
        return fit(env, one, types[1])
    if type(other) is Var and types[1] is None and types[0] is not None:
        return fit(env, other, types[0])
    return False


def _unify_unknown(env: TypeEnv, one: Term, other: Term) -> bool | None:  # noqa: PLR0911 - one line for each pair
    """Of two terms of which not all is known; None when their form does not decide."""
    match one, other:
        case ArrayTerm(), _:
            return _unify_array(env, one, other)
        case ObjectTerm(), _:
            return _unify_object(env, one, other)
        case Var(), Var():
            return fit(env, one, ANY) and fit(env, other, env.type_of(one))
        case Var(), ArrayTerm():
            return _unify_array(env, other, one)
        case Var(), ObjectTerm():
            return _unify_object(env, other, one)
        case Var(), Ref():
            return fit(env, one, ANY)
        case Ref(), Var():
            return fit(env, other, ANY)
    return None


def _unify_array(env: TypeEnv, array: ArrayTerm, other: Term) -> bool:
    match other:
        case ArrayTerm():
            if len(array.items) != len(other.items):
                return False
            return all(unify(env, mine, theirs) for mine, theirs in zip(array.items, other.items, strict=True))
        case Var():
            return fit(env, array, ANY) and fit(env, other, env.type_of(array))
    return False


def _unify_object(env: TypeEnv, object_: ObjectTerm, other: Term) -> bool:
    match other:
        case ObjectTerm():
            mine, theirs = sorted_pairs(object_), sorted_pairs(other)
            if [term_order(key) for key, _ in mine] != [term_order(key) for key, _ in theirs]:
                return False
            return all(unify(env, pair[1], its[1]) for pair, its in zip(mine, theirs, strict=True))
        case Var():
            return fit(env, object_, ANY) and fit(env, other, env.type_of(object_))
    return False


def fit(env: TypeEnv, term: Term, type_: Type | None, *, widen: bool = False) -> bool:
    """Whether the term can be of the type. Variables of unknown types get theirs; with `widen` the others widen."""
    match term:
        case ArrayTerm() | ObjectTerm() | SetTerm():
            if type(type_) is AnyType:
                return _fit_any(env, term, type_)
            return _fit_composite(env, term, type_, widen=widen)
        case Var():
            known = env.type_of(term)
            if widen:
                env.put_variable(term, union(known, type_))
            elif known is not None:
                return unifies(known, type_)
            else:
                env.put_variable(term, type_)
            return True
    return unifies(env.type_of(term), type_)


def _fit_any(env: TypeEnv, term: ArrayTerm | ObjectTerm | SetTerm, type_: AnyType) -> bool:
    if type_.of:
        fitting = [fit(env, term, each, widen=True) for each in type_.of]  # all of them: each widens variables
        return any(fitting)
    match term:
        case ObjectTerm():
            inside = [each for pair in sorted_pairs(term) for each in pair]
        case SetTerm():
            inside = sorted_items(term)
        case _:
            inside = list(term.items)
    for each in inside:
        fit(env, each, ANY, widen=True)
    return True


def _fit_composite(env: TypeEnv, term: ArrayTerm | ObjectTerm | SetTerm, type_: Type | None, *, widen: bool) -> bool:
    match term, type_:
        case ArrayTerm(), ArrayType():
            if len(term.items) != len(type_.static) and type_.dynamic is None:
                return False
            return all(fit(env, each, type_.select(index), widen=widen) for index, each in enumerate(term.items))
        case ObjectTerm(), ObjectType():
            return _fit_object(env, term, type_, widen=widen)
        case SetTerm(), SetType():
            return all(fit(env, each, values_of(type_), widen=widen) for each in sorted_items(term))
    return False


def _fit_object(env: TypeEnv, term: ObjectTerm, type_: ObjectType, *, widen: bool) -> bool:
    pairs = sorted_pairs(term)
    is_open = type_.dynamic is not None and type_.dynamic.value is not None
    if len(pairs) != len(type_.static) and not is_open:
        return False
    for key, value in pairs:
        if not is_constant(key):
            fit(env, value, ANY, widen=widen)  # what is at a computed key could be any of the values
            continue
        try:
            found = select(type_, static_key(key))
        except ValueError:
            return False
        if found is None or not fit(env, value, found, widen=widen):
            return False
    return True
