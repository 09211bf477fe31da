"""Which answers of a token endpoint are believed, and how the request looks."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.fake_clock import EPOCH, async_test

from authz_service.credentials.oauth2 import (
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    LONGEST_TOKEN,
    Token,
    TokenRequest,
    cache_key,
    fetch_token,
    read_token,
)
from authz_service.domain.secret import Secret
from authz_service.errors import FetchError
from authz_service.http_client import Response

GOOD: dict[str, object] = {"access_token": "abc.def.ghi", "token_type": "Bearer", "expires_in": 300, "scope": "a b"}
REQUEST = TokenRequest("https://idp.example/token", "order-service", Secret("p:ä&ss"), ("b", "a"))


def read(request: TokenRequest | None = None, /, **changes: object) -> Token:
    answer = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return read_token(json.dumps(answer).encode(), request or replace(REQUEST, scopes=("asked",)), EPOCH)


def a_jwt(payload: object) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=") + ".c2ln"


def test_a_good_answer_is_a_token() -> None:
    assert read() == Token(Secret("abc.def.ghi"), 300.0, ("a", "b"))


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": ...},
        {"access_token": None},
        {"access_token": 7},
        {"access_token": ""},
        {"access_token": "abc\r\nX-User-ID: admin"},
        {"access_token": "abc\n"},
        {"access_token": "abc def"},
        {"access_token": "abc,def"},
        {"access_token": "äbc"},
        {"access_token": "a" * (LONGEST_TOKEN + 1)},
        {"token_type": ...},
        {"token_type": None},
        {"token_type": "mac"},
        {"expires_in": "3600.0.0"},
        {"access_token": "a b"},
        {"token_type": "DPoP"},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": -(10**400)},
        {"expires_in": "0"},
        {"expires_in": "-1"},
        {"expires_in": "5m"},
        {"expires_in": "٣"},
        {"expires_in": True},
        {"expires_in": []},
        {"expires_in": float("nan")},
        {"expires_in": float("-inf")},
        {"expires_in": ..., "access_token": a_jwt({"exp": EPOCH - 1})},
        {"expires_in": ..., "access_token": a_jwt({"exp": -(10**400)})},
        {"expires_in": ..., "access_token": a_jwt({"exp": float("nan")})},
    ],
)
def test_one_wrong_member_is_enough_to_refuse_the_answer(change: dict[str, object]) -> None:
    """The good twin is accepted above."""
    with pytest.raises(FetchError):
        read(**change)


@pytest.mark.parametrize(
    ("change", "lifetime"),
    [
        ({"expires_in": 1}, 1.0),
        ({"expires_in": 0.5}, 0.5),
        ({"expires_in": "300"}, 300.0),
        ({"expires_in": "300.0"}, 300.0),
        ({"access_token": a_jwt({"exp": EPOCH + 100})}, 100.0),
        ({"access_token": a_jwt({"exp": EPOCH + 1000, "iat": EPOCH + 800})}, 200.0),
        ({"access_token": a_jwt({"exp": EPOCH - 100, "iat": EPOCH - 220})}, 120.0),
        ({"access_token": a_jwt({"exp": EPOCH + 1000})}, 300.0),
        ({"access_token": a_jwt({"exp": EPOCH - 100})}, 300.0),
        ({"access_token": a_jwt({"exp": "x", "iat": []})}, 300.0),
        ({"access_token": a_jwt({"exp": 10**400})}, 300.0),
        ({"expires_in": 10**9}, LONGEST_LIFETIME),
        ({"expires_in": 10**400}, LONGEST_LIFETIME),
        ({"expires_in": float("inf")}, LONGEST_LIFETIME),
        ({"expires_in": ...}, DEFAULT_LIFETIME),
        ({"expires_in": None}, DEFAULT_LIFETIME),
        ({"expires_in": ..., "access_token": "opaque"}, DEFAULT_LIFETIME),
        ({"expires_in": ..., "access_token": a_jwt([])}, DEFAULT_LIFETIME),
        ({"expires_in": ..., "access_token": a_jwt({})}, DEFAULT_LIFETIME),
        ({"expires_in": ..., "access_token": a_jwt({"exp": "soon"})}, DEFAULT_LIFETIME),
        ({"expires_in": ..., "access_token": a_jwt({"exp": True})}, DEFAULT_LIFETIME),
        ({"expires_in": ..., "access_token": a_jwt({"exp": EPOCH + 120})}, 120.0),
        ({"expires_in": ..., "access_token": a_jwt({"exp": 10**400})}, LONGEST_LIFETIME),
    ],
)
def test_the_lifetime_is_bounded_and_has_a_default(change: dict[str, object], lifetime: float) -> None:
    """`expires_in`, else the token's own `exp`, else a minute; never more than a day."""
    assert read(**change).lifetime == pytest.approx(lifetime)


def test_scopes_are_those_granted_else_those_asked_for() -> None:
    """A narrower grant is visible; an unprintable one is not believed."""
    assert read(scope="a").scopes == ("a",)
    assert read(scope=...).scopes == ("asked",)
    assert read(scope="a\nb").scopes == ("asked",)
    assert read(scope=["a"]).scopes == ("asked",)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"access_token": "a', b"9" * 5000]
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(FetchError):
        read_token(body, REQUEST, EPOCH)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=50).map(json.dumps).map(str.encode))
def test_garbage_is_refused_and_never_crashes(body: bytes) -> None:
    with pytest.raises(FetchError):
        read_token(body, REQUEST, EPOCH)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(GOOD)), st.none() | st.text() | st.integers() | st.floats() | st.booleans())
)
def test_whatever_is_accepted_fits_into_a_header_and_ends(changes: dict[str, object]) -> None:
    """Any members at all: either refused, or a token of visible ASCII with a bounded life."""
    try:
        token = read(**changes)
    except FetchError:
        return
    text = token.value.reveal()
    assert text
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set(" ,;")
    assert 0 < token.lifetime <= LONGEST_LIFETIME


@pytest.mark.parametrize("value", ["00Dxx0000000000!AQ0AQExample.K3xY", "Atza|IwEBExampleOnly", "a:b@c", "~", "a=b=="])
def test_a_token_of_any_visible_letters_is_taken(value: str) -> None:
    """RFC 6749 A.12: salesforce's have `!`, amazon's `|`. What would part a header's value is refused."""
    assert read(access_token=value).value.reveal() == value
    for wrong in (f"{value} x", f"{value},x", f"{value};x", f'{value}"', f"{value}\n", f"{value}\x7f", f"{value}é"):
        with pytest.raises(FetchError):
            read(access_token=wrong)


@pytest.mark.parametrize(
    ("wanted", "taken", "refused"),
    [
        ("Bearer", ["Bearer", "bearer", "BEARER"], ["BearerToken", "", None, ..., "DPoP"]),
        ("BearerToken", ["BearerToken", "bearertoken"], ["Bearer", ..., "mac"]),
        ("any", ["Bearer", "BearerToken", "urn:x", "", None, ...], ["DPoP", "dpop", "MAC", "PoP", 7, ["Bearer"]]),
    ],
)
def test_what_a_provider_calls_a_bearer_token_is_said_by_a_key(
    wanted: str, taken: list[object], refused: list[object]
) -> None:
    """apigee's is a BearerToken, and some say nothing. What wants a proof is no bearer's, whatever is configured."""
    request = replace(REQUEST, token_type=wanted)
    for found in taken:
        assert read(request, token_type=found).value.reveal() == "abc.def.ghi"
    for found in refused:
        with pytest.raises(FetchError, match="token_type"):
            read(request, token_type=found)


class Endpoint:
    """Remembers what it was asked, gives one answer."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.form: Mapping[str, str] = {}
        self.headers: Mapping[str, str] = {}

    async def __call__(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        self.form, self.headers = form, headers
        return self.response


async def fetch(endpoint: Endpoint, request: TokenRequest = REQUEST) -> Token:
    return await fetch_token(endpoint, request, lambda: EPOCH)


@async_test
async def test_the_secret_travels_in_the_authorization_header_by_default() -> None:
    """Form-encoded before base64 (RFC 6749 §2.3.1), and not in the form."""
    endpoint = Endpoint(Response(200, json.dumps(GOOD).encode()))

    await fetch(endpoint)

    assert endpoint.form == {"grant_type": "client_credentials", "scope": "b a"}
    scheme, _, pair = endpoint.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"order-service:p%3A%C3%A4%26ss")


@async_test
async def test_the_secret_travels_in_the_form_when_told_so() -> None:
    """And then not in a header."""
    endpoint = Endpoint(Response(200, json.dumps(GOOD).encode()))

    await fetch(endpoint, replace(REQUEST, client_auth="client_secret_post", scopes=(), audience="data-service"))

    assert endpoint.headers == {}
    assert endpoint.form == {
        "grant_type": "client_credentials",
        "audience": "data-service",
        "client_id": "order-service",
        "client_secret": "p:ä&ss",
    }


@async_test
async def test_more_fields_of_the_form_are_sent_and_none_in_place_of_ours() -> None:
    """ADFS wants `resource`. Tokens that were asked for otherwise are not shared."""
    endpoint = Endpoint(Response(200, json.dumps(GOOD).encode()))
    request = replace(REQUEST, params=(("resource", "https://api"), ("scope", "admin"), ("grant_type", "password")))

    await fetch(endpoint, request)

    assert endpoint.form == {"grant_type": "client_credentials", "scope": "b a", "resource": "https://api"}
    assert cache_key(request) != cache_key(REQUEST)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b'{"error": "invalid_client", "error_description": "DESCRIPTION"}', "does not accept this client_id"),
        (400, b'{"error": "unauthorized_client"}', "allow service accounts"),
        (401, b'{"error": "unauthorized_client"}', "does not accept this client_id"),
        (200, b'{"error": "invalid_client", "access_token": "a", "token_type": "Bearer"}', "invalid_client"),
        (201, b'{"error": "invalid_scope"}', "scopes"),
        (400, b'{"error": "invalid_scope"}', "scopes"),
        (400, b'{"error": "new_thing"}', "new_thing"),
        (400, b'{"error": "DESCRIPTION\\n forged"}', "HTTP 400"),
        (500, b"<html>DESCRIPTION</html>", "HTTP 500"),
        (204, b"", "HTTP 204"),
    ],
)
@async_test
async def test_a_refusal_says_what_to_do_and_quotes_nothing(status: int, body: bytes, said: str) -> None:
    """Neither the secret nor the answer's own words get into the error, which is logged."""
    with pytest.raises(FetchError, match=said) as refused:
        await fetch(Endpoint(Response(status, body, retry_after=7.0)))

    assert refused.value.retry_after == 7.0
    assert "DESCRIPTION" not in str(refused.value)
    assert REQUEST.client_secret.reveal() not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [
        (401, "invalid_client", True),
        (400, "unauthorized_client", True),
        (400, "invalid_scope", True),
        (200, "invalid_client", True),
        (400, "temporarily_unavailable", False),
        (400, "new_thing", False),
        (503, "invalid_client", False),
        (429, "", False),
        (500, "server_error", False),
        (404, "", False),
    ],
)
@async_test
async def test_a_refusal_that_does_not_pass_by_itself_is_told_apart(status: int, code: str, *, permanent: bool) -> None:
    """What does not say so may be an outage, and is asked again soon."""
    body = json.dumps({"error": code} if code else {}).encode()
    with pytest.raises(FetchError) as refused:
        await fetch(Endpoint(Response(status, body)))

    assert refused.value.permanent is permanent


def test_neither_request_nor_token_prints_its_secret() -> None:
    assert REQUEST.client_secret.reveal() not in repr(REQUEST)
    assert "abc.def.ghi" not in repr(read())
    assert "abc.def.ghi" not in repr(Response(200, json.dumps(GOOD).encode()))


@async_test
async def test_created_is_as_good_as_ok() -> None:
    assert (await fetch(Endpoint(Response(201, json.dumps(GOOD).encode())))).value.reveal() == "abc.def.ghi"
