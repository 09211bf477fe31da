"""Where a token may stand: where the configuration says, and in one place."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.decisions import unless_refused

from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import HeaderRules
from authz_service.identity.bearer import bearer_token
from authz_service.identity.token_places import TokenPlaces

HEADER = HeaderRules(pass_token=True, inject=(), extract=())
BARE = msgspec.structs.replace(HEADER, auth_header="X-Access-Token", auth_scheme="none")
EVERYWHERE = msgspec.structs.replace(HEADER, auth_cookie="at", auth_websocket_protocol="bearer.")
TOKEN = "a.b-c_.d"

Found = dict[bytes, bytes]


def token_in(found: Found, rules: HeaderRules) -> str | None:
    """As the gate reads it."""
    return bearer_token(TokenPlaces(rules).authorization(found), rules.auth_scheme)


PLACES: list[Found] = [
    {b"authorization": b"Bearer a.b-c_.d"},
    {b"cookie": b"at=a.b-c_.d"},
    {b"cookie": b"x=1; at=a.b-c_.d; y=2"},
    {b"cookie": b"x=1,at=a.b-c_.d"},  # two Cookie headers, joined on the way
    {b"sec-websocket-protocol": b"chat, bearer.a.b-c_.d"},
    {b"sec-websocket-protocol": b"bearer.a.b-c_.d,chat"},
]


@pytest.mark.parametrize("found", PLACES)
@pytest.mark.parametrize("rules", [EVERYWHERE, msgspec.structs.replace(EVERYWHERE, auth_scheme="none")])
def test_a_token_is_found_where_the_configuration_says(found: Found, rules: HeaderRules) -> None:
    """And nowhere else: without the keys, a cookie and an offer are none."""
    if rules.auth_scheme == "none":
        found = {name: value.removeprefix(b"Bearer ") for name, value in found.items()}

    assert token_in(found, rules) == TOKEN
    assert token_in(found, HEADER if b"authorization" not in found else BARE) is None


@pytest.mark.parametrize(
    "found",
    [
        {b"cookie": b"xat=a.b.c; at2=a.b.c; AT=a.b.c; a t=x"},
        {b"cookie": b"x=at"},
        {b"sec-websocket-protocol": b"chat, Bearer.a.b.c, xbearer.a"},
        {b"cookie2": b"at=a.b.c", b"x-access-token": b"a.b.c"},
        {},
    ],
)
def test_what_is_called_otherwise_is_no_token(found: Found) -> None:
    assert token_in(found, EVERYWHERE) is None


@pytest.mark.parametrize("rules", [EVERYWHERE, msgspec.structs.replace(EVERYWHERE, auth_scheme="none")])
@pytest.mark.parametrize("one", range(len(PLACES)))
@pytest.mark.parametrize("two", range(len(PLACES)))
def test_two_at_once_are_refused(one: int, two: int, rules: HeaderRules) -> None:
    """Also two of one kind, and the same twice: whoever reads the other one would see another caller."""
    found = dict(PLACES[one])
    for name, value in PLACES[two].items():
        found[name] = found[name] + b"," + value if name in found else value

    with pytest.raises(Rejected) as refusal:
        token_in(found, rules)
    assert refusal.value.reason is Reason.TOKEN_MALFORMED


def test_the_same_place_twice_in_one_line_is_two() -> None:
    for found in ({b"cookie": b"at=a.b.c; at=a.b.c"}, {b"sec-websocket-protocol": b"bearer.a, bearer.a"}):
        with pytest.raises(Rejected):
            token_in(found, EVERYWHERE)


def test_an_empty_place_is_a_broken_token() -> None:
    """Not an absent one: a public route must not take it for none."""
    for found in ({b"cookie": b"at="}, {b"sec-websocket-protocol": b"bearer."}):
        with pytest.raises(Rejected):
            token_in(found, EVERYWHERE)


@pytest.mark.parametrize(
    ("origin", "other"),
    [
        (b"https://app.example:8443", False),
        (b"https://partner.example", False),
        (b"http://app.example:8443", True),
        (b"https://app.example", True),
        (b"https://evil.example", True),
        (b"https://app.example:8443.evil.example", True),
        (b"null", True),
        (b"", True),
    ],
)
def test_a_cookie_is_not_for_pages_of_other_origins(origin: bytes, other: bool) -> None:
    """A browser sends it along whoever asks; a token in a header or an offer a page must know."""
    rules = msgspec.structs.replace(EVERYWHERE, auth_origins=("https://partner.example",))
    sent = {b"host": b"App.example:8443", b"origin": origin}

    assert TokenPlaces(rules).is_of_another_page({**sent, b"cookie": b"at=a.b.c"}) is other
    assert not TokenPlaces(rules).is_of_another_page({**sent, b"authorization": b"Bearer a.b.c"})
    assert not TokenPlaces(rules).is_of_another_page({**sent, b"sec-websocket-protocol": b"bearer.a.b.c"})
    assert not TokenPlaces(rules).is_of_another_page({b"host": b"app.example:8443", b"cookie": b"at=a.b.c"})
    assert not TokenPlaces(HEADER).is_of_another_page({**sent, b"cookie": b"at=a.b.c"})


def test_behind_a_balancer_that_ends_tls_a_page_of_ours_may_look_plain() -> None:
    plain = msgspec.structs.replace(EVERYWHERE, auth_over_tls=False)
    sent = {b"host": b"app.example", b"cookie": b"at=a.b.c"}

    assert not TokenPlaces(plain).is_of_another_page({**sent, b"origin": b"http://app.example"})
    assert not TokenPlaces(plain).is_of_another_page({**sent, b"origin": b"https://app.example"})
    assert TokenPlaces(plain).is_of_another_page({**sent, b"origin": b"http://evil.example"})


NAMES = [b"authorization", b"cookie", b"sec-websocket-protocol", b"origin", b"host"]


@given(st.dictionaries(st.sampled_from(NAMES), st.binary()))
def test_whatever_arrives_is_a_token_none_or_a_refusal(found: Found) -> None:
    """And a header that is there is never taken for one that is not."""
    places = TokenPlaces(EVERYWHERE)

    places.is_of_another_page(found)
    unless_refused(Reason.TOKEN_MALFORMED, lambda: token_in(found, EVERYWHERE))
    assert (TokenPlaces(HEADER).authorization(found) is None) == (b"authorization" not in found)


@pytest.mark.parametrize(
    ("key", "value", "place"), [("auth_cookie", "at", 1), ("auth_websocket_protocol", "bearer.", 4)]
)
def test_one_more_place_is_one_more(key: str, value: str, place: int) -> None:
    """Not both of them."""
    rules = msgspec.structs.replace(HEADER, **{key: value})

    assert token_in(PLACES[place], rules) == TOKEN
    assert token_in(PLACES[5 - place], rules) is None
    assert token_in(PLACES[0], rules) == TOKEN
