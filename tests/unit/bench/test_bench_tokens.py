"""The tokens of a measurement are real, all different, and more than any worker remembers."""

import pytest
from bench.many_tokens import enough, signed
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import RSAKey

from authz_service.identity.tokens import MAX_CACHED

HEADER = {"alg": "RS256", "typ": "JWT", "kid": "k"}


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return RSAKey.import_key(generate_private_key(65537, 2048))


def test_each_token_is_signed_and_differs_in_its_number_alone(key: RSAKey) -> None:
    token = jwt.encode(HEADER, {"sub": "john", "jti": "first"}, key)

    tokens = signed(token, key.as_dict(private=True), 1024)

    assert len(set(tokens)) == len(tokens)
    read = jwt.decode(tokens[3], key)
    assert read.header == HEADER
    assert read.claims == {"sub": "john", "jti": "bench-1027"}


def test_another_key_does_not_verify_them(key: RSAKey) -> None:
    token = jwt.encode(HEADER, {"sub": "john"}, key)

    with pytest.raises(BadSignatureError):
        jwt.decode(signed(token, key.as_dict(private=True), 0)[0], RSAKey.import_key(generate_private_key(65537, 2048)))


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_before_a_token_comes_again_every_worker_has_seen_more_than_it_remembers(workers: int) -> None:
    assert enough(workers) / workers > MAX_CACHED
