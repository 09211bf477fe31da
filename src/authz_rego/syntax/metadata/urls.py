"""A URL as Go's net/url writes it after reading it. Not its parts, for which a policy may ask (`builtins.uris`).

All is bytes until the end: codes may stand for what is no UTF-8.
"""

from __future__ import annotations

import re
from typing import Final

from authz_rego.builtins.percent_codes import (
    FRAGMENT,
    HOST,
    PATH,
    QUERY,
    escaped,
    unescaped,
)
from authz_rego.builtins.url_hosts import STRICT_SCHEMES, read_host
from authz_rego.errors import BuiltinError

_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_SCHEME: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):")
_USER_INFO: Final = re.compile(rb"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_USER: Final = QUERY + "$&+,;="
_ALSO_KEPT: Final = "!$&'()*+,;=:@[]%"  # in a path or fragment that is written with codes anyway


class UrlError(Exception):
    """Why a text is no URL."""


def normal_url(text: str) -> str:
    """Raises UrlError."""
    content, _, fragment = text.encode().partition(b"#")
    try:
        found = _before_fragment(content)
        if unescaped(fragment):
            found += "#" + _kept_or_escaped(fragment, FRAGMENT)
    except BuiltinError as problem:
        raise UrlError(f'parse "{text}": {problem}') from None
    return found


def _before_fragment(content: bytes) -> str:
    if _CONTROL.search(content):
        raise BuiltinError("net/url: invalid control character in URL")
    if content.startswith(b":"):
        raise BuiltinError("missing protocol scheme")
    match = _SCHEME.match(content)
    scheme = match[1].decode().lower() + ":" if match else ""
    rest, mark, query = (content[match.end() :] if match else content).partition(b"?")
    behind = (mark + query).decode() if query or rest or scheme or mark else ""
    if not rest.startswith(b"/"):
        if scheme:
            return scheme + rest.decode() + behind
        if b":" in rest.partition(b"/")[0]:
            raise BuiltinError("first path segment in URL cannot contain colon")
    if not rest.startswith(b"//") or (not scheme and rest.startswith(b"///")):
        path = _path(rest)
        if not scheme and ":" in path.partition("/")[0]:
            path = "./" + path
        return scheme + path + behind
    authority, slash, path_bytes = rest[2:].partition(b"/")
    host = _authority(scheme, authority)
    path = _path(slash + path_bytes)
    return scheme + ("//" + host if host or path else "") + path + behind


def _path(raw: bytes) -> str:
    unescaped(raw)
    return _kept_or_escaped(raw, PATH)


def _kept_or_escaped(raw: bytes, plain: str) -> str:
    """As written, where all of it may stand so."""
    if set(raw.decode("latin-1")) <= set(plain + _ALSO_KEPT):
        return raw.decode()
    return escaped(unescaped(raw), plain)


def _authority(scheme: str, authority: bytes) -> str:
    user, at, host = authority.rpartition(b"@")
    found = escaped(read_host(host, strict=scheme.removesuffix(":").encode() in STRICT_SCHEMES), HOST)
    if not _USER_INFO.fullmatch(user):
        raise BuiltinError("net/url: invalid userinfo")
    name, colon, password = user.partition(b":")
    shown = escaped(unescaped(name), _USER) + colon.decode() + escaped(unescaped(password), _USER)
    return (shown + "@" if at else "") + found
