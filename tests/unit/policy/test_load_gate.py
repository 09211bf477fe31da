"""The load gate: what would fail on a request is refused when it is loaded, with its place and a remedy."""

from typing import Any

import pytest
from tests.unit.policy.sabotage import DEADLY, PROBED, STATIC, Sabotage

from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems, Problem
from authz_service.policy.load_gate import CPU_SECONDS, check_policies
from authz_service.policy.probing import probe_problems
from authz_service.policy.samples import Sample
from authz_service.policy.static_checks import unevaluated_problems

NAMES = [sabotage.name for sabotage in (*STATIC, *PROBED, *DEADLY)]


def a_source(*texts: str, query: str = "data.p.allow", data: str = "{}") -> PolicySource:
    """Policies as the gate gets them; a text without a package is of the package p."""
    modules = (text if text.startswith("package") else f"package p\n{text}" for text in texts)
    names = ("p.rego", "q.rego", "r.rego")
    return PolicySource(query, tuple(zip(names, modules, strict=False)), data)


def unevaluated(source: PolicySource) -> list[Problem]:
    return unevaluated_problems(source, print)[0]


def probed(source: PolicySource, *recorded: Sample) -> list[Problem]:
    modules = unevaluated_problems(source, print)[1]
    return probe_problems(source, modules, recorded, print)


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


@pytest.mark.parametrize("sabotage", STATIC, ids=lambda each: each.name)
def test_a_policy_that_cannot_work_is_refused_unevaluated(sabotage: Sabotage) -> None:
    """The bad one has a problem at its line, the good twin has none."""
    problems = unevaluated(a_source(sabotage.bad))

    assert a_match(sabotage, problems), problems
    assert all(problem.fix for problem in problems)
    assert unevaluated(a_source(sabotage.good)) == []


@pytest.mark.parametrize("sabotage", PROBED, ids=lambda each: each.name)
def test_a_policy_that_fails_on_some_request_is_refused_after_probing(sabotage: Sabotage) -> None:
    """Probing finds what only an evaluation shows; the good twin answers all the same requests."""
    assert unevaluated(a_source(sabotage.bad)) == []
    problems = probed(a_source(sabotage.bad))

    assert a_match(sabotage, problems), problems
    assert all(problem.fix for problem in problems)
    assert unevaluated(a_source(sabotage.good)) == probed(a_source(sabotage.good)) == []


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

    assert list(refused(source)) == (unevaluated(source) or probed(source))


def test_all_problems_come_at_once() -> None:
    """Three mistakes in two files are three problems, in order."""
    problems = refused(a_source("allow if a\nok if b", "x := http.send({})"))

    assert [(problem.file, problem.line) for problem in problems] == [("p.rego", 2), ("p.rego", 3), ("q.rego", 2)]


def test_each_file_that_does_not_parse_is_named() -> None:
    """One syntax error of each file."""
    problems = refused(a_source("allow {", "allow if", "allow := true"))

    assert [(problem.file, problem.line) for problem in problems] == [("p.rego", 2), ("q.rego", 2)]


@pytest.mark.parametrize(
    ("query", "found", "fix"),
    [
        ("data.p.alow", "names no rule", "did you mean data.p.allow?"),
        ("data.p", "names a package", "data.p.allow"),
        ("data.p.f", "names a function", "data.p.allow"),
        ("data.p.s", "names a set", "data.p.allow"),
        ("data.p.o", "names an object of many rules", "data.p.allow"),
        ("data.p.many", "names an object of many rules", "data.p.many."),
        ("p.allow", "not of the form", "data.p.allow"),
        ("data.p.allow == true", "not of the form", "data.p.allow"),
        ("input.mtls.verified", "not of the form", "data.p.allow"),
        ("", "not of the form", "data.p.allow"),
    ],
)
def test_the_query_has_to_name_one_rule(query: str, found: str, fix: str) -> None:
    """Anything else than a complete rule is refused with the rule that is meant."""
    text = (
        "allow if input.mtls.verified\nf(x) := x\ns contains 1\no[k] := 1 if k := input.route\nmany.a := 1\nmany.b := 2"
    )

    problems = unevaluated(a_source(text, query=query))

    assert len(problems) == 1
    assert found in problems[0].found
    assert fix in problems[0].fix
    assert unevaluated(a_source(text)) == []


@pytest.mark.parametrize("data", ['{"p": {"allow": true}}', '{"p": {"allow": {}}}', '{"p": 1}'])
def test_data_cannot_replace_a_rule(data: str) -> None:
    """regorus would answer what the data says; beside the rule it is welcome."""
    problems = unevaluated(a_source("allow := false", data=data))

    assert ["would replace it" in problem.found for problem in problems] == [True]
    assert unevaluated(a_source("allow := false", data='{"p": {"roles": []}}')) == []


def test_a_package_cannot_hide_a_rule() -> None:
    """A package below a rule; a package of another name is fine."""
    problems = unevaluated(a_source('allow := {"allow": true}', "package p.allow\nallow := false"))

    assert ["defined below the rule data.p.allow" in problem.found for problem in problems] == [True]
    assert unevaluated(a_source('allow := {"allow": true}', "package q.allow\nallow := false")) == []


def test_rules_of_one_package_may_be_in_many_files() -> None:
    """Libraries, imports and data are found across files."""
    policies = (
        "import data.lib\nallow if { ok; lib.is_admin(input.token); not input.token.sub in data.blocked }",
        "ok if input.mtls.verified",
        'package lib\nis_admin(token) if "admin" in token.roles',
    )

    source = a_source(*policies, data='{"blocked": ["mallory"]}')

    assert unevaluated(source) == probed(source) == []
    assert unevaluated(a_source(*policies)) != []


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
    assert unevaluated(a_source(text)) == []
    assert "defined by itself" in unevaluated(a_source("allow if ok\nok if allow"))[0].found


def test_what_lies_inside_a_value_depends_on_the_request() -> None:
    """Only names that rules, packages or data could define are checked, not what is in their values."""
    text = "allow if { print(input.route); limits.a.b; not data.blocked.users.mallory }\nlimits := input.token"

    assert unevaluated(a_source(text, data='{"blocked": {}}')) == []
    assert [problem.found for problem in unevaluated(a_source(text))] == ["nothing defines `data.blocked`"]


def test_probing_stops_when_it_has_found_enough() -> None:
    """Ten broken paths are eight problems; one is one."""
    broken = [f'allow if {{ input.request.path == "/{name}"; 1 / 0 }}' for name in "abcdefghij"]

    assert len(probed(a_source("\n".join(broken)))) == 8
    assert len(probed(a_source(broken[0]))) == 1


def test_a_callers_own_samples_are_tried_too() -> None:
    """What our probes do not reach, a recorded input does."""
    source = a_source("allow if { input.token.level > 1; input.token.level / input.token.zero }")
    sample = Sample("a recorded request", '{"token": {"level": 2, "zero": 0}}')

    assert probed(source) == []
    assert "for a recorded request" in probed(source, sample)[0].found
    assert "for a recorded request" in refused(source, samples=[sample])[0].found


def test_much_data_is_no_problem() -> None:
    """Loading is not counted as an evaluation."""
    users = ",".join(f'"user{number}": ["a", "b", "{"x" * 30}"]' for number in range(50_000))

    check_policies(a_source('allow if "a" in data.users[input.token.sub]', data=f'{{"users": {{{users}}}}}'))


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("""echo '{"doing": "parsing a"}'; kill -SEGV $$""", "crashes the interpreter (SIGSEGV), at: parsing a"),
        ("""echo '{"doing": "GET /", "seconds": 0.25}'; kill -PROF $$""", "more than 250 ms of CPU time, at: GET /"),
        ("kill -XCPU $$", f"more than {CPU_SECONDS} s of CPU time to check, at: start"),
        ("echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$", "needs more than 512 MiB of memory"),
        ("echo 'ImportError: no module' >&2; exit 1", "cannot be checked (ImportError: no module)"),
        ("""echo '{"doing": "x"}'""", "cannot be checked"),
        ("exit 0", "cannot be checked"),
    ],
)
def test_however_the_child_ends_it_is_not_a_yes(script: str, found: str) -> None:
    """Only a child that says what it found has checked the policy; with the real one it passes."""
    assert found in refused(a_source("allow := true"), child_command=("/bin/sh", "-c", script))[0].found


def test_a_child_that_hangs_is_ended() -> None:
    """Even when it uses no CPU time."""
    child = ("/bin/sh", "-c", "exec sleep 60")

    assert "is not checked after 0.2 s" in refused(a_source("allow := true"), child_command=child, seconds=0.2)[0].found
