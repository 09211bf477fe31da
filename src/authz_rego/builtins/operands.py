"""What a builtin asks of its operands, and the words in which it refuses them. Not what it does with them."""

from __future__ import annotations

from authz_rego.errors import BuiltinError
from authz_rego.values.number import Number, int64_of
from authz_rego.values.value import Value

_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    Number: "number",
    str: "string",
    list: "array",
    dict: "object",
    frozenset: "set",
}


def kind_of(value: Value) -> str:
    """What OPA calls the value's type."""
    return _NAMES[type(value)]


def wrong_operand(value: Value, position: int, *expected: str) -> BuiltinError:
    """The error of an operand (counted from 1) of a wrong type."""
    wanted = expected[0] if len(expected) == 1 else f"one of {{{', '.join(expected)}}}"
    return BuiltinError(f"operand {position} must be {wanted} but got {kind_of(value)}")


def no_strings(one: Value, other: Value) -> BuiltinError:
    """The error of two operands that must be strings: of the first that is none."""
    return wrong_operand(one, 1, "string") if type(one) is not str else wrong_operand(other, 2, "string")


def string_operand(value: Value, position: int) -> str:
    """The operand, which must be a string."""
    if type(value) is not str:
        raise wrong_operand(value, position, "string")
    return value


def number_operand(value: Value, position: int) -> int | Number:
    """The operand, which must be a number."""
    if type(value) is not int and type(value) is not Number:
        raise wrong_operand(value, position, "number")
    return value


def int64_operand(value: Value, position: int) -> int:
    """The operand, which must be a number that OPA takes for an integer of 64 bits."""
    found = int64_of(number_operand(value, position))
    if found is None:
        raise BuiltinError(f"operand {position} must be integer number but got floating-point number")
    return found
