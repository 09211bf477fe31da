"""Behind the walls neither a module nor a file can be read any more: whatever a policy uses was brought before."""

import json
import subprocess
import sys

# Each in a process of its own, with the table of policies that the unit tests evaluate.
_WALLED = """
import asyncio, json, sys
from authz_service.decision_worker import process as worker
from authz_service.walls.raising import around_worker
sys.path.insert(0, {root!r})
worker.prepare()
cases = json.load(sys.stdin)
from authz_service.policy.decide.engine import PolicyEngine
from authz_service.domain.rules import PolicySource
from authz_rego.values.json_text import from_json
import os
opened = set()
sys.addaudithook(lambda event, arguments: opened.add(str(arguments[0])) if event in ("open", "import") else None)
opened.clear()
around_worker()
failed = []
for text in cases:
    try:
        engine = PolicyEngine(PolicySource("data.p.allow", (("p.rego", text),)))
        verdict = engine.evaluate(from_json('{{"request": {{"method": "GET"}}}}'))
    except Exception as error:
        verdict = error
    if getattr(verdict, "reason", "") != "allowed":
        failed.append((text, str(verdict)))
async def in_a_thread():
    return await asyncio.to_thread(int, "7")
import uvloop
assert uvloop.run(in_a_thread()) == 7
print(json.dumps([failed, sorted(opened)], default=str))
"""


def test_policies_find_all_that_they_use() -> None:
    expressions = (
        'time.clock([0, "Europe/Berlin"]) == [1, 0, 0]',
        'time.parse_ns("2006-01-02", "1970-01-01") == 0',
        r'regex.match(`^\p{Greek}+$`, "αβγ")',
        'glob.match("*.example.com", ["."], "api.example.com")',
        'net.cidr_contains("10.0.0.0/8", "10.1.2.3")',
        'semver.compare("1.2.3", "1.2.3") == 0',
        'sprintf("%05.2f", [3.14159]) == "03.14"',
        'crypto.sha256("a") != ""',
        'base64url.encode_no_pad("a") == "YQ"',
        'uuid.parse("00000000-0000-4000-8000-000000000000").version == 4',
        'units.parse_bytes("1KiB") == 1024',
        'upper("straße") != ""',
        'graph.reachable({"a": ["b"], "b": []}, ["a"]) == {"a", "b"}',
    )
    cases = [f"package p\nimport rego.v1\ndefault allow := false\nallow if {{\n\t{each}\n}}\n" for each in expressions]
    run = subprocess.run(
        [sys.executable, "-c", _WALLED.format(root=".")],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stderr == ""
    failed, opened = json.loads(run.stdout)
    assert failed == []
    assert [each for each in opened if each.startswith("/")] == []


_EVERYTHING = """
import sys
sys.path.insert(0, ".")
from pathlib import Path
from tests.support.opa_answers import given, recorded
from tests.rego.semantics import CASES
from authz_rego import EvaluationError, Policy
from authz_rego.builtins.table import functions
from authz_rego.values.python_documents import from_python
from authz_rego.at_hand import bring_everything
from authz_service.walls.raising import around_worker
beside = "tests/rego/builtins/test_table.py"
names = [path.stem for path in Path(beside).parent.glob("answers/*.jsonl")]
calls = [answer for name in names for answer in recorded(beside, name)]
bring_everything()
missing = set()
def see(event, arguments):
    if event == "open" or (event == "import" and str(arguments[0]) not in sys.modules):
        missing.add(str(arguments[0]))
sys.addaudithook(see)
around_worker()
table = functions()
for answer in [each for each in calls if each.name in table]:  # not the few that the compiler answers itself
    given(table[answer.name], answer.operands)
for case in CASES:
    policy = Policy.compile([("p.rego", f"package p\\n\\n{case.rules}\\n")], from_python(case.data))
    for input_, _ in case.asked:
        try:
            policy.query("data.p.x").evaluate(from_python(input_))
        except EvaluationError:
            pass
escaped = '"' + chr(92) + "r" + chr(92) + "ud83d" + chr(92) + 'ude00"'
assert Policy.compile([("p.rego", "package p\\nx := " + escaped)]).query("data.p.x").evaluate() == chr(13) + chr(128512)
print(len(calls), len(CASES), sorted(missing))
"""


def test_no_builtin_and_no_kind_of_rule_wants_more() -> None:
    """All recorded calls, and all cases of what Rego means."""
    run = subprocess.run([sys.executable, "-c", _EVERYTHING], capture_output=True, text=True, check=False)

    assert run.stderr == ""
    calls, cases, *missing = run.stdout.split(maxsplit=2)
    assert int(calls) > 5_000
    assert int(cases) > 100
    assert missing == ["[]\n"]
