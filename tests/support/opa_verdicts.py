"""What the real OPA says to the first generated inputs of each example policy, as recorded in tests/vectors/opa.

`python -m tests.support.opa_verdicts` records anew. `make test-opa` compares the record with OPA; the unit tests, which
run on machines without OPA, compare our engine with the record.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
from tests.support import opa
from tests.support.example_inputs import generated_inputs
from tests.support.example_policies import POLICIES, Json, Policy

from authz_rego.values.json_text import to_json
from authz_rego.values.python_documents import from_python
from authz_rego.values.value import UNDEFINED
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.policy.sources.folder import read_policy_folder

RECORD = opa.ROOT / "tests" / "vectors" / "opa" / "verdicts.json"
RECORDED = 250  # inputs for each policy
NOTHING = {"undefined": True}  # in the record: the rule has no value


def our_engine(policy: Policy) -> PolicyEngine:
    return PolicyEngine(read_policy_folder(policy.file.parent, policy.query))


def our_answer(engine: PolicyEngine, asked: Json) -> Any:
    """What our engine says to the document."""
    answer = engine.ask(from_python(asked))
    return NOTHING if answer is UNDEFINED else json.loads(to_json(answer))


def opas_answer(server: opa.OpaServer, policy: Policy, asked: Json) -> Any:
    """What OPA says to the whole document."""
    answer = server.ask(policy.query, asked)
    return NOTHING if answer is opa.UNDEFINED else answer


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORD.read_text())
    return found


def record() -> dict[str, Any]:
    """The record as OPA would have it now."""
    with opa.OpaServer([policy.file for policy in POLICIES]) as server:
        return {"opa": opa.VERSION, "policies": {policy.folder: _of(server, policy) for policy in POLICIES}}


def digest(asked: list[Json]) -> str:
    """Tells whether the recorded answers are to these inputs."""
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def _of(server: opa.OpaServer, policy: Policy) -> dict[str, Any]:
    asked = list(generated_inputs(policy, RECORDED))
    return {"inputs": digest(asked), "answers": [opas_answer(server, policy, each) for each in asked]}


if __name__ == "__main__":
    text = json.dumps(record(), indent=0, ensure_ascii=False)
    RECORD.write_text(text + "\n")
