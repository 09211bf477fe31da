"""What is recorded of OPA's builtins is what OPA says; tests/unit compares ours with the record."""

import json

from tests.support import opa
from tests.support.builtin_calls import asked_of_opa, recorded

from authz_service.policy.builtins import ARITY

# The clock, and what OPA says of them because schemas may be fetched and times default to now. Here nothing is fetched.
_DETERMINED_ENOUGH = {"time.now_ns", "json.match_schema", "json.verify_schema", "io.jwt.decode_verify"}


def test_the_record_is_what_opa_says() -> None:
    """Every call, also those whose answer is undefined."""
    record = recorded()

    assert record.opa == opa.VERSION
    assert record.calls == asked_of_opa(record.calls), "run `python -m tests.support.builtin_calls`, and look at it"


def test_what_is_not_deterministic_for_opa_is_not_for_policies() -> None:
    """The same request gets the same decision; OPA itself says which builtins break that."""
    builtins = json.loads(opa.run("capabilities", "--current").stdout)["builtins"]
    named = {each["name"] for each in builtins if each.get("nondeterministic")}

    assert {"http.send", "rand.intn", "uuid.rfc4122"} < named
    assert named & ARITY.keys() == _DETERMINED_ENOUGH
