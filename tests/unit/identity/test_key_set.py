"""Which published keys may verify tokens. The hostile ones are in tests/attacks."""

import json

import pytest
from tests.support import tokens
from tests.support.tokens import Signer, b64, jwk, jwks

from authz_service.identity.key_set import read_key_set, usable_keys

RSA, EC = tokens.an_rsa_signer(), tokens.an_ec_signer()
ED = Signer("ed-1", "EdDSA", tokens.ed_key())


def test_a_key_permits_what_its_type_and_its_alg_permit() -> None:
    """Without `alg`, all of the type; the curve decides for EC."""
    keys = usable_keys(jwks(jwk(RSA), jwk(RSA, kid="any", alg=...), jwk(EC, alg=...), jwk(ED, alg=...)))

    assert {kid: set(key.algorithms) for kid, (key,) in keys.items()} == {
        "rsa-1": {"RS256"},
        "any": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
        "ec-1": {"ES256"},
        "ed-1": {"EdDSA"},
    }


@pytest.mark.parametrize(
    "changes", [{"use": ...}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}, {"x5t": "x"}]
)
def test_what_a_key_need_not_say(changes: dict[str, object]) -> None:
    """`use` and `key_ops` only restrict; other members are nobody's business."""
    assert list(usable_keys(jwks(jwk(RSA, **changes)))) == ["rsa-1"]


@pytest.mark.parametrize(
    "changes",
    [{"e": b64((2**32 - 1).to_bytes(4))}, {"e": "AQAD"}, {"n": b64((2**8192 - 5).to_bytes(1024))}, {"alg": ...}],
    ids=["largest exponent", "another exponent", "8192 bits", "no alg"],
)
def test_a_strong_key_is_usable(changes: dict[str, object]) -> None:
    """The weak and the monstrous are in tests/attacks."""
    assert list(usable_keys(jwks(jwk(RSA, **changes)))) == ["rsa-1"]


def test_a_key_may_have_no_name() -> None:
    """It is kept under the empty one, which no token can name, with others that have none."""
    assert list(usable_keys(jwks(jwk(RSA, kid=...)))) == [""]
    assert [len(usable_keys(jwks(jwk(RSA, kid=...), jwk(EC, kid=...)))[""])] == [2]


def test_one_key_that_stands_there_twice_is_one() -> None:
    """For all that either entry permits; another key of its name is another one, whatever the order."""
    twice = usable_keys(jwks(jwk(RSA), jwk(RSA)))["rsa-1"]
    assert [set(key.algorithms) for key in twice] == [{"RS256"}]
    both = usable_keys(jwks(jwk(RSA), jwk(RSA, alg="RS512")))["rsa-1"]
    assert [set(key.algorithms) for key in both] == [{"RS256", "RS512"}]
    other = jwk(Signer("rsa-1", "RS256", tokens.rsa_key("another")))
    assert len(usable_keys(jwks(jwk(RSA), other))["rsa-1"]) == 2
    assert len(usable_keys(jwks(other, jwk(RSA)))["rsa-1"]) == 2


def test_an_unusable_key_does_not_spoil_the_name_of_a_good_one() -> None:
    """Keycloak lists its encryption key too; only keys that could be meant are in each other's way."""
    assert list(usable_keys(jwks(jwk(RSA, use="enc"), jwk(RSA)))) == ["rsa-1"]
    assert len(usable_keys(jwks(jwk(EC, kid="rsa-1"), jwk(RSA)))["rsa-1"]) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"keys":null}',
        '{"keys":{}}',
        '{"keys":[],"keys":[]}',
        "<html>",
        '{"keys":[NaN]}',
        "[" * 9999,
    ],
    ids=range(10),
)
def test_a_document_that_is_no_key_set_is_refused(text: str) -> None:
    """So that the caller keeps the last good one, instead of none."""
    with pytest.raises(ValueError, match=r"."):
        usable_keys(text)


def test_an_empty_key_set_is_a_key_set() -> None:
    """The caller decides what it means."""
    assert usable_keys(json.dumps({"keys": []})) == {}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n": b64((tokens.rsa_key().public_key().public_numbers().n // 3 * 3).to_bytes(256))}, "small factor"),
        ({"e": "Aw"}, "exponent"),
        ({"d": "AA"}, "must stay secret (d)"),
        ({"kid": ""}, "its kid is not"),
        ({"alg": "HS256"}, "'HS256' does not go with its type"),
        ({"n": 5}, "n is not a string"),
        ({"kty": "oct"}, "another type or curve"),
    ],
)
def test_a_key_that_is_left_out_is_named_with_why(changes: dict[str, object], why: str) -> None:
    """The others are used."""
    keys = read_key_set(jwks(jwk(EC), jwk(RSA, **changes)))

    assert list(keys.usable) == ["ec-1"]
    (said,) = keys.left_out
    assert said.startswith("key 2")
    assert why in said


def test_of_a_key_for_something_else_nothing_is_said() -> None:
    """Keycloak lists its encryption key too."""
    keys = read_key_set(jwks(jwk(EC), jwk(RSA, use="enc"), jwk(RSA, key_ops=["encrypt"])))

    assert (list(keys.usable), keys.left_out) == (["ec-1"], ())


def test_a_point_of_small_order_verifies_nothing() -> None:
    """Under the neutral element any message has the same signature, which everybody can write down."""
    neutral = (1).to_bytes(32, "little")

    assert usable_keys(jwks(jwk(ED, x=b64(neutral)))) == {}
    assert list(usable_keys(jwks(jwk(ED)))) == ["ed-1"]
