"""Other people's proxies enforce what our own sidecar does: the same table of requests through each of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

import pytest
from tests.support.live import Json, Live
from tests.support.lone_config import GATEWAY, REMOVED
from tests.support.lone_sidecar import LoneSidecar
from tests.support.neighbours import Answer, Headers
from tests.support.path_attacks import good_paths, hostile_paths
from tests.support.stock_proxies import FILES, StockProxy, decision_point

from authz_devkit.certs.authority import client_request
from authz_devkit.certs.tree import leaf_cert
from authz_devkit.demo.matrix import Cell, load_matrix, one_of_each
from authz_devkit.demo.matrix_run import Bearers
from authz_devkit.demo.mesh import EXAMPLE

CELLS = one_of_each([cell for cell in load_matrix(EXAMPLE / "security_matrix.yaml") if cell.destination == "order"])
GOOD = "/inventory/PROD-123"
WITHOUT_A_CERTIFICATE = {0, 400}  # the handshake fails; nginx says so in HTTP


@pytest.fixture(scope="module")
def asked(live: Live, module_stack: ExitStack) -> LoneSidecar:
    return module_stack.enter_context(decision_point(live))


@pytest.fixture(scope="module")
def bearers(live: Live) -> Bearers:
    return live.run(Bearers.fetch(live.tokens))


@pytest.fixture(scope="module", params=FILES)
def proxy(request: pytest.FixtureRequest, live: Live, asked: LoneSidecar) -> Iterator[StockProxy]:
    with StockProxy(request.param, live, asked) as started:
        yield started


class Outcome(NamedTuple):
    answer: Answer
    records: list[Json]
    reached: bool


def outcome(proxy: StockProxy, method: str, target: str, **more: object) -> Outcome:
    """Of one request: what the caller got, what was recorded, and whether the service saw it."""
    records, seen = len(proxy.asked.audit), len(proxy.asked.echo.seen)
    answer = proxy.call(method, target, **more)  # type: ignore[arg-type]
    return Outcome(answer, proxy.asked.audit[records:], len(proxy.asked.echo.seen) > seen)


def test_a_good_request_reaches_the_service_with_the_identity_of_its_user(proxy: StockProxy, live: Live) -> None:
    """And with nothing that the caller says about it."""
    spoofed = [("X-User-ID", "root"), ("X-Original-User", "root"), ("X-User-ID", "root")]
    if not proxy.kind.startswith("envoy"):  # which refuses them
        spoofed += [("X_User_ID", "root"), ("X-User_ID", "root"), ("x_original_user", "root")]

    found = outcome(proxy, "GET", GOOD, token=live.user("john"), headers=spoofed)

    assert (found.answer.status, found.reached) == (200, True), (found, proxy.log, proxy.asked.log[-3000:])
    [record], seen = found.records, proxy.asked.echo.seen[-1]
    assert (record["decision"], record["mtls_client"], record["path"]) == ("allow", "api-gateway-client", GOOD)
    assert seen.values("x-user-id") == seen.values("x-original-user") == [record["user_id"]]
    assert seen.values("x-correlation-id") == [record["correlation_id"]]
    assert "root" not in {value for _, value in seen.headers}
    kept = 1 if proxy.kind.startswith("envoy") else 0  # the example passes it; the other two's files take it away
    assert len(seen.values("authorization")) == kept


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_security_matrix_holds(proxy: StockProxy, live: Live, bearers: Bearers, cell: Cell) -> None:
    """Each way from a source to the order service, with each certificate and token, as the table says."""
    certificate = live.caller.certificates[cell.certificate]
    try:
        found = outcome(
            proxy, cell.method, cell.path, token=bearers.of(cell), certificate=certificate,
            body=b"{}" if cell.body is not None else None,
        )  # fmt: skip
    except OSError:  # an SSLError too
        assert cell.expected_status == 0
        return

    assert found.reached == cell.reached
    if cell.reached:
        assert (found.answer.status, [record["reason"] for record in found.records]) == (200, ["allowed"])
    elif cell.expected_status == 0:
        assert found.answer.status in WITHOUT_A_CERTIFICATE
    else:
        assert [record["reason"] for record in found.records] == [cell.expected_reason]
        assert found.answer.status == cell.expected_status


def test_a_caller_who_says_to_be_another_stays_himself(proxy: StockProxy, live: Live) -> None:
    """With a certificate of the right CA for another name, and the gateway's in every header that a proxy might set."""
    mallory = proxy.asked.issued(f"mallory-{proxy.kind}", client_request("mallory", "zone2", now=datetime.now(UTC)))
    pem = quote(leaf_cert(proxy.asked.certs, GATEWAY).read_text(), safe="")
    names = ("X-SSL-Client-Cert", "X-Client-Cert", "X-Forwarded-Tls-Client-Cert", "x-authz-peer-cert", "Client-Cert")
    said = [(name, pem) for name in names]
    said += [("X-Forwarded-Client-Cert", f'Cert="{pem}"'), ("X-SSL-Client-Verify", "SUCCESS")]

    found = outcome(proxy, "GET", GOOD, token=live.user("john"), certificate=mallory, headers=said)

    assert (found.answer.status, found.reached) == (403, False)
    assert [(one["reason"], one["mtls_client"]) for one in found.records] == [("client_not_allowed", "mallory-client")]


def test_a_caller_who_names_another_request_is_judged_by_his_own(proxy: StockProxy, live: Live) -> None:
    """victor may not create orders, whatever he says that he asks for."""
    said = [
        (name, value)
        for kind in ("X-Original", "X-Forwarded")
        for name, value in ((f"{kind}-Method", "GET"), (f"{kind}-URI", GOOD), (f"{kind}-Host", "x"))
    ]

    found = outcome(proxy, "POST", "/orders", token=live.user("victor"), headers=said, body=b"{}")

    assert (found.answer.status, found.reached) == (403, False)
    assert [(one["reason"], one["method"], one["path"]) for one in found.records] == [
        ("policy_denied", "POST", "/orders")
    ]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([("Authorization", "Bearer x")], "token_malformed"),
        ([("Authorization", "Bearer {good}"), ("Authorization", "Bearer x")], "token_malformed"),
        ([("Authorization", "Basic {good}")], "token_missing"),
    ],
)
def test_a_bad_token_is_refused_as_such(proxy: StockProxy, live: Live, headers: Headers, reason: str) -> None:
    """Twice is not once."""
    sent = [(name, value.format(good=live.user("john"))) for name, value in headers]

    found = outcome(proxy, "GET", GOOD, headers=sent)

    assert not found.reached
    if found.records:  # a proxy may refuse two of them by itself
        assert [(one["reason"]) for one in found.records] == [reason]
        assert found.answer.status == 401
        assert found.answer.values("www-authenticate")[0].startswith('Bearer realm="order-service"')
    assert 400 <= found.answer.status < 500


def test_the_path_that_was_judged_is_the_path_that_the_service_gets(proxy: StockProxy, live: Live) -> None:
    """Byte for byte, whatever the proxy makes of it; what can be read in two ways gets nowhere."""
    token, before = live.user("john"), len(proxy.asked.echo.seen)
    paths = [path for path in hostile_paths() if path.isascii() and path.isprintable() and path.startswith("/")]
    wanted = [*good_paths(), *random.Random(7).sample([path for path in paths if " " not in path], 60)]
    allowed: dict[str, str] = {}
    for path in wanted:
        found = outcome(proxy, "GET", path, token=token)
        allowed |= {one["correlation_id"]: one["path"] for one in found.records if one["decision"] == "allow"}
        assert not found.reached or found.records, path

    seen = {one.values("x-correlation-id")[0]: one.target.partition("?")[0] for one in proxy.asked.echo.seen[before:]}
    assert seen == allowed
    assert len(seen) >= 4  # the yes beside the no
    assert {path.split("/")[1] for path in seen.values()} <= {"orders", "inventory"}


def test_without_a_decision_nothing_passes(live: Live) -> None:
    """The door is killed, and so are those who would start it again."""
    with decision_point(live) as asked, ExitStack() as stack:
        proxies = [stack.enter_context(StockProxy(kind, live, asked)) for kind in FILES]
        token = live.user("john")
        assert [proxy.call("GET", GOOD, token=token).status for proxy in proxies] == [200] * len(proxies)
        reached = len(asked.echo.seen)

        asked.kill()

        statuses = [proxy.call("GET", GOOD, token=token).status for proxy in proxies]
        assert (len(asked.echo.seen), min(statuses) >= 500) == (reached, True), statuses


def test_a_decision_that_cannot_be_made_is_no_allow(live: Live) -> None:
    """Workers that hang, all of them: the door gives up, and says so."""
    with decision_point(live) as asked, ExitStack() as stack:
        proxies = [stack.enter_context(StockProxy(kind, live, asked)) for kind in FILES]
        token = live.user("john")
        assert [proxy.call("GET", GOOD, token=token).status for proxy in proxies] == [200] * len(proxies)
        reached = len(asked.echo.seen)

        forkserver = next(one for one in asked.tree()[0].children() if "forkserver" in " ".join(one.cmdline()))
        forkserver.suspend()
        for worker in forkserver.children():
            worker.suspend()

        statuses = [proxy.call("GET", GOOD, token=token).status for proxy in proxies]
        assert (len(asked.echo.seen), min(statuses) >= 500) == (reached, True), statuses


def test_what_the_service_shall_not_get_is_removed_by_envoy(live: Live) -> None:
    """The token, and a header of ours for which there is no value: over gRPC and over HTTP."""
    injected = {"inject_user_id": "X-User-ID", "inject_claims": {"absent": "X-Original-User"}}
    changes: dict[str, object] = {
        **{f"proxy.asked_by.{name}": REMOVED for name in ("nginx", "caddy", "traefik", "applications")},
        "proxy.headers": {"pass_token": False, **injected},
    }
    with decision_point(live, changes) as asked, ExitStack() as stack:
        for kind in ("envoy-grpc", "envoy-http"):
            proxy = stack.enter_context(StockProxy(kind, live, asked))
            found = outcome(proxy, "GET", GOOD, token=live.user("john"), headers=[("X-Original-User", "root")])

            assert (found.answer.status, found.reached) == (200, True)
            seen = asked.echo.seen[-1]
            assert (seen.values("authorization"), seen.values("x-original-user")) == ([], [])
            assert seen.values("x-user-id") == [found.records[0]["user_id"]]
