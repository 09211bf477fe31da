"""Keys that look whole and prove nothing: each beside its good twin."""

import itertools
import math

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.support import tokens

from authz_service.domain.strong_keys import is_strong_key, rsa_weakness, weakness_of

_P = 2**255 - 19
_MODULUS = tokens.rsa_key().public_key().public_numbers().n


def small_points() -> list[bytes]:
    """The encodings of the points of order 1, 2, 4 and 8, whose y is 1, -1, 0, or solves d·y⁴ + 2y² = 1."""
    d = -121665 * pow(121666, -1, _P) % _P
    y = _root((-1 - _root(1 + d)) * pow(d, -1, _P)) or _root((-1 + _root(1 + d)) * pow(d, -1, _P))
    return [(y | sign << 255).to_bytes(32, "little") for y in (1, _P - 1, 0, y, _P - y) for sign in (0, 1)]


def _root(square: int) -> int:
    """Modulo p; 0 when there is none."""
    found = pow(square, (_P + 3) // 8, _P)
    if (found * found - square) % _P:
        found = found * pow(2, (_P - 1) // 4, _P) % _P
    return 0 if (found * found - square) % _P else found


@pytest.mark.parametrize("point", small_points(), ids=lambda point: point.hex()[:8])
def test_a_point_of_small_order_is_no_key(point: bytes) -> None:
    """Under most of them the library itself takes signatures that nobody made: S = 0, and R another such point."""
    try:
        key = Ed25519PublicKey.from_public_bytes(point)
    except ValueError:
        return  # the library takes it for no point
    assert weakness_of(key) == "an Ed25519 point of small order"
    if point[31] < 128:
        tried = itertools.product(small_points(), range(100))
        assert any(_takes(key, r + bytes(32), b"%d" % number) for r, number in tried)


def _takes(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_an_ordinary_point_is_a_key() -> None:
    """And one whose encoding has a second form is not taken in that one."""
    for _ in range(50):
        assert weakness_of(Ed25519PrivateKey.generate().public_key()) == ""
    for y in range(_P, 2**255):
        assert weakness_of(Ed25519PublicKey.from_public_bytes(y.to_bytes(32, "little"))) == (
            "an Ed25519 key that is not in its canonical form"
        )


def test_a_modulus_with_a_small_factor_is_no_key() -> None:
    assert rsa_weakness(_MODULUS, 65537) == ""
    for factor in (2, 3, 167, 751):
        assert rsa_weakness(_MODULUS // factor * factor, 65537) == "an RSA modulus with a small factor"


def test_a_modulus_of_the_roca_generator_is_no_key() -> None:
    """p and q are powers of 65537 modulo the product of small primes, and so is n; the next good one is not."""
    primes = [n for n in range(2, 168) if all(n % d for d in range(2, math.isqrt(n) + 1))]
    product = math.prod(primes)
    factors = math.prod(n for n in range(168, 752) if all(n % d for d in range(2, math.isqrt(n) + 1)))
    start = pow(65537, 12345, product) + (1 << 2047) // product * product + product
    modulus = next(n for n in itertools.count(start, product) if math.gcd(n, factors) == 1)
    other = next(n for n in itertools.count(modulus + 2, 2) if math.gcd(n, factors * product) == 1)

    assert "ROCA" in rsa_weakness(modulus, 65537)
    assert rsa_weakness(other, 65537) == ""
    assert rsa_weakness(other, 65536) == rsa_weakness(other, 3) == "an RSA exponent that is even, or not from 65537 on"
    assert rsa_weakness(other >> 1024, 65537) == "RSA of 1024 bits, which must be 2048 to 8192"


def test_other_kinds_of_keys_are_named() -> None:
    assert is_strong_key(tokens.ec_key().public_key())
    assert weakness_of(ec.generate_private_key(ec.SECP256K1()).public_key()) == "a key on the curve secp256k1"
    assert weakness_of(X25519PrivateKey.generate().public_key()) == "a key of a kind that is not taken"
