"""Two terms that must be the same, and patterns that take values apart. Not references (`references`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from authz_rego.check.term_order import sorted_pairs, term_order
from authz_rego.check.walk import COMPREHENSIONS
from authz_rego.compile.references import is_plain_data
from authz_rego.compile.terms import LONGEST_LITERAL, as_written
from authz_rego.syntax.tree import (
    ArrayComprehension,
    ArrayTerm,
    ObjectComprehension,
    ObjectTerm,
    Ref,
    Scalar,
    SetComprehension,
    SetTerm,
    Term,
    Var,
)
from authz_rego.values.value import key_of

if TYPE_CHECKING:
    from authz_rego.compile.bodies import BodyWriter

_KIND = {ArrayComprehension: "list", SetComprehension: "frozenset", ObjectComprehension: "dict"}


def unify(writer: BodyWriter, left: Term, right: Term) -> None:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Var) and one.name not in writer.scope.bound and _is_computed(other, writer):
            _bind_as_written(writer, one.name, other)
            return
    if isinstance(left, Ref) and isinstance(right, Ref):
        value, same = writer.reference(left), writer.reference(right)
        writer.fail_if(f"not equal({value}, {same})", value, same)
    elif isinstance(left, Ref):
        _unify_reference(writer, left, right)
    elif isinstance(right, Ref):
        _unify_reference(writer, right, left)
    else:
        _unify_terms(writer, left, right)


def _unify_reference(writer: BodyWriter, ref: Ref, other: Term) -> None:
    """A comprehension, which may end in an error, is made for plain data whatever it is."""
    value = writer.reference(ref)
    if isinstance(other, COMPREHENSIONS) and is_plain_data(writer, ref):
        wanted = writer.evaluated(other)
        writer.fail_if(f"not equal({value}, {wanted})", value, wanted)
    else:
        match(writer, other, value)


def _is_computed(term: Term, writer: BodyWriter) -> TypeGuard[SetTerm | ObjectTerm]:
    """A set with computed members, or an object with computed keys: loops run through it as it is written."""
    if not isinstance(term, SetTerm | ObjectTerm) or not writer.is_ground(term) or writer.generator.is_value(term):
        return False
    keys = term.items if isinstance(term, SetTerm) else tuple(key for key, _ in term.pairs)
    return len(keys) > 1 and not all(map(writer.generator.is_value, keys))


def _bind_as_written(writer: BodyWriter, name: str, term: SetTerm | ObjectTerm) -> None:
    if isinstance(term, SetTerm):
        members = [writer.named(writer.evaluated(each)) for each in sorted(term.items, key=term_order)]
        pairs, whole = [*zip(members, members, strict=True)], "frozenset([key_of(key) for key, _ in {}])"
    else:
        pairs = [(writer.evaluated(key), writer.evaluated(value)) for key, value in sorted_pairs(term)]
        whole = "object_of(*[(key_of(key), member) for key, member in {}])"
    written = writer.named(f"({''.join(f'({key}, {member}), ' for key, member in pairs)})")
    writer.scope.bound[as_written(name)] = written
    writer.scope.bound[name] = writer.named(whole.format(written))


def _unify_terms(writer: BodyWriter, left: Term, right: Term) -> None:
    """What has a value gives it to the other side, part by part."""
    waiting = [(left, right)]
    while waiting:
        rest: list[tuple[Term, Term]] = []
        for pair in waiting:
            rest += _unify_pair(writer, *pair)
        if rest == waiting:
            return  # two variables that nothing else looks at
        waiting = rest


def _unify_pair(writer: BodyWriter, left: Term, right: Term) -> list[tuple[Term, Term]]:
    if writer.is_ground(left) and (writer.is_ground(right) or not isinstance(left, ArrayTerm | ObjectTerm)):
        match(writer, right, writer.evaluated(left))
    elif writer.is_ground(right) and not isinstance(right, ArrayTerm | ObjectTerm):
        match(writer, left, writer.evaluated(right))
    elif isinstance(left, ArrayTerm) and isinstance(right, ArrayTerm):
        if len(left.items) == len(right.items):
            return list(zip(left.items, right.items, strict=True))
        writer.never()
    elif isinstance(left, ObjectTerm) and isinstance(right, ObjectTerm):
        return _unify_objects(writer, left, right)
    elif writer.is_ground(left):
        match(writer, right, writer.evaluated(left))
    elif writer.is_ground(right):
        match(writer, left, writer.evaluated(right))
    elif not isinstance(left, Var) and not isinstance(right, Var):
        writer.never()
    else:
        return [(left, right)]
    return []


def _unify_objects(writer: BodyWriter, left: ObjectTerm, right: ObjectTerm) -> list[tuple[Term, Term]]:
    if all(isinstance(key, Scalar) for key, _ in (*left.pairs, *right.pairs)):
        others = {key_of(key.value): value for key, value in right.pairs if isinstance(key, Scalar)}
        mine = {key_of(key.value): value for key, value in left.pairs if isinstance(key, Scalar)}
        if mine.keys() == others.keys():
            return [(value, others[key]) for key, value in mine.items()]
        writer.never()
    if writer.is_ground(left):
        match(writer, right, writer.evaluated(left))
    elif writer.is_ground(right):
        match(writer, left, writer.evaluated(right))
    else:
        return _unify_computed(writer, left, right)
    return []


def _unify_computed(writer: BodyWriter, left: ObjectTerm, right: ObjectTerm) -> list[tuple[Term, Term]]:
    """Objects with computed keys and patterns on both sides: some are known to be one, others are asked."""
    names: dict[str, str] = {}
    mine, theirs = (
        [(names.setdefault(text, writer.named(text)), value) for text, value in side]
        for side in ([(writer.key(key), value) for key, value in term.pairs] for term in (left, right))
    )
    for side in (mine, theirs):
        writer.raise_if(f"len({{{', '.join(key for key, _ in side)}}}) < {len(side)}", "same_keys()")
    others = dict(theirs)
    pairs = [(value, others[key]) for key, value in mine if key in others]
    known = {key for key, _ in mine} & others.keys()
    mine, theirs = ([each for each in side if each[0] not in known] for side in (mine, theirs))
    if mine:
        _unify_found(writer, mine, theirs)
    return pairs


def _unify_found(writer: BodyWriter, left: list[tuple[str, Term]], right: list[tuple[str, Term]]) -> None:
    """The members of two objects whose keys are compared when it is asked; one side of each has its value by then."""
    sides = [{key: value for key, value in side if writer.is_ground(value)} for side in (left, right)]
    writer.fail_if(f"{{{', '.join(key for key, _ in left)}}} != {{{', '.join(key for key, _ in right)}}}")
    mine, theirs = (
        writer.named("{" + ", ".join(f"{key}: {writer.evaluated(value)}" for key, value in side.items()) + "}")
        for side in sides
    )
    for side, known, values in ((left, sides[0], theirs), (right, sides[1], mine)):
        for key, value in side:
            found = writer.named(f"{values}.get({key}, U)")
            if key not in known:
                writer.raise_if(f"{found} is U", "unpaired()")
                match(writer, value, found)
            elif values == theirs:
                writer.fail_if(f"{found} is not U and not equal({found}, {mine}[{key}])")


def match(writer: BodyWriter, pattern: Term, value: str) -> None:
    """The pattern's variables get their values out of the value, if it has that form."""
    if isinstance(pattern, Var) and pattern.name not in writer.scope.bound:
        writer.scope.bound[pattern.name] = value if value in writer.literals else writer.named(value)
        return
    value = writer.named(value)
    if writer.is_ground(pattern):
        _match_value(writer, pattern, value)
        return
    match pattern:
        case ArrayTerm():
            writer.fail_if(f"type({value}) is not list or len({value}) != {len(pattern.items)}", value)
            for index, item in enumerate(pattern.items):
                if not writer.is_unused(item):
                    match(writer, item, writer.named(f"{value}[{index}]"))
        case ObjectTerm() if all(writer.is_ground(key) for key, _ in pattern.pairs):
            _match_object(writer, pattern, value)
        case SetTerm() | ObjectTerm():
            writer.never()  # variables in sets and keys are not looked for, as in OPA
        case _:
            _match_value(writer, pattern, value)


def _match_object(writer: BodyWriter, pattern: ObjectTerm, value: str) -> None:
    keys = [writer.key(key) for key, _ in pattern.pairs]
    writer.fail_if(f"type({value}) is not dict or len({value}) != {len(keys)}", value)
    if len(keys) > 1 and not all(isinstance(key, Scalar) for key, _ in pattern.pairs):
        writer.raise_if(f"len({{{', '.join(keys)}}}) < {len(keys)}", "same_keys()")
    for key, (_, item) in zip(keys, pattern.pairs, strict=True):
        found = writer.named(f"{value}.get({key}, U)")
        writer.fail_if(f"{found} is U", value)
        if not writer.is_unused(item):
            match(writer, item, found)


def _match_value(writer: BodyWriter, term: Term, value: str) -> None:
    """A comprehension is made for a value of its kind only, as in OPA."""
    if isinstance(term, COMPREHENSIONS):
        writer.fail_if(f"type({value}) is not {_KIND[type(term)]}", value)
    wanted = writer.evaluated(term)
    if isinstance(term, Scalar):
        different = _differs(value, term)
        writer.fail_if(different or f"not equal({value}, {wanted})", value, wanted)
    elif writer.generator.is_value(term) and _is_text(term):
        writer.fail_if(f"{value} != {wanted}", value, wanted)
    else:
        writer.fail_if(f"not equal({value}, {wanted})", value, wanted)


def _is_text(term: Term) -> bool:
    """A constant without numbers and booleans, which Python's `==` confuses."""
    match term:
        case Scalar():
            return term.value is None or isinstance(term.value, str)
        case ArrayTerm():
            return all(map(_is_text, term.items))
        case ObjectTerm():
            return all(isinstance(key, Scalar) and isinstance(key.value, str) and _is_text(v) for key, v in term.pairs)
    return False


def _differs(value: str, term: Scalar) -> str:
    """The test that a value is not this constant; nothing when it takes more than an operator."""
    wanted = term.value
    if wanted is None or isinstance(wanted, bool):
        return f"{value} is not {wanted!r}"
    if isinstance(wanted, str):
        return f"{value} != {wanted!r}"
    if isinstance(wanted, int) and abs(wanted) <= LONGEST_LITERAL:  # to Python True is 1
        return f"{value} != {wanted} or type({value}) is bool" if wanted in {0, 1} else f"{value} != {wanted}"
    return ""
