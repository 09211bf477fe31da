"""Seven kinds of policies that an engine which is nearly OPA lets pass: each on a live sidecar, refused and let in."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar, replace
from tests.support.rego_kinds import KINDS

from authz_service.domain.refusals import Reason

ROUTER = "package lone\n\ndefault result := false\n\n" + "\n\n".join(
    f'result if {{\n\tinput.request.segments[0] == "kind-{number}"\n\tdata.kind_{number}.allow\n}}'
    for number, _ in enumerate(KINDS)
)


def write_kinds(sidecar: LoneSidecar) -> None:
    for number, kind in enumerate(KINDS):
        replace(sidecar.folder / "policies" / f"kind_{number}.rego", f"package kind_{number}\n\n{kind.text}\n")


def test_each_kind_lets_in_whom_opa_lets_in_and_nobody_else(
    start_sidecar: Callable[..., LoneSidecar], live: Live
) -> None:
    """The same policy, another token of the same user: 200 for one, 403 for all the others, and on record as such."""
    sidecar, john = start_sidecar(policy=ROUTER, prepare=write_kinds), live.user("john")

    for number, kind in enumerate(KINDS):
        answers = []
        for claims in (kind.yes, *kind.noes):
            token = live.signed("users", john, **claims)
            answer = sidecar.call("GET", f"/kind-{number}", token=token)
            refused = answer.status != 200
            answers.append((answer.status, json.loads(answer.body)["reason"] if refused else ""))
        assert answers == [(200, ""), *[(403, Reason.POLICY_DENIED)] * len(kind.noes)], kind.name
    assert [seen.target for seen in sidecar.echo.seen] == [f"/kind-{number}" for number, _ in enumerate(KINDS)]
    assert {record["reason"] for record in sidecar.audit} == {Reason.ALLOWED, Reason.POLICY_DENIED}
