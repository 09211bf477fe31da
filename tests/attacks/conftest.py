"""The door that is attacked: a sidecar that asks for a client certificate, and serves who has none too."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar

_POLICY = """
package lone

import rego.v1

default allow := false

allow if input.request.segments[0] == "orders"

allow if {
    input.request.segments[0] == "verified"
    input.mtls.verified == true
}

result := {"allow": allow, "audit": {"path": input.request.path, "segments": input.request.segments}}
"""


@pytest.fixture(scope="module")
def door(live: Live, module_stack: ExitStack) -> LoneSidecar:
    strangers = {"http.tls.client_auth": "request", "proxy.mtls.allow_anonymous": "true"}
    return module_stack.enter_context(LoneSidecar(live, strangers, policy=_POLICY))


@pytest.fixture(scope="module")
def john(live: Live) -> str:
    return live.user("john")
