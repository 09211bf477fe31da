"""The egress: each token to its own target and to nobody else, and nothing but the drawn paths."""

from collections.abc import Iterator

import pytest
from tests.support.envoy_pair import EDGE, EGRESS, OPEN, EnvoyPair
from tests.support.neighbours import Reply, Seen, send_raw

from authz_service import headers
from authz_service.domain.refusals import Reason
from authz_service.envoy.secrets import target_token, token_secret


@pytest.mark.parametrize(
    "sent", [[], [("authorization", "Bearer own")], [("Authorization", "a"), ("authorization", "b")]]
)
def test_each_target_gets_its_own_token_in_place_of_the_services(pair: EnvoyPair, sent: list[tuple[str, str]]) -> None:
    """ASVS 10.2.3."""
    pair.call_egress("/orders/x", headers=sent)
    pair.call_egress("/plain/x", "POST", headers=sent, body=b"b")

    assert pair.orders_app.seen[0].values("authorization") == ["Bearer orders-token"]
    assert pair.plain.seen[0].values("authorization") == ["Bearer plain-token"]


def test_a_target_without_authentication_gets_what_the_service_sent(pair: EnvoyPair) -> None:
    """`type: none`: the user's token travels on; nobody else's token does."""
    pair.call_egress("/open/x", headers=[("authorization", "Bearer user")])
    pair.call_egress("/open/x")

    assert [seen.values("authorization") for seen in pair.open.seen] == [["Bearer user"], []]


@pytest.fixture
def plain_token(pair: EnvoyPair) -> Iterator[EnvoyPair]:
    yield pair
    _give_token(pair, "plain-token")


def _give_token(pair: EnvoyPair, token: str) -> None:
    name = target_token("plain")
    pair.edge.change_secret(name, token_secret(name, token))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_token_nothing_leaves(plain_token: EnvoyPair, method: str) -> None:
    """503 and when to come back, not the service's own Authorization; and the next token serves at once."""
    pair = plain_token
    _give_token(pair, "")

    answer = pair.call_egress("/plain/x", method, headers=[("authorization", "Bearer own")])

    assert answer.problem["reason"] == Reason.EGRESS_TOKEN_UNAVAILABLE
    assert answer.status == 503
    assert answer.values("retry-after") == ["5"]
    assert pair.plain.seen == []
    assert pair.call_egress("/orders/x").status == 200

    _give_token(pair, "fresh")
    assert pair.call_egress("/plain/x", method).status == 200
    assert pair.plain.seen[0].values("authorization") == ["Bearer fresh"]


def test_a_targets_own_401_passes_as_it_is(pair: EnvoyPair) -> None:
    """Only a missing token of ours is rewritten."""
    pair.plain.answer = lambda _: Reply(401, (("www-authenticate", "Bearer x"),), b"theirs")

    answer = pair.call_egress("/plain/x")

    assert (answer.status, answer.body) == (401, b"theirs")


def test_the_target_sees_its_own_name_and_its_own_path(pair: EnvoyPair) -> None:
    """Not the service's `Host: localhost:8080` (SECURITY T12); the user context passes, forged facts do not."""
    sent = [("x-user-context", "u-1"), (headers.PEER_CERT, "evil"), ("x-envoy-original-path", "/evil")]

    pair.call_egress("/open/a/b?c=d", headers=sent, host="localhost:21080")

    (seen,) = pair.open.seen
    assert seen.target == "/a/b?c=d"
    assert seen.value("host") == f"{OPEN[0]}:{OPEN[1]}"
    assert seen.values("x-user-context") == ["u-1"]
    assert seen.values("x-forwarded-for") == []
    assert "evil" not in str(seen.headers)


@pytest.mark.parametrize(
    "path",
    [
        *("/open/../orders/x", "/open/%2e%2e/orders/x", "/open/..%2forders", "/open/..%5corders", "/openx"),
        *("/open/..;/x", "/open/..;", "/open/..;a/x", "/open/.;/../orders", "/open//../../orders"),
    ],
)
def test_no_path_leaves_its_route(pair: EnvoyPair, path: str) -> None:
    """What looks like another route is judged as that route, or refused: never sent to this one."""
    pair.call_egress(path)

    assert pair.open.seen == []


@pytest.mark.parametrize(
    "path",
    [
        *("/open/%25", "/open/%252e%252e", "/open/%00", "/open/%2f", "/open/%5C", "/open/%"),
        *("/open/%zz", "/open/%c0%af", "/open/%e0%80%af", "/open/%ff", "/open/%c3", "/open/%ed%a0%80"),
        *("/open/..%3b/x", "/open/%2E.%3Bx", "/open/.%3b"),
    ],
)
def test_a_path_that_may_mean_another_is_refused(pair: EnvoyPair, path: str) -> None:
    """SECURITY T13, on the side where no Python looks."""
    answer = pair.call_egress(path)

    assert answer.problem["reason"] == Reason.PATH_REFUSED
    assert pair.open.seen == []


@pytest.mark.parametrize(
    "path", ["/open/%20", "/open/%c3%a4", "/open/a;b", "/open/..a", "/open/a..;", "/open/%F0%9F%98%80"]
)
def test_an_unusual_but_clear_path_passes(pair: EnvoyPair, path: str) -> None:
    """The no of the test above."""
    assert pair.call_egress(path + "?q=%25%00%2f..;").status == 200
    assert pair.open.seen[0].target == path.removeprefix("/open") + "?q=%25%00%2f..;"


@pytest.mark.parametrize(
    "sent",
    [
        [("origin", "https://evil.example")],
        [("origin", "null")],
        [("origin", "http://localhost:3000")],  # another program's page on this host
        [("origin", f"https://localhost:{EGRESS[1]}")],
        [("origin", f"http://localhost:{EGRESS[1]}.evil.example")],
        [("origin", f"http://localhost:{EGRESS[1]}"), ("sec-fetch-site", "same-origin")],
        [("origin", f"http://localhost:{EGRESS[1]}"), ("origin", "https://evil.example")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("host", "rebound.example:21080")],
    ],
)
def test_a_browser_is_refused(pair: EnvoyPair, sent: list[tuple[str, str]]) -> None:
    """SECURITY T12: any page in a browser on this host could otherwise use the service's credentials."""
    answer = pair.call_egress("/open/x", headers=sent)

    assert answer.problem["reason"] == Reason.BROWSER_REFUSED
    assert pair.open.seen == []


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:21080", "[::1]:21080", None])
def test_our_own_names_are_accepted(pair: EnvoyPair, host: str | None) -> None:
    """The no of the test above; the last one is the address on which it listens."""
    assert pair.call_egress("/open/x", host=host or EGRESS[0]).status == 200


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", None])
def test_an_origin_that_is_the_egress_itself_is_no_page(pair: EnvoyPair, name: str | None) -> None:
    """websocket-client names the place that it calls; the last one is the address on which it listens."""
    assert pair.call_egress("/open/x", headers=[("origin", f"http://{name or EGRESS[0]}:{EGRESS[1]}")]).status == 200


def test_an_unknown_path_is_404(pair: EnvoyPair) -> None:
    """Without a route there is no target."""
    assert pair.call_egress("/unknown").problem["reason"] == Reason.ROUTE_NOT_FOUND


def test_a_target_with_another_name_in_its_certificate_is_not_used(pair: EnvoyPair) -> None:
    """The zone's CA is not enough: payments is not orders (ASVS 12.3.2)."""
    answer = pair.call_egress("/wrong-name/x")

    assert answer.problem["reason"] == Reason.UPSTREAM_UNAVAILABLE
    assert b"CERTIFICATE" not in answer.body
    assert pair.orders_app.seen == []


def _once(pair: EnvoyPair) -> None:
    """The first connection is cut without an answer."""

    def answer(_: Seen) -> Reply:
        if len(pair.open.seen) == 1:
            raise ConnectionError
        return Reply()

    pair.open.answer = answer


@pytest.mark.parametrize(
    ("method", "status", "tries"), [("GET", 200, 2), ("HEAD", 200, 2), ("POST", 503, 1), ("PUT", 503, 1)]
)
def test_only_safe_methods_are_repeated(pair: EnvoyPair, method: str, status: int, tries: int) -> None:
    """The target may have acted on the first one."""
    _once(pair)

    assert pair.call_egress("/open/x", method, body=None if method in {"GET", "HEAD"} else b"b").status == status
    assert len(pair.open.seen) == tries


def test_connect_is_never_forwarded(pair: EnvoyPair) -> None:
    """Neither door is a tunnel."""
    request = f"CONNECT {OPEN[0]}:{OPEN[1]} HTTP/1.1\r\nhost: {OPEN[0]}:{OPEN[1]}\r\n\r\n".encode()

    assert b" 4" in send_raw(EGRESS, request)[:12]
    assert b" 4" in send_raw(EDGE, request, pair.client_tls())[:12]
    assert pair.open.seen == []
