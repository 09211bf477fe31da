"""Limits with clear answers: who asks for too much is told so, and nobody else feels it (OWASP API4:2023)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import Live, lines
from tests.support.lone_sidecar import GATEWAY, LoneSidecar, until
from tests.support.neighbours import Answer

from authz_devkit.certs.authority import client_request
from authz_service import headers
from authz_service.domain.refusals import Reason

BURST = 8
SLOW = 1  # requests a second: less than a machine in a hurry can be kept busy with
PEER_LIMITED = 'envoy_http_local_rate_limit_enforced{envoy_local_http_ratelimit_prefix="peer"}'
USER_LIMITED = 'envoy_http_local_rate_limit_enforced{envoy_local_http_ratelimit_prefix="user"}'
LISTED = ["CN=api-gateway-client,O=MyOrg", "CN=other-client,O=MyOrg"]
Certificate = str | tuple[Path, Path]


def limited(live: Live, **limits: object) -> LoneSidecar:
    """A sidecar with these limits and an access log."""

    def log_accesses(sidecar: LoneSidecar) -> None:
        sidecar.write_config({"audit.access_log": str(sidecar.folder / "access.jsonl")})

    changes = {f"http.limits.{name}": value for name, value in limits.items()}
    changes |= {"http.tls.client_auth": "request", "proxy.mtls.allow_anonymous": "true"}
    changes["proxy.mtls.allowed_clients"] = LISTED
    return LoneSidecar(live, changes, prepare=log_accesses)


def client(sidecar: LoneSidecar, name: str) -> tuple[Path, Path]:
    return sidecar.issued(name, client_request(name.removesuffix("-client"), "zone2", now=datetime.now(UTC)))


def until_refused(sidecar: LoneSidecar, token: str, certificate: Certificate | None = GATEWAY) -> Answer:
    """The first answer that is not 200."""
    for _ in range(20 * BURST):
        answer = sidecar.call("GET", "/orders/1", token=token, certificate=certificate)
        if answer.status != 200:
            return answer
    raise AssertionError("nothing was ever refused")


def until_told(sidecar: LoneSidecar, token: str) -> Answer:
    """Once more, by a caller whose bucket is empty but for what ran into it since."""
    for _ in range(BURST):
        answer = sidecar.call("GET", "/orders/1", token=token)
        if answer.status != 200:
            break
    require_told(answer)
    return answer


def require_told(answer: Answer) -> None:
    assert answer.status == 429
    assert answer.problem["reason"] == Reason.RATE_LIMITED
    assert answer.problem["correlation_id"] == answer.values(headers.CORRELATION_ID)[0]
    assert answer.values("retry-after") == ["1"]


def logged(sidecar: LoneSidecar, correlation_id: str) -> dict[str, object]:
    """The line of the access log about one request."""

    def found() -> list[dict[str, object]]:
        written = lines(sidecar.folder / "access.jsonl", only_json=True)
        return [line for line in written if line.get("correlation_id") == correlation_id]

    until(found)
    return found()[-1]


@pytest.fixture(scope="module")
def peers(live: Live, module_stack: ExitStack) -> LoneSidecar:
    return module_stack.enter_context(limited(live, per_peer={"requests_per_second": SLOW, "burst": BURST}))


@pytest.fixture(scope="module")
def users(live: Live, module_stack: ExitStack) -> LoneSidecar:
    return module_stack.enter_context(limited(live, per_user={"requests_per_second": SLOW, "burst": BURST}))


def test_a_peer_above_its_rate_is_told_so_and_another_is_served(peers: LoneSidecar, live: Live) -> None:
    """429 before the gate: no record of it in the audit, but a line in the access log and a metric."""
    other, john = client(peers, "other-client"), live.user("john")
    assert [peers.call("GET", "/orders/1", token=john).status for _ in range(BURST)] == [200] * BURST
    require_told(until_refused(peers, john))

    counted, recorded = peers.metric(PEER_LIMITED), len(peers.audit)
    arrived = len(peers.echo.seen)
    again = until_told(peers, john)
    assert len(peers.audit) - recorded == len(peers.echo.seen) - arrived
    assert peers.metric(PEER_LIMITED) == counted + 1
    line = logged(peers, again.problem["correlation_id"])
    assert (line["status"], line["details"]) == (429, "local_rate_limited")
    assert "api-gateway-client" in str(line["peer"])
    assert (line["method"], line["path"]) == ("GET", "/orders/1")
    assert line["time"]
    assert line["peer_fingerprint"]
    assert line["remote"]

    assert [peers.call("GET", "/orders/1", token=john, certificate=other).status for _ in range(BURST)] == [200] * BURST


def test_a_peer_is_counted_whatever_comes_of_its_requests(peers: LoneSidecar, live: Live) -> None:
    """Guessing is limited too: refusals, unknown paths and bodies that are too large take from the same bucket."""
    guesser = client(peers, "guesser-client")
    tries = [("GET", "/orders/1", "bad.to.ken"), ("GET", "/nowhere", None), ("TRACE", "/", None)]
    statuses = [
        peers.call(method, path, token=token, certificate=guesser).status for method, path, token in tries * 3 * BURST
    ]

    assert 429 in statuses
    assert 200 not in statuses
    assert 429 not in statuses[:BURST]


def test_callers_without_a_certificate_are_counted_by_address(peers: LoneSidecar, live: Live) -> None:
    """And whatever headers they send; who shows a certificate from there is counted apart."""
    john, shown = live.user("john"), client(peers, "other-client")
    forged = [("x-forwarded-for", "203.0.113.9"), (headers.USER_KEY, "me"), ("x-envoy-external-address", "1.1.1.1")]
    require_told(until_refused(peers, john, None))

    again = [peers.call("GET", "/orders/1", token=john, certificate=None, headers=forged) for _ in range(BURST - 1)]
    assert 429 in [answer.status for answer in again]
    assert peers.call("GET", "/orders/1", token=john, certificate=shown).status == 200


def test_a_user_above_his_rate_is_told_so_and_another_is_served(users: LoneSidecar, live: Live) -> None:
    """Over the same connection's certificate. The decision was an allow, and recorded; the service got nothing."""
    john, mary = live.user("john"), live.user("mary")
    require_told(until_refused(users, john))

    counted, recorded = users.metric(USER_LIMITED), len(users.audit)
    arrived = len(users.echo.seen)
    again = until_told(users, john)
    assert len(users.audit) - recorded == len(users.echo.seen) - arrived + 1
    assert users.audit[-1]["correlation_id"] == again.problem["correlation_id"]
    assert users.audit[-1]["decision"] == "allow"
    assert users.metric(USER_LIMITED) == counted + 1
    assert logged(users, again.problem["correlation_id"])["details"] == "local_rate_limited"

    assert [users.call("GET", "/orders/1", token=mary).status for _ in range(BURST)] == [200] * BURST
    assert headers.USER_KEY not in users.echo.seen[-1].names


def test_a_user_is_himself_with_every_token_and_certificate(users: LoneSidecar, live: Live) -> None:
    """Neither a fresh token, nor another caller, nor a header of his own makes him somebody else."""
    john, other = live.user("john"), client(users, "other-client")
    fresh = live.signed("users", john, jti="fresh")
    forged = [(headers.USER_KEY, "me"), (headers.USER_KEY.upper(), "x"), ("x-user-id", "me")]
    ways: list[dict[str, Any]] = [{"token": fresh}, {"token": john, "headers": forged}]
    ways.append({"token": john, "certificate": other})
    for way in ways:
        require_told(until_refused(users, john))

        # A bucket of one's own would be full, and serve all of these.
        assert 429 in [users.call("GET", "/orders/1", **way).status for _ in range(BURST - 1)]


def test_refused_requests_do_not_count_against_a_user(users: LoneSidecar, live: Live) -> None:
    """Else whoever replays a user's token where it is not accepted could lock him out."""
    victor = live.user("victor")
    for _ in range(3 * BURST):
        assert users.call("GET", "/forbidden", token=victor).status == 403

    assert users.call("GET", "/orders/1", token=victor).status == 200


def test_more_requests_at_once_than_agreed_are_503_and_the_next_ones_are_served(live: Live) -> None:
    """At once, not after a wait; with `Retry-After`, a record of the decision, and only the agreed number arrived."""
    most, john = 3, live.user("john")
    with limited(live, concurrent_requests=most) as sidecar, ThreadPoolExecutor(4 * most) as pool:
        asked = [
            pool.submit(sidecar.call, "GET", "/orders/1?delay=4", token=john, certificate=GATEWAY)
            for _ in range(4 * most)
        ]
        answers = [one.result() for one in asked]

        assert sorted(answer.status for answer in answers) == [200] * most + [503] * 3 * most
        for answer in answers:
            if answer.status == 503:
                assert answer.problem["reason"] == Reason.OVERLOADED
                assert answer.values("retry-after") == ["1"]
        assert len(sidecar.echo.seen) == most
        assert [record["decision"] for record in sidecar.audit] == ["allow"] * 4 * most
        assert sidecar.call("GET", "/orders/1", token=john).status == 200


def test_a_flood_of_one_caller_is_not_felt_by_another(live: Live) -> None:
    """SECURITY F6: the flood is answered by 429, the other one by 200, each time; Envoy stays small."""
    rate = {"requests_per_second": 20, "burst": 40}
    good: list[int] = []
    bad: list[int] = []
    ended = threading.Event()
    with limited(live, per_peer=rate) as sidecar:
        other, john = client(sidecar, "other-client"), live.user("john")

        def flood() -> None:
            with closing(sidecar.connection(sidecar.tls())) as connection:
                while not ended.is_set() and len(bad) < 20_000:
                    connection.request("GET", "/orders/1", headers={"authorization": f"Bearer {john}"})
                    answer = connection.getresponse()
                    answer.read()
                    bad.append(answer.status)

        floods = [threading.Thread(target=flood) for _ in range(4)]
        for thread in floods:
            thread.start()
        try:
            until(lambda: bad.count(429) > 100)
            while len(good) < 40 or bad.count(429) < 2000:
                good.append(sidecar.call("GET", "/orders/1", token=john, certificate=other).status)
                ended.wait(0.06)  # below the rate
        finally:
            ended.set()
            for thread in floods:
                thread.join()

        assert set(good) == {200}
        assert set(bad) == {200, 429}
        assert sidecar.envoy().memory_info().rss < 256 << 20
