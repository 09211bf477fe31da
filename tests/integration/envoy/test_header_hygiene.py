"""Headers that are ours: a client's value never passes, the gate's always does; one correlation id for everybody."""

import httpx
import pytest
from tests.support.envoy_pair import EDGE, EnvoyPair, url
from tests.support.neighbours import Reply, Seen, send_raw
from tests.support.patience import PATIENCE

from authz_service import headers
from authz_service.envoy.filters import owned_headers

OWNED = ("x-user-id", "x-user-email", "x-user-roles")
FORGED = (
    *OWNED,
    *headers.STRIPPED,
    *(prefix + "anything" for prefix in (*headers.STRIPPED_PREFIXES, *headers.CERTIFICATE_PREFIXES)),
    *(f"x-forwarded-{name}" for name in ("host", "port", "user", "email", "uri", "method", "scheme", "fo", "protocol")),
    *("x-envoy-original-path", "x-forwarded-client-cert", headers.PEER_CERT),
)


def test_the_owned_headers_here_are_the_configured_ones(pair: EnvoyPair) -> None:
    """Guards the tests below: a name that is not owned would prove nothing."""
    assert set(owned_headers(pair.edge.config)) == set(OWNED)


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title], ids=["lower", "upper", "title"])
def test_a_forged_header_never_arrives(pair: EnvoyPair, name: str, spell: object) -> None:
    """SECURITY T1, T4: once and twice, in any case; its honest neighbour does arrive."""
    spelled = spell(name)  # type: ignore[operator]  # str.lower and friends

    pair.call_edge("/api", headers=[(spelled, "evil"), ("x-honest", "1"), (spelled, "evil")])

    (seen,) = pair.app.seen
    assert seen.values("x-honest") == ["1"]
    assert "evil" not in str(seen.headers)


def test_a_forged_header_never_arrives_over_http2(pair: EnvoyPair) -> None:
    """The same removal on the other codec."""
    with httpx.Client(http1=False, http2=True, verify=pair.client_tls(), timeout=PATIENCE) as client:
        sent = [(name, "evil") for name in FORGED for _ in range(2)]
        answer = client.get(url(EDGE, "https") + "/api", headers=[*sent, ("x-honest", "1")])

    assert answer.http_version == "HTTP/2"
    (seen,) = pair.app.seen
    assert seen.values("x-honest") == ["1"]
    assert "evil" not in str(seen.headers)


def test_the_gates_value_replaces_a_forged_one(pair: EnvoyPair) -> None:
    """Also when the client names it in `Connection`, which would remove it on the way."""
    pair.edge_answers(lambda _: Reply(200, (("x-user-id", "u-1"), ("x-user-roles", "a,b"), ("x-inside", "secret"))))

    pair.call_edge("/api", headers=[("x-user-id", "evil"), ("connection", "x-user-id, x-user-roles")])

    (seen,) = pair.app.seen
    assert seen.values("x-user-id") == ["u-1"]
    assert seen.values("x-user-roles") == ["a,b"]
    assert seen.values("x-user-email") == []
    assert seen.values("x-inside") == []


def test_the_gate_can_take_headers_away(pair: EnvoyPair) -> None:
    """`pass_token: false`, and the user context of an unverified peer."""
    taken = (("x-envoy-auth-headers-to-remove", "authorization,x-user-context"),)
    sent = [("authorization", "Bearer t"), ("x-user-context", "john"), ("x-user-context", "mary"), ("x-honest", "1")]

    pair.call_edge("/api", headers=sent)
    pair.edge_answers(lambda _: Reply(200, taken))
    pair.call_edge("/api", headers=sent)

    before, after = pair.app.seen
    assert (before.value("authorization"), before.values("x-user-context")) == ("Bearer t", ["john", "mary"])
    assert (after.values("authorization"), after.values("x-user-context")) == ([], [])
    assert after.values("x-honest") == ["1"]


@pytest.mark.parametrize("name", ["x_user_id", "X_User_Id", "x-user_id"])
def test_a_name_with_an_underscore_is_refused(pair: EnvoyPair, name: str) -> None:
    """Many services read `_` as `-`."""
    answer = pair.call_edge("/api", headers=[(name, "evil")])

    assert answer.problem["reason"] == "request_invalid"
    assert pair.app.seen == []


def test_a_strangers_word_on_the_origin_is_removed_and_a_verified_peers_is_kept(pair: EnvoyPair) -> None:
    """X-Forwarded-For at the edge, and behind it."""
    pair.call_edge("/api", headers=[("x-forwarded-for", "6.6.6.6")])
    pair.call_edge("/api/v1/orders/1")

    assert "6.6.6.6" not in str(pair.app.seen[0].headers)
    (behind,) = pair.orders_app.seen
    assert "," in (behind.value("x-forwarded-for") or "")


def test_a_request_trailer_does_not_become_a_header(pair: EnvoyPair) -> None:
    """ENVOY.md §0.10."""
    chunked = b"POST /api HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntrailer: x-user-id\r\n\r\n"

    received = send_raw(EDGE, chunked + b"2\r\nhi\r\n0\r\nx-user-id: evil\r\n\r\n", pair.client_tls())

    assert received.startswith(b"HTTP/1.1 200")
    assert "evil" not in str(pair.app.seen)


GOOD_ID = "A.good_id-1"
BAD_IDS = ["", "with space", "a" * 129, "tab\tin", "umläut", "semi;colon", 'quo"te', "a,b"]


def _own_id(_: Seen) -> Reply:
    return Reply(200, ((headers.CORRELATION_ID, "the-service-says"),))


def test_a_good_correlation_id_is_the_same_for_everybody(pair: EnvoyPair) -> None:
    """Client, gate, service and log; whatever the service answers."""
    pair.app.answer = _own_id

    answer = pair.call_edge("/api", headers=[(headers.CORRELATION_ID, GOOD_ID)])

    assert answer.values(headers.CORRELATION_ID) == [GOOD_ID]
    assert pair.edge_asked[0].values(headers.CORRELATION_ID) == [GOOD_ID]
    assert pair.app.seen[0].values(headers.CORRELATION_ID) == [GOOD_ID]


@pytest.mark.parametrize("sent", [[], *([(headers.CORRELATION_ID, bad)] for bad in BAD_IDS)])
def test_a_missing_or_bad_correlation_id_is_replaced_for_everybody(
    pair: EnvoyPair, sent: list[tuple[str, str]]
) -> None:
    """SECURITY T25."""
    (shown,) = pair.call_edge("/api", headers=sent).values(headers.CORRELATION_ID)

    assert len(shown) == 36
    assert pair.edge_asked[0].values(headers.CORRELATION_ID) == [shown]
    assert pair.app.seen[0].values(headers.CORRELATION_ID) == [shown]


def test_two_correlation_ids_are_none(pair: EnvoyPair) -> None:
    """Which one would the log name?"""
    (shown,) = pair.call_edge("/api", headers=[(headers.CORRELATION_ID, "a"), (headers.CORRELATION_ID, "b")]).values(
        headers.CORRELATION_ID
    )

    assert len(shown) == 36
    assert pair.app.seen[0].values(headers.CORRELATION_ID) == [shown]


@pytest.mark.parametrize(
    ("path", "gate_status", "status"),
    [("/api", 403, 403), ("/api", 500, 503), ("/none", 200, 404), ("/nobody", 200, 503)],
)
def test_refusals_and_local_replies_carry_the_id_too(pair: EnvoyPair, path: str, gate_status: int, status: int) -> None:
    """A good one is kept, a bad one is nowhere."""
    pair.edge_answers(lambda _: Reply(gate_status))

    good = pair.call_edge(path, headers=[(headers.CORRELATION_ID, GOOD_ID)])
    bad = pair.call_edge(path, headers=[(headers.CORRELATION_ID, "bad id")])

    assert (good.status, good.values(headers.CORRELATION_ID)) == (status, [GOOD_ID])
    assert len(bad.values(headers.CORRELATION_ID)[0]) == 36
    assert b"bad id" not in bad.body


def test_the_next_hop_gets_the_same_id(pair: EnvoyPair) -> None:
    """From the edge to the gate behind it, and out of the egress."""
    pair.call_edge("/api/v1/orders", headers=[(headers.CORRELATION_ID, GOOD_ID)])
    answer = pair.call_egress("/orders/x", headers=[(headers.CORRELATION_ID, "bad id")])

    behind, out = pair.orders_app.seen
    assert behind.values(headers.CORRELATION_ID) == [GOOD_ID]
    assert out.values(headers.CORRELATION_ID) == answer.values(headers.CORRELATION_ID)
    assert len(answer.values(headers.CORRELATION_ID)[0]) == 36
