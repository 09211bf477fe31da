"""The vetting: what would fail on a request is refused when it is loaded, with its place and a remedy."""

import sys
from contextlib import nullcontext
from typing import Any

import pytest
from tests.unit.policy.sabotage import DEADLY, PROBED, STATIC, Sabotage

from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems, Problem
from authz_service.policy.vetting.checks import problems_of
from authz_service.policy.vetting.samples import Sample
from authz_service.policy.vetting.vet import CPU_SECONDS, check_policies

NAMES = [sabotage.name for sabotage in (*STATIC, *PROBED, *DEADLY)]


def a_source(*texts: str, query: str = "data.p.allow", data: str = "{}") -> PolicySource:
    """Policies as the gate gets them; a text without a package is of the package p."""
    modules = (text if text.startswith("package") else f"package p\n{text}" for text in texts)
    names = ("p.rego", "q.rego", "r.rego")
    return PolicySource(query, tuple(zip(names, modules, strict=False)), data)


def found(source: PolicySource, *recorded: Sample) -> list[Problem]:
    """What the child would find, in this process: without its clock."""
    return list(problems_of(source, recorded, lambda _, __: None))


def refused(source: PolicySource, **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(PolicyProblems) as caught:
        check_policies(source, **options)
    return caught.value.problems


def a_match(sabotage: Sabotage, problems: tuple[Problem, ...] | list[Problem]) -> bool:
    return any(
        sabotage.found in problem.found and sabotage.fix in problem.fix and problem.line == sabotage.line
        for problem in problems
    )


def test_the_table_is_long_enough() -> None:
    """SECURITY A9 asks for 40 policies that sabotage."""
    assert len(set(NAMES)) == len(NAMES) >= 40


@pytest.mark.parametrize("sabotage", [*STATIC, *PROBED], ids=lambda each: each.name)
def test_a_policy_that_cannot_work_is_refused(sabotage: Sabotage) -> None:
    """The bad one has a problem at its line, with a remedy; the good twin has none, and answers the same requests."""
    problems = found(a_source(sabotage.bad))

    assert a_match(sabotage, problems), problems
    assert all(problem.fix for problem in problems)
    assert found(a_source(sabotage.good)) == []


@pytest.mark.parametrize("sabotage", PROBED, ids=lambda each: each.name)
def test_what_only_an_evaluation_shows_is_said_with_the_request(sabotage: Sabotage) -> None:
    """Everything else is found without asking the policy anything."""
    assert all(
        ", for " in problem.found or "the policy query" in problem.found for problem in found(a_source(sabotage.bad))
    )
    assert not any(", for " in problem.found for static in STATIC for problem in found(a_source(static.bad)))


@pytest.mark.parametrize("sabotage", DEADLY, ids=lambda each: each.name)
def test_a_policy_that_would_stop_a_worker_is_refused(sabotage: Sabotage) -> None:
    """It ends the gate's child, and nothing else; the good twin passes."""
    problems = refused(a_source(sabotage.bad))

    assert a_match(sabotage, problems), problems
    check_policies(a_source(sabotage.good))


@pytest.mark.parametrize("sabotage", [STATIC[0], PROBED[0]], ids=lambda each: each.name)
def test_the_child_finds_what_its_parts_find(sabotage: Sabotage) -> None:
    """Through the process boundary, with place and remedy."""
    source = a_source(sabotage.bad)

    assert list(refused(source)) == found(source)


def test_all_problems_come_at_once() -> None:
    """Three mistakes of a kind in two files are three problems, in order, with OPA's code and their places."""
    problems = refused(a_source("allow if a\nok if b", "x if c"))

    assert [(problem.file, problem.line, problem.column) for problem in problems] == [
        ("p.rego", 2, 10),
        ("p.rego", 3, 7),
        ("q.rego", 2, 6),
    ]
    assert str(problems[0]).startswith("p.rego:2:10: rego_unsafe_var_error: var a is unsafe. Fix: ")


def test_each_file_that_does_not_parse_is_named() -> None:
    """One syntax error of each file."""
    problems = refused(a_source("allow {", "allow if", "allow := true"))

    assert [(problem.file, problem.line) for problem in problems] == [("p.rego", 2), ("q.rego", 2)]


@pytest.mark.parametrize(
    ("query", "what", "fix"),
    [
        ("data.p.alow", "names no rule", "did you mean data.p.allow?"),
        ("data.p", "names a package", "data.p.allow"),
        ("data.p.f", "names a function", "data.p.allow"),
        ("data.p.s", "names a set", "data.p.allow"),
        ("data", "names a package", "data.p.allow"),
        ("data.q", "names no rule", "data.p.allow"),
        ("p.allow", "not of the form", "data.p.allow"),
        ("data.p.allow == true", "not of the form", "data.p.allow"),
        ("input.mtls.verified", "not of the form", "data.p.allow"),
        ("", "not of the form", "data.p.allow"),
    ],
)
def test_the_query_has_to_name_what_can_be_a_decision(query: str, what: str, fix: str) -> None:
    """Anything else than what can be a decision is refused with the rule that is meant."""
    text = (
        "allow if input.mtls.verified\nf(x) := x\ns contains 1\no[k] := 1 if k := input.route\nmany.a := 1\nmany.b := 2"
    )

    problems = found(a_source(text, query=query))

    assert len(problems) == 1
    assert what in problems[0].found
    assert fix in problems[0].fix
    assert found(a_source(text)) == []


def test_the_query_may_name_an_object_of_rules() -> None:
    """As users of opa-envoy-plugin write it; whether it is an answer shows when it is tried."""
    text = "result.allowed := input.mtls.verified\nresult.reasons contains input.request.method"
    other = 'result["allow"] := input.mtls.verified\nresult["who"] := input.request.method'

    assert found(a_source(text, query="data.p.result")) == []
    assert "`who` is no member of an answer" in found(a_source(other, query="data.p.result"))[0].found


@pytest.mark.parametrize("data", ['{"p": {"allow": true}}', '{"p": {"allow": {}}}', '{"p": 1}'])
def test_data_cannot_replace_a_rule(data: str) -> None:
    """Nobody is to guess which of the two counts; beside the rule it is welcome."""
    problems = found(a_source("allow := false", data=data))

    assert ["conflicting rule for data path p/allow" in problem.found for problem in problems] == [True]
    assert found(a_source("allow := false", data='{"p": {"roles": []}}')) == []


def test_a_package_cannot_hide_a_rule() -> None:
    """A package below a rule; a package of another name is fine."""
    problems = found(a_source('allow := {"allow": true}', "package p.allow\nallow := false"))

    assert "package p.allow conflicts with rule allow" in problems[0].found
    assert found(a_source('allow := {"allow": true}', "package q.allow\nallow := false")) == []


def test_rules_of_one_package_may_be_in_many_files() -> None:
    """Libraries, imports and data are found across files."""
    policies = (
        "import data.lib\nallow if { ok; lib.is_admin(input.token); not input.token.sub in data.blocked }",
        "ok if input.mtls.verified",
        'package lib\nis_admin(token) if "admin" in token.roles',
    )

    source = a_source(*policies, data='{"blocked": ["mallory"]}')

    assert found(source) == []
    assert found(a_source(*policies)) != []


@pytest.mark.parametrize(
    "text",
    [
        "allow if { some ok in [1]; ok == 1 }\nok if allow",
        "allow if { ok := 1; ok == 1 }\nok if allow",
        "allow if f(1)\nf(ok) if ok == 1\nok if allow",
        "allow if every ok in [1] { ok == 1 }\nok if allow",
        "allow if count([ok | some ok in [1]]) == 1\nok if allow",
    ],
)
def test_a_local_name_is_not_the_rule_of_that_name(text: str) -> None:
    """No recursion where only the names are alike; without the local one it is."""
    assert found(a_source(text)) == []
    assert "is recursive" in found(a_source("allow if ok\nok if allow"))[0].found


def test_what_lies_inside_a_value_depends_on_the_request() -> None:
    """Only names that rules, packages or data could define are checked, not what is in their values."""
    text = "allow if { print(input.route); limits.a.b; not data.blocked.users.mallory }\nlimits := input.token"

    assert found(a_source(text, data='{"blocked": {}}')) == []
    assert [problem.found for problem in found(a_source(text))] == ["nothing defines `data.blocked`"]


def test_probing_stops_when_it_has_found_enough() -> None:
    """Ten broken paths are eight problems; one is one."""
    broken = [f'r{name} := [1, 2][_] if input.request.path == "/{name}"\nallow if r{name}' for name in "abcdefghij"]

    assert len(found(a_source("\n".join(broken)))) == 8
    assert len(found(a_source(broken[0]))) == 1


def test_a_callers_own_samples_are_tried_too() -> None:
    """What our probes do not reach, a recorded input does."""
    source = a_source("allow := input.token.level > 1\nallow := false if input.token.zero == 0")
    sample = Sample("a recorded request", '{"token": {"level": 2, "zero": 0}}')

    assert found(source) == []
    assert "for a recorded request" in found(source, sample)[0].found
    assert "for a recorded request" in refused(source, samples=[sample])[0].found


def test_much_data_is_no_problem() -> None:
    """Loading is not counted as an evaluation."""
    users = ",".join(f'"user{number}": ["a", "b", "{"x" * 30}"]' for number in range(50_000))

    check_policies(a_source('allow if "a" in data.users[input.token.sub]', data=f'{{"users": {{{users}}}}}'))


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("""echo '{"doing": "parsing a"}'; kill -SEGV $$""", "crashes the interpreter (SIGSEGV), at: parsing a"),
        ("""echo '{"doing": "GET /", "seconds": 0.25}'; kill -PROF $$""", "more than 250 ms of CPU time, at: GET /"),
        ("kill -XCPU $$", f"more than {CPU_SECONDS} s of CPU time to check, at: start"),
        ("echo MemoryError >&2; exit 1", "needs more than 512 MiB of memory"),
        ("echo 'ImportError: no module' >&2; exit 1", "cannot be checked (ImportError: no module)"),
        ("""echo '{"doing": "x"}'""", "cannot be checked"),
        ("exit 0", "cannot be checked"),
    ],
)
def test_however_the_child_ends_it_is_not_a_yes(script: str, what: str) -> None:
    """Only a child that says what it found has checked the policy; with the real one it passes."""
    assert what in refused(a_source("allow := true"), child_command=("/bin/sh", "-c", script))[0].found


def test_a_child_that_hangs_is_ended() -> None:
    """Even when it uses no CPU time."""
    child = ("/bin/sh", "-c", "exec sleep 60")

    assert "is not checked after 0.2 s" in refused(a_source("allow := true"), child_command=child, seconds=0.2)[0].found


_OPENS_A_FILE = """
import authz_service.policy.vetting.child as child
if {bare!r}:
    child.leave_root = child.around_worker = list
def problems_of(*_):
    open("/dev/null").close()
    return ()
child.problems_of = problems_of
child.main()
"""


@pytest.mark.parametrize("bare", [True, False])
def test_a_policy_that_takes_over_who_vets_it_opens_nothing(bare: bool) -> None:
    """The child has a worker's walls."""
    command = [sys.executable, "-c", _OPENS_A_FILE.format(bare=bare)]

    with nullcontext() if bare else pytest.raises(PolicyProblems, match="PermissionError"):
        check_policies(PolicySource("data.p.allow", ()), child_command=command)
