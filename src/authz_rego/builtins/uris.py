"""OPA's `uri.*`, which is Go's net/url.Parse. Not percent-encoding (`percent_codes`).

Each step raises BuiltinError for what is no URL. All is bytes until the end: codes may stand for what is no UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from authz_rego.builtins.operands import string_operand
from authz_rego.builtins.percent_codes import PATH, escaped, unescaped
from authz_rego.builtins.url_hosts import PORT, STRICT_SCHEMES, read_host
from authz_rego.errors import BuiltinError
from authz_rego.values.byte_texts import raw_of, text_of_bytes
from authz_rego.values.value import Value

_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_SCHEME: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):")
_USER: Final = re.compile(rb"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")


def _parse(value: Value) -> dict[str, Value]:
    parts = _parts(raw_of(string_operand(value, 1)))
    return {name: text_of_bytes(part) for name, part in parts.items() if part}


def _is_valid(value: Value) -> bool:
    if type(value) is not str or not value:
        return False
    try:
        _parts(raw_of(value))
    except BuiltinError:
        return False
    return True


def _parts(content: bytes) -> dict[str, bytes]:
    """Scheme, host and so on; those that are not there are empty."""
    before, _, fragment = content.partition(b"#")
    return {**_without_fragment(before), "fragment": unescaped(fragment)}


def _without_fragment(content: bytes) -> dict[str, bytes]:
    if _CONTROL.search(content):
        raise BuiltinError("invalid control character in URL")
    if content == b"*":
        return _path(content)
    if content.startswith(b":"):
        raise BuiltinError("missing protocol scheme")
    match = _SCHEME.match(content)
    scheme = match[1].lower() if match else b""
    rest, _, query = (content[match.end() :] if match else content).partition(b"?")
    found = {"scheme": scheme, "raw_query": query}
    if not rest.startswith(b"/"):
        if scheme:
            return found
        if b":" in rest.partition(b"/")[0]:
            raise BuiltinError("first path segment in URL cannot contain colon")
    if rest.startswith(b"//") and (scheme or not rest.startswith(b"///")):
        authority, slash, path = rest[2:].partition(b"/")
        return found | _authority(scheme, authority) | _path(slash + path)
    return found | _path(rest)


def _path(raw: bytes) -> dict[str, bytes]:
    """OPA gives the raw path as written only where Go would write it otherwise."""
    path = unescaped(raw)
    return {"path": path, "raw_path": path if escaped(path, PATH).encode() == raw else raw}


def _authority(scheme: bytes, authority: bytes) -> dict[str, bytes]:
    user, _, host = authority.rpartition(b"@")
    found = read_host(host, strict=scheme in STRICT_SCHEMES)
    if not _USER.fullmatch(user):
        raise BuiltinError("invalid userinfo")
    unescaped(user)
    hostname, colon, port = found.rpartition(b":")
    if not colon or not PORT.fullmatch(colon + port):
        hostname, port = found, b""
    if hostname.startswith(b"[") and hostname.endswith(b"]"):
        hostname = hostname[1:-1]
    return {"hostname": hostname, "port": port}


FUNCTIONS: dict[str, Callable[..., Value]] = {"uri.is_valid": _is_valid, "uri.parse": _parse}
