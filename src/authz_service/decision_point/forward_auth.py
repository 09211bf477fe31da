"""nginx's auth_request, Traefik's ForwardAuth, Caddy's forward_auth: a GET that names the request in headers.

They hand on the client's own headers too. So a fact is read only from the header that the configuration says the proxy
sets, and nothing is believed that it does not set.
"""

from __future__ import annotations

from authz_service.decision_point.answered import Answered
from authz_service.decision_point.asked import UNREADABLE, Asked
from authz_service.decision_point.ext_authz_http import certificate_of, remote_of
from authz_service.decision_point.http_messages import HttpRequest, http_answer
from authz_service.decision_point.rules import Said

_NGINX_KNOWS = (200, 401, 403)  # ngx_http_auth_request_module; anything else is an error to it, and a 500 to the caller


def read(request: HttpRequest, said: Said) -> Asked:
    """Without its method, URI or host nothing is allowed: the proxy is not configured as we are."""
    try:
        method, uri, host = request.one(said.method), request.one(said.uri), request.one(said.host)
        certificate, remote = certificate_of(request, said), remote_of(request, said)
    except ValueError:
        return UNREADABLE
    if method is None or uri is None or host is None:
        return UNREADABLE
    return Asked(method, uri, host, request.found, certificate, remote)


def missing(request: HttpRequest, said: Said) -> list[str]:
    """Headers that the proxy should have set, once, and has not; for who reads the log."""
    wanted = (said.method, said.uri, said.host)
    return [name for name in wanted if name.encode() not in request.found or name.encode() in request.repeated]


def write(answered: Answered, *, for_nginx: bool, is_head: bool, last: bool) -> bytes:
    """What the service gets is what the proxy copies from here; what we do not set it must take away by itself."""
    status = answered.status
    if for_nginx and status not in _NGINX_KNOWS and status < 500:
        status = 403
    return http_answer(status, answered.told, answered.body, is_head=is_head, last=last)
