"""Asking an issuer about a token: once for all who ask, within bounds; whatever is no clear answer is none."""

import asyncio
import base64
import logging
from collections import Counter
from collections.abc import Mapping

import pytest

from authz_service.domain.questions import Absent, Answer, Found
from authz_service.domain.secret import Secret
from authz_service.errors import FetchError
from authz_service.http_client import Response
from authz_service.trust import introspection as product
from authz_service.trust.introspection import IntrospectionEndpoint, Introspector

ENDPOINT = IntrospectionEndpoint("https://idp", "https://idp/introspect", "order", Secret("s3cret"), holds=5.0)
YES, NO = Found(holds=5.0), Absent(holds=5.0)


class Issuer:
    """Answers as told, and remembers what it was asked."""

    def __init__(self, answer: Response | Exception, endpoint: IntrospectionEndpoint = ENDPOINT) -> None:
        self.answer = answer
        self.asked: list[tuple[Mapping[str, str], Mapping[str, str]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.introspector = Introspector(endpoint, self.post_form, Counter())

    async def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        assert url == ENDPOINT.url
        self.asked.append((form, headers))
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def ask(self, token: str = "t") -> Answer | None:
        return asyncio.run(self.introspector.ask(token))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"active": true, "sub": "x"}', YES),
        (200, b'{"active": false}', NO),
        (200, b'{"active": "true"}', None),
        (200, b'{"active": 1}', None),
        (200, b'{"active": null}', None),
        (200, b"{}", None),
        (200, b"[true]", None),
        (200, b"true", None),
        (200, b"<html>", None),
        (200, b"[" * 100_000, None),
        (200, b"\xff", None),
        (401, b'{"active": true}', None),
        (204, b"", None),
        (500, b'{"active": true}', None),
    ],
)
def test_only_a_clear_answer_is_one(status: int, body: bytes, said: Answer | None) -> None:
    """And what went wrong is told until it goes well."""
    issuer = Issuer(Response(status, body))

    assert issuer.ask() == said
    assert issuer.introspector.results == {"failed" if said is None else "active" if said == YES else "inactive": 1}
    assert bool(issuer.introspector.last_error) is (said is None)
    issuer.answer = Response(200, b'{"active": true}')
    assert issuer.ask() == YES
    assert issuer.introspector.last_error == ""


def test_an_issuer_that_is_away_is_told_once_and_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    issuer = Issuer(FetchError("https://idp/introspect: connection refused"))
    with caplog.at_level(logging.WARNING):
        assert [issuer.ask("to.ke.n") for _ in range(3)] == [None] * 3

    assert [record.message for record in caplog.records] == ["introspection_failed"]
    assert "connection refused" in issuer.introspector.last_error
    assert "to.ke.n" not in str(caplog.records[0].__dict__)


def test_it_says_who_asks_in_the_way_that_is_configured() -> None:
    in_header, in_form = (
        Issuer(Response(200, b'{"active": true}')),
        Issuer(
            Response(200, b'{"active": true}'),
            IntrospectionEndpoint("https://idp", ENDPOINT.url, "order", Secret("s3cret"), "client_secret_post"),
        ),
    )
    for issuer in (in_header, in_form):
        issuer.ask("to.ke.n")

    common = {"token": "to.ke.n", "token_type_hint": "access_token"}
    assert in_header.asked == [(common, {"Authorization": "Basic " + base64.b64encode(b"order:s3cret").decode()})]
    assert in_form.asked == [({**common, "client_id": "order", "client_secret": "s3cret"}, {})]


def test_however_many_ask_about_a_token_one_request_goes_out() -> None:
    """Another token is another question; the next one after the answer too."""

    async def ask_together() -> list[Answer | None]:
        issuer.open.clear()
        waiting = [asyncio.create_task(issuer.introspector.ask(token)) for token in ("a", "a", "b", "a")]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting[0].cancel()  # who loses patience takes the answer from nobody
        issuer.open.set()
        return [*await asyncio.gather(*waiting[1:]), await issuer.introspector.ask("a")]

    issuer = Issuer(Response(200, b'{"active": true}'))
    assert asyncio.run(ask_together()) == [YES] * 4
    assert [form["token"] for form, _ in issuer.asked] == ["a", "b", "a"]


def test_patience_and_questions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that never answers holds nobody for long, and no more than so many."""
    monkeypatch.setattr(product, "TIMEOUT", 0.05)
    monkeypatch.setattr(product, "MAX_IN_FLIGHT", 2)

    async def ask_many() -> list[Answer | None]:
        issuer.open.clear()
        found = await asyncio.gather(*(issuer.introspector.ask(token) for token in "abc"))
        assert issuer.introspector.last_error.startswith("no answer within")
        issuer.open.set()
        return [*found, await issuer.introspector.ask("a")]

    issuer = Issuer(Response(200, b'{"active": true}'))
    assert asyncio.run(ask_many()) == [None, None, None, YES]
    assert len(issuer.asked) == 3
