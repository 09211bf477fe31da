"""What Envoy makes of path and host before it asks the gate, for whoever judges a request without Envoy. As measured.

`tests/integration/test_decide_as_live.py` compares it with Envoy's own reading, `envoy/test_odd_requests.py` the host.
"""

from __future__ import annotations

import re

from authz_service.domain.refusals import Reason, Rejected

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")  # RFC 3986 §2.3
_ESCAPED_ON_THE_WAY = re.compile(r'["<>{}|^`]')
_REFUSED_ESCAPE = re.compile(r"%(?:2[Ff]|5[Cc])")
_VISIBLE = re.compile(r"[!-~]*")
_LAST_DOT = re.compile(r"\.(?=(?::[^.]*)?$)")
_DOTS_WITH_PARAMETERS = re.compile(r"(?<=/)(\.\.?);[^/]*")  # as they stand: none that is escaped


def received_path(path: str, query: str, *, escaped_slashes: bool) -> str:
    """Without the query. Raises Rejected for what Envoy itself refuses. `escaped_slashes`: whether some route keeps
    them.
    """
    if not path.startswith("/") or _VISIBLE.fullmatch(path + query) is None:
        raise Rejected(Reason.REQUEST_INVALID, "the path does not start with a slash, or has what must be escaped")
    if "#" in path + query or "%00" in path or (_REFUSED_ESCAPE.search(path) is not None and not escaped_slashes):
        raise Rejected(Reason.PATH_REFUSED, "the path has a fragment, or an escaped slash, backslash or NUL")
    path = _DOTS_WITH_PARAMETERS.sub(r"\1", path).replace("\\", "/")
    path = _ESCAPE.sub(_plain, path)
    return _without_dot_segments(_ESCAPED_ON_THE_WAY.sub(lambda found: f"%{ord(found[0]):02X}", path))


def received_host(host: str) -> str:
    """Without the dot that ends a whole name, before a port too; one, not all."""
    return _LAST_DOT.sub("", host, count=1)


def _plain(escape: re.Match[str]) -> str:
    letter = chr(int(escape[1], 16))
    return letter if _UNRESERVED.fullmatch(letter) else escape[0]


def _without_dot_segments(path: str) -> str:
    """RFC 3986 §5.2.4."""
    kept: list[str] = []
    segments = path[1:].split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
