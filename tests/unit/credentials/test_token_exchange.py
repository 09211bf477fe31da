"""Exchanging a token: what is asked, what counts as an answer, and whose trouble a refusal is."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.support.tokens import a_subject

from authz_service.credentials import token_exchange as product
from authz_service.credentials.oauth2 import TokenRequest
from authz_service.credentials.token_exchange import ACCESS_TOKEN, GRANT, Exchanger
from authz_service.domain import time_budget
from authz_service.domain.questions import Absent, Answer, Exchange, Found
from authz_service.domain.secret import Secret
from authz_service.errors import FetchError
from authz_service.http_client import Response

NOW = 1_000_000.0
REQUEST = TokenRequest("https://idp/token", "order", Secret("s3cret"), ("stock",), "data")
GOOD = {"access_token": "new", "token_type": "Bearer", "expires_in": 300, "issued_token_type": ACCESS_TOKEN}


class Provider:
    """Answers as told, and remembers what it was asked."""

    def __init__(self, answer: Response | Exception, request: TokenRequest = REQUEST) -> None:
        self.answer = answer
        self.asked: list[tuple[Mapping[str, str], Mapping[str, str]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.results: Counter[tuple[str, str]] = Counter()
        self.exchanger = Exchanger("data", request, self.post_form, lambda: NOW, self.results)

    async def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        assert url == REQUEST.token_url
        self.asked.append((form, headers))
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def exchange(self, token: str = "t", left: float = 1000.0) -> Answer | None:
        return asyncio.run(self.exchanger.exchange(Exchange("key", token, left)))


def says(**changes: object) -> Response:
    body = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return Response(200, json.dumps(body).encode())


def test_what_is_asked() -> None:
    """RFC 8693 §2.1, and as the client of the target."""
    provider = Provider(says())

    found = provider.exchange()

    assert found == Found("new", 290.0)
    form, headers = provider.asked[0]
    assert form == {
        "grant_type": GRANT,
        "subject_token": "t",
        "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": ACCESS_TOKEN,
        "scope": "stock",
        "audience": "data",
    }
    assert headers["Authorization"].startswith("Basic ")
    assert provider.results == {("data", "exchanged"): 1}


def test_a_client_may_prove_itself_in_another_way() -> None:
    provider = Provider(says(), replace(REQUEST, client_auth="client_secret_post"))
    provider.exchange()

    form, headers = provider.asked[0]
    assert (form["client_id"], form["client_secret"], dict(headers)) == ("order", "s3cret", {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_type": "N_A"},
        {"token_type": "DPoP"},
        {"token_type": ...},
        {"issued_token_type": ...},
        {"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"access_token": ...},
        {"access_token": "two words"},
        {"access_token": "a\r\nx-admin: 1"},
        {"access_token": "x" * 20_000},
        {"access_token": "t"},  # the very one that was sent
        {"expires_in": 0},
        {"expires_in": "soon"},
        {"expires_in": True},
        {"access_token": a_subject(NOW - 1)},
    ],
)
def test_what_is_no_usable_token_for_the_target_is_none(wrong: dict[str, object]) -> None:
    assert isinstance(Provider(says()).exchange(), Found)
    provider = Provider(says(**wrong))
    assert provider.exchange() is None
    assert provider.results == {("data", "failed"): 1}


@pytest.mark.parametrize(
    ("changes", "left", "holds"),
    [
        ({}, 1000.0, 290.0),
        ({"access_token": a_subject(NOW + 100)}, 1000.0, 90.0),
        ({"access_token": a_subject(NOW + 900)}, 1000.0, 290.0),
        ({"access_token": a_subject(NOW + 100), "expires_in": ...}, 1000.0, 90.0),
        ({"expires_in": ...}, 1000.0, 50.0),
        ({"expires_in": 20}, 1000.0, 15.0),
        ({}, 100.0, 90.0),
        ({}, 4.0, 3.0),
    ],
)
def test_it_is_used_until_shortly_before_the_first_end_of_all(
    changes: dict[str, object], left: float, holds: float
) -> None:
    """What its provider says, what it says of itself, and the user's own token."""
    found = Provider(says(**changes)).exchange(left=left)
    assert isinstance(found, Found)
    assert found.holds == holds


def test_what_is_bound_to_our_certificate_is_not_kept_for_long() -> None:
    found = Provider(says(), replace(REQUEST, bound_to="abc")).exchange()
    assert isinstance(found, Found)
    assert found.holds == product.BOUND_LIFETIME * 3 / 4


@pytest.mark.parametrize(
    ("status", "error", "the_tokens"),
    [
        (400, "invalid_request", True),
        (400, "invalid_grant", True),
        (401, "invalid_token", True),
        (403, "access_denied", True),
        (400, "invalid_target", True),
        (400, "invalid_scope", True),
        (401, "invalid_client", False),
        (400, "unauthorized_client", False),
        (400, "unsupported_grant_type", False),
        (500, "invalid_grant", False),
        (400, "server_error", False),
        (400, "<b>", False),
        (404, "", False),
    ],
)
def test_whose_trouble_a_refusal_is(
    status: int, error: str, caplog: pytest.LogCaptureFixture, *, the_tokens: bool
) -> None:
    """The token's, or ours; the provider's own words are nobody's business."""
    caplog.set_level(logging.INFO)
    provider = Provider(Response(status, json.dumps({"error": error, "error_description": "s3cret words"}).encode()))

    assert provider.exchange("t0ken") == (Absent(error, product.REFUSED_FOR) if the_tokens else None)
    assert provider.results == {("data", "refused" if the_tokens else "failed"): 1}
    fields = [getattr(record, "fields", "") for record in caplog.records]
    shown = f"{caplog.text} {fields} {provider.exchanger.last_error}"
    assert "s3cret" not in shown
    assert "t0ken" not in shown


@pytest.mark.parametrize("answer", [Response(200, b"<html>"), Response(200, b"[]"), FetchError("no route")])
def test_no_answer_is_none(answer: Response | Exception) -> None:
    assert Provider(answer).exchange() is None


def test_however_many_ask_one_request_goes_out() -> None:
    """For each token, and no more than so many at a time."""
    provider = Provider(says())
    provider.open.clear()

    async def play() -> list[Answer | None]:
        waiting = [asyncio.create_task(provider.exchanger.exchange(Exchange("key", token, 1000.0))) for token in "aabb"]
        await asyncio.sleep(0.01)
        assert len(provider.asked) == 2
        provider.open.set()
        found = await asyncio.gather(*waiting)
        assert isinstance(await provider.exchanger.exchange(Exchange("key", "a", 1000.0)), Found)
        return found

    assert all(isinstance(found, Found) for found in asyncio.run(play()))
    assert len(provider.asked) == 3


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "MAX_IN_FLIGHT", 1)
    provider = Provider(says())
    provider.open.clear()

    async def play() -> None:
        first = asyncio.create_task(provider.exchanger.exchange(Exchange("key", "a", 1000.0)))
        await asyncio.sleep(0.01)
        assert await provider.exchanger.exchange(Exchange("key", "b", 1000.0)) is None
        provider.open.set()
        assert isinstance(await first, Found)
        assert isinstance(await provider.exchanger.exchange(Exchange("key", "b", 1000.0)), Found)

    asyncio.run(play())


def test_a_provider_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_budget, "EXCHANGE", 0.01)
    provider = Provider(says())
    provider.open.clear()

    assert provider.exchange() is None
    assert "no answer within" in provider.exchanger.last_error
    provider.exchanger.stop()
