"""Unpadded base64url in its one canonical form (RFC 7515 §2, RFC 4648 §3.5), there and back."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def decode(segment: bytes) -> bytes:
    """Raises ValueError."""
    try:
        decoded = urlsafe_b64decode(segment + b"==")
    except binascii.Error:
        raise ValueError("not base64url") from None
    # The decoder skips foreign characters and ignores trailing bits: only the canonical form survives the way back.
    if urlsafe_b64encode(decoded).rstrip(b"=") != segment:
        raise ValueError("not canonical unpadded base64url")
    return decoded
