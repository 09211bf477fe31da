"""`proxy.authz.candidate` beside a live sidecar: what it says is counted and recorded, and never changes an answer."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from tests.support.hidden_sabotage import HIDDEN
from tests.support.live import Json, Live, lines
from tests.support.lone_sidecar import REMOVED, LoneSidecar, replace, until

from authz_service.cli.main import authz

# The policy in force refuses /forbidden alone.
OTHER = """package lone

default allow := false

allow if input.request.segments[0] != "wanted"

result := {"allow": allow, "reasons": ["the candidate says so"]}
"""
# At a path that it puts together itself, which its check does not find.
SABOTAGE = """package lone

hidden if input.request.path == concat("", ["/hid", "den"])

result := true if not hidden

result := false if {
	hidden
	%s
}
"""
BODIES = {each.name: each.body for each in HIDDEN}
LOOPS, EATS_MEMORY = SABOTAGE % BODIES["two loops"], SABOTAGE % BODIES["a text that grows"]
BROKEN = "package lone\n\nresult := undefined_thing\n"


@pytest.fixture(scope="module")
def sidecar(live: Live, module_stack: ExitStack) -> LoneSidecar:
    """With a candidate that is not there yet."""
    sidecar = LoneSidecar(live, {"policy.evaluation_budget": "200ms"})
    sidecar.write_config({"proxy.authz.candidate": {"path": str(sidecar.folder / "candidate")}})
    return module_stack.enter_context(sidecar)


def follow(sidecar: LoneSidecar, policy: str) -> None:
    """Put it in place of the candidate that is there, and wait until it decides."""
    folder = sidecar.folder / "candidate"
    folder.mkdir(exist_ok=True)
    before = process_of(sidecar)
    replace(folder / "lone.rego", policy)
    until(
        lambda: state(sidecar)["problem"] == "" and process_of(sidecar) not in {None, before}, state=lambda: sidecar.log
    )


def state(sidecar: LoneSidecar) -> Json:
    found: Json = sidecar.readyz()["candidate"]
    return found


def process_of(sidecar: LoneSidecar) -> psutil.Process | None:
    return next((one for one in sidecar.tree() if "authz_service.control_plane.candidate.child" in _command(one)), None)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def counted(sidecar: LoneSidecar) -> dict[str, float]:
    results = ("alike", "gained", "lost", "other", "skipped")
    return {result: sidecar.metric(f'authz_candidate_verdicts_total{{result="{result}"}}') for result in results}


def grown(sidecar: LoneSidecar, before: dict[str, float], **wanted: int) -> None:
    """Wait until exactly these have been counted since."""

    def more() -> dict[str, float]:
        return {name: count - before[name] for name, count in counted(sidecar).items() if count != before[name]}

    until(lambda: more() == wanted, state=lambda: f"{more()} {sidecar.log}")


def answers(sidecar: LoneSidecar, token: str) -> list[int]:
    """What the policy in force says, whatever the candidate does."""
    asked = (("GET", "/orders"), ("GET", "/forbidden"), ("GET", "/wanted"), ("POST", "/hidden"))
    return [sidecar.call(method, path, token=token).status for method, path in asked]


ANSWERS = [200, 403, 200, 200]


def test_one_that_is_not_there_is_told_and_changes_nothing(sidecar: LoneSidecar, live: Live) -> None:
    """The sidecar is ready all the same."""
    assert answers(sidecar, live.user("john")) == ANSWERS
    until(lambda: "is not a directory" in state(sidecar)["problem"])

    page = sidecar.readyz()
    assert page["ready"]
    assert any("the candidate policy decides nothing: " in trouble for trouble in page["degraded"])


def test_flips_are_counted_by_direction_and_recorded(sidecar: LoneSidecar, live: Live) -> None:
    """Beside the decision's own record, which says what was answered; refusals before the policy are passed over."""
    john = live.user("john")
    follow(sidecar, OTHER)
    before = counted(sidecar)
    assert answers(sidecar, john) == ANSWERS
    sidecar.call("GET", "/orders")
    grown(sidecar, before, alike=2, gained=1, lost=1, skipped=1)

    assert state(sidecar)["verdicts"] == counted(sidecar)
    assert not sidecar.readyz()["degraded"]
    records = [record for record in lines(sidecar.folder / "audit.jsonl") if record["event"] == "candidate"]
    gained = next(record for record in records if record["path"] == "/forbidden")
    assert (gained["decision"], gained["reason"], gained["reasons"]) == ("allow", "allowed", ["the candidate says so"])
    own = next(record for record in sidecar.audit if record["decision_id"] == gained["decision_id"])
    assert (own["event"], own["decision"], own["reason"]) == ("access", "deny", "policy_denied")
    lost = next(record for record in records if record["path"] == "/wanted")
    assert (lost["decision"], lost["reason"]) == ("deny", "policy_denied")
    file = sidecar.config["audit"]["path"]
    assert CliRunner().invoke(authz, ["audit", "verify", file]).exit_code == 0
    told = CliRunner().invoke(authz, ["trail", gained["correlation_id"], file])
    assert (told.exit_code, "1 decision at 1 service, 1 refused" in told.output) == (0, True)
    assert "└─ ? order-service (zone2) the candidate policy on GET /forbidden" in told.output


@pytest.mark.parametrize("policy", [LOOPS, EATS_MEMORY], ids=["loops", "eats memory"])
def test_one_that_loops_or_dies_changes_no_answer(sidecar: LoneSidecar, live: Live, policy: str) -> None:
    """At one path alone, which its check does not know; and it decides again afterwards."""
    john = live.user("john")
    follow(sidecar, policy)
    workers = {worker.pid for worker in sidecar.workers()}
    before = counted(sidecar)
    assert answers(sidecar, john) == ANSWERS
    until(lambda: sum(counted(sidecar).values()) == sum(before.values()) + len(ANSWERS), state=lambda: sidecar.log)

    until(lambda: state(sidecar)["problem"] == "" and process_of(sidecar) is not None, state=lambda: sidecar.log)
    before = counted(sidecar)
    assert sidecar.call("GET", "/orders", token=john).status == 200
    until(lambda: counted(sidecar)["alike"] == before["alike"] + 1, state=lambda: sidecar.log)
    assert {worker.pid for worker in sidecar.workers()} == workers


def test_one_that_cannot_be_loaded_or_is_killed_changes_no_answer(sidecar: LoneSidecar, live: Live) -> None:
    """The problem is told with its place; a good one decides again, also when its process was killed."""
    john = live.user("john")
    folder: Path = sidecar.folder / "candidate"
    replace(folder / "lone.rego", BROKEN)
    until(lambda: "lone.rego:3" in state(sidecar)["problem"], state=lambda: sidecar.log)
    assert answers(sidecar, john) == ANSWERS
    assert sidecar.readyz()["ready"]

    follow(sidecar, OTHER)
    process = process_of(sidecar)
    assert process is not None
    process.send_signal(signal.SIGKILL)
    assert answers(sidecar, john) == ANSWERS
    until(lambda: process_of(sidecar) not in {None, process} and state(sidecar)["problem"] == "")
    before = counted(sidecar)
    assert sidecar.call("GET", "/wanted", token=john).status == 200
    grown(sidecar, before, lost=1)


def test_it_knows_no_secret_and_ends_with_its_section(sidecar: LoneSidecar, live: Live) -> None:
    """Its environment is empty; without the section there is no process, and no word of it."""
    process = process_of(sidecar)
    assert process is not None
    assert set(process.environ()) <= {"LC_CTYPE"}  # which the interpreter sets itself
    sidecar.write_config({"proxy.authz.candidate": REMOVED})
    until(lambda: sidecar.readyz()["candidate"] is None)
    until(lambda: not process.is_running())
    assert answers(sidecar, live.user("john")) == ANSWERS
