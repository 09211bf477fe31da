"""A token that its issuer took back is refused within seconds, on the routes that ask (RFC 7662, RFC 7009)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from tests.support.live import Live
from tests.support.lone_sidecar import GATEWAY, LoneSidecar, until
from tests.support.open_streams import Answer, events
from tests.support.private_idp import PrivateIdp

from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]
SECRET = "data-service-secret"
ASKING, PLAIN = "/orders/1", "/plain"


def changes(live: Live, idp: PrivateIdp, **introspection: object) -> Mapping[str, object]:
    """The data service's tokens, which the order service fetches; the gateway's certificate shows them here."""
    realm = f"{live.mesh.identity_url}/realms/services"
    asked = {"url": f"{realm}/protocol/openid-connect/token/introspect", "client_id": "data-service", "cache": "1s"}
    return {
        "hosts": dict(idp.hosts),
        "jwt.issuer": realm,
        "jwt.audience": "data-service",
        "jwt.introspection": {**asked, "client_secret": SECRET, **introspection},
        "proxy.mtls.bindings": {"api-gateway-client": "order-service"},
        "proxy.routes": [{"path": "/orders/**", "introspect": "true"}, {"path": PLAIN}],
    }


def reason(sidecar: LoneSidecar, path: str, token: str) -> Reason:
    """Of the answer, which the audit record names too."""
    found = sidecar.call("GET", path, token=token, certificate=GATEWAY)
    if found.status == 503:
        assert found.values("retry-after") == ["1"]
    assert (found.status == 200) == (sidecar.audit[-1]["decision"] == "allow")
    return Reason(sidecar.audit[-1]["reason"])


def begun(sidecar: LoneSidecar, token: str) -> Answer:
    """Events, on the route that asks. Once more while the issuer's answer is late: the gate waits a third of a second,
    and a busy machine takes longer. What came too late serves the next request.
    """
    while True:
        until(lambda: reason(sidecar, ASKING, token) is Reason.ALLOWED)
        with suppress(AssertionError):
            return events(sidecar, token)


def test_a_token_that_was_taken_back_is_refused_where_the_issuer_is_asked(
    start_sidecar: StartSidecar, live: Live
) -> None:
    """On the other route it lives on, and on both the next token does."""
    with PrivateIdp(live) as idp:
        sidecar = start_sidecar(changes(live, idp))
        first, second = idp.service("order-service"), idp.service("order-service")
        for token in (first, second):
            until(lambda token=token: reason(sidecar, ASKING, token) is Reason.ALLOWED)  # type: ignore[misc]
            assert reason(sidecar, PLAIN, token) is Reason.ALLOWED

        idp.revoke("order-service", first)
        until(lambda: reason(sidecar, ASKING, first) is Reason.TOKEN_INACTIVE)
        assert reason(sidecar, PLAIN, first) is Reason.ALLOWED
        until(lambda: reason(sidecar, ASKING, second) is Reason.ALLOWED)
        assert sidecar.metric('authz_introspections_total{result="inactive"}') >= 1


def test_what_goes_on_ends_when_its_token_is_taken_back(start_sidecar: StartSidecar, live: Live) -> None:
    """On the route that asks; while the issuer does not answer, nobody's does."""
    with PrivateIdp(live) as idp, ExitStack() as stack:
        sidecar = start_sidecar(changes(live, idp))
        first, second = idp.service("order-service"), idp.service("order-service")
        ending, going_on = (stack.enter_context(closing(begun(sidecar, token))) for token in (first, second))
        elsewhere = stack.enter_context(closing(events(sidecar, first, path=PLAIN)))
        idp.stop()
        until(lambda: reason(sidecar, ASKING, first) is Reason.INTROSPECTION_UNAVAILABLE)
        time.sleep(1)
        ending.passes()
        idp.start()

        idp.revoke("order-service", first)
        ending.wait_ended()
        going_on.passes()
        elsewhere.passes()


def test_an_answer_is_asked_for_once_in_its_time(start_sidecar: StartSidecar, live: Live) -> None:
    with PrivateIdp(live) as idp:
        sidecar = start_sidecar(changes(live, idp, cache="30s"))
        token = idp.service("order-service")
        until(lambda: reason(sidecar, ASKING, token) is Reason.ALLOWED)
        assert {reason(sidecar, ASKING, token) for _ in range(20)} == {Reason.ALLOWED}

        assert sidecar.metric('authz_introspections_total{result="active"}') == 1


def test_an_issuer_that_cannot_be_asked_is_503_until_it_can(start_sidecar: StartSidecar, live: Live) -> None:
    """Where it need not be asked nobody notices; what is remembered goes on for its time."""
    with PrivateIdp(live) as idp:
        sidecar = start_sidecar(changes(live, idp))
        token = idp.service("order-service")
        until(lambda: reason(sidecar, ASKING, token) is Reason.ALLOWED)
        idp.stop()
        until(lambda: reason(sidecar, ASKING, token) is Reason.INTROSPECTION_UNAVAILABLE)
        assert reason(sidecar, PLAIN, token) is Reason.ALLOWED
        assert "introspection at" in str(sidecar.readyz()["degraded"])
        assert sidecar.readyz()["ready"]

        idp.start()
        until(lambda: reason(sidecar, ASKING, token) is Reason.ALLOWED)
        until(lambda: "introspection at" not in str(sidecar.readyz()["degraded"]))


@pytest.mark.parametrize("wrong", [{"client_secret": "guess"}, {"url": "https://127.0.0.1:1/introspect"}])
def test_who_may_not_ask_lets_nobody_in(start_sidecar: StartSidecar, live: Live, wrong: dict[str, str]) -> None:
    """Mended by a reload."""
    with PrivateIdp(live) as idp:
        sidecar = start_sidecar(changes(live, idp, **wrong))
        token = idp.service("order-service")
        assert reason(sidecar, ASKING, token) is Reason.INTROSPECTION_UNAVAILABLE
        assert "guess" not in sidecar.log + str(sidecar.readyz())
        assert token not in sidecar.log

        sidecar.write_config({"jwt.introspection": changes(live, idp)["jwt.introspection"]})
        until(lambda: reason(sidecar, ASKING, token) is Reason.ALLOWED)


def test_the_secret_may_lie_in_a_file(start_sidecar: StartSidecar, live: Live, tmp_path: Path) -> None:
    """And is read again when it changes."""
    file = tmp_path / "secret"
    file.write_text("guess\n")
    with PrivateIdp(live) as idp:
        given = dict(changes(live, idp, client_secret_file=str(file)))
        del given["jwt.introspection"]["client_secret"]  # type: ignore[attr-defined]
        sidecar = start_sidecar(given)
        token = idp.service("order-service")
        assert reason(sidecar, ASKING, token) is Reason.INTROSPECTION_UNAVAILABLE
        file.write_text(f"{SECRET}\n")
        until(lambda: reason(sidecar, ASKING, token) is Reason.ALLOWED)
