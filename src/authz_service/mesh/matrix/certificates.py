"""Which certificates the matrix asks with: none, those that calls show, and the allowed names that none of them has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from authz_service.domain.decision import Peer
from authz_service.domain.refusals import Rejected
from authz_service.errors import AuthzServiceError
from authz_service.identity.certificates import is_match, parse_client_rule, read_peer
from authz_service.mesh.ground import Ground
from authz_service.mesh.model import Call, Sidecar
from authz_service.mesh.shown import NAMELESS, NOTHING, Shown, assumed_by


class Way(NamedTuple):
    """A certificate that callers show, and its name."""

    shown: Shown
    name: str


def certificates(ground: Ground) -> Iterator[Way]:
    """Each once; the first is none at all."""
    yield Way(NOTHING, "none")
    told: set[str] = set()
    for way in (*_of_calls(ground), *_of_allowed_names(ground)):
        if way.name not in told:
            told.add(way.name)
            yield way


def _of_calls(ground: Ground) -> Iterator[Way]:
    for call in ground.mesh.calls:
        shown = ground.shown(call)
        if shown is not None and shown.chain:
            yield Way(shown, _certificate_name(shown, call))


def _of_allowed_names(ground: Ground) -> Iterator[Way]:
    peers = [peer for call in ground.mesh.calls if (peer := _peer(ground.shown(call))) is not None]
    for text in dict.fromkeys(one for sidecar in ground.served for one in _allowed(sidecar)):
        shown = _allowed_one(text, peers)
        if shown is not None:
            yield Way(shown, shown.name)


def _allowed(sidecar: Sidecar) -> tuple[str, ...]:
    mtls = sidecar.config.proxy.mtls
    return mtls.allowed_clients if mtls.enabled else ()


def _allowed_one(text: str, peers: Sequence[Peer]) -> Shown | None:
    """A certificate that such a rule allows; None where one of these has the name, or none can be made up."""
    try:
        rule = parse_client_rule(text)
        return None if any(is_match(rule, peer) for peer in peers) else assumed_by(text)
    except (ValueError, AuthzServiceError):
        return None


def _peer(shown: Shown | None) -> Peer | None:
    try:
        return None if shown is None or not shown.chain else read_peer(shown.pem)
    except Rejected:
        return None


def _certificate_name(shown: Shown, call: Call) -> str:
    return shown.name if shown.name != NAMELESS else f"{call.source.name}'s"
