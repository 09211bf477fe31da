"""The signing keys of the realms: made at the start or read from the state file, rotated on demand.

A development provider's keys: in memory, or unencrypted in one file (0600).
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeyParameters, KeySet, OctKey, RSAKey
from joserfc.util import urlsafe_b64encode
from msgspec import Struct, ValidationError, json

from authz_devkit.certs.files import PRIVATE, replace_file
from authz_devkit.identity_provider.client_certificates import thumbprint
from authz_realm.mappers import Claims

SigningKey = RSAKey | ECKey
Jwk = dict[str, str | list[str]]

_SINCE, _UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)  # nobody reads them
_REFRESH = "HS512"  # as Keycloak signs what only it has to read


class StateProblem(Exception):  # noqa: N818 - it names what is wrong, as RealmProblems does
    """The state file cannot be used. The text says what to do."""


class _RealmState(Struct):
    algorithm: str
    keys: list[Jwk]
    refresh: Jwk
    encryption: Jwk


class RealmKeys:
    """The first key signs; the others are still published. So is a key to encrypt for us, which nobody does: whoever
    reads Keycloak's keys has to tell it from the others.
    """

    def __init__(self, algorithm: str, keys: list[SigningKey], refresh: OctKey, encryption: RSAKey) -> None:
        self._algorithm = algorithm
        self._keys = keys
        self._refresh = refresh
        self._encryption = encryption
        self._publish()

    @classmethod
    def create(cls, algorithm: str) -> Self:
        encryption = RSAKey.generate_key(2048, {"use": "enc", "alg": "RSA-OAEP"})
        encryption.ensure_kid()
        return cls(algorithm, [_new_key(algorithm)], OctKey.generate_key(512), encryption)

    @classmethod
    def restore(cls, state: _RealmState) -> Self:
        kind: type[SigningKey] = RSAKey if state.algorithm == "RS256" else ECKey
        keys = [kind.import_key(key) for key in state.keys]
        return cls(state.algorithm, keys, OctKey.import_key(state.refresh), RSAKey.import_key(state.encryption))

    def state(self) -> _RealmState:
        keys = [key.as_dict(private=True) for key in self._keys]
        refresh, encryption = (key.as_dict(private=True) for key in (self._refresh, self._encryption))
        return _RealmState(self._algorithm, keys, refresh, encryption)

    @property
    def algorithm(self) -> str:
        return self._algorithm

    def jwks(self) -> dict[str, list[Jwk]]:
        return {"keys": self._published}

    def public_key(self) -> str:
        return base64.b64encode(self._keys[0].as_der(private=False)).decode()

    def rotate(self, *, keep_old: bool) -> None:
        self._keys = [_new_key(self._algorithm), *(self._keys if keep_old else [])]
        self._publish()

    def _publish(self) -> None:
        keys = (*self._keys, self._encryption)
        self._published: list[Jwk] = [{**key.as_dict(private=False), **_certificate_members(key)} for key in keys]

    def sign(self, claims: Claims) -> str:
        header = {"alg": self._algorithm, "typ": "JWT", "kid": self._keys[0].kid}
        return jwt.encode(header, claims, self._keys[0], algorithms=[self._algorithm])

    def read(self, token: str) -> Claims | None:
        """The claims of a token that one of the published keys signed."""
        return _claims(token, KeySet(list(self._keys)), self._algorithm)

    def sign_refresh(self, claims: Claims) -> str:
        return jwt.encode({"alg": _REFRESH, "typ": "JWT"}, claims, self._refresh, algorithms=[_REFRESH])

    def read_refresh(self, token: str) -> Claims | None:
        return _claims(token, self._refresh, _REFRESH)


class KeyStore:
    """The keys of every realm, and the file that keeps them over a restart."""

    def __init__(self, keys: dict[str, RealmKeys], state_file: Path | None) -> None:
        self._keys = keys
        self._state_file = state_file
        self._save()

    @classmethod
    def open(cls, algorithms: Mapping[str, str], state_file: Path | None = None) -> Self:
        """Keys for each realm of `algorithms` (realm → RS256 or ES256): the stored ones, or new ones."""
        stored = _load(state_file)
        keys = {
            realm: RealmKeys.restore(stored[realm])
            if realm in stored and stored[realm].algorithm == algorithm
            else RealmKeys.create(algorithm)
            for realm, algorithm in algorithms.items()
        }
        return cls(keys, state_file)

    def __getitem__(self, realm: str) -> RealmKeys:
        return self._keys[realm]

    def rotate(self, realm: str, *, keep_old: bool) -> None:
        self._keys[realm].rotate(keep_old=keep_old)
        self._save()

    def _save(self) -> None:
        if self._state_file is not None:
            state = {realm: keys.state() for realm, keys in self._keys.items()}
            replace_file(self._state_file, json.encode(state), PRIVATE)


def _load(state_file: Path | None) -> dict[str, _RealmState]:
    if state_file is None or not state_file.exists():
        return {}
    try:
        return json.decode(state_file.read_bytes(), type=dict[str, _RealmState])
    except (OSError, ValidationError, ValueError) as problem:
        raise StateProblem(f"{state_file}: {problem}; remove it to start with new keys") from problem


def _certificate_members(key: SigningKey) -> Jwk:
    """RFC 7517 §4.7: Keycloak certifies each RSA key, by itself."""
    if isinstance(key, ECKey):
        return {}
    assert key.private_key is not None  # we made it
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "development")])
    made = x509.CertificateBuilder(name, name, key.public_key, 1, _SINCE, _UNTIL)
    der = made.sign(key.private_key, SHA256()).public_bytes(Encoding.DER)
    return {
        "x5c": [base64.b64encode(der).decode()],
        "x5t": urlsafe_b64encode(sha1(der, usedforsecurity=False).digest()).decode(),
        "x5t#S256": thumbprint(der),
    }


def _new_key(algorithm: str) -> SigningKey:
    parameters: KeyParameters = {"use": "sig", "alg": algorithm}
    key: SigningKey
    key = RSAKey.generate_key(2048, parameters) if algorithm == "RS256" else ECKey.generate_key("P-256", parameters)
    key.ensure_kid()
    return key


def _claims(token: str, key: KeySet | OctKey, algorithm: str) -> Claims | None:
    try:
        return dict(jwt.decode(token, key, algorithms=[algorithm]).claims)
    except (JoseError, ValueError):
        return None
