"""What a policy is said to read is all that it reads: on that part of its input it answers as on the whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.example_policies import POLICIES

from authz_rego import EvaluationError, Policy
from authz_rego.values.json_text import from_json, to_json
from authz_rego.values.value import UNDEFINED, Value
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.decide.reads import Reads, seen
from authz_service.policy.sources.folder import read_policy_folder
from authz_service.policy.vetting.samples import samples

DOCUMENT = {
    "mtls": {"verified": True, "subject": {"CN": "a-client", "O": "MyOrg"}, "san": {"uri": [], "dns": ["a", "b"]}},
    "token": {
        "sub": "u1",
        "aud": ["x", "y"],
        "exp": 5,
        "realm_access": {"roles": ["r1", "r2"]},
        "a.b": {"c": [1, {"d": 2}]},
    },
    "request": {"method": "GET", "path": "/x/y", "segments": ["x", "y"], "query": {"q": ["1"]}, "host": "h"},
    "headers": {"X-A": "sub", "X-B": "v"},
    "route": "/x/**",
    "decision_id": "d",
}


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("allow := true", {}),
        ("allow if input.token.sub == 1", {"token": {"sub": None}}),
        ('allow if input["token"]["a.b"].c', {"token": {"a.b": {"c": None}}}),
        ("allow if input.token.roles[_] == input.token.aud[0]", {"token": {"roles": None, "aud": None}}),
        ("allow if input.request.query[input.headers.x].y", {"request": {"query": None}, "headers": {"x": None}}),
        ("allow if { input.token.sub; input.token }", {"token": None}),
        ("allow if { input.token; input.token.sub }", {"token": None}),
        ("import input.token as t\nallow if t.sub", {"token": {"sub": None}}),
        ("allow if not input.token.sub", {"token": {"sub": None}}),
        ("allow if f(input)\nf(x) if x.a", None),
        ("allow if input[x].y\nx := 1", None),
        ("allow if x with input as {}\nx if input.a", None),
        ("import input as i\nallow if i[_]", None),
        ("allow if [input]", None),
        ("allow if count(input) > 0", None),
        ("allow if { x := input; x.a }", None),
    ],
)
def test_what_is_read_is_known(text: str, reads: Reads) -> None:
    """In doubt too much, never too little."""
    found = Policy.compile([("p.rego", f"package p\n{text}")]).reads

    assert found == reads


def test_only_what_is_read_is_left() -> None:
    reads: Reads = {
        "token": {"sub": None, "realm_access": {"roles": None}, "none": None},
        "mtls": {"san": None},
        "route": {"x": None},
    }

    assert seen(DOCUMENT, reads) == {
        "token": {"sub": "u1", "realm_access": {"roles": ["r1", "r2"]}},
        "mtls": {"san": {"uri": [], "dns": ["a", "b"]}},
        "route": "/x/**",  # no object: nothing of it can be left out
    }
    assert seen(DOCUMENT, {}) == {}
    assert seen(DOCUMENT, None) == DOCUMENT


# An expression, and what else its file needs.
REFERENCES = {
    "input.token.sub": "",
    'input["token"].aud[_]': "",
    "input.token.aud[i]": "",
    'input.token["a.b"].c[_].d': "",
    "input.token.realm_access.roles": "",
    "input.token.sub.nothing": "",
    'input.token[input.headers["X-A"]]': "",
    "input[`token`].exp": "",
    "input[place].sub": 'place := "token"',
    "t.exp": "import input.token as t",
    "i.route": "import input as i",
    "input.mtls": "",
    "input.mtls.subject[k]": "",
    "input.request.segments[0]": "",
    "count(input.request.segments)": "",
    "input.request.query.q[_]": "",
    "input.nothing.at.all": "",
    'object.get(input.token, ["realm_access", "roles"], 7)': "",
    'object.get(input, ["token", "sub"], 7)': "",
    'json.filter(input.mtls, ["subject/CN"])': "",
    "[k | some k, _ in input.headers]": "",
    "{k: v | some k, v in input.mtls.san}": "",
    "{x | walk(input.token, [_, x])}": "",
    "[x | walk(input, [_, x])]": "",
    "input": "",
    "helper": "helper := input.request.host",
    "shown(input.token)": "shown(token) := token.exp",
    "replaced": 'inner := input.token.sub\nreplaced := x if x := inner with input.token.sub as "other"',
    "known": "known if not input.token.exp == 6",
    "every_one": "every_one if every name in input.mtls.san.dns { name != input.token.sub }",
}
VARIABLE = re.compile(r"\b[ikx_]\b")


@given(st.lists(st.sampled_from(sorted(REFERENCES)), min_size=1, max_size=4, unique=True), st.data())
def test_what_is_left_out_makes_no_difference(references: list[str], data: st.DataObject) -> None:
    """Values and absences of references in every form, on documents that lack or change anything."""
    needed = [REFERENCES[reference] for reference in references]
    closed = [reference for reference in references if not VARIABLE.search(reference)]
    lines = [
        "package p",
        *sorted(needed, key=lambda text: not text.startswith("import")),
        *(f"found contains [{n}, value] if value := {reference}" for n, reference in enumerate(references)),
        *(f'found contains "no {n}" if not {reference}' for n, reference in enumerate(closed)),
    ]
    policy = Policy.compile([("p.rego", "\n".join(lines))])
    forms = {name: st.sampled_from([value, value, {}, "text", 5, [value], None]) for name, value in DOCUMENT.items()}
    document = {name: data.draw(form) for name, form in forms.items()}

    assert outcome(policy, seen(document, policy.reads)) == outcome(policy, document)


def outcome(policy: Policy, document: Value) -> str:
    """The answer, or the error with its place."""
    try:
        value = policy.query("data.p.found").evaluate(document)
    except EvaluationError as error:
        return str(error)
    return "undefined" if value is UNDEFINED else to_json(value)


def test_the_examples_decide_the_same_about_every_sample() -> None:
    """And none of them reads everything."""
    answers = set()
    for policy in POLICIES:
        engine = PolicyEngine(read_policy_folder(policy.file.parent, policy.query))
        assert engine.reads is not None
        for sample in samples(re.findall(r'"([^"\s]+)"', policy.file.read_text(encoding="utf-8"))):
            document = from_json(sample.document)
            whole = to_json(engine.ask(document))
            answers.add(whole)
            assert to_json(engine.ask(seen(document, engine.reads))) == whole, sample.name
    assert {"true", "false"} < answers
