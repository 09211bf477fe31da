"""What one key signed is that key's, for that algorithm and message, and nobody else's."""

import pytest
from tests.support.tokens import ec_key, ed_key, rsa_key

from authz_service.domain.signatures import Key, PrivateKey, algorithms_for, is_signed_by, sign

KEYS = [
    (rsa_key(), rsa_key("rsa-2"), "RS256"),
    (rsa_key(), rsa_key("rsa-2"), "PS512"),
    (ec_key(), ec_key("ec-2"), "ES256"),
    (ec_key("ec-5", "P-521"), ec_key("ec-6", "P-521"), "ES512"),
    (ed_key(), ed_key("ed-2"), "EdDSA"),
]


@pytest.mark.parametrize(("private", "other", "algorithm"), KEYS, ids=[algorithm for *_, algorithm in KEYS])
def test_what_is_signed_is_signed_by_this_key_alone(private: PrivateKey, other: PrivateKey, algorithm: str) -> None:
    mine, others = (Key("", algorithms_for(one.public_key()), one.public_key()) for one in (private, other))
    signature = sign(private, algorithm, b"message")

    assert algorithm in mine.algorithms
    assert is_signed_by(mine, algorithm, b"message", signature)
    assert not is_signed_by(others, algorithm, b"message", signature)
    assert not is_signed_by(mine, algorithm, b"another", signature)
