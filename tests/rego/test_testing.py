"""Rego's unit tests, as `opa test` runs them."""

from __future__ import annotations

import pytest

from authz_rego import RegoProblems
from authz_rego.testing import Outcome, run_tests

POLICY = ("p.rego", "package p\n\nallow if input.a == 1\n\ndeny if {\n\tinput.b\n\tinput.c\n}\n")
TESTS = """package p_test

import data.p

test_allowed if p.allow with input as {"a": 1}

test_refused if p.allow with input as {"a": 2}

test_false := false

test_broken := x if some x in [1, 2]

test_twice if true

test_twice if false

todo_test_later if false

testing if false
"""


def test_each_test_has_its_outcome() -> None:
    """True is passed; undefined, false and everything else is not."""
    run = run_tests([POLICY, ("p_test.rego", TESTS)])

    assert {each.name.removeprefix("data.p_test."): each.outcome for each in run.results} == {
        "test_allowed": Outcome.PASSED,
        "test_refused": Outcome.FAILED,
        "test_false": Outcome.FAILED,
        "test_broken": Outcome.ERROR,
        "test_twice": Outcome.PASSED,
        "test_twice#01": Outcome.FAILED,
        "todo_test_later": Outcome.SKIPPED,
    }
    assert not run.is_good


def test_a_failure_says_where_it_stopped() -> None:
    """The rule that the test asked, and the values there."""
    (refused,) = (each for each in run_tests([POLICY, ("t.rego", TESTS)], only="refused").results)

    assert refused.explanation is not None
    assert [each.values for each in refused.explanation.tried if each.rule == "data.p.allow"] == [(2, 1)]


def test_only_those_that_are_asked_for_run() -> None:
    """A regular expression that the name holds."""
    assert [each.name for each in run_tests([POLICY, ("t.rego", TESTS)], only="allowed").results] == [
        "data.p_test.test_allowed"
    ]
    assert run_tests([POLICY, ("t.rego", TESTS)], only="allowed").is_good


def test_lines_that_no_test_reached_are_named() -> None:
    """Of the rule that was asked all, of the other none."""
    covered = {each.file: each for each in run_tests([POLICY, ("t.rego", TESTS)]).coverage}

    assert covered["p.rego"].reached == (3,)
    assert covered["p.rego"].missed == (5, 6, 7)
    assert covered["p.rego"].share == 0.25


def test_a_policy_that_does_not_compile_has_no_tests() -> None:
    """Its problems are told instead."""
    with pytest.raises(RegoProblems):
        run_tests([("p.rego", "package p\n\ntest_x if y\n")])
