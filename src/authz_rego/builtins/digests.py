"""OPA's digests: `crypto.md5`, `crypto.sha…` and `crypto.hmac.*`. Not certificates and keys (refused: `table`)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import partial

from authz_rego.builtins.operands import string_operand
from authz_rego.values.byte_texts import raw_of
from authz_rego.values.value import Value


def _digest(value: Value, *, algorithm: str) -> str:
    return hashlib.new(algorithm, raw_of(string_operand(value, 1)), usedforsecurity=False).hexdigest()


def _hmac(message: Value, key: Value, *, algorithm: str) -> str:
    content = raw_of(string_operand(message, 1))
    return hmac.new(raw_of(string_operand(key, 2)), content, algorithm).hexdigest()


def _equal(one: Value, other: Value) -> bool:
    """In a time that does not tell where they differ."""
    return hmac.compare_digest(raw_of(string_operand(one, 1)), raw_of(string_operand(other, 2)))


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "crypto.md5": partial(_digest, algorithm="md5"),
    "crypto.sha1": partial(_digest, algorithm="sha1"),
    "crypto.sha256": partial(_digest, algorithm="sha256"),
    "crypto.hmac.equal": _equal,
    "crypto.hmac.md5": partial(_hmac, algorithm="md5"),
    "crypto.hmac.sha1": partial(_hmac, algorithm="sha1"),
    "crypto.hmac.sha256": partial(_hmac, algorithm="sha256"),
    "crypto.hmac.sha512": partial(_hmac, algorithm="sha512"),
}
