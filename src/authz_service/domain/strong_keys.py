"""Which keys and signatures of certificates are taken: one rule for ours, for callers', and for what Envoy offers."""

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
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size in RSA_BITS and key.public_numbers().e in RSA_EXPONENTS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, _CURVES)
    return isinstance(key, ed25519.Ed25519PublicKey)


def is_strong_signature(certificate: x509.Certificate) -> bool:
    """Of whoever issued it. May raise what the parser raises for an algorithm that it does not know."""
    digest = certificate.signature_hash_algorithm
    if digest is None:
        return certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519
    return digest.name in _DIGESTS
