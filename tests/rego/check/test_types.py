"""The algebra of types, as OPA's v1/types and its merging of rules have it."""

from __future__ import annotations

import pytest

from authz_rego.check.static_keys import key_order
from authz_rego.check.type_access import builtin_types, declared_type, keys_of, select, values_of
from authz_rego.check.type_merging import Widened, merged, unifies, without_empty
from authz_rego.check.type_text import differing, elided, type_text
from authz_rego.check.types import (
    ANY,
    BOOLEAN,
    NULL,
    NUMBER,
    STRING,
    AnyType,
    ArrayType,
    Dynamic,
    FunctionType,
    ObjectType,
    Property,
    SetType,
    Type,
    any_of,
    includes,
    is_unknown,
    object_type,
    same,
    union,
    union_of,
)
from authz_rego.values.number import Number

Given = Type | None


def _object(dynamic: Dynamic | None = None, **members: Given) -> ObjectType:
    return object_type((Property(name, key_order(name), value) for name, value in members.items()), dynamic)


def _texts(*types: Given) -> list[str]:
    return [type_text(each) for each in types]


# ── union ──


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (NUMBER, NUMBER, "number"),
        (NUMBER, STRING, "any<number, string>"),
        (STRING, NUMBER, "any<number, string>"),
        (NUMBER, None, "number"),
        (None, None, "???"),
        (ANY, NUMBER, "any"),
        (any_of((NUMBER, STRING)), NULL, "any<null, number, string>"),
        (any_of((NUMBER, STRING)), any_of((BOOLEAN, STRING)), "any<boolean, number, string>"),
        (any_of((NUMBER, STRING)), ANY, "any"),
        (SetType(None), SetType(NUMBER), "any<set, set[number]>"),
        (FunctionType((NUMBER,), NUMBER), FunctionType((STRING,), NUMBER), "(any<number, string>) => number"),
        (FunctionType((NUMBER,), NUMBER), FunctionType((), NUMBER), "???"),
        (FunctionType((NUMBER,), NUMBER), NUMBER, "???"),
    ],
)
def test_a_union_has_each_type_once_and_in_order(one: Given, other: Given, text: str) -> None:
    """Of a function and something else nothing is known."""
    assert type_text(union(one, other)) == text


def test_many_types_make_the_same_union_as_two_by_two() -> None:
    """Unions among them, too, and anything."""
    types = [NUMBER, None, STRING, ArrayType((NUMBER,)), any_of((NULL, STRING)), _object(a=NUMBER), NUMBER, BOOLEAN]
    found: Given = None
    for each in types:
        found = union(each, found)

    assert same(union_of(types), found)
    assert len(found.of) == 6 if isinstance(found, AnyType) else False
    assert union_of([*types, ANY, NUMBER]) is ANY
    assert union_of([]) is None


def test_a_union_includes_its_members_only() -> None:
    """Functions are in no union, not even in that of everything."""
    numbers_and_texts = union(NUMBER, STRING)

    assert includes(numbers_and_texts, STRING)
    assert not includes(numbers_and_texts, NULL)
    assert includes(ANY, NULL)
    assert not includes(ANY, FunctionType(()))
    assert not includes(NUMBER, STRING)


# ── what is inside ──


@pytest.mark.parametrize(
    ("type_", "key", "text"),
    [
        (_object(a=NUMBER), "a", "number"),
        (_object(a=NUMBER), "b", "???"),
        (_object(Dynamic(STRING, NULL), a=NUMBER), "b", "null"),
        (_object(Dynamic(STRING, NULL), a=NUMBER), 1, "???"),
        (ArrayType((NUMBER,), STRING), 0, "number"),
        (ArrayType((NUMBER,), STRING), 7, "string"),
        (ArrayType((NUMBER,), STRING), -1, "???"),
        (ArrayType((NUMBER,)), 1, "???"),
        (ArrayType((NUMBER,)), Number("0.0"), "???"),
        (ArrayType((NUMBER,)), Number("-0"), "number"),
        (ArrayType((), NUMBER), 2**63, "???"),
        (SetType(NUMBER), 5, "number"),
        (SetType(NUMBER), "5", "???"),
        (SetType(ANY), "5", "string"),
        (SetType(None), "5", "???"),
        (union(ArrayType((NUMBER,)), _object(a=STRING)), "a", "string"),
        (union(ArrayType((NUMBER,)), _object(a=STRING)), True, "???"),
        (ANY, "a", "any"),
        (NUMBER, "a", "???"),
    ],
)
def test_a_key_finds_what_is_there(type_: Given, key: object, text: str) -> None:
    """And nothing where nothing can be."""
    assert type_text(select(type_, key)) == text


@pytest.mark.parametrize(
    ("type_", "keys", "values"),
    [
        (ArrayType((NUMBER,), STRING), "number", "any<number, string>"),
        (_object(Dynamic(NUMBER, NULL), a=STRING), "any<number, string>", "any<null, string>"),
        (_object(), "???", "???"),
        (SetType(STRING), "string", "string"),
        (union(ArrayType((NULL,)), SetType(STRING)), "any<number, string>", "any<null, string>"),
        (union(NUMBER, STRING), "???", "???"),
        (ANY, "any", "any"),
        (STRING, "???", "???"),
    ],
)
def test_keys_and_values_are_those_of_all_members(type_: Given, keys: str, values: str) -> None:
    """Asked a second time, too: they are kept."""
    assert _texts(keys_of(type_), values_of(type_)) == [keys, values]
    assert _texts(keys_of(type_), values_of(type_)) == [keys, values]


# ── unification ──


@pytest.mark.parametrize(
    ("one", "other", "can"),
    [
        (NUMBER, NUMBER, True),
        (NUMBER, STRING, False),
        (NUMBER, None, False),
        (ANY, NUMBER, True),
        (ANY, FunctionType(()), False),
        (union(NUMBER, STRING), union(STRING, NULL), True),
        (union(NUMBER, STRING), union(BOOLEAN, NULL), False),
        (ArrayType((NUMBER,)), ArrayType((), NUMBER), True),
        (ArrayType((NUMBER,)), ArrayType((), STRING), False),
        (ArrayType((), STRING), ArrayType((), NUMBER), False),
        (ArrayType(()), ArrayType((), STRING), True),
        (_object(a=NUMBER), _object(a=NUMBER), True),
        (_object(a=NUMBER), _object(b=NUMBER), False),
        (_object(a=NUMBER), _object(Dynamic(STRING, NUMBER)), True),
        (_object(a=NUMBER), _object(Dynamic(STRING, STRING)), False),
        (SetType(NUMBER), SetType(STRING), False),
        (SetType(NUMBER), SetType(None), True),
        (SetType(NUMBER), ArrayType((), NUMBER), False),
        (FunctionType((NUMBER,)), FunctionType((ANY,)), True),
        (FunctionType((NUMBER,)), FunctionType((STRING,)), False),
        (FunctionType((NUMBER,)), FunctionType(()), False),
    ],
)
def test_two_types_unify_when_a_value_can_be_of_both(one: Given, other: Given, can: bool) -> None:
    """From both sides."""
    assert unifies(one, other) is can
    assert unifies(other, one) is can


def test_what_is_not_known_somewhere_inside_is_unknown() -> None:
    """But not what is a union's member: that is how OPA looks."""
    assert is_unknown(ArrayType((NUMBER, None)))
    assert not is_unknown(ArrayType((NUMBER, STRING)))
    assert is_unknown(_object(a=ArrayType((), SetType(None))))
    assert is_unknown(_object(Dynamic(None, NUMBER)))
    assert not is_unknown(_object())
    assert is_unknown(FunctionType((NUMBER,)))
    assert not is_unknown(AnyType((SetType(None),)))


# ── rules of one name ──


def test_two_sets_are_one_set_of_both() -> None:
    """Objects of computed keys are one object, objects of known keys are a union."""
    numbers, texts = _object(Dynamic(STRING, NUMBER)), _object(Dynamic(NUMBER, STRING))

    assert type_text(merged(SetType(NUMBER), SetType(STRING), Widened())) == "set[any<number, string>]"
    assert type_text(merged(numbers, texts, Widened())) == "object[any<number, string>: any<number, string>]"
    assert type_text(merged(_object(a=NUMBER), numbers, Widened())) == "any<object<a: number>, object[string: number]>"
    assert type_text(merged(_object(), numbers, Widened())) == "object[string: number]"
    assert type_text(merged(NUMBER, numbers, Widened())) == "any<number, object[string: number]>"


def test_who_has_a_widened_object_sees_it() -> None:
    """OPA changes it in place; who has another object of the same kind does not see it."""
    shared, other = _object(Dynamic(ANY, NUMBER)), _object(Dynamic(ANY, NUMBER))
    holder = ArrayType((shared, union(shared, STRING), SetType(shared)), _object(a=shared))
    widened = Widened()

    found = merged(union(shared, STRING), _object(Dynamic(ANY, NULL)), widened)

    assert widened
    assert type_text(found) == "any<string, object[any: any<null, number>]>"
    assert type_text(widened.seen(holder)) == (
        "array<object[any: any<null, number>], any<string, object[any: any<null, number>]>, "
        "set[object[any: any<null, number>]]>[object<a: object[any: any<null, number>]>]"
    )
    assert widened.seen(other) is other
    assert type_text(holder.static[0]) == "object[any: number]"


def test_empty_collections_can_be_made_anything() -> None:
    """However deep they are; the rest stays."""
    type_ = _object(Dynamic(STRING, ArrayType()), a=SetType(None), b=ArrayType((NUMBER, _object())), c=STRING)

    assert type_text(without_empty(type_)) == "object<a: any, b: array<number, any>, c: string>[string: any]"
    assert without_empty(STRING) is STRING


# ── text ──


def test_short_types_are_shown_whole_and_long_ones_by_their_kind() -> None:
    """32 characters are short."""
    assert elided(_object(aaaaaaaaaa=NUMBER, bb=STRING)) == "object<...>"
    assert elided(_object(aaaa=NUMBER, bb=STRING)) == "object<aaaa: number, bb: string>"
    assert elided(ArrayType((), _object(aaaaaaaaaaaaaaaaaaaaaa=NUMBER))) == "array[...]"
    assert elided(FunctionType((_object(aaaaaaaaaaaaaaaaaaaaaa=NUMBER),), NUMBER)) == "(...) => ..."


def test_what_differs_is_shown_and_what_is_equal_is_left_out() -> None:
    """On both sides alike."""
    one = _object(a=NUMBER, b=_object(c=STRING, d=NULL), e=NULL)
    other = _object(a=NUMBER, b=_object(c=STRING, d=BOOLEAN), f=NULL)

    assert differing(one, other) == (
        "object<b: object<d: null, ...>, e: null, ...>",
        "object<b: object<d: boolean, ...>, f: null, ...>",
    )
    assert differing(SetType(NUMBER), SetType(STRING)) == ("set[number]", "set[string]")
    assert differing(union(NUMBER, NULL), union(NUMBER, STRING)) == ("any<null, ...>", "any<string, ...>")
    assert differing(FunctionType((NUMBER,), NULL), FunctionType((STRING,), NULL)) == (
        "(number) => null",
        "(string) => null",
    )


def test_declarations_are_types() -> None:
    """With the names of their arguments and their result."""
    declared = {"type": "object", "static": [{"key": "a", "value": {"type": "null"}}]}

    assert type_text(declared_type(declared)) == "object<a: null>"
    assert type_text(builtin_types()["print"]) == "(any...) => ???"
    assert type_text(builtin_types()["time.date"]) == (
        "(any<number, array<number, string>>) => array<number, number, number>"
    )
    assert builtin_types()["startswith"].names == ("search", "base", "result")
