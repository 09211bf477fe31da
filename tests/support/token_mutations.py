"""Mutates tokens by lot: what a fuzzer would send. A mutant is another token than its origin, and fits into a header.

`mutant(tokens, seed, number)` is one of them, always the same one.
"""

from __future__ import annotations

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ODD = (b"+", b"/", b"=", b".", b",", b";", b" ", b"\t", b'"', b"%00", b"%2E", b"{", b"\x80", b"\xff", b"\xc3\xa9",
        b"\xe2\x80\x8b", b"\xef\xbb\xbf", b"\xc0\xae", b"~", b"\\", b"'", b"..", b"Bearer ", b"\x7f")  # fmt: skip
_VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1e308, 9999999999, "", "none", "None", "HS256", "RS384", "ES256", "PS256", "admin", [],
    {}, ["RS256"], {"roles": ["admin"]}, "../../etc/passwd", "https://evil.example/jwks", "\u202e", "\x00", "a\r\nb: c",
)  # fmt: skip
_MEMBERS = ("alg", "kid", "typ", "crit", "jku", "x5u", "jwk", "zip", "b64", "iss", "aud", "sub", "exp", "nbf", "iat",
            "azp", "realm_access", "scope", "email", "cnf", "preferred_username")  # fmt: skip

Lot = random.Random
Mutation = Callable[[bytes, Sequence[bytes], Lot], bytes]


def mutant(tokens: Sequence[bytes], seed: int, number: int) -> bytes:
    """Never one of `tokens`, also not with the blanks at its ends that HTTP takes away."""
    lot = Lot(f"{seed}:{number}")
    while True:
        found = lot.choice(tokens)
        for _ in range(lot.choice((1, 1, 1, 2, 3))):
            found = lot.choice(_MUTATIONS)(found, tokens, lot)
        found = found.translate(None, b"\r\n\0")[:28_000]  # a header's value has none of them (RFC 9110 §5.5)
        if found.strip(b" \t") not in tokens:
            return found


def _bit(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    spot = lot.randrange(len(token) or 1)
    return token[:spot] + bytes([(token[spot] if token else 0) ^ (1 << lot.randrange(8))]) + token[spot + 1 :]


def _letter(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    spot = lot.randrange(len(token) or 1)
    return token[:spot] + bytes([lot.choice(_BASE64)]) + token[spot + 1 :]


def _last_letter(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    """Of a segment: the bits of base64 that carry nothing."""
    segments = token.split(b".")
    which = lot.randrange(len(segments))
    segments[which] = segments[which][:-1] + bytes([lot.choice(_BASE64)])
    return b".".join(segments)


def _insert(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    spot = lot.randrange(len(token) + 1)
    return token[:spot] + lot.choice(_ODD) * lot.choice((1, 1, 2, 5)) + token[spot:]


def _delete(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    spot = lot.randrange(len(token) or 1)
    return token[:spot] + token[spot + lot.choice((1, 1, 2, 4, 40)) :]


def _truncate(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    spot = lot.randrange(len(token) + 1)
    return token[:spot] if lot.random() < 0.7 else token[spot:]


def _duplicate(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    start = lot.randrange(len(token) + 1)
    piece = token[start : start + lot.choice((1, 4, 64, 2000))]
    return token[:start] + piece * lot.choice((2, 2, 3)) + token[start + len(piece) :]


def _swap(token: bytes, tokens: Sequence[bytes], lot: Lot) -> bytes:
    """Segments change places, or come from another token."""
    own, other = token.split(b"."), lot.choice(tokens).split(b".")
    match lot.randrange(4):
        case 0:
            lot.shuffle(own)
        case 1:
            own[lot.randrange(len(own))] = other[lot.randrange(len(other))]
        case 2:
            own.append(lot.choice(other))
        case _:
            own.pop(lot.randrange(len(own)))
    return b".".join(own)


def _case(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    return lot.choice((token.upper, token.lower, token.swapcase))()


def _padding(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    """The other forms of base64."""
    match lot.randrange(4):
        case 0:
            return token.replace(b"-", b"+").replace(b"_", b"/") + b"="
        case 1:
            return b".".join(segment + b"=" * (-len(segment) % 4 or 4) for segment in token.split(b"."))
        case 2:
            return urlsafe_b64encode(token)
        case _:
            return token.replace(b".", lot.choice((b"..", b"%2e", b",", b" ", b"\t", b":")), 1)


def _edit(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    """Another header or payload under the old signature, or none."""
    segments = token.split(b".")
    which = lot.randrange(min(2, len(segments)))
    try:
        members = json.loads(urlsafe_b64decode(segments[which] + b"=="))
        members[lot.choice(_MEMBERS)] = lot.choice(_VALUES)
        if lot.random() < 0.2:
            members.pop(lot.choice(list(members)))
    except (ValueError, TypeError, LookupError, AttributeError):
        return _bit(token, (), lot)
    text = json.dumps(members, separators=lot.choice(((",", ":"), (", ", ": "))))
    if lot.random() < 0.1:
        text = text.replace("{", '{"sub":"admin",', 1)
    segments[which] = urlsafe_b64encode(text.encode()).rstrip(b"=")
    if lot.random() < 0.2:
        segments[-1] = lot.choice((b"", b"AA", b"A" * 342, b"A" * 86))
    return b".".join(segments)


def _respell(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    """The same JSON in other words, so that only the signature can tell."""
    segments = token.split(b".")
    which = lot.randrange(min(2, len(segments)))
    try:
        decoded = urlsafe_b64decode(segments[which] + b"==")
    except ValueError:
        return _letter(token, (), lot)
    other = lot.choice((
        decoded + b" ", b" " + decoded, decoded.replace(b":", b": ", 1), decoded.replace(b'"s', b'"\\u0073', 1),
        b"\xef\xbb\xbf" + decoded, decoded + b"{}", decoded.replace(b"/", b"\\/"),
        decoded.decode("latin-1").encode("utf-16"),
    ))  # fmt: skip
    segments[which] = urlsafe_b64encode(other).rstrip(b"=")
    return b".".join(segments)


def _noise(token: bytes, _: Sequence[bytes], lot: Lot) -> bytes:
    return lot.randbytes(lot.choice((1, 8, 300))) if lot.random() < 0.3 else token + lot.randbytes(lot.randrange(1, 9))


_MUTATIONS: tuple[Mutation, ...] = (
    _bit, _letter, _last_letter, _insert, _delete, _truncate, _duplicate, _swap, _case, _padding, _edit, _edit,
    _respell, _noise,
)  # fmt: skip
