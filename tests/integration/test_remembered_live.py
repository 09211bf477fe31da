"""A live sidecar repeats what it allowed: on record each time, and not past a revocation or a change of the policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing

from tests.support.live import Live, decoded
from tests.support.lone_sidecar import LoneSidecar, ask_again, replace, until

from authz_service import headers
from authz_service.domain.refusals import Reason

POLICY = """package lone

import rego.v1

default allow := false

allow if {
    input.request.segments[0] != "forbidden"
    input.token.exp + 30 > time.now_ns() / 1000000000
}
"""


def test_what_is_repeated_is_on_record_and_ends_with_every_change(
    start_sidecar: Callable[..., LoneSidecar], live: Live
) -> None:
    def prepare(sidecar: LoneSidecar) -> None:
        denylist = sidecar.folder / "etc" / "denylist.json"
        denylist.write_text("{}")
        asked = {"policy_query": "data.lone.allow", "remember": "60s"}
        sidecar.write_config({"proxy.authz": asked, "revocation.path": str(denylist)})

    sidecar, john = start_sidecar(prepare=prepare, policy=POLICY), live.user("john")
    denylist = sidecar.folder / "etc" / "denylist.json"

    def repeats() -> bool:
        ask_again(connection, john)
        return bool(sidecar.audit[-1]["repeats"])

    with closing(sidecar.connection(sidecar.tls())) as connection:
        until(repeats)  # each worker remembers for itself: which of them is asked is Envoy's choice
        *judged, repeated = sidecar.audit
        assert {record["repeats"] for record in judged} == {""}
        assert repeated["repeats"] in {record["decision_id"] for record in judged[1:]}
        assert len({record["correlation_id"] for record in sidecar.audit}) == len(sidecar.audit)
        seen = sidecar.echo.seen[-len(sidecar.audit) :]
        assert len({tuple(one.values("x-user-id")) for one in seen}) == 1
        assert [one.values(headers.CORRELATION_ID) for one in seen] == [
            [record["correlation_id"]] for record in sidecar.audit
        ]
        until(repeats)
        until(lambda: sidecar.metric('authz_decisions_memory_total{outcome="repeated"}') >= 2)

        replace(denylist, json.dumps({"tokens": [{"jti": decoded(john)[1]["jti"]}]}))
        until(lambda: ask_again(connection, john) == (401, Reason.TOKEN_REVOKED))
        replace(denylist, "{}")
        until(repeats)

        sidecar.write_policy(POLICY.replace("forbidden", "orders"))
        until(lambda: ask_again(connection, john) == (403, Reason.POLICY_DENIED))
