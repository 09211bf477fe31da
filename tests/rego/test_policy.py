"""The face of the package: what compiles, what is asked, and what is said of that which is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from authz_rego import UNDEFINED, EvaluationError, Policy, RegoProblems
from authz_rego.values.value import Key

ORDER = """package order

default allow := false

allow if {
	input.method == "GET"
	"reader" in input.roles
}

names contains name if some name in input.roles

sizes[name] := count(name) if some name in input.roles

undefined if false

two := 1 if input.method == "GET"

two := 2 if "reader" in input.roles
"""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.compile([("order.rego", ORDER)], {"limits": {"order": 3}})


@pytest.mark.parametrize(
    ("input_", "expected"),
    [
        ({"method": "GET", "roles": ["reader"]}, True),
        ({"method": "POST", "roles": ["reader"]}, False),
        ({"method": "GET", "roles": ["writer"]}, False),
        ({"method": "GET"}, False),
        ("GET", False),
        (UNDEFINED, False),
    ],
)
def test_a_rule_is_asked(policy: Policy, input_: object, expected: object) -> None:
    """The good input is allowed; with one thing changed it is not, whatever is missing or of another type."""
    assert policy.query("data.order.allow").evaluate(input_) is expected


def test_sets_and_objects_are_values(policy: Policy) -> None:
    """A set is a frozenset, an object a dict."""
    asked = {"roles": ["b", "a", "a"]}

    assert policy.query("data.order.names").evaluate(asked) == frozenset({"a", "b"})
    assert policy.query("data.order.sizes").evaluate(asked) == {"a": 1, "b": 1}


def test_undefined_is_its_own(policy: Policy) -> None:
    """A rule without a value is neither false nor null."""
    assert policy.query("data.order.undefined").evaluate({}) is UNDEFINED


def test_two_values_of_one_rule_are_an_error(policy: Policy) -> None:
    """As in OPA; one value of it is none."""
    query = policy.query("data.order.two")

    assert query.evaluate({"method": "GET"}) == 1
    with pytest.raises(EvaluationError, match="eval_conflict_error: complete rules must not produce multiple outputs"):
        query.evaluate({"method": "GET", "roles": ["reader"]})


def test_a_package_is_asked(policy: Policy) -> None:
    """All its rules that have a value, as one object."""
    found = policy.query("data.order").evaluate({"roles": ["a"]})

    assert found == {"allow": False, "names": frozenset({"a"}), "sizes": {"a": 1}}


def test_data_is_asked(policy: Policy) -> None:
    """Below `data`, what was loaded stands beside the rules."""
    assert policy.query("data.limits.order").evaluate() == 3
    assert policy.query("data").evaluate({})["limits"] == {"order": 3}


@pytest.mark.parametrize("path", ["data.order.nothing", "data.other", "order.allow", "data..allow", ""])
def test_what_does_not_exist_cannot_be_asked(policy: Policy, path: str) -> None:
    """A misspelt query would be undefined for ever; here it is refused, when it is made."""
    with pytest.raises(RegoProblems, match="there is no"):
        policy.query(path)


def test_the_time_is_given(policy: Policy) -> None:
    """One value for each question."""
    timed = Policy.compile([("t.rego", "package t\n\nnow := time.now_ns()\n\nsame if now == time.now_ns()\n")])

    assert timed.query("data.t.now").evaluate(now_ns=5) == 5
    assert timed.query("data.t.same").evaluate(now_ns=7) is True


@pytest.mark.parametrize(
    ("text", "code", "row", "found"),
    [
        ("package p\n\nallow if x", "rego_unsafe_var_error", 3, "var x is unsafe"),
        ("package p\n\nallow if not x", "rego_unsafe_var_error", 3, "var x is unsafe"),
        ("package p\n\na if b\n\nb if a\n", "rego_recursion_error", 3, "rule data.p.a is recursive"),
        ("package p\n\nallow if f(1)\n", "rego_type_error", 3, "undefined function f"),
        ("package p\n\nallow if count(1, 2, 3)\n", "rego_type_error", 3, "function count has arity 1, got 3 arguments"),
        ("package p\n\na := 1\n\na contains 1\n", "rego_type_error", 3, "conflicting rules data.p.a found"),
        ("package p\n\nallow if { some x; true }\n", "rego_compile_error", 3, "declared var x unused"),
        ("package p\n\nallow if http.send({})\n", "rego_unsupported_error", 3, "http.send"),
        ("package p\n\nallow { true }\n", "rego_parse_error", 3, "`if` keyword is required before rule body"),
        ('package p\n\nallow if 1 == "a"\n', "rego_type_error", 3, "match error"),
    ],
)
def test_what_is_wrong_has_its_place(text: str, code: str, row: int, found: str) -> None:
    """OPA's code, the file and the line, and what was found."""
    with pytest.raises(RegoProblems) as refused:
        Policy.compile([("p.rego", text)])

    (problem, *_) = refused.value.problems
    assert (problem.code, problem.place.file, problem.place.row) == (code, "p.rego", row)
    assert found in problem.found
    assert problem.fix or code == "rego_parse_error"


def test_all_files_are_read_before_anything_is_said() -> None:
    """One problem of each file."""
    with pytest.raises(RegoProblems) as refused:
        Policy.compile([("a.rego", "package a\n\nx :="), ("b.rego", "pakage b")])

    assert {problem.place.file for problem in refused.value.problems} == {"a.rego", "b.rego"}


def test_true_is_not_one() -> None:
    """To Python it is; not to Rego, in no comparison, set or object."""
    text = """package p

members contains x if some x in [true, 1, 1.0, "1", null]

same if input.a == input.b

keys := {k: 1 | some k in [true, 1]}
"""
    policy = Policy.compile([("p.rego", text)])

    assert len(policy.query("data.p.members").evaluate()) == 4
    assert policy.query("data.p.same").evaluate({"a": True, "b": 1}) is UNDEFINED
    assert policy.query("data.p.same").evaluate({"a": [1], "b": [1]}) is True
    assert policy.query("data.p.same").evaluate({"a": [True], "b": [1]}) is UNDEFINED
    assert policy.query("data.p.keys").evaluate() == {Key(True): 1, Key(1): 1}


def test_a_value_that_is_too_deep_is_an_error_and_no_crash() -> None:
    """The same question of a flat one has an answer."""
    policy = Policy.compile([("p.rego", "package p\n\nsame if input.a == input.b\n")])
    deep: list[object] = []
    other: list[object] = []
    for _ in range(100_000):
        deep, other = [deep], [other]

    assert policy.query("data.p.same").evaluate({"a": [[]], "b": [[]]}) is True
    with pytest.raises(EvaluationError, match="too deep"):
        policy.query("data.p.same").evaluate({"a": deep, "b": other})


def test_what_is_read_of_the_input_is_known() -> None:
    """Only the members that some rule names; everything, once one takes the input as a whole."""
    policy = Policy.compile([("p.rego", 'package p\n\na if input.token.sub == "x"\n\nb if input.roles[_] == "y"\n')])
    whole = Policy.compile([("p.rego", "package p\n\na := count(input)\n")])

    assert policy.reads == {"token": {"sub": None}, "roles": None}
    assert whole.reads is None


def test_an_operand_beside_a_comprehension_needs_a_value() -> None:
    """OPA compiles it, and ends in an internal error."""
    Policy.compile([("p.rego", "package p\nx if {\n[y] = input\nt := y\nt in {z | z := y} }\n")])
    with pytest.raises(RegoProblems, match="rego_unsupported_error: var t is unsafe, which OPA lets pass"):
        Policy.compile([("p.rego", "package p\nx if {\n[y] = input\nt in {z | z := y} }\n")])


def test_a_call_cannot_take_what_it_gives_within_a_set() -> None:
    Policy.compile([("p.rego", "package p\np := x if intersection({{1}, {2}}, x)\n")])
    with pytest.raises(RegoProblems, match="var x is unsafe"):
        Policy.compile([("p.rego", "package p\np := x if intersection({x, {2}}, x)\n")])


def test_rules_that_ask_each_other_have_a_bound() -> None:
    """Three hundred of them are far within it."""

    def chain(length: int) -> Policy:
        rules = (f"r{number} := r{number + 1} + 1 if input.a" for number in range(length))
        return Policy.compile([("p.rego", "\n".join(["package p", *rules, f"r{length} := 0"]))])

    assert chain(300).query("data.p.r0").evaluate({"a": True}) == 300
    with pytest.raises(EvaluationError, match="eval_depth_error"):
        chain(2_000).query("data.p.r0").evaluate({"a": True})


def test_two_keys_of_one_object_that_are_the_same_let_nobody_in() -> None:
    """OPA has one value for who asks first and another for who asks later."""
    text = 'package p\n\no := {"a": false, input.k: true}\n\nx if o.a\n\ny if { {input.k: 1, "a": 1} == input.o }\n'
    policy = Policy.compile([("p.rego", text)])

    assert policy.query("data.p.o").evaluate({"k": "b"}) == {"a": False, "b": True}
    assert policy.query("data.p.y").evaluate({"k": "b", "o": {"a": 1, "b": 1}}) is True
    for name in "oxy":
        with pytest.raises(EvaluationError, match="two keys of one object are the same"):
            policy.query(f"data.p.{name}").evaluate({"k": "a", "o": {"a": 1}})


@pytest.mark.parametrize(
    "make", [lambda n: "x := " + " + ".join(["1"] * n), lambda n: "x := 0 if false" + "\nelse := 1 if false" * n]
)
def test_rows_of_operators_have_a_bound(make: Callable[[int], str]) -> None:
    """Named by a problem, as all that does not compile."""
    Policy.compile([("p.rego", f"package p\n\n{make(190)}\n")])
    with pytest.raises(RegoProblems):
        Policy.compile([("p.rego", f"package p\n\n{make(400)}\n")])


def test_a_number_is_written_in_one_way_in_the_keys_of_rules() -> None:
    """OPA compiles both, and has no value of `q`; the same text, or another number, is no problem."""
    with pytest.raises(RegoProblems) as error:
        Policy.compile([("p.rego", "package p\n\nq[1].a := 1\n\nq[1.0].b := 1\n")])
    assert str(error.value) == (
        "p.rego:5:1: rego_unsupported_error: a key of this rule is the same number as that of the rule at p.rego:3:1, "
        "written otherwise; write the number in one way"
    )
    Policy.compile([("p.rego", "package p\n\nq[1].a := 1\n\nq[1].b := 1\n\nq[1.5].b := 1\n")])
