"""The rules while Envoy takes over other client CAs and revocation lists: whom either refuses is refused. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from authz_service.domain.rules import GateRules, PeerRules

Listed = tuple[tuple[str, tuple[str, ...]], ...]


def with_both(wanted: GateRules, before: GateRules | None) -> GateRules:
    """`wanted`, and of client certificates what `before` refuses is refused, too."""
    if before is None or before.peers is None or wanted.callers_elsewhere:
        return wanted
    if wanted.peers is None:
        return replace(wanted, peers=before.peers)
    return replace(wanted, peers=_stricter(wanted.peers, before.peers))


def _stricter(wanted: PeerRules, before: PeerRules) -> PeerRules:
    ends = [end for end in (wanted.listed_until, before.listed_until) if end is not None]
    return replace(
        wanted,
        revoked=tuple(sorted({*wanted.revoked, *before.revoked})),
        listed=_by_both(wanted.listed, before.listed),
        listed_until=min(ends, default=None),
        withdrawn=tuple(sorted({*wanted.withdrawn, *before.withdrawn})),
    )


def _by_both(one: Listed | None, other: Listed | None) -> Listed | None:
    """Whom both cover. Two places of one authority that are not the same cover nobody: no list is for both."""
    if one is None or other is None:
        return other if one is None else one
    others = dict(other)
    return tuple((name, found) for name, urls in one if (found := _places(urls, others.get(name))) is not None)


def _places(urls: tuple[str, ...], others: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Without any, all of the authority's clients are meant."""
    if others is None or not urls or not others:
        return None if others is None else urls or others
    return tuple(sorted({*urls} & {*others})) or None
