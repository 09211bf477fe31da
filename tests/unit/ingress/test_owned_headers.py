"""Every header that is ours is set or removed, whatever the token says (SECURITY T4, T25)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.decisions import HEADERS, unless_refused

from authz_rego.values.number import Number
from authz_rego.values.python_documents import from_python
from authz_service import headers
from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Claims, Peer
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import HeaderRules
from authz_service.ingress.owned_headers import MAX_BYTES, OwnedHeaders, claim_at, header_value

PEER = NO_PEER._replace(common_name="api-gateway-client")
INJECTED = {name.lower() for _, name in HEADERS.inject}
REMOVAL = "x-envoy-auth-headers-to-remove"


def claims(**values: object) -> Claims:
    return Claims(from_python(values), "https://idp.example", 0.0)


def for_app(values: Claims, rules: HeaderRules = HEADERS, peer: Peer = PEER) -> tuple[dict[str, str], set[str]]:
    """What Envoy is told: headers to set, headers to remove. No name twice, and nothing but whole lines."""
    lines = OwnedHeaders(rules).for_app(peer, values).lines.decode().split("\r\n")
    assert lines.pop() == ""
    pairs = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    told = dict(pairs)
    assert len(told) == len(pairs)
    removed = set(filter(None, told.pop(REMOVAL, "").split(",")))
    assert not removed & set(told)
    return told, removed


def test_a_claim_becomes_its_header_and_an_absent_one_removes_it() -> None:
    everything = claims(sub="u1", email="john@example.com", realm_access={"roles": ["a", "b"]})

    assert for_app(everything) == (
        {"x-user-id": "u1", "x-user-email": "john@example.com", "x-user-roles": "a,b"},
        set(),
    )
    assert for_app(claims(sub="u1")) == ({"x-user-id": "u1"}, {"x-user-email", "x-user-roles"})
    assert for_app(claims()) == ({}, INJECTED)


def test_envoy_is_told_one_word_for_one_user_where_it_counts_them() -> None:
    """`sub` is unique within its issuer only; it is never told where nobody asked, and never for nobody."""
    counting = msgspec.structs.replace(HEADERS, user_key=True)
    told = [
        for_app(claims(sub=sub, email=email)._replace(issuer=issuer), counting)[0][headers.USER_KEY]
        for sub, issuer, email in [("a", "one", "x"), ("a", "one", "y"), ("b", "one", "x"), ("a", "two", "x")]
    ]

    assert told[0] == told[1]
    assert len(set(told)) == 3
    assert headers.USER_KEY not in for_app(claims(sub="a"))[0]
    assert headers.USER_KEY not in for_app(NO_CLAIMS, counting)[0]


scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=9)
json_values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=3), scalars, max_size=2)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "sub": json_values,
            "email": json_values,
            "realm_access": json_values | st.fixed_dictionaries({"roles": json_values}),
        },
    ),
    st.booleans(),
    st.booleans(),
)
def test_whatever_the_claims_each_owned_header_is_set_or_removed(
    values: dict[str, object], stranger: bool, pass_token: bool
) -> None:
    """Never left as the client sent it; or the request is refused."""
    rules = msgspec.structs.replace(HEADERS, pass_token=pass_token)
    peer = NO_PEER if stranger else PEER
    answer = unless_refused(Reason.TOKEN_CLAIMS_INVALID, lambda: for_app(claims(**values), rules, peer))
    if answer is None:
        return
    told, removed = answer
    assert set(told) | removed >= INJECTED
    assert (headers.USER_CONTEXT in removed) == stranger
    assert (headers.AUTHORIZATION in removed) == (not pass_token)


def test_a_stranger_has_no_user_context() -> None:
    """Only a verified peer says on whose behalf he acts."""
    assert headers.USER_CONTEXT not in for_app(claims(), peer=PEER)[1]
    assert headers.USER_CONTEXT in for_app(claims(), peer=NO_PEER)[1]


def test_a_user_context_that_is_ours_is_set_for_strangers_too() -> None:
    rules = HeaderRules(pass_token=True, inject=(("sub", "X-User-Context"),), extract=())

    assert for_app(claims(sub="u1"), rules, NO_PEER) == ({headers.USER_CONTEXT: "u1"}, set())
    assert for_app(claims(), rules, NO_PEER) == ({}, {headers.USER_CONTEXT})


def test_the_token_is_removed_unless_it_is_passed_on() -> None:
    """Under the name that the configuration gives its header."""
    for name in ("Authorization", "X-Access-Token"):
        rules = HeaderRules(pass_token=False, inject=(), extract=(), auth_header=name)

        assert for_app(claims(), rules) == ({}, {name.lower()})
        assert for_app(claims(), msgspec.structs.replace(rules, pass_token=True)) == ({}, set())


def test_what_is_remembered_of_one_token_is_not_shown_for_another() -> None:
    """The lines are kept per token and kind of peer; many of them do not stay for ever."""
    owned, john = OwnedHeaders(HEADERS), claims(sub="u0")
    first = owned.for_app(PEER, john)

    assert owned.for_app(PEER, john) is first
    assert owned.for_app(NO_PEER, john) != first
    assert b"x-user-id: u1\r\n" in owned.for_app(PEER, claims(sub="u1")).lines
    for n in range(5000):
        assert b"x-user-id: u%d\r\n" % n in owned.for_app(PEER, claims(sub=f"u{n}")).lines
    assert len(owned._blocks) <= 4096


POLICYS = msgspec.structs.replace(HEADERS, from_policy=("X-Plan", "X-Quota"))


def test_a_header_of_the_policy_is_set_or_removed() -> None:
    """What it does not say is taken from the client, too; what it says of one request is not shown for the next."""
    owned, john = OwnedHeaders(POLICYS), claims(sub="u1")

    def told(said: tuple[tuple[str, str], ...]) -> bytes:
        return owned.for_app(PEER, john, said).lines

    assert b"x-plan: gold\r\n" in told((("x-plan", "gold"),))
    assert b"x-plan: lead\r\n" in told((("x-plan", "lead"),))
    removed = told(()).partition(f"{REMOVAL}: ".encode())[2]
    assert {b"x-plan", b"x-quota"} <= set(removed.strip().split(b","))
    assert b"x-plan" not in OwnedHeaders(HEADERS).for_app(PEER, john).lines


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ([], None),
        ([""], None),
        ("john", b"john"),
        (" john ", b"john"),
        ("Иван", "Иван".encode()),
        ("a\u200cb", "a\u200cb".encode()),
        (True, b"true"),
        (False, b"false"),
        (0, b"0"),
        (Number("1.5"), b"1.5"),
        (2**70, b"1180591620717411303424"),
        (["a", "b"], b"a,b"),
        (["a,b", "c"], b"a%2Cb,c"),
        (["100%", "%2C"], b"100%25,%252C"),
        ([" admin", "admin ", "order manager"], b"%20admin,admin%20,order manager"),
        (["  "], b"%20%20"),
        (["a", 1], b'["a",1]'),
        ({"n": Number("1.10")}, b'{"n":1.10}'),
        ({"a": "b"}, b'{"a":"b"}'),
        ({"a": "\n"}, b'{"a":"\\n"}'),
    ],
)
def test_a_claim_is_written_so_that_it_can_be_read_back(claim: object, value: bytes | None) -> None:
    assert header_value(claim) == value


@given(st.lists(st.text(alphabet=" ,%abя", min_size=1), min_size=1))
def test_no_role_becomes_another_or_two(roles: list[str]) -> None:
    """Split at the commas, trimmed as receivers do, unescaped: the same list."""
    value = header_value(roles)

    assert value is not None
    items = [item.strip(" ") for item in value.decode().split(",")]
    assert [item.replace("%20", " ").replace("%2C", ",").replace("%25", "%") for item in items] == roles


@pytest.mark.parametrize(
    "text", ["a\r\nx-user-id: admin", "a\n", "\r", "a\x00", "\x1b[2J", "\x7f", "\x85", "a\u2028b", "\t"]
)
def test_a_claim_with_a_control_character_is_refused(text: str) -> None:
    """It would start another header, or another line in somebody's log."""
    for claim in (text, [text], ["good", text]):
        with pytest.raises(Rejected) as refusal:
            header_value(claim)
        assert refusal.value.reason is Reason.TOKEN_CLAIMS_INVALID


def test_headers_beyond_what_envoy_takes_are_refused() -> None:
    """Envoy would answer 500; the longest that fits passes (SECURITY T16)."""
    rules = HeaderRules(pass_token=True, inject=(("sub", "X-User-ID"),), extract=())
    room = MAX_BYTES - len("x-user-id: \r\n")

    assert for_app(claims(sub="a" * room), rules)[0] == {"x-user-id": "a" * room}
    with pytest.raises(Rejected) as refusal:
        for_app(claims(sub="a" * (room + 1)), rules)
    assert refusal.value.reason is Reason.TOKEN_CLAIMS_INVALID


GROUPS = [f"group-{n:04d}" for n in range(2000)]
OMIT = HeaderRules(
    pass_token=True, inject=(("sub", "X-User-ID"), ("groups", "X-Groups"), ("email", "X-Email")), extract=()
)
CUT = msgspec.structs.replace(OMIT, cut=True)


def test_too_many_groups_for_a_header_lock_nobody_out() -> None:
    """The longest is removed, and the caller's own value with it; the others are as they were, and the record knows."""
    jo = claims(sub="jo", email="jo@shop.example", groups=GROUPS)

    assert for_app(jo, OMIT) == ({"x-user-id": "jo", "x-email": "jo@shop.example"}, {"x-groups"})
    assert OwnedHeaders(OMIT).for_app(PEER, jo).shortened == "too long for headers: x-groups: 21999 bytes left out"
    few = claims(sub="jo", email="jo@shop.example", groups=GROUPS[:600])
    assert for_app(few, OMIT)[0]["x-groups"] == ",".join(GROUPS[:600])
    assert OwnedHeaders(OMIT).for_app(PEER, few).shortened == ""


def test_a_list_may_be_cut_after_a_whole_item() -> None:
    """As many as there is room for; what is no list has no place to be cut at."""
    jo = claims(sub="jo", email="jo@shop.example", groups=GROUPS)
    told, removed = for_app(jo, CUT)

    kept = told["x-groups"].split(",")
    assert kept == GROUPS[: len(kept)]
    assert removed == set()
    block = OwnedHeaders(CUT).for_app(PEER, jo)
    assert MAX_BYTES - len(",group-0000") < len(block.lines) <= MAX_BYTES
    assert block.shortened == "too long for headers: x-groups: 21999 bytes cut"
    text = claims(sub="jo", groups=",".join(GROUPS))
    assert for_app(text, CUT) == ({"x-user-id": "jo"}, {"x-groups", "x-email"})
    mixed = claims(sub="jo", groups=[*GROUPS, 1])  # JSON, which would be none any more
    assert for_app(mixed, CUT) == ({"x-user-id": "jo"}, {"x-groups", "x-email"})
    assert for_app(claims(sub="jo", groups=["x" * 9000]), CUT) == ({"x-user-id": "jo"}, {"x-groups", "x-email"})


@given(st.lists(st.text(alphabet="ab, é", max_size=4000), max_size=12), st.text(max_size=9000), st.booleans())
def test_whatever_is_too_long_the_block_fits(groups: list[str], email: str, cut: bool) -> None:
    """And each header is set or removed all the same."""
    rules = CUT if cut else OMIT
    known = claims(sub="jo", groups=groups, email=email)
    answer = unless_refused(Reason.TOKEN_CLAIMS_INVALID, lambda: for_app(known, rules))
    if answer is None:  # a control character
        return
    told, removed = answer

    assert len(OwnedHeaders(rules).for_app(PEER, known).lines) <= MAX_BYTES
    assert set(told) | removed == {"x-user-id", "x-groups", "x-email"}
    assert told["x-user-id"] == "jo"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("sub", "u1"),
        ("realm_access.roles", ["a"]),
        ("realm_access", {"roles": ["a"]}),
        ("https://x.example/tenant", "t1"),
        ("realm_access.nothing", None),
        ("sub.sub", None),
        ("nothing", None),
        ("", None),
        (("kubernetes.io", "namespace"), "shop"),
        ("kubernetes.io.namespace", None),
        (("kubernetes.io", "nothing"), None),
        (("kubernetes", "io"), None),
        (("sub",), "u1"),
        (("realm_access.roles",), None),
    ],
)
def test_a_claim_is_found_at_its_path(path: str | tuple[str, ...], found: object) -> None:
    """A whole name is as good as a way: a namespaced claim is a URL with dots. A list of names says which is meant."""
    values = from_python(
        {
            "sub": "u1",
            "realm_access": {"roles": ["a"]},
            "https://x.example/tenant": "t1",
            "kubernetes.io": {"namespace": "shop"},
        }
    )

    assert claim_at(values, path) == found


def test_a_name_with_dots_that_could_mean_two_claims_is_refused() -> None:
    """A provider's mapper writes one of them, and a user's own attribute the other; a list of names says which."""
    both = from_python({"realm_access.roles": ["admin"], "realm_access": {"roles": ["customer"]}})

    with pytest.raises(Rejected) as refusal:
        claim_at(both, "realm_access.roles")
    assert refusal.value.reason is Reason.TOKEN_CLAIMS_INVALID
    assert "realm_access.roles" in refusal.value.detail
    assert claim_at(both, ("realm_access", "roles")) == ["customer"]
    assert claim_at(both, ("realm_access.roles",)) == ["admin"]
    for name, nothing in (("realm_access.roles", None), ("realm_access", {}), ("realm_access", None)):
        claim_at({**both, name: nothing}, "realm_access.roles")
