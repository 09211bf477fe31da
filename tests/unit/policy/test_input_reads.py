"""A policy that is given only what it reads answers as it does on the whole document, to the letter."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.example_policies import POLICIES

from authz_service.domain.rules import PolicySource
from authz_service.policy.engine import PolicyEngine
from authz_service.policy.input_reads import Reads, reads_in, seen
from authz_service.policy.samples import samples

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
        ("import input.token as t\nallow if t.sub", {"token": None}),
        ("allow if data.x with input.token.sub as 1", {"token": {"sub": None}}),
        ("allow if not input.token.sub", {"token": {"sub": None}}),
        ("allow if myinput.x == input_.x", {}),
        # Whatever follows in another way than plainly belongs to what was named before it.
        ("allow if input.token .sub", {"token": None}),
        ("allow if input.token\n.sub", {"token": None}),
        ("allow if input.token[`sub`]", {"token": None}),
        ('allow if input.token["s\\u0075b"]', {"token": None}),
        ('allow if input.token["é"]', {"token": None}),
        ("allow if input.token.subé", {"token": None}),
        ("allow if input.token.", {"token": None}),
        # A word in a comment or a text counts as well.
        ("# see input.md", {"md": None}),
        ('allow if "input.token" == 1', {"token": None}),
        ("allow if x.input.y", {"y": None}),
        # All of it.
        ("allow if f(input)", None),
        ("allow if input[x].y", None),
        ("allow if data.x with input as {}", None),
        ("import input as i", None),
        ("# the input", None),
        ("allow if input .token", None),
        ('allow if input["t\\u006fken"]', None),
        ("allow if input.é", None),
    ],
)
def test_what_is_read_is_found_in_the_text(text: str, reads: Reads) -> None:
    """In doubt too much, never too little; a file beside it adds what it reads itself."""
    assert reads_in([text]) == reads
    assert reads_in(["allow := true", text]) == reads
    assert reads_in([text, "x := input.route"]) == (None if reads is None else {**reads, "route": None})


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
        "import rego.v1",
        *sorted(needed, key=lambda text: not text.startswith("import")),
        *(f"found contains [{n}, value] if value := {reference}" for n, reference in enumerate(references)),
        *(f'found contains "no {n}" if not {reference}' for n, reference in enumerate(closed)),
    ]
    engine = PolicyEngine(PolicySource("data.p.found", (("p.rego", "\n".join(lines)),)))
    forms = {name: st.sampled_from([value, value, {}, "text", 5, [value], None]) for name, value in DOCUMENT.items()}
    document = {name: data.draw(form) for name, form in forms.items()}

    whole, part = outcome(engine, document), outcome(engine, seen(document, engine.reads))

    assert part == whole


def outcome(engine: PolicyEngine, document: object) -> object:
    """The answer, or the error with its place."""
    try:
        return json.loads(engine.ask(json.dumps(document)))
    except RuntimeError as error:
        return str(error)


def test_the_examples_decide_the_same_about_every_sample() -> None:
    """And none of them reads everything."""
    answers = set()
    for policy in POLICIES:
        text = policy.file.read_text(encoding="utf-8")
        engine = PolicyEngine(PolicySource(policy.query, ((policy.file.name, text),)))
        assert engine.reads is not None
        for sample in samples(re.findall(r'"([^"\s]+)"', text)):
            whole = engine.ask(sample.document)
            answers.add(whole)
            assert engine.ask(json.dumps(seen(json.loads(sample.document), engine.reads))) == whole, sample.name
    assert {"true", "false"} < answers
