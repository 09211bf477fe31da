"""Behind the walls neither a module nor a file can be read any more: whatever a policy uses was brought before."""

import json
import subprocess
import sys

# Each in a process of its own, with the table of policies that the unit tests evaluate.
_WALLED = """
import asyncio, json, sys
from authz_service.supervisor import worker
from authz_service.walls.raising import around_worker
sys.path.insert(0, {root!r})
worker.prepare()
cases = json.load(sys.stdin)
from authz_service.policy.engine import PolicyEngine
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
