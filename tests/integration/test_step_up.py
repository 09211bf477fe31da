"""RFC 9470 over the wire: what the policy asks for arrives in the challenge, and a better sign-in passes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.live import Live
from tests.support.lone_sidecar import GATEWAY, LoneSidecar, until

from authz_devkit.certs.tree import leaf_cert
from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]
POLICY = """
package lone

import rego.v1

default strong := false

strong if input.token.acr == "gold"

result := {"allow": true} if strong

wanted := {"acr_values": ["gold", "platinum"], "max_age": 300}

result := {"allow": false, "reasons": ["weak"], "step_up": wanted} if not strong
"""


def test_a_weak_sign_in_is_told_what_would_do(start_sidecar: StartSidecar, live: Live, tmp_path: Path) -> None:
    """Also by `authz decide`; a policy whose wish a header cannot carry is not taken over."""
    sidecar, john = start_sidecar(policy=POLICY), live.user("john")
    gold = live.signed("users", john, acr="gold")

    assert sidecar.call("GET", "/orders/1", token=gold).status == 200
    weak = sidecar.call("GET", "/orders/1", token=john)
    assert weak.status == 401
    (challenge,) = weak.values("www-authenticate")
    assert challenge.startswith('Bearer realm="order-service", error="insufficient_user_authentication", ')
    assert challenge.endswith(', acr_values="gold platinum", max_age="300"')
    assert (sidecar.audit[-1]["reason"], sidecar.audit[-1]["reasons"]) == (
        Reason.INSUFFICIENT_USER_AUTHENTICATION,
        ["weak"],
    )

    sidecar.write_policy(POLICY.replace('"platinum"', r'"platinum\r\nx-evil: 1"'))
    until(lambda: "step_up.acr_values" in str(sidecar.readyz()["degraded"]))
    assert sidecar.call("GET", "/orders/1", token=john).values("www-authenticate") == [challenge]
    assert "platinum" in decided(sidecar, john, tmp_path)


def decided(sidecar: LoneSidecar, token: str, folder: Path) -> str:
    sidecar.write_policy(POLICY)
    file = folder / "token"
    file.write_text(token)
    command = [
        *sidecar.command[:-3], "decide", *sidecar.command[-2:], "--path", "/orders/1", "--token", f"@{file}",
        "--cert", str(leaf_cert(sidecar.certs, GATEWAY)),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
