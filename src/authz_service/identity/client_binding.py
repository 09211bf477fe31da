"""Whether a service's own token comes from that service's certificate (SECURITY T9).

Not for users' tokens: they travel with whoever serves the user.
"""

from authz_service.domain.decision import Claims, Peer
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import PeerRules

_CN_SUFFIX = "-client"
_SPIFFE = "spiffe://"
_DNS = "dns:"
_WHAT_TO_SET = "jwt.service_tokens, jwt.client_claim"


def require_same_client(peer: Peer, claims: Claims, rules: PeerRules) -> None:
    """Raises Rejected when anybody but the service presents a service account's token (no certificate is nobody)."""
    if not rules.bind_service_tokens or not claims.is_service:
        return
    if not claims.client:
        raise Rejected(Reason.TOKEN_CLIENT_MISMATCH, f"whose token it is cannot be told ({_WHAT_TO_SET})")
    if claims.client not in _clients_of(peer, rules):
        raise Rejected(Reason.TOKEN_CLIENT_MISMATCH, f"issued to {claims.client}")


def sharing(rules: PeerRules) -> dict[str, list[str]]:
    """By client: the SPIFFE IDs that may all present its tokens, only because they end alike. For advice."""
    if not rules.bind_service_tokens:
        return {}
    bound = {owner for owner, _ in rules.bindings}
    found: dict[str, list[str]] = {}
    for rule in rules.allowed:
        if rule.uri and rule.uri not in bound:
            found.setdefault(_last_segment(rule.uri), []).append(rule.uri)
    return {client: uris for client, uris in found.items() if len(set(uris)) > 1}


def unbound(rules: PeerRules) -> list[str]:
    """The DNS names whose certificates may present no service's token, for nothing says whose they are. For advice."""
    bound = {owner for owner, _ in rules.bindings}
    named = [f"{_DNS}{rule.dns}" for rule in rules.allowed if rule.dns]
    return [name for name in named if rules.bind_service_tokens and name not in bound]


def _clients_of(peer: Peer, rules: PeerRules) -> list[str]:
    """The clients whose tokens this peer may present: as configured for its name, or else as the name itself says."""
    name = peer.common_name or (peer.uris[0] if len(peer.uris) == 1 else "")
    names = {f"{_DNS}{one.lower()}" for one in peer.dns}
    if name and not name.startswith(_DNS):
        names.add(name)
    bound = [azp for owner, azp in rules.bindings if owner in names]
    if bound:
        return bound
    if peer.common_name:
        return [name.removesuffix(_CN_SUFFIX)] if name.endswith(_CN_SUFFIX) else []
    return [_last_segment(name)] if name.startswith(_SPIFFE) else []


def _last_segment(spiffe_id: str) -> str:
    return spiffe_id.rpartition("/")[2]
