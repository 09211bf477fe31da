"""Envoy's ext_authz over HTTP: the request itself, without its body, below a path prefix. Read and answered.

Headers to remove are said in `x-envoy-auth-headers-to-remove`, which Envoy obeys by itself; those to set must be in its
`allowed_upstream_headers`.
"""

from __future__ import annotations

from collections.abc import Collection

from authz_service import headers
from authz_service.decision_point.answered import Answered
from authz_service.decision_point.asked import UNREADABLE, Asked
from authz_service.decision_point.certificates import said_in
from authz_service.decision_point.http_messages import HttpRequest, http_answer
from authz_service.decision_point.rules import Said

_REMOVE = headers.REMOVE.encode()


def read(request: HttpRequest, said: Said, path_prefix: str) -> Asked:
    """A target that is not below the prefix has no path, and is refused."""
    prefix = path_prefix.encode()
    if not request.target.startswith(prefix):
        return UNREADABLE
    try:
        certificate, remote = certificate_of(request, said), remote_of(request, said)
        host = request.one("host") or b""
    except ValueError:
        return UNREADABLE
    return Asked(request.method, request.target[len(prefix) :], host, request.found, certificate, remote)


def write(answered: Answered, owned: Collection[str], *, is_head: bool, last: bool) -> bytes:
    lines = list(answered.told)
    if answered.allowed:
        removed = {*answered.removed, *(name.replace("-", "_").encode() for name in owned if "-" in name)}
        if removed:
            lines.append((_REMOVE, b",".join(sorted(removed))))
    return http_answer(answered.status, lines, answered.body, is_head=is_head, last=last)


def certificate_of(request: HttpRequest, said: Said) -> bytes:
    """The client's, in Envoy's form. Raises ValueError where the proxy could not verify it, or says two."""
    if not said.client_certificate:
        return b""
    certificate = said_in(said.client_certificate.encode(), request.one(said.client_certificate) or b"")
    if certificate and said.client_verify and request.one(said.client_verify) != b"SUCCESS":
        raise ValueError("the proxy has not verified the certificate")
    return certificate


def remote_of(request: HttpRequest, said: Said) -> bytes:
    """The client's address: of a list the last one, which the asking proxy has seen itself."""
    if not said.remote:
        return b""
    return request.found.get(said.remote.encode(), b"").rpartition(b",")[2].strip()
