"""Envoy's `envoy.service.auth.v3.Authorization/Check`: the message read, the answer written. Not its transport.

Numbers of fields: envoy/service/auth/v3/{external_auth,attribute_context}.proto, envoy/config/core/v3/base.proto.
"""

from __future__ import annotations

from collections.abc import Iterable

from authz_service import headers
from authz_service.decision_point import protobuf
from authz_service.decision_point.answered import Answered
from authz_service.decision_point.asked import UNREADABLE, Asked
from authz_service.decision_point.certificates import as_envoy_writes_it, said_in
from authz_service.decision_point.rules import Said

METHOD = b"/envoy.service.auth.v3.Authorization/Check"

_ATTRIBUTES = 1  # CheckRequest
_SOURCE, _REQUEST = 1, 4  # AttributeContext
_ADDRESS, _CERTIFICATE = 1, 5  # Peer
_SOCKET_ADDRESS, _ADDRESS_TEXT = 1, 2  # Address, SocketAddress
_HTTP = 2  # Request
_METHOD, _HEADERS, _PATH, _HOST, _HEADER_MAP = 2, 3, 4, 5, 13  # HttpRequest
_KEY, _VALUE, _RAW_VALUE = 1, 2, 3  # map entry; HeaderValue
_STATUS, _DENIED, _OK = 1, 2, 3  # CheckResponse
_DENIED_STATUS, _DENIED_HEADERS, _DENIED_BODY = 1, 2, 3
_OK_HEADERS, _OK_REMOVED = 2, 5
_PERMISSION_DENIED = 7  # google.rpc.Code


def read(message: bytes, said: Said) -> Asked:
    """The request that the check is about."""
    try:
        attributes = protobuf.within(message, _ATTRIBUTES)
        http = protobuf.within(attributes, _REQUEST, _HTTP)
        source = protobuf.within(attributes, _SOURCE)
        found = _headers(http)
        of_request = protobuf.texts(http)
        certificate = as_envoy_writes_it(protobuf.within(source, _CERTIFICATE))
        remote = protobuf.within(source, _ADDRESS, _SOCKET_ADDRESS, _ADDRESS_TEXT)
    except ValueError:
        return UNREADABLE
    if said.client_certificate:  # a mesh's sidecar names the client in a header: the connection's is another proxy's
        name = said.client_certificate.encode()
        certificate = said_in(name, found.get(name, b""))
    return Asked(
        of_request.get(_METHOD, b""), of_request.get(_PATH, b""), of_request.get(_HOST, b""), found, certificate, remote
    )


def write(answered: Answered, asked: Asked, owned: Iterable[str]) -> bytes:
    """A CheckResponse. A header that is ours is set or removed in every spelling that came (SECURITY T4)."""
    if not answered.allowed:
        return (
            protobuf.of_bytes(_STATUS, protobuf.of_number(1, _PERMISSION_DENIED))
            + protobuf.of_bytes(
                _DENIED,
                protobuf.of_bytes(_DENIED_STATUS, protobuf.of_number(1, answered.status))
                + b"".join(protobuf.of_bytes(_DENIED_HEADERS, _set(name, value)) for name, value in answered.told)
                + protobuf.of_bytes(_DENIED_BODY, answered.body),
            )
        )  # fmt: skip
    removed = {*answered.removed, *other_spellings(asked, owned)} - {name for name, _ in answered.told}
    ok = b"".join(protobuf.of_bytes(_OK_HEADERS, _set(name, value)) for name, value in answered.told)
    ok += b"".join(protobuf.of_bytes(_OK_REMOVED, name) for name in sorted(removed))
    return protobuf.of_bytes(_STATUS, b"") + protobuf.of_bytes(_OK, ok)


def other_spellings(asked: Asked, owned: Iterable[str]) -> set[bytes]:
    """`x_user_id` and its like, which a service may read as `x-user-id`."""
    ours = {headers.spelled(name) for name in owned}
    return {name for name in asked.found if headers.spelled(name.decode("latin-1")) in ours}


def _headers(http: bytes) -> dict[bytes, bytes]:
    """Two of one name stay visible as a list, as our own Envoy shows them (SECURITY T14)."""
    entries = [value for number, value in protobuf.fields(http) if number == _HEADERS and isinstance(value, bytes)]
    header_map = protobuf.within(http, _HEADER_MAP)
    entries += [value for number, value in protobuf.fields(header_map) if number == 1 and isinstance(value, bytes)]
    found: dict[bytes, bytes] = {}
    for entry in entries:
        pair = protobuf.texts(entry)
        name, value = pair.get(_KEY, b"").lower(), pair.get(_RAW_VALUE, b"") or pair.get(_VALUE, b"")
        found[name] = value if name not in found else found[name] + b"," + value
    return found


def _set(name: bytes, value: bytes) -> bytes:
    """A HeaderValueOption that replaces: `append: false` means so in every version of Envoy."""
    pair = protobuf.of_bytes(_KEY, name) + protobuf.of_bytes(_VALUE, value)
    return protobuf.of_bytes(1, pair) + protobuf.of_bytes(2, b"")
