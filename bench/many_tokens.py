"""So many tokens of one user that no cache remembers one when it comes again, signed by the identity provider's key."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import RSAKey

from authz_service.identity.tokens import MAX_CACHED

_CHUNK = 512
Jwk = dict[str, str | list[str]]


def enough(workers: int) -> int:
    """Each worker sees its share of them before the first one comes again, and that is more than it remembers."""
    return workers * MAX_CACHED * 5 // 4


def write_tokens(token: str, signing_key: Jwk, count: int, file: Path) -> None:
    """One a line: the claims of `token`, each with a `jti` of its own."""
    starts = range(0, count, _CHUNK)
    with ProcessPoolExecutor(max_workers=2) as pool:
        chunks = pool.map(signed, [token] * len(starts), [signing_key] * len(starts), starts)
        lines = [line for chunk in chunks for line in chunk]
    file.write_text("\n".join(lines[:count]) + "\n")


def signed(token: str, signing_key: Jwk, start: int) -> list[str]:
    key = RSAKey.import_key(signing_key).private_key
    assert isinstance(key, RSAPrivateKey)
    head, payload, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    lines = []
    for number in range(start, start + _CHUNK):
        body = f"{head}.{_base64(json.dumps({**claims, 'jti': f'bench-{number}'}).encode())}"
        lines.append(f"{body}.{_base64(key.sign(body.encode(), PKCS1v15(), SHA256()))}")
    return lines


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
