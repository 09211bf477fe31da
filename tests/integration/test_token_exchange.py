"""`auth.type: oauth2_token_exchange`: the target is shown a token for itself, and never the one that the user sent."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.echo_service import EchoService
from tests.support.exchange_ground import ANN, AUTH, BOB, IDS, ExchangeGround, bearer, exchanges
from tests.support.fault_proxy import NO_FAULT, Fault, FaultProxy
from tests.support.faulty_server import Answer as FaultyAnswer
from tests.support.faulty_server import FaultyServer, json_answer
from tests.support.live import Live, decoded, lines
from tests.support.lone_sidecar import TARGET, LoneSidecar, until
from tests.support.neighbours import Answer, ask
from tests.support.target_service import target_service
from tests.support.tokens import good_claims, mint

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key
from authz_devkit.demo.mesh import IDENTITY_PROVIDER
from authz_service.domain.refusals import ANSWERS, Reason
from authz_service.headers import EGRESS_AUTHORIZATION

StartSidecar = Callable[..., LoneSidecar]


@pytest.fixture(scope="module")
def ground(live: Live) -> Iterator[ExchangeGround]:
    with ExchangeGround(live) as found:
        yield found


@pytest.fixture
def target(live: Live) -> Iterator[EchoService]:
    """The data service's address, certificate and name; it shows what reached it."""
    with target_service(live) as service:
        yield service


@pytest.fixture
def order(start_sidecar: StartSidecar, ground: ExchangeGround, target: EchoService) -> LoneSidecar:
    return start_sidecar(ground.caller(target.place), target=target.place)


def call(sidecar: LoneSidecar, *tokens: str, path: str = "/data/stock") -> Answer:
    """As the service calls, with the user's token."""
    return sidecar.call_egress("GET", path, headers=[header for token in tokens for header in bearer(token)])


def refused(sidecar: LoneSidecar, *tokens: str) -> Reason:
    """Why, by the answer and by the record."""
    answer = call(sidecar, *tokens)
    reason = Reason(answer.problem["reason"])
    assert answer.status == ANSWERS[reason].status
    assert exchange_records(sidecar)[-1]["reason"] == reason
    return reason


def as_order_service(live: Live) -> ssl.SSLContext:
    """Its certificate for the data service's zone."""
    context = ssl.create_default_context(cafile=ca_bundle(live.mesh.certs, "zone3"))
    own = "order-service/client-zone3"
    context.load_cert_chain(leaf_cert(live.mesh.certs, own), leaf_key(live.mesh.certs, own))
    return context


def exchange_records(sidecar: LoneSidecar) -> list[Mapping[str, object]]:
    return [record for record in lines(sidecar.folder / "audit.jsonl") if record["event"] == "exchange"]


def shown(target: EchoService, number: int = -1) -> str:
    [value] = target.seen[number].values("authorization")
    return value.removeprefix("Bearer ")


def test_the_target_is_shown_the_user_for_itself_alone(
    order: LoneSidecar, ground: ExchangeGround, target: EchoService
) -> None:
    """Once asked for, until it ends; the token that came in reaches nobody behind."""
    ann = ground.user(ANN)

    assert {call(order, ann).status for _ in range(5)} == {200}

    claims = decoded(shown(target))[1]
    assert (claims["aud"], claims["sub"], claims["azp"]) == ("data-service", IDS[ANN], "order-service")
    assert {shown(target, number) for number in range(5)} == {shown(target)}
    assert exchanges(order, "exchanged") == 1
    assert not any(ann in value or name == EGRESS_AUTHORIZATION for seen in target.seen for name, value in seen.headers)
    record = exchange_records(order)[-1]
    assert (record["decision"], record["downstream"], record["route"]) == ("allow", "data-service", "/data")
    assert (record["user_id"], record["path"]) == ("", "/data/stock")
    assert order.admin("/tokens").body.count(b"data-service") == 2  # its name, and the audience
    assert ann not in order.log + order.admin("/tokens").body.decode()
    assert shown(target) not in order.log + order.admin("/tokens").body.decode()


def test_from_the_users_call_to_the_last_service(start_sidecar: StartSidecar, ground: ExchangeGround) -> None:
    """Two sidecars: what the first one's service got and passes on opens the second only as an exchanged token."""
    data = start_sidecar(ground.target())
    place = (data.address, 8443)
    order = start_sidecar({**ground.caller(place), "proxy.headers.pass_token": True}, target=place)
    ann = ground.user(ANN)
    assert order.call("GET", "/orders/1", token=ann).status == 200
    [passed] = order.echo.seen[-1].values("authorization")
    assert passed == f"Bearer {ann}"

    assert order.call_egress("GET", "/data/stock", headers=[("authorization", passed)]).status == 200

    assert data.echo.seen[-1].values("x-user-id") == [IDS[ANN]]
    [record] = data.audit
    assert (record["user_id"], record["calling_service"]) == (IDS[ANN], "order-service")
    straight = ask(place, "GET", "/stock", headers=bearer(ann), tls=as_order_service(ground.live), host=TARGET)
    assert straight.problem["reason"] == Reason.TOKEN_AUDIENCE_REFUSED


@pytest.mark.parametrize("together", [1, 50])
def test_nobody_gets_anothers_token(
    order: LoneSidecar, ground: ExchangeGround, target: EchoService, *, together: int
) -> None:
    """One after the other, and all at once."""
    tokens = {name: ground.user(name) for name in (ANN, BOB)}
    asked = [name for _ in range(25) for name in (ANN, BOB)]

    def one(name: str, number: int) -> int:
        """Once more while the provider is late, in which case nothing has left."""
        while (status := call(order, tokens[name], path=f"/data/{name}/{number}").status) == 503:
            pass
        return status

    with ThreadPoolExecutor(together) as pool:
        assert set(pool.map(one, asked, range(50))) == {200}

    assert len(target.seen) == 50
    for number, seen in enumerate(target.seen):
        assert decoded(shown(target, number))[1]["sub"] == IDS[seen.target.split("/")[1]]
    assert 2 <= exchanges(order, "exchanged") <= 4  # each of two workers may ask about each of two


def test_a_repeated_request_has_the_token_too(
    start_sidecar: StartSidecar, ground: ExchangeGround, target: EchoService, live: Live
) -> None:
    """The target hangs up in the middle of the first attempt; each later one shows it the same."""
    with FaultProxy((live.free_address(), 9443), to=target.place) as network:
        order = start_sidecar(ground.caller(network.place), target=network.place)
        ann, answers = ground.user(ANN), list[Answer]()
        assert call(order, ann).status == 200
        thread = threading.Thread(target=lambda: answers.append(call(order, ann, path="/data/slow?delay=0.5")))
        thread.start()
        until(lambda: "/slow?delay=0.5" in target.paths())
        network.switch(Fault(down=True))
        network.switch(NO_FAULT)
        thread.join()

    assert answers[0].status == 200
    assert target.paths().count("/slow?delay=0.5") >= 2
    assert len({shown(target, number) for number in range(len(target.seen))}) == 1


def test_a_provider_that_is_silent_about_exchanges_holds_nothing_else_up(
    start_sidecar: StartSidecar, ground: ExchangeGround, target: EchoService
) -> None:
    """More wait than there are connections to it; meanwhile its introspections are answered."""
    live, keys = ground.live, "/realms/exchange/protocol/openid-connect/certs"
    known = ask((ground.hosts[IDENTITY_PROVIDER], 8443), "GET", keys, tls=live.identity_tls, host=IDENTITY_PROVIDER)
    own = "identity-provider/server"
    pair = (leaf_cert(live.mesh.certs, own), leaf_key(live.mesh.certs, own))
    with FaultyServer(pair, address=live.free_address(), port=8443) as provider, ThreadPoolExecutor(40) as pool:
        provider.script("/keys", FaultyAnswer(body=known.body))
        provider.script("/introspect", json_answer({"active": True}))
        provider.script("/token", FaultyAnswer(delay=5.0))
        caller = ground.caller(target.place, token_url=provider.url("/token", host=IDENTITY_PROVIDER))
        asking = {"url": provider.url("/introspect", host=IDENTITY_PROVIDER), "client_id": "c", "client_secret": "s"}
        order = start_sidecar(
            {
                **caller,
                "hosts": {**live.mesh.hosts, IDENTITY_PROVIDER: provider.address, TARGET: target.host},
                "jwt.jwks_url": provider.url("/keys", host=IDENTITY_PROVIDER),
                "jwt.introspection": asking,
                "proxy.routes": [{"path": "/orders/**", "introspect": "true"}],
            },
            target=target.place,
        )
        users = [ground.user(ANN) for _ in range(5)]
        others = [mint(good_claims(time.time(), jti=str(number))) for number in range(40)]
        waiting = [pool.submit(call, order, token) for token in others]
        until(lambda: len(provider.seen("/token")) >= 8)

        assert [order.call("GET", "/orders/1", token=token).status for token in users] == [200] * 5
        assert {one.result().problem["reason"] for one in waiting} == {Reason.EGRESS_TOKEN_UNAVAILABLE}


def test_without_one_good_token_nothing_leaves(order: LoneSidecar, ground: ExchangeGround, target: EchoService) -> None:
    ann = ground.user(ANN)

    assert refused(order) is Reason.TOKEN_MISSING
    assert refused(order, ann, ann) is Reason.TOKEN_MALFORMED
    assert refused(order, "garbage") is Reason.TOKEN_MALFORMED
    assert refused(order, "a" * 20_000) is Reason.TOKEN_TOO_LONG
    assert exchanges(order, "refused") == 0
    assert target.seen == []


def test_what_the_provider_does_not_accept_is_401_and_not_asked_again(
    order: LoneSidecar, ground: ExchangeGround, target: EchoService
) -> None:
    head, payload, _ = ground.user(ANN).split(".")
    forged = f"{head}.{payload}.{'A' * 342}"

    assert {refused(order, forged) for _ in range(3)} == {Reason.TOKEN_NOT_EXCHANGEABLE}

    assert exchanges(order, "refused") == 1
    assert target.seen == []


def test_whom_the_token_is_not_for_is_403(
    start_sidecar: StartSidecar, ground: ExchangeGround, target: EchoService
) -> None:
    """The payment service may exchange, but not this token."""
    payment = {"client_id": "payment-service", "client_secret": "payment-service-secret"}
    sidecar = start_sidecar(ground.caller(target.place, **payment), target=target.place)

    assert refused(sidecar, ground.user(ANN)) is Reason.TOKEN_EXCHANGE_DENIED
    assert target.seen == []


def test_a_wrong_secret_is_our_trouble_until_it_is_mended(
    order: LoneSidecar, ground: ExchangeGround, target: EchoService
) -> None:
    """503, not 401: the user can do nothing about it. It is not printed."""
    order.write_config({f"{AUTH}.client_secret": "guess-canary"})
    until(lambda: call(order, ground.user(ANN)).status == 503)
    assert refused(order, ground.user(ANN)) is Reason.EGRESS_TOKEN_UNAVAILABLE
    assert "token exchange for data-service" in str(order.readyz()["degraded"])
    assert order.readyz()["ready"]
    assert "guess-canary" not in order.log + str(order.readyz())

    order.write_config({f"{AUTH}.client_secret": "order-service-secret"})
    until(lambda: call(order, ground.user(ANN)).status == 200)
    assert "token exchange" not in str(order.readyz()["degraded"])


@pytest.mark.parametrize("fault", [Fault(down=True), Fault(blackhole=True)], ids=["down", "silent"])
def test_without_the_provider_nobody_new_is_served(
    order: LoneSidecar, ground: ExchangeGround, target: EchoService, fault: Fault
) -> None:
    """Whose token is known goes on, and with the provider's return the others do."""
    ann, bob = ground.user(ANN), ground.user(BOB)
    assert call(order, ann).status == 200
    ground.switch(fault)
    try:
        seen = len(target.seen)
        assert refused(order, bob) is Reason.EGRESS_TOKEN_UNAVAILABLE
        assert len(target.seen) == seen
        assert call(order, ann).status == 200
    finally:
        ground.switch(NO_FAULT)

    until(lambda: call(order, bob).status == 200)
    assert decoded(shown(target))[1]["sub"] == IDS[BOB]


def test_other_routes_cost_no_question_and_keep_their_answers(
    start_sidecar: StartSidecar, ground: ExchangeGround, target: EchoService
) -> None:
    """A target without exchange is called as ever; what is refused by itself is refused as ever."""
    plain = {"path_prefix": "/plain", "target": "plain"}
    echo = ground.live.free_address()
    changes = {
        **ground.caller(target.place),
        "egress.targets.plain": {"url": f"http://{echo}:9000"},
        "egress.routes": [{"path_prefix": "/data", "target": "data-service"}, plain],
    }
    sidecar = start_sidecar(changes, target=target.place)
    with EchoService(echo, 9000) as service:
        assert sidecar.call_egress("GET", "/plain", headers=[("authorization", "Basic eA==")]).status == 200
        assert service.seen[-1].values("authorization") == ["Basic eA=="]
    assert sidecar.call_egress("GET", "/nowhere").problem["reason"] == Reason.ROUTE_NOT_FOUND
    browser = sidecar.call_egress("GET", "/data", headers=[("origin", "https://evil.example")])
    assert browser.problem["reason"] == Reason.BROWSER_REFUSED
    assert exchange_records(sidecar) == []


def test_a_service_cannot_say_by_itself_what_the_target_is_shown(
    order: LoneSidecar, ground: ExchangeGround, target: EchoService
) -> None:
    forged = [(EGRESS_AUTHORIZATION, "Bearer forged"), *bearer(ground.user(ANN))]

    assert order.call_egress("GET", "/data", headers=forged).status == 200
    assert decoded(shown(target))[1]["sub"] == IDS[ANN]
    assert order.call_egress("GET", "/data", headers=forged[:1]).status == 401


def test_a_target_that_begins_to_exchange_gets_no_users_token_meanwhile(
    start_sidecar: StartSidecar, ground: ExchangeGround, target: EchoService
) -> None:
    """Not even over a connection whose listener asks nobody: it is an older one, and drains."""
    sidecar = start_sidecar({**ground.caller(target.place), AUTH: {"type": "none"}}, target=target.place)
    ann = ground.user(ANN)
    assert call(sidecar, ann).status == 200
    own = f"Bearer {ann}"
    assert target.seen[-1].values("authorization") == [own]
    old = sidecar.egress_connection()
    old.request("GET", "/data", headers=dict(bearer(ann)))
    old.getresponse().read()

    before = len(target.seen)
    sidecar.write_config(ground.caller(target.place))
    until(lambda: call(sidecar, ann).status == 200 and target.seen[-1].values("authorization") not in ([], [own]))

    changed = next(n for n, seen in enumerate(target.seen) if n >= before and seen.values("authorization") != [own])
    old.request("GET", "/data", headers=dict(bearer(ann)))
    assert old.getresponse().status == 200
    assert target.seen[-1].values("authorization") == []
    assert not any(ann in value for seen in target.seen[changed:] for _, value in seen.headers)
