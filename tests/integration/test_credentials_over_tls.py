"""Keys and tokens from a real server over real TLS that misbehaves in every way of SECURITY.md F3."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.certificates import CLIENT, SERVER, Authority, Life
from tests.support.echo_service import EchoService, tls_server
from tests.support.fake_clock import async_test
from tests.support.faulty_server import Answer, FaultyServer, json_answer
from tests.support.patience import PATIENCE

from authz_service.clock import Clock, SystemClock
from authz_service.credentials.oauth2 import Token, TokenRequest, fetch_token
from authz_service.credentials.token_refreshers import Subscription, TokenRefreshers
from authz_service.domain.rules import IssuerKeys
from authz_service.domain.secret import Secret
from authz_service.errors import CertificateProblems, FetchError
from authz_service.http_client import LARGEST_BODY, HttpClient
from authz_service.trust.issuer_keys import KeySettings, KeySource

NAME = "idp.example.com"
OTHER_NAME = "other.example.com"
HOSTS = {NAME: "127.0.0.1", OTHER_NAME: "127.0.0.1"}
GOOD_TOKEN = {"access_token": "abc.def.ghi", "token_type": "Bearer", "expires_in": 300}
HTML = Answer(body=b"<html>maintenance</html>", headers={"Content-Type": "text/html"})
IMPATIENT = 1.0  # seconds for an attempt at whoever is late; the real one is 5
TLS = tuple[Path, Path]


class HurriedClock(SystemClock):
    """Real waiting, ten times faster; the network keeps its own pace."""

    def steady(self) -> float:
        return super().steady() * 10

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 10)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.living("identity-ca", time.time())


@pytest.fixture(scope="module")
def ca_file(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ca") / "identity-ca.crt"
    file.write_bytes(authority.pem)
    return file


@pytest.fixture(scope="module")
def tls(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> TLS:
    return authority.issue("idp", dns=(NAME,), usages=(SERVER,)).write(tmp_path_factory.mktemp("tls"), "server")


@pytest.fixture
def server(tls: TLS) -> Iterator[FaultyServer]:
    with FaultyServer(tls=tls) as running:
        yield running


@asynccontextmanager
async def client(ca_file: Path | None, patience: float = PATIENCE) -> AsyncIterator[HttpClient]:
    http = HttpClient(HOSTS, ca_file, timeout=patience)
    try:
        yield http
    finally:
        await http.aclose()


def request_for(server: FaultyServer) -> TokenRequest:
    return TokenRequest(server.url("/token", host=NAME), "order-service", Secret("s3cret"), ("read",))


def key_set(*kids: str) -> dict[str, object]:
    return {"keys": [{"kty": "EC", "kid": kid, "crv": "P-256", "x": "AA", "y": "BB"} for kid in kids]}


def judged(text: str) -> tuple[dict[str, object], list[str]]:
    keys = json.loads(text)["keys"]
    if keys is None:
        raise ValueError("no key set")
    return {key["kid"]: key for key in keys}, []


async def until(condition: Callable[[], bool]) -> None:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < PATIENCE, "it did not happen in time"
        await asyncio.sleep(0.02)


def patience_with(fault: Answer) -> float:
    """Only who is late is not waited for: on a busy machine good answers are late, too."""
    return IMPATIENT if fault.delay or fault.drip else PATIENCE


# ---- the connection


@async_test
async def test_a_name_is_reached_at_its_address_and_checked_as_the_name(server: FaultyServer, ca_file: Path) -> None:
    """`hosts` changes where we connect, and nothing else: Host and certificate stay on the name."""
    server.script("/x", json_answer({}))
    async with client(ca_file) as http:
        response = await http.get(server.url("/x", host=NAME))

    assert response.status == 200
    assert server.seen()[0].headers["host"] == f"{NAME}:{server.port}"


@async_test
async def test_a_certificate_of_another_name_is_refused_at_the_same_address(
    server: FaultyServer, ca_file: Path
) -> None:
    """Not even over the connection that is open already to the same address for the right name."""
    server.script("/x", json_answer({}))
    async with client(ca_file) as http:
        await http.get(server.url("/x", host=NAME))
        with pytest.raises(FetchError, match="certificate"):
            await http.get(server.url("/x", host=OTHER_NAME))
        with pytest.raises(FetchError, match="certificate"):
            await http.get(server.url("/x"))  # the bare address is not in the certificate either
        await http.get(server.url("/x", host=NAME))

    assert (len(server.seen()), server.connections) == (2, 3)


@async_test
async def test_an_authority_that_is_not_ours_is_refused(server: FaultyServer, tmp_path: Path) -> None:
    """Neither another CA nor the system's."""
    server.script("/x", json_answer({}))
    stranger = tmp_path / "stranger.crt"
    stranger.write_bytes(Authority.living("identity-ca", time.time()).pem)
    for trusted in (stranger, None):
        async with client(trusted) as http:
            with pytest.raises(FetchError, match="certificate"):
                await http.get(server.url("/x", host=NAME))

    assert server.seen() == []


@async_test
async def test_an_expired_certificate_is_refused(authority: Authority, ca_file: Path, tmp_path: Path) -> None:
    past = Life(time.time() - 3600, time.time() - 60)
    expired = authority.issue("idp", dns=(NAME,), life=past).write(tmp_path, "expired")
    with FaultyServer(tls=expired) as server:
        async with client(ca_file) as http:
            with pytest.raises(FetchError, match="expired"):
                await http.get(server.url("/x", host=NAME))


@async_test
async def test_a_changed_ca_file_acts_on_the_next_call(
    server: FaultyServer, authority: Authority, tmp_path: Path
) -> None:
    """Rotation of the provider's CA without a restart; a broken file is ignored."""
    server.script("/x", json_answer({}))
    file = tmp_path / "ca.crt"
    stranger = Authority.living("identity-ca-2", time.time())
    file.write_bytes(authority.pem)
    async with client(file) as http:
        assert (await http.get(server.url("/x", host=NAME))).status == 200

        file.write_bytes(b"garbage in the middle of a change")
        assert (await http.get(server.url("/x", host=NAME))).status == 200

        file.write_bytes(stranger.pem)
        with pytest.raises(FetchError, match="certificate"):
            await http.get(server.url("/x", host=NAME))

        file.write_bytes(stranger.pem + authority.pem)
        assert (await http.get(server.url("/x", host=NAME))).status == 200


def test_a_ca_file_that_cannot_be_used_is_a_problem_with_a_remedy(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    with pytest.raises(CertificateProblems, match=r"ca\.crt"):
        HttpClient({}, file)
    file.write_bytes(b"garbage")
    with pytest.raises(CertificateProblems, match="PEM file"):
        HttpClient({}, file)


@async_test
async def test_whoever_gave_up_leaves_no_connection_behind(server: FaultyServer, ca_file: Path) -> None:
    """However many wait for a server that says nothing, and go: when it answers again, it is reached."""
    http = HttpClient(HOSTS, ca_file, timeout=PATIENCE)
    async with contextlib.aclosing(http):
        for _ in range(3):
            server.script("/token", Answer(delay=2.0))
            async with asyncio.TaskGroup() as group:
                for _ in range(64):
                    group.create_task(_for_a_moment(http.post_form(server.url("/token", host=NAME), {"a": "b"})))
            server.script("/token", json_answer(GOOD_TOKEN))

        answers = await asyncio.gather(
            *(http.post_form(server.url("/token", host=NAME), {"a": "b"}) for _ in range(20))
        )

    assert {answer.status for answer in answers} == {200}


async def _for_a_moment(work: Awaitable[object]) -> None:
    with contextlib.suppress(TimeoutError, FetchError):
        async with asyncio.timeout(0.2):
            await work


@async_test
async def test_a_connection_is_used_again(server: FaultyServer, ca_file: Path) -> None:
    server.script("/x", json_answer({}))
    async with client(ca_file) as http:
        for _ in range(5):
            await http.get(server.url("/x", host=NAME))

    assert (len(server.seen()), server.connections) == (5, 1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}), "redirect"),
        (Answer(status=307, headers={"Location": "/token"}), "redirect"),
        (Answer(delay=5), "no whole answer within"),
        (Answer(body=b"x" * 100, drip=0.05), "no whole answer within"),
        (Answer(body=b"x" * 100, truncate=50), "peer closed|incomplete"),
        (Answer(close=True), "disconnected"),
        (Answer(body=b"x" * (1 << 20), repeat=50), f"larger than {LARGEST_BODY}"),
        (Answer(body=b"x" * (LARGEST_BODY + 1)), f"larger than {LARGEST_BODY}"),
        (Answer(body=b"x", headers={"Content-Encoding": "gzip"}), "compressed"),
        (Answer(body=b"x", headers={"X-Long": "x" * 200_000}), "."),
    ],
)
@async_test
async def test_one_bad_manner_is_a_fetch_error(server: FaultyServer, ca_file: Path, answer: Answer, said: str) -> None:
    """It ends within the attempt's time, names the place without the query, and the next call works."""
    server.script("/x?secret=1", answer)
    server.script("/good", Answer(body=b"x" * LARGEST_BODY))
    async with client(ca_file, patience_with(answer)) as http:
        with pytest.raises(FetchError, match=said) as failed:
            await http.get(server.url("/x?secret=1", host=NAME))
        assert f"{NAME}:{server.port}/x" in str(failed.value)
        assert "secret" not in str(failed.value)

        assert len((await http.get(server.url("/good", host=NAME))).body) == LARGEST_BODY


@pytest.mark.parametrize(
    "url", ["ftp://x/", "https://", "https://user:pass@idp.example.com/", "https://[x/", "https://x:99999/", "/x", ""]
)
@async_test
async def test_an_odd_address_is_refused_before_anything_is_sent(url: str) -> None:
    async with client(None) as http:
        with pytest.raises(FetchError, match="not a plain http or https URL"):
            await http.get(url)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
@async_test
async def test_retry_after_is_read_in_both_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    """A date is compared with the server's own, not with our clock."""
    with FaultyServer() as server:
        server.script("/x", Answer(status=429, headers=headers))
        async with client(None) as http:
            response = await http.get(server.url("/x"))

    assert (response.status, response.retry_after) == (429, seconds)


# ---- the token (F3)


@asynccontextmanager
async def kept_token(
    server: FaultyServer, ca_file: Path, clock: Clock, patience: float = PATIENCE
) -> AsyncIterator[list[str | None]]:
    """A running refresher; the list is what the proxy has heard."""
    heard: list[str | None] = []
    async with client(ca_file, patience) as http:

        async def fetch(request: TokenRequest) -> Token:
            return await fetch_token(http.post_form, request, clock.now)

        refreshers = TokenRefreshers(fetch, clock)
        await refreshers.update([Subscription("data-service", request_for(server), heard.append)])
        try:
            yield heard
        finally:
            await refreshers.stop()


FAULTS = {
    "slow": Answer(delay=5),
    "500": Answer(status=500, body=json.dumps(GOOD_TOKEN).encode()),
    "truncated": replace(json_answer(GOOD_TOKEN), truncate=20),
    "html": HTML,
    "empty": Answer(),
    "50 MB": Answer(body=b"x" * (1 << 20), repeat=50),
    "hangs up": Answer(close=True),
    "expires_in 0": json_answer(GOOD_TOKEN | {"expires_in": 0}),
    "expires_in -1": json_answer(GOOD_TOKEN | {"expires_in": -1}),
    "another type": json_answer(GOOD_TOKEN | {"token_type": "mac"}),
    "CRLF": json_answer(GOOD_TOKEN | {"access_token": "abc\r\nx-user-id: admin"}),
    "429": Answer(status=429, headers={"Retry-After": "1"}),
    "invalid_client": json_answer({"error": "invalid_client"}, status=401),
    "redirect": Answer(status=302, headers={"Location": "/token"}),
}


@pytest.mark.parametrize("fault", FAULTS)
@async_test
async def test_no_faulty_answer_becomes_a_token_and_a_good_one_comes_soon_after(
    server: FaultyServer, ca_file: Path, fault: str
) -> None:
    """F3: never a token of a fault, at most one request under way, and it heals by itself."""
    server.script("/token", FAULTS[fault], json_answer(GOOD_TOKEN))
    async with kept_token(server, ca_file, HurriedClock(), patience_with(FAULTS[fault])) as heard:
        await until(lambda: heard[-1] is not None)

    assert heard == [None, "abc.def.ghi"]
    assert server.most_in_flight == 1 or fault == "slow"
    assert len(server.seen("/token")) == 2


@async_test
async def test_a_missing_lifetime_is_not_a_fault(server: FaultyServer, ca_file: Path) -> None:
    server.script("/token", json_answer({"access_token": "abc", "token_type": "bearer"}))
    async with kept_token(server, ca_file, HurriedClock()) as heard:
        await until(lambda: heard[-1] == "abc")


@async_test
async def test_the_request_is_what_the_provider_expects(server: FaultyServer, ca_file: Path) -> None:
    server.script("/token", json_answer(GOOD_TOKEN))
    async with kept_token(server, ca_file, HurriedClock()) as heard:
        await until(lambda: heard[-1] is not None)

    seen = server.seen("/token")[0]
    assert (seen.method, seen.body) == ("POST", b"grant_type=client_credentials&scope=read")
    assert seen.headers["authorization"].startswith("Basic ")
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"


@async_test
async def test_a_token_outlives_an_outage_ends_on_time_and_comes_back(server: FaultyServer, ca_file: Path) -> None:
    """The whole life with a real clock: got, kept while the server is down, withdrawn at 2 s, got again."""
    server.script("/token", json_answer(GOOD_TOKEN | {"expires_in": 2}))
    begin = time.monotonic()
    async with kept_token(server, ca_file, SystemClock()) as heard:
        await until(lambda: heard[-1] is not None)
        server.go_down()
        await until(lambda: heard[-1] is None)
        assert time.monotonic() - begin >= 2

        server.come_up()
        await until(lambda: heard[-1] is not None)

    assert heard == [None, "abc.def.ghi", None, "abc.def.ghi"]


# ---- the keys (F3)


@asynccontextmanager
async def kept_keys(
    server: FaultyServer, ca_file: Path, *, file: Path | None = None, patience: float = PATIENCE
) -> AsyncIterator[tuple[KeySource, list[list[str]]]]:
    """A running source; the list is the kids of each publication."""
    published: list[list[str]] = []

    def publish(keys: IssuerKeys) -> None:
        published.append(sorted(judged(keys.jwks)[0]))

    async with client(ca_file, patience) as http:
        settings = KeySettings(server.url("/realm", host=NAME), None, 5.0, file)
        source = KeySource(settings, http.get, parse=judged, publish=publish, clock=HurriedClock())
        source.start()
        try:
            yield source, published
        finally:
            await source.stop()


def serve_discovery(server: FaultyServer) -> None:
    document = {"issuer": server.url("/realm", host=NAME), "jwks_uri": server.url("/certs", host=NAME)}
    server.script("/realm/.well-known/openid-configuration", json_answer(document))


@pytest.mark.parametrize(
    "fault",
    [
        Answer(delay=5),
        Answer(status=500),
        replace(json_answer(key_set("evil")), truncate=20),
        HTML,
        Answer(),
        Answer(body=b"x" * (1 << 20), repeat=50),
        Answer(status=429, headers={"Retry-After": "1"}),
        Answer(close=True),
        json_answer({"keys": None}),
    ],
)
@async_test
async def test_good_keys_survive_every_fault_and_are_renewed_after_it(
    server: FaultyServer, ca_file: Path, fault: Answer
) -> None:
    """F3, T18. And at the start, without any keys yet, the same fault heals by itself."""
    serve_discovery(server)
    server.script("/certs", fault, json_answer(key_set("k1")), fault, json_answer(key_set("k1", "k2")))
    async with kept_keys(server, ca_file, patience=patience_with(fault)) as (source, published):
        await until(lambda: len(published) == 2)

        assert published == [["k1"], ["k1", "k2"]]
        assert source.state().ready
        assert not source.state().stale
    assert server.most_in_flight == 1 or fault.delay


@async_test
async def test_rotated_keys_are_found_by_asking_and_unknown_ones_cost_one_request(
    server: FaultyServer, ca_file: Path
) -> None:
    """A hundred tokens with a new key: one fetch; a hundred with an invented one: none, in the cool-down."""
    serve_discovery(server)
    server.script("/certs", json_answer(key_set("k1")))
    async with client(ca_file) as http:
        settings = KeySettings(server.url("/realm", host=NAME), None, 3600.0, None)
        source = KeySource(settings, http.get, parse=judged, publish=lambda _: None, clock=HurriedClock())
        source.start()
        await until(lambda: source.state().ready)
        server.script("/certs", json_answer(key_set("k2")))
        await asyncio.sleep(0.51)  # the cool-down after the first fetch, in a hurry

        assert all(await asyncio.gather(*(source.refetch("k2") for _ in range(100))))
        assert not any(await asyncio.gather(*(source.refetch("invented") for _ in range(100))))
        await source.stop()

    assert len(server.seen("/certs")) == 2


@async_test
async def test_a_restart_during_an_outage_has_its_keys(server: FaultyServer, ca_file: Path, tmp_path: Path) -> None:
    """From the disk, at once; and the provider's return is noticed."""
    serve_discovery(server)
    server.script("/certs", json_answer(key_set("k1")))
    file = tmp_path / "keys.json"
    async with kept_keys(server, ca_file, file=file) as (source, _):
        await until(lambda: source.state().ready)
    server.go_down()

    async with kept_keys(server, ca_file, file=file) as (source, published):
        assert published == [["k1"]]
        assert source.state().stale
        server.come_up()
        await until(lambda: not source.state().stale)


def issued(authority: Authority, folder: Path, name: str) -> tuple[Path, Path]:
    return authority.issue(name, usages=(CLIENT,)).write(folder, name)


@async_test
async def test_a_server_that_asks_for_our_certificate_gets_it(
    tmp_path: Path, authority: Authority, ca_file: Path, tls: TLS
) -> None:
    """RFC 8705: with ours the request arrives, without it or with a stranger's there is no handshake."""
    own = issued(authority, tmp_path, "own")
    strange = issued(Authority.living("strange-ca", time.time()), tmp_path, "strange")
    with EchoService("127.0.0.1", 0, tls_server(*tls, ca_file)) as server:
        url = f"https://{NAME}:{server.port}/token"

        async def ask(pair: tuple[Path, Path] | None) -> int:
            http = HttpClient(HOSTS, ca_file, timeout=PATIENCE, client_pair=pair)
            try:
                return (await http.post_form(url, {"a": "b"})).status
            finally:
                await http.aclose()

        assert await ask(own) == 200
        for wrong in (None, strange):
            with pytest.raises(FetchError):
                await ask(wrong)
        assert len(server.seen) == 1

        http = HttpClient(HOSTS, ca_file, timeout=PATIENCE, client_pair=own)
        await http.post_form(url, {"a": "b"})
        issued(authority, tmp_path, "own")
        await http.post_form(url, {"a": "b"})
        await http.aclose()
    serials = [seen.peer_serial for seen in server.seen]
    assert serials[0] == serials[1] != serials[2]


def test_a_certificate_with_another_key_is_refused_at_once(tmp_path: Path, authority: Authority, ca_file: Path) -> None:
    """By name, when the configuration is read; not at the first token."""
    (cert, key), (_, other) = issued(authority, tmp_path, "own"), issued(authority, tmp_path, "other")
    HttpClient(HOSTS, ca_file, client_pair=(cert, key))

    with pytest.raises(CertificateProblems, match=r"own\.crt"):
        HttpClient(HOSTS, ca_file, client_pair=(cert, other))
