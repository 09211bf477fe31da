"""The constants that keys of an object's type are: how OPA turns them into JSON, orders and prints them. Not types."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final, TypeAlias

from authz_rego.check.term_order import sorted_items, sorted_pairs
from authz_rego.syntax.tree import ArrayTerm, ObjectTerm, Ref, Scalar, SetTerm, Term
from authz_rego.values.big_integers import BeyondBoundsError
from authz_rego.values.binary_float import PRECISION, float_of
from authz_rego.values.json_text import to_json
from authz_rego.values.number import Number, number_text

# None | bool | int | Number | str | list[StaticKey] | dict[str, StaticKey]: a set is a list here, as JSON has no sets.
StaticKey: TypeAlias = Any
KeyOrder: TypeAlias = tuple[Any, ...]

_MAX_LEVELS: Final = 20
_MAX_NAME: Final = 4_000


def is_constant(term: Term, levels: int = _MAX_LEVELS) -> bool:
    """Whether nothing in it has to be evaluated; what is deeper than any key that makes sense counts as if it had."""
    match term:
        case Scalar():
            return True
        case ArrayTerm() | SetTerm():
            return levels > 0 and all(is_constant(each, levels - 1) for each in term.items)
        case ObjectTerm():
            inside = (each for pair in term.pairs for each in pair)
            return levels > 0 and all(is_constant(each, levels - 1) for each in inside)
    return False


def is_ground(term: Term) -> bool:
    """Whether there is no variable in it, but for the heads of references."""
    match term:
        case Ref():
            return all(map(is_ground, term.path))
        case ArrayTerm() | SetTerm():
            return all(map(is_ground, term.items))
        case ObjectTerm():
            return all(is_ground(key) and is_ground(value) for key, value in term.pairs)
    return type(term) is Scalar


def static_key(term: Term) -> StaticKey:
    """The constant as JSON. Only for what `is_constant`; raises ValueError when JSON cannot have it (`.5` in a key)."""
    match term:
        case ArrayTerm():
            return [static_key(each) for each in term.items]
        case SetTerm():
            return [static_key(each) for each in sorted_items(term)]
        case ObjectTerm():
            return {_member_name(static_key(key)): static_key(value) for key, value in sorted_pairs(term)}
    assert isinstance(term, Scalar)
    return term.value


def _member_name(key: StaticKey) -> str:
    if type(key) is str:
        return key
    text = to_json(key)
    if len(text) > _MAX_NAME:  # a key in a key in a key …: each doubles the backslashes
        raise BeyondBoundsError("an object's key that is too long")
    return text


def key_order(key: StaticKey) -> KeyOrder:
    """Sorts as OPA sorts keys: null < booleans < numbers < strings < arrays < objects. Equal keys have equal ones."""
    kind = type(key)
    if kind is str:
        return (3, key)
    if key is None:
        return (0,)
    if kind is bool:
        return (1, key)
    if kind is list:
        return (4, tuple(map(key_order, key)))
    if kind is dict:
        return (5, tuple((name, key_order(key[name])) for name in sorted(key)))
    return (2, _rounded(key))


def _rounded(number: int | Number) -> int | Fraction:
    """Two numbers among the keys are one to OPA when they are so at 64 binary digits."""
    if type(number) is int and number.bit_length() <= PRECISION:
        return number
    nearest = float_of(number_text(number))
    mantissa = -nearest.mantissa if nearest.negative else nearest.mantissa
    if nearest.exponent >= 0:
        return mantissa << nearest.exponent
    return Fraction(mantissa, 1 << -nearest.exponent)


def printed_key(key: StaticKey) -> str:
    """As OPA prints it in a type: Go's `%v`."""
    if key is None:
        return "<nil>"
    if type(key) is bool:
        return str(key).lower()
    if type(key) is list:
        return f"[{' '.join(map(printed_key, key))}]"
    if type(key) is dict:
        return f"map[{' '.join(f'{name}:{printed_key(key[name])}' for name in sorted(key))}]"
    return key if type(key) is str else number_text(key)


def term_of_key(key: StaticKey) -> Term:
    """The term that a key stands for when OPA lists the keys that there are."""
    if type(key) is list:
        return ArrayTerm(tuple(map(term_of_key, key)))
    if type(key) is dict:
        return ObjectTerm(tuple((Scalar(name), term_of_key(value)) for name, value in key.items()))
    return Scalar(key)


def without_repeats(keys: Iterable[StaticKey]) -> list[StaticKey]:
    """Scalars that were there already are left out: `1` and `1.0` are two, and so are arrays of the same content."""
    seen: set[tuple[type, object]] = set()
    found = []
    for key in keys:
        mark = (type(key), number_text(key) if type(key) in {int, Number} else key)
        if type(key) in {list, dict}:
            found.append(key)
        elif mark not in seen:
            seen.add(mark)
            found.append(key)
    return found
