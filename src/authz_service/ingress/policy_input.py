"""The input document of docs/policies.md for one request, as Rego's values. Not what becomes of it."""

from __future__ import annotations

from authz_rego.values.value import Value
from authz_service import headers
from authz_service.domain.decision import NO_PEER, Claims, Peer, Request
from authz_service.request_form import query_values


class PolicyInput:
    """Puts together what peer and claims hold ready. Values are shared between requests: nobody changes them."""

    def __init__(self, extract: tuple[str, ...]) -> None:
        self._extract = tuple((name.lower(), name) for name in extract)

    def document(
        self, request: Request, peer: Peer, claims: Claims, segments: list[str], decision_id: str, correlation_id: str
    ) -> Value:
        extracted = {}
        for name, spelled in self._extract:
            value = extracted_header(request, peer, correlation_id, name)
            if value is not None:
                extracted[spelled] = value
        return {
            "mtls": peer.document,
            "token": claims.values,
            "request": {
                "method": request.method,
                "path": request.path,
                "segments": segments,
                "query": query_values(request.query) if request.query else {},
                "host": request.host,
            },
            "headers": extracted,
            "route": request.route,
            "decision_id": decision_id,
        }


def extracted_header(request: Request, peer: Peer, correlation_id: str, name: str) -> str | None:
    """A header for policy and audit: our own id is the checked one, a user context needs a verified peer (T25)."""
    if name == headers.CORRELATION_ID:
        return correlation_id
    if name == headers.USER_CONTEXT and peer is NO_PEER:
        return None
    return request.extracted.get(name)
