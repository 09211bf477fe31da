"""Whose token it is: a service's own or a user's, and which client it was issued to. Not who may present it.

No claim says it for every provider, so the configuration may: `jwt.service_tokens`. What cannot be told is one.
"""

from collections.abc import Iterable, Mapping

from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import IssuerRules

CLIENT_CLAIMS = ("azp", "client_id", "cid", "appid")  # OpenID Connect Core §2, RFC 9068 §2.2, Okta and UAA, Entra v1
_KEYCLOAK_ACCOUNT = "service-account-"
_AUTH0_MACHINE = "@clients"
_MACHINE_GRANTS = ("client-credentials", "client_credentials")
_KUBERNETES_ACCOUNT = "system:serviceaccount:"

Payload = Mapping[str, object]


def client_of(payload: Payload, rules: IssuerRules) -> str:
    """The client that the token was issued to; "" where it does not say, or says two."""
    found = set(_named(payload, (rules.client_claim,) if rules.client_claim else CLIENT_CLAIMS))
    return found.pop() if len(found) == 1 else ""


def is_service(payload: Payload, rules: IssuerRules) -> bool:
    """Whether it is a service's own token. Where that cannot be told, it is."""
    match rules.service_tokens:
        case "all" | "none" as said:
            return said == "all"
        case "claim":
            return any(payload.get(claim) == value for claim, value in rules.service_claims)
        case "by_client":
            return client_of(payload, rules) not in rules.user_clients or _has_machine_mark(payload, rules)
        case "keycloak":
            return _is_keycloak_service(payload)
        case "rfc9068":
            return _is_rfc9068_service(payload, rules)
    return _looks_like_a_service(payload, rules)


def require_subject(payload: Payload, *, service: bool) -> None:
    """A user has a `sub`; a service is known by its client. Raises Rejected."""
    if payload.get("sub") is None and not service:
        told = "sub is missing (Keycloak 25 and newer writes it with the client scope basic)"
        raise Rejected(Reason.TOKEN_CLAIMS_INVALID, told)


def _named(payload: Payload, claims: Iterable[str]) -> list[str]:
    """The clients that these claims name; a list of one (Spring writes the client into `aud`) is that one."""
    found = (payload.get(claim) for claim in claims)
    single = (one[0] if isinstance(one, list) and len(one) == 1 else one for one in found)
    return [one for one in single if isinstance(one, str)]


def _looks_like_a_service(payload: Payload, rules: IssuerRules) -> bool:
    """By what the providers write; docs/identity-providers.md has them."""
    if _has_machine_mark(payload, rules):
        return True
    if payload.get("typ") == "Bearer":  # nobody but Keycloak writes this claim
        return _is_keycloak_service(payload)
    if payload.get("idtyp") == "user" or "scp" in payload:
        return False  # Entra writes `scp` for users only; Okta for both, but its machines have their client as `sub`
    if "client_id" in payload or "cid" in payload:
        return _is_rfc9068_service(payload, rules)
    return True


def _has_machine_mark(payload: Payload, rules: IssuerRules) -> bool:
    subject, clients = payload.get("sub"), _named(payload, (*CLIENT_CLAIMS, rules.client_claim))
    return (
        (isinstance(subject, str) and (subject in clients or subject.removesuffix(_AUTH0_MACHINE) in clients))
        or (isinstance(subject, str) and subject.startswith(_KUBERNETES_ACCOUNT))
        or payload.get("gty") in _MACHINE_GRANTS
        or payload.get("grant_type") in _MACHINE_GRANTS
        or payload.get("idtyp") == "app"
        or str(payload.get("preferred_username")).startswith(_KEYCLOAK_ACCOUNT)
    )


def _is_keycloak_service(payload: Payload) -> bool:
    """Keycloak names the account after the client; a token without its name (client scope `profile`) does not tell."""
    name = payload.get("preferred_username")
    return not isinstance(name, str) or name.startswith(_KEYCLOAK_ACCOUNT)


def _is_rfc9068_service(payload: Payload, rules: IssuerRules) -> bool:
    """RFC 9068 §2.2: `sub` is the user, or where there is none, the client itself."""
    subject, clients = payload.get("sub"), _named(payload, (*CLIENT_CLAIMS, rules.client_claim))
    return not clients or subject is None or subject in clients
