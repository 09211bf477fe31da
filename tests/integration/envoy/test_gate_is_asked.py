"""What Envoy asks a decision worker, and what becomes of each answer."""

import re

import pytest
from tests.support.envoy_pair import ORDERS, EnvoyPair
from tests.support.neighbours import Reply, Seen

from authz_service import headers
from authz_service.domain.refusals import ANSWERS, Reason

PROBLEM = (("content-type", "application/problem+json"),)


def test_the_question_holds_what_the_gate_reads_and_nothing_else(pair: EnvoyPair) -> None:
    """The lean form: every header that is not needed costs CPU on both sides."""
    sent = [("authorization", "Bearer t"), ("x-user-context", "john"), ("cookie", "a=b"), ("x-other", "z")]

    pair.call_edge("/api/a%20b/../c?q=1&r=%2F", "POST", headers=sent, body=b"hello", leaf=pair.caller)

    (question,) = pair.edge_asked
    assert question.method == "POST"
    assert re.fullmatch(r"/check-[0-9a-f]{8}/api/c\?q=1&r=%2F", question.target)
    assert question.body == b""
    facts = {name: value for name, value in question.headers if not name.startswith("x-envoy-")}
    assert set(facts) == {
        *("host", "content-length", "authorization", "x-user-context"),
        *(headers.CORRELATION_ID, headers.REMOTE, headers.ROUTE, headers.PEER_CERT),
    }
    assert facts["host"] == "localhost"
    assert re.fullmatch(r"[0-9a-f]{8}\|/api/\*\*", facts[headers.ROUTE])
    assert facts[headers.REMOTE] == "127.0.0.1"
    assert facts[headers.PEER_CERT].startswith("-----BEGIN%20CERTIFICATE-----")


def test_without_a_certificate_no_peer_is_named_whatever_the_client_says(pair: EnvoyPair) -> None:
    """SECURITY T1: an empty fact is left out, so the client's own must have gone before."""
    forged = [(headers.PEER_CERT, "forged"), (headers.ROUTE, "forged"), (headers.REMOTE, "forged")]

    pair.call_edge("/api", headers=forged)

    (question,) = pair.edge_asked
    assert question.values(headers.PEER_CERT) == []
    assert [value.partition("|")[2] for value in question.values(headers.ROUTE)] == ["/api/**"]
    assert question.values(headers.REMOTE) == ["127.0.0.1"]


def test_two_tokens_arrive_as_one_value_with_a_comma(pair: EnvoyPair) -> None:
    """SECURITY T14: the gate refuses commas; it must be able to see them."""
    pair.call_edge("/api", headers=[("authorization", "Bearer t"), ("authorization", "Bearer u")])

    assert pair.edge_asked[0].values("authorization") == ["Bearer t,Bearer u"]


@pytest.mark.parametrize("status", [400, 401, 403, 405, 429])
def test_a_refusal_reaches_the_client_word_for_word(pair: EnvoyPair, status: int) -> None:
    """Body, status and the headers that explain it; nothing else; and the service sees nothing."""
    said = (*PROBLEM, ("www-authenticate", "Bearer realm=x"), ("allow", "GET"), ("x-inside", "secret"))
    pair.edge_answers(lambda _: Reply(status, said, b'{"reason":"r"}'))

    answer = pair.call_edge("/api")

    assert (answer.status, answer.body) == (status, b'{"reason":"r"}')
    assert answer.values("content-type") == ["application/problem+json"]
    assert answer.values("www-authenticate") == ["Bearer realm=x"]
    assert answer.values("allow") == ["GET"]
    assert answer.values("x-inside") == []
    assert pair.app.seen == []


def test_a_worker_can_say_503_in_its_own_words(pair: EnvoyPair) -> None:
    """A real 5xx of a worker would lose its body, so it says 463."""
    said = (*PROBLEM, ("retry-after", "7"))
    pair.edge_answers(lambda _: Reply(headers.UNAVAILABLE_STATUS, said, b'{"reason":"keys_unavailable"}'))

    answer = pair.call_edge("/api")

    assert (answer.status, answer.body) == (503, b'{"reason":"keys_unavailable"}')
    assert answer.values("retry-after") == ["7"]
    assert pair.app.seen == []


@pytest.mark.parametrize("status", [500, 503, 599])
def test_a_broken_worker_is_503_and_never_an_allow(pair: EnvoyPair, status: int) -> None:
    """Its own words stay inside."""
    pair.edge_answers(lambda _: Reply(status, PROBLEM, b"traceback: secret"))

    answer = pair.call_edge("/api")

    assert answer.status == 503
    assert answer.problem["reason"] == Reason.DECISION_UNAVAILABLE
    assert answer.problem["title"] == ANSWERS[Reason.DECISION_UNAVAILABLE].title
    assert answer.values("retry-after") == ["1"]
    assert pair.app.seen == []


def test_a_worker_that_hangs_is_passed_over(pair: EnvoyPair) -> None:
    """Six requests, half of which meet the hanging one first: each is answered by the other within its try's 0.4 s."""
    pair.edge_gate.answer = lambda _: Reply(delay=0.9)

    assert [pair.call_edge("/api").status for _ in range(4)] == [200] * 4


def test_an_unknown_path_is_shown_to_the_gate_before_it_is_404(pair: EnvoyPair) -> None:
    """So that it is recorded; and a refusal of the gate wins."""
    unknown = pair.call_edge("/no/such/path")

    assert unknown.status == 404
    assert unknown.problem["reason"] == Reason.ROUTE_NOT_FOUND
    assert [question.value(headers.ROUTE) for question in pair.edge_asked] == ["-"]

    pair.edge_answers(lambda _: Reply(401, PROBLEM, b"{}"))
    assert pair.call_edge("/no/such/path").status == 401


@pytest.mark.parametrize(
    ("path", "route", "service_sees"),
    [
        ("/api", "/api/**", "/api"),
        ("/api/", "/api/**", "/api/"),
        ("/api/deep/er?x=1", "/api/**", "/api/deep/er?x=1"),
        ("/api/exact", "/api/exact", "/api/exact"),
        ("/api/exact/more", "/api/**", "/api/exact/more"),
        ("/strip", "/strip/**", "/"),
        ("/strip/", "/strip/**", "/"),
        ("/strip//a", "/strip/**", "/a"),
        ("/strip/a?x=/strip/b", "/strip/**", "/a?x=/strip/b"),
    ],
)
def test_the_most_specific_route_wins_and_strips_its_prefix(
    pair: EnvoyPair, path: str, route: str, service_sees: str
) -> None:
    """The gate sees the whole path, the service the stripped one."""
    pair.call_edge(path)

    assert (pair.edge_asked[0].value(headers.ROUTE) or "").partition("|")[2] == route
    assert pair.app.seen[0].target == service_sees


@pytest.mark.parametrize("path", ["/apix", "/strips", "/ap", "/api%2Fx", "/API"])
def test_a_neighbouring_path_is_not_the_route(pair: EnvoyPair, path: str) -> None:
    """`/api/**` is /api and what is below it."""
    assert pair.call_edge(path).status in {400, 404}
    assert pair.app.seen == []


def test_a_route_to_a_target_uses_its_name_its_certificate_and_its_token(pair: EnvoyPair) -> None:
    """DESIGN §3, row 10; and the path loses `/api/v1` on the way."""
    assert pair.call_edge("/api/v1/orders/7?x=1", headers=[("authorization", "Bearer user")]).status == 200

    (seen,) = pair.orders_app.seen
    assert seen.target == "/orders/7?x=1"
    assert seen.value("host") == f"orders.test:{ORDERS[1]}"
    assert seen.values("authorization") == ["Bearer orders-token"]
    assert "edge-client" in _decoded_subject(pair.orders_gate.seen + pair.orders_gate_2.seen)


def _decoded_subject(questions: list[Seen]) -> str:
    from urllib.parse import unquote

    from cryptography import x509

    pem = unquote(questions[-1].value(headers.PEER_CERT) or "")
    return x509.load_pem_x509_certificate(pem.encode()).subject.rfc4514_string()
