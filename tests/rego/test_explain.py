"""Why a query has its value: the bodies that were tried, and where each stopped."""

from __future__ import annotations

from authz_rego import UNDEFINED, Policy

TEXT = """package order

default allow := false

allow if {
	input.method == "GET"
	is_reader
}

allow if input.method == "PUT"

is_reader if {
	some role in input.roles
	role == "reader"
}
"""
POLICY = Policy.compile([("order.rego", TEXT)])
QUERY = POLICY.query("data.order.allow")


def test_each_body_says_where_it_stopped_and_what_was_compared() -> None:
    """The method holds, the role does not."""
    found = QUERY.explain({"method": "GET", "roles": ["writer", "guest"]})

    assert found.value is False
    told = {(each.rule, each.place.row): each for each in found.tried}
    assert told["data.order.allow", 5].stopped.row == 7
    assert told["data.order.allow", 5].line == "is_reader"
    assert told["data.order.allow", 10].values == ("GET", "PUT")
    assert told["data.order.is_reader", 12].line == 'role == "reader"'
    assert told["data.order.is_reader", 12].values == ("guest", "reader")
    assert told["data.order.allow", 3].held


def test_what_holds_is_told_too() -> None:
    """With the role, the same body holds, and no other is tried."""
    found = QUERY.explain({"method": "GET", "roles": ["reader"]})

    assert found.value is True
    assert [(each.rule, each.held) for each in found.tried] == [
        ("data.order.allow", True),
        ("data.order.is_reader", True),
    ]


def test_the_value_is_that_of_evaluate() -> None:
    """Also undefined, and an error."""
    text = "package p\n\na := x if some x in input\n\nb if input == 7\n"
    policy = Policy.compile([("p.rego", text)])

    assert policy.query("data.p.a").explain([1, 1]).value == 1
    assert "eval_conflict_error" in policy.query("data.p.a").explain([1, 2]).error
    assert policy.query("data.p.b").explain(8).value is UNDEFINED
