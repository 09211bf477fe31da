"""What a request to the token endpoint is, what it is asked of, and a refusal in Keycloak's words. Decides nothing."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from authz_devkit.identity_provider.keys import RealmKeys
from authz_devkit.identity_provider.revocation import Revoked
from authz_realm.realm import Realm

Answer = dict[str, object]


class OAuthError(Exception):
    """RFC 6749 §5.2, in Keycloak's words."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(error, description)
        self.status = status
        self.body: Answer = {"error": error, "error_description": description}


class Call(NamedTuple):
    """One request to the token or introspection endpoint. A parameter that came twice is in `duplicated`."""

    form: Mapping[str, str]
    duplicated: bool
    authorization: str | None
    address: str
    certificate: bytes | None = None  # the client's, verified in the handshake; DER


class Context(NamedTuple):
    """The realm that is asked, and the outside world."""

    realm: Realm
    keys: RealmKeys
    issuer: str
    now: Callable[[], float]
    new_id: Callable[[], str]
    revoked: Revoked
    used_proofs: Revoked  # client assertions: each is good once
