"""Tokens that only the holder of one client certificate may use (RFC 8705 §3). Not whose certificate it is.

A short `grace` helps a client over the renewal of its own certificate: docs/decisions/what-binding-grace-is.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from authz_service.domain import base64url
from authz_service.domain.bounded import Bounded
from authz_service.domain.decision import Claims, Peer
from authz_service.domain.refusals import Reason, Rejected

MAX_REMEMBERED = 1024
_CERTIFICATE = "x5t#S256"
_Owner = tuple[str, frozenset[tuple[str, str]], tuple[str, ...], tuple[str, ...]]


def bound_certificate(payload: Mapping[str, object], *, required: bool) -> str:
    """The fingerprint that `cnf` names (RFC 7800), as `Peer.fingerprint`; "" for a token that anybody may use.

    Raises Rejected for a token that is bound to something that we cannot check, and for a free one if `required`.
    """
    if "cnf" not in payload:
        if required:
            raise Rejected(Reason.TOKEN_BINDING_MISSING, "cnf is missing, and jwt.require_binding is true")
        return ""
    confirmation = payload["cnf"]
    if not isinstance(confirmation, dict) or confirmation.keys() != {_CERTIFICATE}:
        raise Rejected(Reason.TOKEN_TYPE_REFUSED, f"cnf has other members than {_CERTIFICATE}")
    try:
        digest = base64url.decode(str(confirmation[_CERTIFICATE]).encode("ascii"))
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise Rejected(Reason.TOKEN_CLAIMS_INVALID, f"cnf.{_CERTIFICATE} is not a SHA-256 in base64url")
    return digest.hex()


@dataclass(slots=True)
class _Renewal:
    latest: Peer
    former: Peer | None = None
    since: float = 0.0  # when `latest` took the place of `former`


class Renewals:
    """Which certificate each client showed last, and which one before it, as this worker saw it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._renewals: Bounded[_Owner, _Renewal] = Bounded(MAX_REMEMBERED)

    def note(self, peer: Peer) -> None:
        """A client was introduced. Only a certificate that was issued later renews one: two that are in use side by
        side never take turns.
        """
        owner = _owner(peer)
        known = self._renewals.get(owner)
        if known is None:
            self._renewals[owner] = _Renewal(peer)
        elif peer.not_before > known.latest.not_before:
            self._renewals[owner] = _Renewal(peer, known.latest, self._now())

    def has_just_replaced(self, peer: Peer, fingerprint: str, grace: float) -> bool:
        """Whether this client showed that certificate before the present one, and changed it less than `grace` ago."""
        known = self._renewals.get(_owner(peer))
        if known is None or known.former is None or known.latest.fingerprint != peer.fingerprint:
            return False
        now, former = self._now(), known.former
        return former.fingerprint == fingerprint and now < known.since + grace and now <= former.not_after


def require_holder(peer: Peer, claims: Claims, renewals: Renewals | None, grace: float) -> None:
    """Raises Rejected unless the connection's own certificate is the one that the token is bound to."""
    if peer.fingerprint == claims.certificate:
        return
    if grace and renewals is not None and renewals.has_just_replaced(peer, claims.certificate, grace):
        return
    shown = f"shown {peer.fingerprint[:16]}…" if peer.fingerprint else "none was shown"
    raise Rejected(Reason.TOKEN_BINDING_MISMATCH, f"bound to certificate {claims.certificate[:16]}…, {shown}")


def _owner(peer: Peer) -> _Owner:
    """The same client by the same authority; a certificate of another one is never a renewal."""
    return peer.issuer, peer.subject, peer.uris, peer.dns
