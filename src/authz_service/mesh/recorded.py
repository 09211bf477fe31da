"""What was recorded of one request, as a question to the mesh's files: so that the files can say why. Pure."""

from __future__ import annotations

from typing import NamedTuple

from authz_service.audit.record import AuditRecord
from authz_service.audit.trail import Hop, Trail, caller_names
from authz_service.mesh.asked import AskedFor
from authz_service.mesh.door import TLS_REFUSED
from authz_service.mesh.hop import Journey
from authz_service.mesh.model import Call, Mesh, Sidecar

_SERVICE_ACCOUNT = "service-account-"  # how Keycloak names the user behind a service's own token


class Recorded(NamedTuple):
    """The hop that is to be explained, and the request that led to it."""

    hop: Hop
    asked: AskedFor
    refused: bool  # False: it was let out, and nobody recorded that it arrived


def first_no(mesh: Mesh, trail: Trail) -> Recorded | None:
    """The first refusal; else the first hop that sent something on of which there is no record. None: neither."""
    hops = trail.hops
    refused = [at for at, hop in enumerate(hops) if hop.record.event == "access" and hop.record.decision != "allow"]
    lost = [note.place for note in trail.notes if note.kind == "no_record_of_callee"]
    vanished = [at for at, hop in enumerate(hops) if hop.place in lost]
    if not refused and not vanished:
        return None
    at = min(refused, key=lambda one: hops[one].record.time) if refused else vanished[0]
    return Recorded(hops[at], _question(mesh, hops, at), bool(refused))


def agrees(recorded: Recorded, mesh: Mesh, journey: Journey) -> bool:
    """Whether the files say what was recorded: the same sidecar, the same reason."""
    refused = journey.refused
    if refused is None:
        return False
    if not recorded.refused:
        return refused.reason == TLS_REFUSED  # any other refusal would have left a record
    sidecar = _sidecar_of(mesh, recorded.hop.record.service)
    return sidecar is not None and (refused.sidecar, refused.reason) == (sidecar.name, recorded.hop.record.reason)


def _question(mesh: Mesh, hops: tuple[Hop, ...], at: int) -> AskedFor:
    """From where the configurations determine the way: a user's request, or what a service asked its egress for."""
    record = hops[at].record
    above = hops[at].below
    while above is not None and _way(mesh, hops[above].record, record, of_ingress=True) is not None:
        at, record, above = above, hops[above].record, hops[above].below
    callers = [hops[above].record.service] if above is not None else [*caller_names(record)]
    for name in callers:
        sidecar = _sidecar_of(mesh, name)
        call = None if sidecar is None else _call(mesh, sidecar, record, of_ingress=False)
        if call is not None and sidecar is not None:
            path = f"{call.strip_prefix or ''}{record.path}"
            return AskedFor(record.method, path, source=sidecar.name, headers=_headers(record))
        call = None if sidecar is None else _call(mesh, sidecar, record, of_ingress=True)
        if call is not None and sidecar is not None:  # the caller's own record is not there
            path = f"{call.strip_prefix or ''}{record.path}"
            return AskedFor(record.method, path, _principal(record), at=sidecar.name, headers=_headers(record))
    entry = _sidecar_of(mesh, record.service)
    name = record.service if entry is None else entry.name
    return AskedFor(record.method, record.path, _principal(record), at=name, headers=_headers(record))


def _headers(record: AuditRecord) -> tuple[tuple[str, str], ...]:
    return (("x-correlation-id", record.correlation_id),)


def _way(mesh: Mesh, caller: AuditRecord, record: AuditRecord, *, of_ingress: bool) -> Call | None:
    sidecar = _sidecar_of(mesh, caller.service)
    return None if sidecar is None else _call(mesh, sidecar, record, of_ingress=of_ingress)


def _call(mesh: Mesh, sidecar: Sidecar, record: AuditRecord, *, of_ingress: bool) -> Call | None:
    wanted = _sidecar_of(mesh, record.service)
    calls = [one for one in mesh.calls_of(sidecar) if one.of_ingress is of_ingress and one.destination is wanted]
    return next((one for one in calls if wanted is not None and record.path.startswith(one.arrives_as)), None)


def _sidecar_of(mesh: Mesh, service: str) -> Sidecar | None:
    known = mesh.sidecars.values()
    named = next((one for one in known if one.config.service.name == service), None)
    return named or next((one for one in known if service.lower() in one.names), None)


def _principal(record: AuditRecord) -> str:
    if record.user_name.startswith(_SERVICE_ACCOUNT):
        return record.calling_service
    return record.user_name or record.user_id
