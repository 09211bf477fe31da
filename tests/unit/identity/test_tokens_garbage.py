"""Whatever arrives, the answer is a refusal: never another exception, never somebody's identity (SECURITY P1)."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import tokens
from tests.support.client_certificates import certificate, in_envoys_form
from tests.support.decisions import AllAsked
from tests.support.tokens import AUDIENCE, ISSUER, LEEWAY, NOW, b64, changed, good_claims, jwk, jwks, mint

from authz_rego.values.json_text import from_json, to_json
from authz_rego.values.number import Number
from authz_service.domain.decision import Claims
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import IssuerKeys, IssuerRules, PeerRules
from authz_service.domain.signatures import ALGORITHMS
from authz_service.identity.bearer import bearer_token
from authz_service.identity.certificates import Peers, is_match, parse_client_rule
from authz_service.identity.key_set import usable_keys
from authz_service.identity.tokens import TokenVerifier

# No deadline and no complaint about slowness: on a busy machine they would say nothing about the code.
quick = settings(
    max_examples=max(50, settings().max_examples // 4),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

RSA, EC = tokens.an_rsa_signer(), tokens.an_ec_signer()
GOOD = mint(signer=EC)
DER = certificate()
RULE = parse_client_rule("CN=api-gateway-client,O=MyOrg")

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([ISSUER, AUDIENCE, "ES256", NOW + 9]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
HEADERS = st.fixed_dictionaries({}, optional=dict.fromkeys(("alg", "typ", "kid", "crit", "jwk", "x"), JSON))
CLAIMS = st.fixed_dictionaries({}, optional=dict.fromkeys([*good_claims(), "nbf", "cnf", "client_id", "x"], JSON))
MEMBERS = ("kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y", "d", "k")


def a_verifier() -> TokenVerifier:
    verifier = TokenVerifier((IssuerRules(ISSUER, (AUDIENCE,), tuple(ALGORITHMS), LEEWAY),), lambda: NOW, AllAsked())
    verifier.set_keys(IssuerKeys(ISSUER, jwks(jwk(RSA), jwk(EC))))
    return verifier


def outcome(token: str) -> Claims | Reason:
    try:
        return a_verifier().verify(token)
    except Rejected as refusal:
        return refusal.reason


@quick
@given(
    st.text() | st.binary().map(lambda octets: octets.decode("latin-1")) | st.from_regex(r"[\w.=-]+\.[\w-]*\.[\w-]*")
)
def test_text_is_no_token(text: str) -> None:
    """Any text, any bytes, any three segments."""
    assert isinstance(outcome(text), Reason)


@quick
@given(
    st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    st.binary() | JSON.map(lambda v: json.dumps(v).encode()),
)
def test_anything_in_base64_is_no_token(header: bytes, payload: bytes) -> None:
    """Well-formed outside, anything inside."""
    assert isinstance(outcome(f"{b64(header)}.{b64(payload)}.AAAA"), Reason)


@quick
@given(st.integers(0, len(GOOD) - 1), st.characters(), st.sampled_from(["replace", "insert", "remove"]))
def test_one_character_makes_a_good_token_bad(place: int, letter: str, change: str) -> None:
    """In any place: replaced, inserted or removed."""
    rest = GOOD[place + (change != "insert") :]
    mutant = GOOD[:place] + ("" if change == "remove" else letter) + rest

    if mutant != GOOD:
        assert isinstance(outcome(mutant), Reason)


@quick
@given(HEADERS)
def test_a_signed_token_with_any_header_is_not_believed(header: dict[str, object]) -> None:
    """Unless the header is as it should be, which these hardly are."""
    result = outcome(mint(header=header, signer=EC))

    if isinstance(result, Claims):
        assert header.get("alg", "ES256") == "ES256"
        assert not {"crit", "jwk", "kid"} & set(header)


@quick
@given(CLAIMS)
def test_a_signed_token_with_any_claims_is_refused_or_has_the_right_types(changes: dict[str, object]) -> None:
    """A sloppy issuer's claims never reach the policy."""
    result = outcome(mint(changed(good_claims(), changes), signer=EC))

    if isinstance(result, Claims):
        values = result.values
        assert values["iss"] == ISSUER
        assert values["aud"] == AUDIENCE or AUDIENCE in values["aud"]
        assert isinstance(values["sub"], str)
        assert type(values["exp"]) in (int, Number)
        assert all(isinstance(values.get(name, ""), str) for name in ("azp", "scope", "email", "preferred_username"))
        assert from_json(to_json(values)) == values


@quick
@given(st.text())
def test_a_header_has_a_token_or_is_refused(header: str) -> None:
    """And a token that comes out of it has no comma; of another scheme there is none."""
    with suppress(Rejected):
        token = bearer_token(header, "Bearer")
        assert (token is None) is (header.lower().split()[:1] != ["bearer"])
        assert token != ""
        assert "," not in (token or "")


@quick
@given(st.text() | JSON.map(json.dumps) | st.lists(JSON).map(lambda keys: json.dumps({"keys": keys})))
def test_any_key_set_is_read_or_refused(text: str) -> None:
    """With a ValueError, and never a key from noise."""
    with suppress(ValueError):
        assert usable_keys(text) == {}


@quick
@given(st.dictionaries(st.sampled_from(MEMBERS), JSON | st.binary(max_size=300).map(b64), max_size=5))
def test_any_change_of_a_good_key_is_survived(changes: dict[str, object]) -> None:
    """It stays usable or goes; what stays has algorithms."""
    for signer in (RSA, EC):
        with suppress(ValueError):  # for a number that is none
            keys = usable_keys(json.dumps({"keys": [jwk(signer, **changes)]}))
            assert all(key.algorithms for those in keys.values() for key in those)


@quick
@given(st.binary() | st.binary().map(in_envoys_form))
def test_bytes_are_no_certificate(pem: bytes) -> None:
    """Bare, or dressed as PEM."""
    with pytest.raises(Rejected) as refusal:
        Peers(PeerRules(required=True, allowed=(RULE,)), lambda: NOW).require_allowed(pem)

    assert refusal.value.reason in {Reason.CLIENT_CERT_INVALID, Reason.CLIENT_CERT_MISSING}


@quick
@given(st.integers(0, len(DER) - 1), st.integers(0, 255), st.booleans())
def test_one_byte_of_a_certificate_gives_no_other_name(place: int, octet: int, remove: bool) -> None:
    """Envoy has checked the signature; here a changed byte must not surprise the reader, nor rename the peer."""
    mutant = DER[:place] + (b"" if remove else bytes([octet])) + DER[place + 1 :]
    with suppress(Rejected):
        peer = Peers(PeerRules(required=True, allowed=(RULE,)), lambda: NOW).require_allowed(in_envoys_form(mutant))
        assert is_match(RULE, peer)


@quick
@given(st.text())
def test_any_rule_is_understood_or_refused(text: str) -> None:
    """With a ValueError that says something."""
    with suppress(ValueError):
        rule = parse_client_rule(text)
        assert rule.uri or rule.attributes
