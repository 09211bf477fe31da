"""The list of builtins is the installed engine's, but for those that we refuse."""

import json
import re

import pytest

from authz_service.domain.rules import PolicySource
from authz_service.policy.builtins import ADDED, ARITY, instead_of
from authz_service.policy.engine import PolicyEngine

REFUSED = {"http.send", "opa.runtime", "rand.intn", "strings.count", "strings.replace_n", "uuid.rfc4122"}

# Builtins of OPA 1.x that neither this engine nor we have. Each is to be refused with a remedy of its own.
MISSING = [
    "io.jwt.encode_sign",
    "io.jwt.encode_sign_raw",
    "crypto.x509.parse_certificates",
    "crypto.x509.parse_and_verify_certificates",
    "crypto.parse_private_keys",
    "net.lookup_ip_addr",
    "net.cidr_overlap",
    "rego.metadata.rule",
    "rego.metadata.chain",
    "rego.parse_module",
    "graphql.parse",
    "graphql.is_valid",
    "providers.aws.sign_req",
    "strings.render_template",
    "strings.split_n",
    "uri.is_valid",
    "uri.parse",
    "any",
    "all",
    "re_match",
    "regex.globs_match",
    "set_diff",
    "cast_array",
    "cast_string",
]


def error_of(expression: str) -> str:
    source = PolicySource("data.p.x", (("p.rego", f"package p\nx := {expression}"),))
    try:
        PolicyEngine(source).ask("{}")
    except RuntimeError as error:
        return str(error)
    return ""


def test_the_engine_lists_what_we_list() -> None:
    """After an update of the wheel this says which names came or went."""
    source = PolicySource("data.p.x", (("p.rego", "package p\nx := opa.runtime().builtins"),))
    listed = set(re.findall(r'"([a-z0-9_.]+)"', PolicyEngine(source).ask("{}")))

    assert {name for name in listed if not name.startswith("__")} == {*ARITY, *REFUSED} - ADDED.keys()


@pytest.mark.parametrize("name", sorted(ARITY.keys() - ADDED.keys()))
def test_the_engine_takes_as_many_arguments_as_we_say(name: str) -> None:
    """One more than any takes: the engine says how many it expects."""
    count = re.search(r"expects (\d+) argument", error_of(f"{name}({', '.join(['1'] * 6)})"))

    assert count
    assert int(count[1]) == ARITY[name]


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_has_a_remedy(name: str) -> None:
    """The engine does not know it, and we say what to write instead."""
    assert "could not find function" in error_of(f"{name}(1)")
    assert instead_of(name)
    assert name not in ARITY


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_we_refuse_is_there_but_not_the_same(name: str) -> None:
    """SECURITY T11: a stub, or another answer each time."""
    assert "could not find function" not in error_of(f"{name}(1)")
    assert instead_of(name)
    assert name not in ARITY


@pytest.mark.parametrize("name", ["anything", "allow", "startwith", "ioxjwt", "net", "crypto"])
def test_a_name_that_opa_does_not_know_has_none(name: str) -> None:
    """It gets the nearest name instead."""
    assert instead_of(name) is None


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/schema", "file:///etc/hostname"])
@pytest.mark.parametrize("call", ["json.match_schema({}, data.schema)", "json.verify_schema(data.schema)"])
def test_a_schema_that_is_elsewhere_is_not_fetched(place: str, call: str) -> None:
    """Neither over the network nor from a file; one that is there is used."""

    def answer(reference: str) -> str:
        data = {"schema": {"$ref": reference, "$defs": {"any": {}}}}
        source = PolicySource("data.p.x", (("p.rego", f"package p\nx := {call}[0]"),), json.dumps(data))
        return PolicyEngine(source).ask("{}")

    with pytest.raises(RuntimeError, match="custom resolver is required"):
        answer(place)
    assert answer("#/$defs/any") == "true"
