"""The token verifier: form, issuer, key, signature, claims, in this order (RFC 8725). It asks for a key it lacks."""

from collections.abc import Callable
from typing import NamedTuple

from authz_service.domain import questions
from authz_service.domain.bounded import Bounded
from authz_service.domain.decision import NO_CLAIMS, Claims
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import IssuerKeys, IssuerRules, TokenDenials
from authz_service.domain.signatures import ALGORITHMS, Key, is_signed_by
from authz_service.errors import KeysUnavailable
from authz_service.identity import strict_jwt
from authz_service.identity.claims import require_claims
from authz_service.identity.key_set import usable_keys
from authz_service.identity.strict_jwt import UnverifiedToken
from authz_service.identity.token_denials import DeniedTokens

MAX_CACHED = 4096
MAX_TRIED = 4  # keys; each costs as much as a good token


class _Verified(NamedTuple):
    claims: Claims
    not_before: float
    key: Key


class TokenVerifier:
    """Verifies access tokens of the configured issuers, and remembers the good ones until they expire."""

    def __init__(self, issuers: tuple[IssuerRules, ...], now: Callable[[], float], known: questions.Known) -> None:
        """Raises ValueError for rules under which no token, or any token, could be accepted."""
        for rules in issuers:
            unknown = set(rules.algorithms) - ALGORITHMS
            if unknown or not rules.algorithms:
                raise ValueError(
                    f"{rules.issuer}: algorithms must be some of {sorted(ALGORITHMS)}, not {sorted(unknown)}"
                )
            if not rules.issuer or not rules.audiences:
                raise ValueError("an issuer needs its name and at least one audience")
        self._issuers = {rules.issuer: rules for rules in issuers}
        if len(self._issuers) != len(issuers):
            raise ValueError("an issuer occurs twice")
        self._types = {rules.issuer: frozenset(map(strict_jwt.plain_media_type, rules.types)) for rules in issuers}
        self._keys: dict[str, dict[str, tuple[Key, ...]]] = {}
        self._verified: Bounded[str, _Verified] = Bounded(MAX_CACHED)
        self._denials = TokenDenials()
        self._denied = DeniedTokens(self._denials)
        self._now = now
        self._answers = known

    def set_keys(self, keys: IssuerKeys) -> None:
        """Replaces an issuer's keys and forgets tokens whose key is gone. Raises ValueError and keeps what it had."""
        usable = usable_keys(keys.jwks) if keys.jwks else {}
        self._keys[keys.issuer] = usable
        for token, (claims, _, key) in list(self._verified.items()):
            if claims.issuer == keys.issuer and key not in usable.get(key.kid, ()):
                del self._verified[token]

    def deny(self, denials: TokenDenials) -> None:
        """Refuses what they name from now on, and forgets it where it was accepted before."""
        if denials == self._denials:
            return
        self._denials, self._denied = denials, DeniedTokens(denials)
        for token, verified in list(self._verified.items()):
            try:
                self._denied.require_not_denied(verified.claims)
            except Rejected:
                del self._verified[token]

    def verify(self, token: str) -> Claims:
        """The claims of a good token. Raises Rejected, KeysUnavailable, or NotReady for a key."""
        known = self._verified.get(token)
        if known is not None and known.not_before <= self._now() < known.claims.expires_at:
            return known.claims
        verified = self._require_verified(token)
        self._verified[token] = verified
        return verified.claims

    def find_signed(self, token: str) -> Claims:
        """What a token says that its issuer signed, be it over or denied by now: for records only. Else NO_CLAIMS."""
        try:
            unverified = strict_jwt.decode(token)
            rules = self._require_issuer(unverified)
            keys = self._require_keys(rules, unverified)
        except (Rejected, KeysUnavailable, questions.NotReady):
            return NO_CLAIMS
        if not any(_is_signed_by(key, unverified) for key in keys):
            return NO_CLAIMS
        return NO_CLAIMS._replace(values=unverified.payload, issuer=rules.issuer)

    def _require_verified(self, token: str) -> _Verified:
        unverified = strict_jwt.decode(token)
        rules = self._require_issuer(unverified)
        keys = self._require_keys(rules, unverified)
        key = next((one for one in keys if _is_signed_by(one, unverified)), None)
        if key is None:
            raise Rejected(Reason.TOKEN_SIGNATURE_INVALID)
        claims, not_before = require_claims(unverified.payload, rules, self._now())
        self._denied.require_not_denied(claims)
        return _Verified(claims, not_before, key)

    def _require_issuer(self, token: UnverifiedToken) -> IssuerRules:
        """The rules under which the token must hold. Its `iss` only picks among them; the signature then proves it."""
        issuer = token.payload.get("iss")
        rules = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if rules is None:
            raise Rejected(Reason.TOKEN_ISSUER_REFUSED, f"iss is {issuer!r:.120}" if issuer else "iss is missing")
        if token.media_type not in self._types[rules.issuer]:
            raise Rejected(Reason.TOKEN_TYPE_REFUSED, f"typ is {token.media_type!r:.120}")
        if token.algorithm not in rules.algorithms:
            raise Rejected(Reason.TOKEN_ALGORITHM_REFUSED, f"alg is {token.algorithm!r:.120}")
        return rules

    def _require_keys(self, rules: IssuerRules, token: UnverifiedToken) -> list[Key]:
        """Those that the token may be signed with, a few at most: by its name, or where it names none, by what fits."""
        keys = self._keys.get(rules.issuer)
        if not keys:
            raise KeysUnavailable(f"no usable key of {rules.issuer}")
        if token.kid is None:
            named = [key for those in keys.values() for key in those]
        elif token.kid in keys:
            named = [*keys[token.kid]]
        else:
            self._answers.require(questions.Key(rules.issuer, token.kid))
            raise Rejected(Reason.TOKEN_KEY_UNKNOWN, f"kid is {token.kid!r:.120}")  # there is none, said who was asked
        fitting = [key for key in named if token.algorithm in key.algorithms]
        if len(fitting) > MAX_TRIED:
            raise Rejected(Reason.TOKEN_KEY_UNKNOWN, f"{len(fitting)} keys for {token.algorithm}, and no name for one")
        if not fitting and token.kid is None:
            raise Rejected(Reason.TOKEN_KEY_UNKNOWN, f"no kid, and no key for {token.algorithm}")
        if not fitting:
            raise Rejected(Reason.TOKEN_ALGORITHM_REFUSED, f"{token.algorithm} does not go with the key")
        return fitting


def _is_signed_by(key: Key, token: UnverifiedToken) -> bool:
    return is_signed_by(key, token.algorithm, token.signing_input, token.signature)
