"""Envoy repeats what a worker permitted: on record each time, for what is equal in every byte, and past no change."""

from __future__ import annotations

import http.client
import json
import signal
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from tests.support.live import Json, Live, decoded, lines
from tests.support.lone_config import GATEWAY, POLICY
from tests.support.lone_sidecar import HOST, LoneSidecar, replace, until
from tests.support.patience import PATIENCE
from tests.support.private_idp import PrivateIdp

from authz_devkit.certs.authority import client_request
from authz_devkit.certs.tree import load_leaf
from authz_service import headers
from authz_service.audit.verify import Place, Verifier
from authz_service.domain.refusals import Reason
from authz_service.envoy.decision_cache import LIBRARY, NONE, OVERRIDE

WITHIN = 20.0  # seconds, of the 60 for which it would go on; SECURITY §2.6 asks for 2, which a quiet machine holds
CONTEXT = "x-user-context"  # one of the headers that the policy may read


@pytest.fixture(autouse=True)
def _is_built(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("without_decision_cache"):
        pytest.skip("about the decision cache")
    assert LIBRARY.is_file(), "not built: `make install` where there is a C compiler, or --without-decision-cache"


class Cached(LoneSidecar):
    """Which of its records are Envoy's."""

    @property
    def writer(self) -> str:
        """Of Envoy's records, before the number of its thread."""
        return (self.folder / "state" / "audit" / "envoy-chain").read_bytes()[64:76].decode()

    def is_by_envoy(self, record: Json) -> bool:
        by_envoy = str(record["writer"]).startswith(f"{self.writer}-")
        assert by_envoy is False or record["repeats"]
        return by_envoy

    def last_is_by_envoy(self) -> bool:
        return self.is_by_envoy(self.audit[-1])

    @property
    def denylist(self) -> Path:
        return self.folder / "etc" / "denylist.json"


def _settings(sidecar: LoneSidecar) -> None:
    denylist = sidecar.folder / "etc" / "denylist.json"
    denylist.write_text("{}")
    sidecar.write_config(
        {
            "proxy.authz.remember": "60s",
            "proxy.headers.pass_token": False,
            "revocation.path": str(denylist),
            "runtime.decision_workers": 2,
        }
    )


@pytest.fixture(scope="module")
def idp(live: Live, module_stack: ExitStack) -> PrivateIdp:
    return module_stack.enter_context(PrivateIdp(live))


@pytest.fixture(scope="module")
def john(idp: PrivateIdp) -> str:
    return idp.user("john")


@pytest.fixture(scope="module")
def sidecar(live: Live, idp: PrivateIdp, module_stack: ExitStack) -> Cached:
    return module_stack.enter_context(Cached(live, {"hosts": idp.hosts}, prepare=_settings))


class Asking:
    """The same request again and again on one connection; each with a correlation id of its own."""

    def __init__(self, connection: http.client.HTTPConnection, token: str, target: str = "/orders/1") -> None:
        self.connection, self.target, self.method = connection, target, "GET"
        self.headers = {"authorization": f"Bearer {token}", CONTEXT: "u1", "host": HOST}

    def once(self, **changed: str) -> tuple[int, str]:
        """Status, and the reason of a refusal."""
        wanted = {"method": self.method, "target": self.target, **changed}
        more = {name: value for name, value in changed.items() if name not in {"method", "target"}}
        fields = {**self.headers, **{name.replace("_", "-"): value for name, value in more.items()}}
        self.connection.request(wanted["method"], wanted["target"], headers=fields)
        answer = self.connection.getresponse()
        text = answer.read()
        reason = "" if answer.status == 200 or not text else json.loads(text).get("reason", "")
        return answer.status, reason


@contextmanager
def asking(sidecar: LoneSidecar, token: str, target: str = "/orders/1") -> Iterator[Asking]:
    with closing(sidecar.connection(sidecar.tls())) as connection:
        yield Asking(connection, token, target)


def until_by_envoy(sidecar: Cached, ask: Asking) -> None:
    def repeated() -> bool:
        assert ask.once() == (200, "")
        return sidecar.last_is_by_envoy()

    until(repeated)


def whole(sidecar: LoneSidecar, file: Path | None = None) -> Verifier:
    """As `authz audit verify --heads` judges it."""
    file = file or sidecar.folder / "audit.jsonl"
    verifier = Verifier(heads=sidecar.heads)
    for number, line in enumerate(file.read_bytes().splitlines(keepends=True), 1):
        verifier.read(Place(file.name, number), line)
    verifier.finish()
    return verifier


def test_the_third_equal_request_asks_nobody_and_is_the_same_for_the_service(sidecar: Cached, john: str) -> None:
    with asking(sidecar, john, "/orders/third?a=b") as ask:
        until_by_envoy(sidecar, ask)
        mine = [one for one in sidecar.audit if one["path"] == "/orders/third"]
        seen = [one for one in sidecar.echo.seen if one.target == "/orders/third?a=b"]

        *judged, known = mine
        assert [record["repeats"] for record in judged[:2]] == ["", ""]
        assert known["repeats"] in {record["decision_id"] for record in judged[1:]}
        own = {"time", "decision_id", "correlation_id", "duration_us", "repeats", "writer", "seq", "chain"}
        assert {name: known[name] for name in known if name not in own} == {
            name: judged[0][name] for name in judged[0] if name not in own
        }
        assert list(known) == list(judged[0])
        assert len({one["decision_id"] for one in mine}) == len(mine)
        for record, one in zip(mine, seen, strict=True):
            assert one.values(headers.CORRELATION_ID) == [record["correlation_id"]]
            assert one.values("x-user-id") == [decoded(john)[1]["sub"]]
            assert one.names == seen[0].names
            assert headers.AUTHORIZATION not in one.names
            assert not {name for name in one.names if name.startswith("x-authz-")}

        counted = sidecar.metric('authz_decisions_memory_total{outcome="repeated"}')
        for _ in range(5):
            assert ask.once(x_other="not asked about") == (200, "")
            assert sidecar.last_is_by_envoy()
        until(lambda: sidecar.metric('authz_decisions_memory_total{outcome="repeated"}') >= counted + 5)


def test_with_no_worker_to_ask_only_what_is_known_passes(sidecar: Cached, john: str) -> None:
    """Stopped, not killed: nobody takes their place at once."""
    with asking(sidecar, john, "/orders/stopped") as ask:
        until_by_envoy(sidecar, ask)
        stopped = [sidecar.forkserver(), *sidecar.workers()]
        for process in stopped:
            process.suspend()
        try:
            assert ask.once() == (200, "")
            assert sidecar.last_is_by_envoy()
            assert ask.once(target="/orders/stopped2")[0] == 503
        finally:
            for process in stopped:
                if process.is_running():
                    process.resume()
        until(lambda: sidecar.readyz()["ready"])
        assert sidecar.audit[-1]["path"] != "/orders/stopped2" or sidecar.audit[-1]["repeats"] == ""


ONE_THING = {
    "a byte of the path": {"target": "/orders/0"},
    "the case of the path": {"target": "/Orders/1"},
    "the query": {"target": "/orders/1?x=1"},
    "an empty query": {"target": "/orders/1?"},
    "the method": {"method": "HEAD"},
    "a port in the host": {"host": f"{HOST}:8443"},
    "a header that is asked about": {CONTEXT.replace("-", "_"): "u2"},
    "one that is not there": {CONTEXT.replace("-", "_"): ""},
}


@pytest.mark.parametrize("what", ONE_THING)
def test_one_thing_that_differs_makes_it_another_question(sidecar: Cached, john: str, what: str) -> None:
    with asking(sidecar, john, "/orders/1") as ask:
        until_by_envoy(sidecar, ask)

        assert ask.once(**ONE_THING[what]) == (200, "")
        other = sidecar.audit[-1]
        assert other["repeats"] == ""
        assert not sidecar.is_by_envoy(other)
        assert ask.once() == (200, "")
        assert sidecar.last_is_by_envoy()


def test_another_token_or_certificate_makes_it_another_question(sidecar: Cached, idp: PrivateIdp, john: str) -> None:
    """Of the same user, the same name."""
    token, another = john, idp.user("john")
    twin = sidecar.issued("twin", client_request("api-gateway", "zone1", now=datetime.now(UTC)))
    with asking(sidecar, token, "/orders/who") as ask:
        until_by_envoy(sidecar, ask)
        assert ask.once(authorization=f"Bearer {another}") == (200, "")
        assert sidecar.audit[-1]["repeats"] == ""
        assert ask.once(authorization=f"Bearer {token}x")[0] == 401
        with closing(sidecar.connection(sidecar.tls(twin))) as connection:
            assert Asking(connection, token, "/orders/who").once() == (200, "")
        assert sidecar.audit[-1]["repeats"] == ""
        assert ask.once() == (200, "")
        assert sidecar.last_is_by_envoy()


def test_a_refusal_is_judged_each_time(sidecar: Cached, john: str) -> None:
    with asking(sidecar, john, "/forbidden/1") as ask:
        for _ in range(6):
            assert ask.once() == (403, Reason.POLICY_DENIED)

    refused = [one for one in sidecar.audit if one["path"] == "/forbidden/1"]
    assert len(refused) == 6
    assert not any(map(sidecar.is_by_envoy, refused))


def test_nobody_hands_envoy_a_permit_of_his_own(sidecar: Cached, john: str) -> None:
    """A header of the caller's is removed; one of the service's answer is no permit."""
    forged = b64encode(b"\x01" + b"\xff" * 16 + b"\0\0" * 5).decode()
    with asking(sidecar, john, "/orders/forged") as ask:
        for _ in range(2):
            assert ask.once(x_authz_remember=forged) == (200, "")
        assert not any(sidecar.is_by_envoy(one) for one in sidecar.audit[-2:])
        assert headers.REMEMBER not in sidecar.echo.seen[-1].names
        # What he is answered by a permit of the workers' stands on its own.
        until_by_envoy(sidecar, ask)


def _denied(sidecar: Cached, ask: Asking, entries: Json, reason: Reason) -> None:
    """From the moment on at which the list is in force, nothing is repeated that it ends; then all is well again."""
    replace(sidecar.denylist, json.dumps(entries))
    until(lambda: sidecar.metric("authz_denylist_entries") == 1)
    until(lambda: ask.once() == (401 if reason is Reason.TOKEN_REVOKED else 403, reason), WITHIN)
    for _ in range(3):
        assert ask.once()[1] == reason
    replace(sidecar.denylist, "{}")
    until(lambda: ask.once() == (200, ""))
    until_by_envoy(sidecar, ask)


def test_a_revocation_ends_what_was_repeated(sidecar: Cached, john: str) -> None:
    """Of the token, of the certificate, on an open connection."""
    certificate = load_leaf(sidecar.certs, GATEWAY).certificate.fingerprint(SHA256()).hex()
    with asking(sidecar, john, "/orders/revoked") as ask:
        until_by_envoy(sidecar, ask)
        _denied(sidecar, ask, {"tokens": [{"jti": decoded(john)[1]["jti"]}]}, Reason.TOKEN_REVOKED)
        _denied(sidecar, ask, {"certificates": [{"fingerprint_sha256": certificate}]}, Reason.CLIENT_CERT_REVOKED)


def test_a_reload_ends_what_was_repeated(sidecar: Cached, john: str) -> None:
    """Also one that takes the cache away, and one that brings it back."""
    with asking(sidecar, john, "/orders/reloaded") as ask:
        until_by_envoy(sidecar, ask)
        sidecar.write_policy(POLICY.replace("forbidden", "orders"))
        until(lambda: ask.once() == (403, Reason.POLICY_DENIED), WITHIN)
        assert ask.once() == (403, Reason.POLICY_DENIED)
        sidecar.write_policy(POLICY)
        until(lambda: ask.once() == (200, ""))

    sidecar.write_config({"proxy.authz.remember": "0s"})
    until(lambda: sidecar.metric('authz_decision_cache{state="nothing_repeated"}') == 1)
    until(lambda: sidecar.readyz()["ready"])
    with asking(sidecar, john, "/orders/reloaded") as ask:
        for _ in range(4):
            ask.once()
        assert not any(one["repeats"] for one in sidecar.audit[-4:])
    sidecar.write_config({"proxy.authz.remember": "60s"})
    until(lambda: sidecar.metric('authz_decision_cache{state="used"}') == 1)
    until(lambda: sidecar.readyz()["ready"])
    with asking(sidecar, john, "/orders/reloaded") as ask:
        until_by_envoy(sidecar, ask)


def test_a_killed_envoy_goes_on_with_its_chain(sidecar: Cached, john: str) -> None:
    """In the middle of its records, or not; what it knew is gone."""
    with asking(sidecar, john, "/orders/killed") as ask:
        until_by_envoy(sidecar, ask)
    before = len(sidecar.audit)
    sidecar.envoy().send_signal(signal.SIGKILL)
    until(lambda: sidecar.readyz()["ready"])

    def answers() -> bool:
        try:
            with asking(sidecar, john, "/orders/killed") as ask:
                return ask.once() == (200, "")
        except OSError:
            return False

    until(answers)
    assert sidecar.audit[before]["repeats"] == "" or not sidecar.is_by_envoy(sidecar.audit[before])
    with asking(sidecar, john, "/orders/killed") as ask:
        until_by_envoy(sidecar, ask)


def test_other_keys_of_the_issuer_end_what_was_repeated(sidecar: Cached, idp: PrivateIdp, john: str) -> None:
    """From the moment on at which a token of the new key is accepted."""
    with asking(sidecar, john, "/orders/keys") as ask:
        until_by_envoy(sidecar, ask)
        idp.rotate_keys("users", keep_old=False)
        with asking(sidecar, idp.user("john"), "/orders/keys") as other:
            until(lambda: other.once() == (200, ""))

        assert ask.once()[0] == 401


def test_all_of_it_is_on_record_in_whole_chains(sidecar: Cached) -> None:
    """After everything above: what the service got is on record as allowed, by writers that verify."""
    verifier = whole(sidecar)

    assert verifier.problems == []
    assert sidecar.writer in {writer.partition("-")[0] for writer in verifier.writers}
    allowed = {(one["correlation_id"], one["path"]) for one in sidecar.audit if one["decision"] == "allow"}
    for one in sidecar.echo.seen:
        assert (one.values(headers.CORRELATION_ID)[0], one.target.partition("?")[0]) in allowed


def test_without_it_workers_repeat(start_sidecar: Callable[..., LoneSidecar], live: Live) -> None:
    """`AUTHZ_ENVOY_MODULE=none`: said once, and everything else as before."""

    def prepare(sidecar: LoneSidecar) -> None:
        sidecar.environment[OVERRIDE] = NONE

    sidecar = start_sidecar(prepare=prepare)
    with asking(sidecar, live.user("john")) as ask:
        until(lambda: ask.once() == (200, "") and sidecar.audit[-1]["repeats"])

    assert sidecar.metric('authz_decision_cache{state="switched_off"}') == 1
    assert sidecar.readyz()["decision_cache"] == f"{OVERRIDE} is {NONE}"
    told = [line for line in lines(sidecar.log_file, only_json=True) if line.get("event") == "decision_cache_left_out"]
    assert len(told) == 1
    assert whole(sidecar).problems == []


def test_a_library_that_is_none_keeps_it_from_starting(live: Live, tmp_path: Path) -> None:
    """With one clear error, and the way out."""
    nonsense = tmp_path / "nonsense.so"
    nonsense.write_text("no library")
    sidecar = LoneSidecar(live)
    sidecar.environment[OVERRIDE] = str(nonsense)
    with sidecar.echo:
        sidecar.start()
        try:
            assert sidecar.process is not None
            assert sidecar.process.wait(PATIENCE) != 0
        finally:
            sidecar.kill()
    assert str(nonsense) in sidecar.log
    assert f"{OVERRIDE}={NONE} runs without the decision cache" in sidecar.log
