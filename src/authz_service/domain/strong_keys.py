"""Which keys and signatures are taken: one rule for certificates, ours and callers', for issuers, and for Envoy."""

import math
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

KINDS = "ECDSA (P-256, P-384, P-521), Ed25519, or RSA of 2048 to 8192 bits with an exponent from 65537 on"
RSA_BITS = range(2048, 8192 + 1)  # below is weak (RFC 7518 §3.3), above only costs time
RSA_EXPONENTS = range(65537, 1 << 32, 2)
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
# The same for the handshake, as BoringSSL names them; by default it signs and takes SHA-1 in TLS 1.2, and neither P-521
# nor Ed25519 (measured: tests/integration/envoy/test_key_kinds.py).
SIGNATURES = (
    "ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256",
    "ecdsa_secp384r1_sha384", "rsa_pss_rsae_sha384", "rsa_pkcs1_sha384",
    "ecdsa_secp521r1_sha512", "rsa_pss_rsae_sha512", "rsa_pkcs1_sha512", "ed25519",
)  # fmt: skip
GROUPS = ("X25519MLKEM768", "X25519", "P-256", "P-384", "P-521")  # with P-521, TLS 1.2 takes its certificates too


def is_strong_key(key: object) -> bool:
    """Of a public key."""
    return not weakness_of(key)


def weakness_of(key: object) -> str:
    """Why a public key is not taken; "" for one that is."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return rsa_weakness(numbers.n, numbers.e)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if isinstance(key.curve, _CURVES) else f"a key on the curve {key.curve.name}"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _ed25519_weakness(key.public_bytes_raw())
    return "a key of a kind that is not taken"


def rsa_weakness(modulus: int, exponent: int) -> str:
    """Of the numbers of an RSA key that somebody else made."""
    if modulus.bit_length() not in RSA_BITS:
        return f"RSA of {modulus.bit_length()} bits, which must be {RSA_BITS.start} to {RSA_BITS.stop - 1}"
    if exponent not in RSA_EXPONENTS:
        return "an RSA exponent that is even, or not from 65537 on"
    if math.gcd(modulus, _product_of_small_primes()) != 1:
        return "an RSA modulus with a small factor"
    if _is_of_roca(modulus):
        return "an RSA key of a generator whose keys can be factored (ROCA, CVE-2017-15361)"
    return ""


@cache
def _small_primes() -> tuple[int, ...]:
    below = 752  # NIST SP 800-89 §5.3.3
    return tuple(n for n in range(2, below) if all(n % d for d in range(2, math.isqrt(n) + 1)))


@cache
def _product_of_small_primes() -> int:
    return math.prod(_small_primes())


def _is_of_roca(modulus: int) -> bool:
    """A power of 65537 modulo each small prime (Nemec et al., CCS 2017), as one in 2^27 others is by chance."""
    return all(modulus % prime in powers for prime, powers in _powers_of_65537())


@cache
def _powers_of_65537() -> tuple[tuple[int, frozenset[int]], ...]:
    odd_primes = [prime for prime in _small_primes() if 2 < prime <= 167]
    return tuple((prime, frozenset(pow(65537, power, prime) for power in range(prime - 1))) for prime in odd_primes)


_P25519 = 2**255 - 19
_Y_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def _ed25519_weakness(encoded: bytes) -> str:
    """Under a point of small order, one signature is good for one message of eight or for all (RFC 8032 §5.1)."""
    y = int.from_bytes(encoded, "little") & (1 << 255) - 1
    if y >= _P25519:
        return "an Ed25519 key that is not in its canonical form"
    small = y in {0, 1, _P25519 - 1, _Y_OF_ORDER_8, _P25519 - _Y_OF_ORDER_8}
    return "an Ed25519 point of small order" if small else ""


def is_strong_signature(signed: x509.Certificate | x509.CertificateRevocationList) -> bool:
    """Of whoever issued it. May raise what the parser raises for an algorithm that it does not know."""
    digest = signed.signature_hash_algorithm
    if digest is None:
        return signed.signature_algorithm_oid == SignatureAlgorithmOID.ED25519
    return digest.name in _DIGESTS
