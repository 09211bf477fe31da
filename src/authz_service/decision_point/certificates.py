"""A client's certificate as other proxies hand it on, turned into the form in which our Envoy does. Nothing is judged.

What cannot be read becomes a text that the gate refuses as `client_cert_invalid`: a proxy that says something is not
taken for one that says "no certificate".
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

UNREADABLE = b"unreadable"
XFCC = b"x-forwarded-client-cert"
_BEGIN = b"-----BEGIN"
# Envoy's x-forwarded-client-cert: `Key=value` or `Key="value"`, with ; between keys and , between proxies.
_PAIR = re.compile(rb'([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))(;|\Z)')


def as_envoy_writes_it(value: bytes) -> bytes:
    """From URL-encoded PEM (nginx, Envoy), or DER in base64 (Caddy, HAProxy; escaped, Traefik; in colons, RFC 9440)."""
    if not value or value.startswith(_BEGIN):
        return value
    text = unquote_to_bytes(value)
    if text.startswith(_BEGIN):
        return value
    if len(text) > 1 and text.startswith(b":") and text.endswith(b":"):
        text = text[1:-1]
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return UNREADABLE
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    return quote_from_bytes(pem, safe="").encode()


def of_xfcc(value: bytes) -> bytes:
    """The certificate in `Cert="…"`, of the one client that the asking proxy has seen itself.

    Two elements are two proxies' words, of which one may be the client's own: neither is taken.
    """
    if not value:
        return b""
    certificates, at = [], 0
    while at < len(value):
        pair = _PAIR.match(value, at)
        if pair is None:
            return UNREADABLE
        if pair[1].lower() == b"cert":
            certificates.append(pair[2] if pair[2] is not None else pair[3])
        at = pair.end()
    return as_envoy_writes_it(certificates[0]) if len(certificates) == 1 and certificates[0] else UNREADABLE


def said_in(header: bytes, value: bytes) -> bytes:
    """By the form that the header has."""
    return of_xfcc(value) if header == XFCC else as_envoy_writes_it(value)
