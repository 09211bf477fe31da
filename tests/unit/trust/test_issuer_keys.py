"""An issuer's keys: what is believed, what survives a failure, and how often anybody may make us fetch (T18)."""

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support.fake_clock import FakeClock, async_test, settle

from authz_service.domain.rules import IssuerKeys
from authz_service.errors import FetchError
from authz_service.http_client import Response
from authz_service.trust.issuer_keys import (
    ABSENT_FOR,
    COOL_DOWN,
    FILE_LOOK,
    LARGEST_FILE,
    LONGEST_KID,
    LONGEST_RETRY,
    MOST_ABSENT,
    KeySettings,
    KeySource,
)

ISSUER = "https://idp.example/realms/users"
JWKS_URL = ISSUER + "/certs"
DISCOVERY_URL = ISSUER + "/.well-known/openid-configuration"


def key_set(*kids: str) -> bytes:
    return json.dumps(
        {"keys": [{"kty": "EC", "kid": kid, "crv": "P-256", "x": "AA", "y": "BB"} for kid in kids]}
    ).encode()


def judged(text: str) -> tuple[Mapping[str, object], list[str]]:
    """Stands for the verifier's own judgement: keys of kind EC, by kid, and what else is there."""
    keys = json.loads(text)["keys"]
    if not isinstance(keys, list):
        raise ValueError("no key set")  # noqa: TRY004 - as the real one
    good = {key["kid"]: key for key in keys if isinstance(key, dict) and key["kty"] == "EC"}
    return good, [f"{key}: no EC key" for key in keys if not isinstance(key, dict) or key["kty"] != "EC"]


class Provider:
    """A web server in a dictionary: URL -> body or what goes wrong."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.pages: dict[str, bytes | Exception | Response] = {JWKS_URL: key_set("k1")}
        self.asked: list[str] = []
        self.shown: list[str] = []  # with each
        self.takes = 0.0
        self.under_way = self.most_under_way = 0

    async def get(self, url: str, headers: Mapping[str, str]) -> Response:
        self.asked.append(url)
        self.shown.append(headers.get("Authorization", ""))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        if self.takes:
            await self.clock.sleep(self.takes)
        self.under_way -= 1
        page = self.pages.get(url, Response(404, b""))
        if isinstance(page, Exception):
            raise page
        return page if isinstance(page, Response) else Response(200, page)


class Setup:
    """One source with all its neighbours."""

    def __init__(
        self,
        *,
        jwks_url: str | None = JWKS_URL,
        file: Path | None = None,
        chance: float = 0.5,
        max_age: float = 86_400.0,
        jwks_file: Path | None = None,
        token_file: Path | None = None,
    ) -> None:
        self.clock = FakeClock(chance)
        self.provider = Provider(self.clock)
        self.published: list[IssuerKeys] = []
        settings = KeySettings(ISSUER, jwks_url, 3600.0, file, max_age, jwks_file, token_file)
        self.source = KeySource(
            settings, self.provider.get, parse=judged, publish=self.published.append, clock=self.clock
        )

    async def start(self) -> None:
        self.source.start()
        await self.clock.advance(0)

    @property
    def kids(self) -> list[list[str]]:
        """Of each publication."""
        return [[key["kid"] for key in json.loads(keys.jwks)["keys"]] for keys in self.published]


@async_test
async def test_keys_are_published_when_they_arrive_and_renewed_on_time() -> None:
    """The same keys again are no news."""
    setup = Setup()
    assert not setup.source.state().ready
    await setup.start()
    assert setup.kids == [["k1"]]
    state = setup.source.state()
    assert (state.ready, state.stale, state.count, state.age, state.last_error) == (True, False, 1, 0.0, "")

    await setup.clock.advance(0.6 * 3600 - 1)  # the first time somewhere before the interval ends
    assert len(setup.provider.asked) == 1
    setup.provider.pages[JWKS_URL] = key_set("k1", "k2")
    await setup.clock.advance(2)
    assert setup.kids == [["k1"], ["k1", "k2"]]
    await setup.clock.advance(3601)
    assert (len(setup.provider.asked), len(setup.published)) == (3, 2)
    await setup.source.stop()


@pytest.mark.parametrize(("chance", "interval"), [(0.0, 3240.0), (0.999999, 3960.0)])
@async_test
async def test_the_interval_has_jitter_of_a_tenth(chance: float, interval: float) -> None:
    """The first is scattered: from a fifth of it on."""
    setup = Setup(chance=chance)
    await setup.start()
    await setup.clock.advance(interval * (0.2 + 0.8 * chance) - 1)
    assert len(setup.provider.asked) == 1
    await setup.clock.advance(2)
    assert len(setup.provider.asked) == 2
    await setup.clock.advance(interval - 2)
    assert len(setup.provider.asked) == 2
    await setup.clock.advance(2)
    assert len(setup.provider.asked) == 3
    await setup.source.stop()


WRONG_ANSWERS: list[bytes | Exception | Response] = [
    FetchError("connection refused"),
    Response(500, key_set("evil")),
    Response(204, b""),
    b"",
    b"<html>maintenance</html>",
    b"[]",
    b"null",
    b'{"keys": {}}',
    key_set("k2")[:-5],
    b"\xff\xfe\x00",
    b"[" * 100_000,
    ZeroDivisionError("a bug"),
]


@pytest.mark.parametrize("wrong", WRONG_ANSWERS)
@async_test
async def test_a_failed_or_useless_fetch_never_replaces_good_keys(wrong: bytes | Exception | Response) -> None:
    """The good ones stay published; the state says that they are stale and why; then it heals by itself."""
    setup = Setup()
    await setup.start()
    setup.provider.pages[JWKS_URL] = wrong
    await setup.clock.advance(4000)

    state = setup.source.state()
    assert setup.kids == [["k1"]]
    assert (state.ready, state.stale, state.count) == (True, True, 1)
    assert state.last_error
    assert state.failures > 10
    assert state.age == pytest.approx(4000)

    setup.provider.pages[JWKS_URL] = key_set("k2")
    await setup.clock.advance(30)
    assert setup.kids == [["k1"], ["k2"]]
    assert not setup.source.state().stale
    await setup.source.stop()


NO_KEYS: list[bytes | Exception | Response] = [
    b'{"keys": []}',
    b'{"keys": [7]}',
    b'{"keys": [{"kty": "oct", "kid": "evil", "k": "AA"}]}',
]


@pytest.mark.parametrize("empty", NO_KEYS)
@async_test
async def test_a_key_set_without_a_usable_key_takes_the_keys_back(
    empty: bytes | Exception | Response, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the issuer's word, unlike an answer that is no key set: also after a restart. It heals by itself."""
    file = tmp_path / "keys.json"
    setup = Setup(file=file)
    await setup.start()
    assert file.exists()
    setup.provider.pages[JWKS_URL] = empty
    await setup.clock.advance(4000)

    state = setup.source.state()
    assert (state.ready, state.count) == (False, 0)
    assert "no usable key" in state.last_error
    assert [keys.jwks for keys in setup.published[1:]] == [""]
    assert not file.exists()
    assert [record.message for record in caplog.records].count("keys_withdrawn") == 1

    setup.provider.pages[JWKS_URL] = key_set("k1")
    await setup.clock.advance(5)
    assert setup.source.state().ready
    assert setup.published[-1] == setup.published[0]
    await setup.source.stop()


@async_test
async def test_keys_that_cannot_be_renewed_end_with_their_greatest_age() -> None:
    """A second before, they serve."""
    setup = Setup(max_age=7200.0)
    await setup.start()
    setup.provider.pages[JWKS_URL] = FetchError("connection refused")
    await setup.clock.advance(7200 - 60)
    assert setup.source.state().ready
    await setup.clock.advance(60 + LONGEST_RETRY)

    assert not setup.source.state().ready
    assert [keys.jwks for keys in setup.published[1:]] == [""]
    await setup.source.stop()


@async_test
async def test_a_key_that_is_left_out_is_named_with_why(caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the others in use."""
    setup = Setup()
    setup.provider.pages[JWKS_URL] = json.dumps({"keys": [*json.loads(key_set("k1"))["keys"], {"kty": "oct"}]}).encode()
    await setup.start()
    await setup.clock.advance(8000)

    (record,) = [one for one in caplog.records if one.message == "keys_left_out"]
    assert record.fields == {"issuer": ISSUER, "keys": ["{'kty': 'oct'}: no EC key"]}  # type: ignore[attr-defined]
    assert setup.source.state().ready
    await setup.source.stop()


@pytest.mark.parametrize("wrong", WRONG_ANSWERS + NO_KEYS)
@async_test
async def test_without_keys_it_is_not_ready_and_heals_within_five_seconds(wrong: bytes | Exception | Response) -> None:
    """Tries grow from 0.2 s to 5 s apart, for as long as it takes."""
    setup = Setup(chance=0.999999)
    setup.provider.pages[JWKS_URL] = wrong
    await setup.start()
    await setup.clock.advance(0.2)
    assert len(setup.provider.asked) == 2
    await setup.clock.advance(60)
    assert not setup.source.state().ready
    assert setup.published == []

    setup.provider.pages[JWKS_URL] = key_set("k1")
    await setup.clock.advance(5)
    assert setup.source.state().ready
    await setup.source.stop()


@async_test
async def test_private_and_symmetric_keys_go_no_further() -> None:
    """Nor does anything else that a verifier does not need."""
    setup = Setup()
    odd = [
        {"kty": "EC", "kid": "private", "crv": "P-256", "x": "AA", "y": "BB", "d": "CC"},
        {"kty": "oct", "kid": "shared", "k": "AA"},
        {"kty": "EC", "kid": "good", "use": "sig", "alg": "ES256", "crv": "P-256", "x": "AA", "y": "BB", "x5c": ["…"]},
    ]
    setup.provider.pages[JWKS_URL] = json.dumps({"keys": odd}).encode()
    await setup.start()

    assert json.loads(setup.published[0].jwks) == {
        "keys": [{"kty": "EC", "kid": "good", "use": "sig", "alg": "ES256", "crv": "P-256", "x": "AA", "y": "BB"}]
    }
    await setup.source.stop()


@async_test
async def test_retry_after_is_obeyed() -> None:
    setup = Setup(chance=0.0)
    setup.provider.pages[JWKS_URL] = Response(429, b"", retry_after=60.0)
    await setup.start()
    await setup.clock.advance(59)
    assert len(setup.provider.asked) == 1
    await setup.clock.advance(2)
    assert len(setup.provider.asked) == 2
    await setup.source.stop()


@async_test
async def test_discovery_finds_the_keys() -> None:
    setup = Setup(jwks_url=None)
    setup.provider.pages[DISCOVERY_URL] = json.dumps({"issuer": ISSUER, "jwks_uri": JWKS_URL}).encode()
    await setup.start()

    assert setup.kids == [["k1"]]
    await setup.source.stop()


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": ISSUER + "/", "jwks_uri": JWKS_URL},
        {"issuer": "https://evil.example", "jwks_uri": JWKS_URL},
        {"jwks_uri": JWKS_URL},
        {"issuer": ISSUER, "jwks_uri": JWKS_URL.replace("https", "http")},
        {"issuer": ISSUER, "jwks_uri": "http://10.1.2.3:8080/jwks"},
        {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1.evil.example/jwks"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": "/certs"},
        {"issuer": ISSUER, "jwks_uri": "https://[bad"},
        {"issuer": ISSUER, "jwks_uri": 7},
        {"issuer": ISSUER},
        [],
        None,
    ],
)
@async_test
async def test_a_wrong_discovery_document_is_not_followed(document: object) -> None:
    """The issuer must be this very one, and the keys must not come over a weaker transport."""
    setup = Setup(jwks_url=None)
    setup.provider.pages[DISCOVERY_URL] = json.dumps(document).encode()
    for url in (JWKS_URL.replace("https", "http"), "file:///etc/passwd", "/certs"):
        setup.provider.pages[url] = key_set("evil")
    await setup.start()

    assert setup.published == []
    assert set(setup.provider.asked) == {DISCOVERY_URL}
    await setup.source.stop()


@async_test
async def test_a_new_key_is_found_at_once() -> None:
    """The provider rotated; a token names the new key."""
    setup = Setup()
    await setup.start()
    await setup.clock.advance(COOL_DOWN)
    setup.provider.pages[JWKS_URL] = key_set("k2")

    assert await setup.source.refetch("k2")
    assert setup.kids == [["k1"], ["k2"]]
    assert await setup.source.refetch("k2")
    assert len(setup.provider.asked) == 2
    await setup.source.stop()


@async_test
async def test_many_askers_cause_one_request() -> None:
    """Single flight: a hundred requests with the new key, one fetch, and all of them get it."""
    setup = Setup()
    await setup.start()
    await setup.clock.advance(COOL_DOWN)
    setup.provider.pages[JWKS_URL] = key_set("k2")
    setup.provider.takes = 1.0

    askers = [asyncio.create_task(setup.source.refetch("k2")) for _ in range(100)]
    await setup.clock.advance(2)

    assert all([await asker for asker in askers])
    assert (len(setup.provider.asked), setup.provider.most_under_way) == (2, 1)
    await setup.source.stop()


@async_test
async def test_strangers_cannot_make_us_fetch_more_often_than_the_cool_down() -> None:
    """A minute of tokens with invented keys, ten each second."""
    setup = Setup()
    await setup.start()
    for number in range(600):
        assert not await setup.source.refetch(f"invented-{number}")
        await setup.clock.advance(0.1)

    assert len(setup.provider.asked) <= 1 + 60 / COOL_DOWN
    assert setup.kids == [["k1"]]
    await setup.source.stop()


@async_test
async def test_a_key_that_was_absent_is_not_looked_for_again_soon() -> None:
    """One bad client that repeats itself costs one request in half a minute, and a key that appears later is found."""
    setup = Setup()
    await setup.start()
    await setup.clock.advance(COOL_DOWN)
    assert not await setup.source.refetch("later")
    await setup.clock.advance(ABSENT_FOR - 1)
    assert not await setup.source.refetch("later")
    assert len(setup.provider.asked) == 2

    await setup.clock.advance(2)
    setup.provider.pages[JWKS_URL] = key_set("k1", "later")
    assert await setup.source.refetch("later")
    await setup.source.stop()


@async_test
async def test_an_absent_key_is_there_as_soon_as_anybody_fetched_it() -> None:
    """The negative cache does not outlive the answer that it is about."""
    setup = Setup()
    await setup.start()
    await setup.clock.advance(COOL_DOWN)
    assert not await setup.source.refetch("later")
    await setup.clock.advance(COOL_DOWN)
    setup.provider.pages[JWKS_URL] = key_set("k1", "later", "other")
    assert await setup.source.refetch("other")

    assert await setup.source.refetch("later")
    await setup.source.stop()


@async_test
async def test_a_failed_refetch_says_nothing_about_the_key() -> None:
    """After an outage the key is found as soon as the cool-down is over."""
    setup = Setup()
    await setup.start()
    await setup.clock.advance(COOL_DOWN)
    setup.provider.pages[JWKS_URL] = FetchError("down", retry_after=300.0)
    assert not await setup.source.refetch("k2")
    setup.provider.pages[JWKS_URL] = key_set("k2")
    await setup.clock.advance(COOL_DOWN + 0.1)

    assert await setup.source.refetch("k2")
    await setup.source.stop()


@async_test
async def test_a_failed_refetch_is_mended_long_before_the_next_interval() -> None:
    """The background task notices that it is due earlier now."""
    setup = Setup()
    await setup.start()
    await setup.clock.advance(COOL_DOWN)
    setup.provider.pages[JWKS_URL] = FetchError("down")
    await setup.source.refetch("k2")
    assert setup.source.state().stale
    setup.provider.pages[JWKS_URL] = key_set("k2")
    await setup.clock.advance(11)

    assert setup.kids == [["k1"], ["k2"]]
    await setup.source.stop()


@async_test
async def test_the_memory_of_absent_keys_is_bounded() -> None:
    """Neither many names nor long ones fill it."""
    setup = Setup()
    await setup.start()
    await setup.clock.advance(COOL_DOWN)
    asked = len(setup.provider.asked)
    assert not await setup.source.refetch("x" * (LONGEST_KID + 1))
    assert len(setup.provider.asked) == asked
    for number in range(MOST_ABSENT + 10):
        setup.source._remember_absent(f"kid-{number}")

    assert len(setup.source._absent) == MOST_ABSENT
    assert "kid-0" not in setup.source._absent
    await setup.source.stop()


@async_test
async def test_saved_keys_serve_while_the_provider_is_down_at_the_start(tmp_path: Path) -> None:
    """They are published before anything is fetched, marked stale, and replaced when it is back."""
    file = tmp_path / "keys.json"
    first = Setup(file=file)
    await first.start()
    await first.source.stop()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]

    second = Setup(file=file)
    second.clock.wall_offset += 3600
    second.provider.pages[JWKS_URL] = FetchError("down")
    second.source.start()
    assert second.published == first.published
    state = second.source.state()
    assert (state.ready, state.stale, state.age) == (True, True, 3600.0)
    await second.clock.advance(60)
    assert second.source.state().stale

    second.provider.pages[JWKS_URL] = key_set("k2")
    await second.clock.advance(30)
    assert second.kids == [["k1"], ["k2"]]
    assert not second.source.state().stale
    await second.source.stop()


def _change(file: Path, **members: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | members))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.chmod(0o640),
        lambda file: file.chmod(0o602),
        lambda file: file.write_text("garbage"),
        lambda file: file.write_text("[]"),
        lambda file: file.write_text("{}"),
        lambda file: file.write_bytes(b"\xff"),
        lambda file: _change(file, issuer="https://other.example"),
        lambda file: _change(file, jwks_url="https://other.example/certs"),
        lambda file: _change(file, fetched_at="yesterday"),
        lambda file: _change(file, fetched_at=0),
        lambda file: _change(file, fetched_at=1e12),
        lambda file: _change(file, jwks='{"keys": []}'),
        lambda file: _change(file, jwks=7),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
@async_test
async def test_a_saved_file_that_is_odd_in_one_thing_is_not_believed(tmp_path: Path, spoil: object) -> None:
    """The untouched file is believed, in the test above. Whoever can write it could make himself an issuer."""
    file = tmp_path / "keys.json"
    first = Setup(file=file)
    await first.start()
    await first.source.stop()
    assert callable(spoil)
    spoil(file)

    second = Setup(file=file)
    second.source.start()
    assert second.published == []
    await second.clock.advance(0)
    assert second.kids == [["k1"]]
    await second.source.stop()


@async_test
async def test_a_state_directory_that_cannot_be_written_costs_only_the_saving(tmp_path: Path) -> None:
    setup = Setup(file=tmp_path / "missing" / "keys.json")
    await setup.start()
    assert setup.source.state().ready
    await setup.source.stop()


@async_test
async def test_a_publisher_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Keys that nobody got are not called good."""
    clock = FakeClock()
    provider, published, broken = Provider(clock), [], [OSError("worker gone")]

    def publish(keys: IssuerKeys) -> None:
        if broken:
            raise broken.pop()
        published.append(keys)

    source = KeySource(
        KeySettings(ISSUER, JWKS_URL, 3600.0, None), provider.get, parse=judged, publish=publish, clock=clock
    )
    source.start()
    await clock.advance(0)
    assert not source.state().ready
    await clock.advance(1)
    assert source.state().ready
    assert len(published) == 1
    await source.stop()


@async_test
async def test_stopping_in_the_middle_of_a_request_leaves_nothing_behind() -> None:
    setup = Setup()
    setup.provider.takes = 1e6
    await setup.start()
    await setup.source.stop()
    await settle()


@async_test
async def test_the_log_says_what_happened_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """An answer's text is not quoted."""
    caplog.set_level(logging.DEBUG)
    setup = Setup()
    await setup.start()
    setup.provider.pages[JWKS_URL] = b"<html>PAGE</html>"
    await setup.clock.advance(3700)

    assert [record.message for record in caplog.records][:2] == ["keys_refreshed", "keys_refresh_failed"]
    assert "PAGE" not in repr([vars(record) for record in caplog.records]) + repr(setup.source.state())
    await setup.source.stop()


@async_test
async def test_keys_may_come_from_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is asked. A change is seen within seconds; what is no key set, or is gone, changes nothing."""
    caplog.set_level(logging.INFO)
    file = tmp_path / "keys.json"
    file.write_bytes(key_set("k1"))
    setup = Setup(jwks_url=None, jwks_file=file)
    await setup.start()
    assert setup.kids == [["k1"]]
    await setup.clock.advance(60)
    assert [one.message for one in caplog.records] == ["keys_refreshed"]

    file.write_bytes(key_set("k2"))
    await setup.clock.advance(FILE_LOOK * 1.2)
    assert setup.kids == [["k1"], ["k2"]]
    for wrong in (key_set("k3")[:-5], b"\xff", b"x" * (LARGEST_FILE + 1)):
        file.write_bytes(wrong)
        await setup.clock.advance(40)
        assert setup.source.state().failures
    file.unlink()
    await setup.clock.advance(40)
    assert str(file) in setup.source.state().last_error
    assert (setup.kids, setup.provider.asked) == ([["k1"], ["k2"]], [])
    await setup.source.stop()


@async_test
async def test_a_credential_is_read_anew_for_each_fetch(tmp_path: Path) -> None:
    """Kubernetes replaces it every hour. What is none is not sent, and not told."""
    file = tmp_path / "token"
    file.write_text("first\n")
    setup = Setup(token_file=file)
    await setup.start()
    file.write_text("second")
    await setup.clock.advance(4000)
    assert setup.provider.shown == ["Bearer first", "Bearer second"]

    for wrong in ("", "two words", "a\r\nX: y", "s3cret\x00"):
        file.write_text(wrong)
        await setup.clock.advance(4000)
        assert "no bearer token" in setup.source.state().last_error
        assert "s3cret" not in setup.source.state().last_error
    assert len(setup.provider.shown) == 2
    await setup.source.stop()


@async_test
async def test_a_credential_is_not_shown_to_whom_discovery_names(tmp_path: Path) -> None:
    """The configuration refuses it without `jwks_url`."""
    setup = Setup(jwks_url=None)
    setup.provider.pages[DISCOVERY_URL] = json.dumps({"issuer": ISSUER, "jwks_uri": JWKS_URL}).encode()
    await setup.start()

    assert setup.provider.shown == ["", ""]
    await setup.source.stop()
