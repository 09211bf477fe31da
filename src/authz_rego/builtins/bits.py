"""OPA's `bits.*`, on integers of any size in two's complement. Not other arithmetic (`numbers`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authz_rego.builtins.bounds import beyond_bounds
from authz_rego.builtins.numbers import integer_operand
from authz_rego.errors import BuiltinError
from authz_rego.values.big_integers import MAX_BITS
from authz_rego.values.value import Value


def _lsh(one: Value, by: Value) -> Value:
    integer, distance = integer_operand(one, 1), _distance(by)
    if integer and integer.bit_length() + distance > MAX_BITS:
        raise beyond_bounds("bits.lsh", f"an integer of more than {MAX_BITS} bits")
    return integer << distance if integer else 0


def _rsh(one: Value, by: Value) -> Value:
    integer = integer_operand(one, 1)
    return integer >> min(_distance(by), integer.bit_length() + 1)


def _distance(by: Value) -> int:
    found = integer_operand(by, 2)
    if found < 0:
        raise BuiltinError("operand 2 must be an unsigned integer number but got a negative integer")
    return found % 2**64  # OPA looks at the lowest 64 bits only


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "bits.and": lambda one, other: integer_operand(one, 1) & integer_operand(other, 2),
    "bits.or": lambda one, other: integer_operand(one, 1) | integer_operand(other, 2),
    "bits.xor": lambda one, other: integer_operand(one, 1) ^ integer_operand(other, 2),
    "bits.negate": lambda one: ~integer_operand(one, 1),
    "bits.lsh": _lsh,
    "bits.rsh": _rsh,
}
