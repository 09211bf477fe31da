"""Configuration, policies and keys change while requests pass: what is good acts at once, what is broken never does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.config_files import changed, load_tree
from tests.support.live import Live
from tests.support.load import Load, get
from tests.support.lone_config import POLICY
from tests.support.lone_sidecar import HOST, LoneSidecar, replace, until
from tests.support.private_idp import PrivateIdp

from authz_service.control_plane.reload.file_watch import changes, own_output
from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]
ROUTES = [{"path": "/orders/**"}]


def a_load(sidecar: LoneSidecar, token: str, path: str = "/orders/1") -> Load:
    request = get(path, HOST, authorization=f"Bearer {token}")
    return Load(sidecar.place, request, sidecar.tls(), server_name=HOST)


def test_a_changed_file_is_taken_over_and_loses_no_request(start_sidecar: StartSidecar, live: Live) -> None:
    """A route is added and a header renamed; before, the route is 404. The audit record names the new revision."""
    sidecar, john = start_sidecar({"proxy.routes": ROUTES}), live.user("john")
    assert sidecar.call("GET", "/new/1", token=john).problem["reason"] == Reason.ROUTE_NOT_FOUND
    assert sidecar.call("GET", "/orders/1", token=john).status == 200
    assert sidecar.echo.seen[-1].values("x-user-id") != []
    old = sidecar.audit[-1]["revision"]

    with a_load(sidecar, john) as load:
        sidecar.write_config({"proxy.routes": [*ROUTES, {"path": "/new/**"}], "proxy.headers.inject_user_id": "X-Who"})
        until(lambda: sidecar.call("GET", "/new/1", token=john).status == 200)
        until(lambda: sidecar.readyz()["ready"] and sidecar.readyz()["revision"] != old)
        until(lambda: load.answered > 20)
        assert sidecar.call("GET", "/new/2", token=john, headers=[("x-who", "root")]).status == 200
    assert load.failures == []

    last = next(seen for seen in reversed(sidecar.echo.seen) if seen.target == "/new/2")
    assert last.values("x-who") == [sidecar.audit[-1]["user_id"]]
    assert last.values("x-user-id") == []
    assert sidecar.audit[-1]["revision"] == sidecar.readyz()["revision"] != old
    assert sidecar.metric('authz_reloads_total{result="ok",what="configuration"}') == 1


def test_a_hangup_makes_it_look(start_sidecar: StartSidecar, live: Live, tmp_path: Path) -> None:
    """For file systems that do not tell: here the file is a link, and its target changes."""
    sidecar, john = start_sidecar({"proxy.routes": ROUTES}), live.user("john")
    config = tmp_path / "config.yaml"
    replace(config, sidecar.config_file.read_text())
    sidecar.config_file.unlink()
    sidecar.config_file.symlink_to(config)
    time.sleep(1.5)  # for it to have seen this

    sidecar.config["proxy"]["routes"].append({"path": "/new/**"})
    replace(config, json.dumps(sidecar.config))
    with pytest.raises(AssertionError):
        until(lambda: sidecar.call("GET", "/new/1", token=john).status == 200, patience=1.5)
    assert sidecar.process is not None
    sidecar.process.send_signal(signal.SIGHUP)
    until(lambda: sidecar.call("GET", "/new/1", token=john).status == 200)


def test_a_policy_acts_both_ways_while_requests_pass(start_sidecar: StartSidecar, live: Live) -> None:
    """Allow, deny, allow; the requests that every version allows never notice."""
    sidecar, john = start_sidecar(), live.user("john")

    def status() -> int:
        return sidecar.call("GET", "/toggle", token=john).status

    denying = POLICY.replace('!= "forbidden"', 'in {"orders"}')
    with a_load(sidecar, john) as load:
        for policy, wanted in ((denying, 403), (POLICY, 200), (denying, 403), (POLICY, 200)):
            assert status() != wanted
            sidecar.write_policy(policy)
            until(lambda wanted=wanted: status() == wanted)  # type: ignore[misc]
    assert load.failures == []


def test_our_own_records_are_no_change_of_our_files(tmp_path: Path) -> None:
    """An audit file beside the configuration would make us read everything again after each request."""
    config = load_tree(tmp_path, changed({"audit.path": str(tmp_path / "audit.jsonl")}))

    async def hears(file: str) -> bool:
        heard, stop = asyncio.Event(), asyncio.Event()

        async def listen() -> None:
            async for _ in changes({tmp_path}, own_output(config), stop):
                heard.set()

        listener = asyncio.create_task(listen())
        await asyncio.sleep(0.3)
        (tmp_path / file).write_text("something new")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), 2)
        stop.set()
        await listener
        return heard.is_set()

    assert not asyncio.run(hears("audit.jsonl"))
    assert asyncio.run(hears("config.yaml"))


BROKEN_POLICIES = {
    "no Rego": "package lone\nallow if {",
    "another package": POLICY.replace("package lone", "package other"),
    "an unknown builtin": POLICY + "\nnice := no.such.builtin(1)\n",
    "a stub": POLICY + '\nallow if not http.send({"method": "GET", "url": "http://x"})\n',
    "everything allowed, but recursive": POLICY + "\nallow if loop\nloop if loop\n",
}
BROKEN_CONFIGURATIONS: Mapping[str, Mapping[str, object]] = {
    "an unknown key": {"proxy.authorization": {"enabled": False}},
    "a wrong value": {"http.tls.client_auth": "maybe"},
    "a client that is no name": {"proxy.mtls.allowed_clients": ["everybody"]},
    "a policy that is not there": {"policy.path": "/nowhere"},
    "a key that only a restart changes": {"runtime.decision_workers": 5},
}


@pytest.fixture(scope="module")
def lasting(live: Live, module_stack: ExitStack) -> LoneSidecar:
    return module_stack.enter_context(LoneSidecar(live))


@pytest.mark.parametrize("name", BROKEN_POLICIES)
def test_a_broken_policy_never_replaces_a_good_one(lasting: LoneSidecar, live: Live, name: str) -> None:
    """It is reported by /readyz and counted, and the good one goes on; the next good one ends the trouble."""
    good = lasting.folder / "policies" / "lone.rego"

    must_keep_the_last_good(lasting, live, lambda: replace(good, BROKEN_POLICIES[name]), lambda: replace(good, POLICY))


@pytest.mark.parametrize("name", BROKEN_CONFIGURATIONS)
def test_a_broken_configuration_never_replaces_a_good_one(lasting: LoneSidecar, live: Live, name: str) -> None:
    """The same for the configuration."""
    before = lasting.config_file.read_text()

    def spoil() -> None:
        lasting.write_config(BROKEN_CONFIGURATIONS[name])

    def mend() -> None:
        lasting.config.clear()
        lasting.config.update(json.loads(before))
        lasting.write_config({})

    must_keep_the_last_good(lasting, live, spoil, mend)


def test_a_file_that_is_no_yaml_never_replaces_a_good_one(lasting: LoneSidecar, live: Live) -> None:
    """As half a file, or an empty one."""
    text = lasting.config_file.read_text()

    must_keep_the_last_good(
        lasting, live, lambda: replace(lasting.config_file, text[: len(text) // 2]), lambda: lasting.write_config({})
    )
    must_keep_the_last_good(lasting, live, lambda: replace(lasting.config_file, ""), lambda: lasting.write_config({}))


def must_keep_the_last_good(
    sidecar: LoneSidecar, live: Live, spoil: Callable[[], None], mend: Callable[[], None]
) -> None:
    john, revision = live.user("john"), sidecar.readyz()["revision"]
    refused = 'authz_reloads_total{result="refused",what="configuration"}'
    counted = sidecar.metric(refused)
    with a_load(sidecar, john) as load:
        spoil()
        until(lambda: sidecar.readyz()["degraded"])
        state = sidecar.readyz()
        assert state["ready"]
        assert state["revision"] == revision
        assert "the last good ones serve" in str(state["degraded"])
        assert sidecar.metric(refused) == counted + 1
        assert sidecar.metric("authz_degraded") == 1
        assert sidecar.call("GET", "/orders/1", token=john).status == 200
        assert sidecar.call("GET", "/forbidden", token=john).problem["reason"] == Reason.POLICY_DENIED
        mend()
        until(lambda: not sidecar.readyz()["degraded"])
    assert load.failures == []
    assert sidecar.readyz()["revision"] == revision


def test_new_signing_keys_are_learnt_at_once_and_old_ones_serve_while_published(
    start_sidecar: StartSidecar, live: Live
) -> None:
    """The first token with an unknown key fetches it; nobody's request is lost. A key taken back ends its tokens."""
    with PrivateIdp(live) as idp:
        sidecar, old = start_sidecar({"hosts": idp.hosts}), idp.user("john")
        with a_load(sidecar, old) as load:
            until(lambda: load.answered > 5)
            until(
                lambda: sidecar.metric('authz_keys_age_seconds{issuer="' + sidecar.config["jwt"]["issuer"] + '"}') > 5.5
            )
            idp.rotate_keys("users", keep_old=True)
            new = idp.user("john")
            # The gate waits for a key for less than a busy provider may need; then the next request has it.
            until(lambda: sidecar.call("GET", "/orders/1", token=new).status == 200)
            assert sidecar.call("GET", "/orders/1", token=old).status == 200
        assert load.failures == []

        until(lambda: sidecar.metric('authz_keys_age_seconds{issuer="' + sidecar.config["jwt"]["issuer"] + '"}') > 5.5)
        idp.rotate_keys("users", keep_old=False)
        newest = idp.user("john")
        until(lambda: sidecar.call("GET", "/orders/1", token=newest).status == 200)
        with a_load(sidecar, newest) as load:
            until(lambda: load.answered > 5)
        assert load.failures == []
        for gone in (old, new):
            until(lambda gone=gone: refused(sidecar, gone) == Reason.TOKEN_KEY_UNKNOWN)  # type: ignore[misc]


def refused(sidecar: LoneSidecar, token: str) -> str:
    return str(sidecar.call("GET", "/orders/1", token=token).problem["reason"])
