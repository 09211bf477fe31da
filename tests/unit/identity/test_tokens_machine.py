"""The verifier's memory of tokens and keys as a state machine: whatever happened before, it accepts what holds now.

Keys come and go, time passes, tokens are denied and no longer, known tokens are shown again in any order (SECURITY P1).
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.support import tokens
from tests.support.tokens import AUDIENCE, ISSUER, LEEWAY, NOW, Signer, good_claims, jwk, jwks, mint

from authz_service.domain.questions import Answers, NotReady
from authz_service.domain.refusals import Rejected
from authz_service.domain.rules import IssuerKeys, IssuerRules, TokenDenials
from authz_service.errors import KeysUnavailable
from authz_service.identity.tokens import TokenVerifier

_EC = tokens.an_ec_signer()
SIGNERS = (_EC, Signer("ec-2", "ES256", tokens.ec_key("ec-2")), Signer("ec-1", "ES256", tokens.ec_key("impostor")))
LIVES = (20, 300, 3600)  # seconds until a token's `exp`
STARTS = (-10, 60)  # its `nbf`; `iat` may not lie in the future


class Token:
    """A token, and what it says."""

    def __init__(self, number: int, signer: Signer, life: int, start: int) -> None:
        self.jti, self.signer = f"jti-{number}", signer
        self.begins, self.ends = NOW + start - LEEWAY, NOW + life + LEEWAY
        claims = good_claims(NOW, jti=self.jti, exp=int(NOW) + life, nbf=int(NOW) + start)
        self.text = mint(claims, signer=signer)


TOKENS = [
    Token(number, signer, life, start)
    for number, (signer, life, start) in enumerate((s, n, b) for s in SIGNERS for n in LIVES for b in STARTS)
]


class Verifier(RuleBasedStateMachine):
    """The model is: what is published now, what is denied now, what time it is."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.published: list[Signer] = []
        self.denied: set[str] = set()
        rules = IssuerRules(ISSUER, (AUDIENCE,), ("ES256",), LEEWAY)
        self.verifier = TokenVerifier((rules,), lambda: self.now, Answers(lambda: 0.0))

    @rule(signers=st.lists(st.sampled_from(SIGNERS), unique_by=lambda signer: signer.kid))
    def publish(self, signers: list[Signer]) -> None:
        self.published = signers
        self.verifier.set_keys(IssuerKeys(ISSUER, jwks(*map(jwk, signers))))

    @rule(text=st.sampled_from(["{", "[]", '{"keys": 1}', "\ud800", '{"keys": [], "keys": []}']))
    def publish_garbage(self, text: str) -> None:
        """It keeps what it had."""
        try:
            self.verifier.set_keys(IssuerKeys(ISSUER, text))
        except ValueError:
            return
        raise AssertionError(text)

    @rule(names=st.sets(st.sampled_from([token.jti for token in TOKENS]), max_size=3))
    def deny(self, names: set[str]) -> None:
        self.denied = names
        self.verifier.deny(TokenDenials(claims=tuple(sorted((ISSUER, "jti", name) for name in names))))

    @rule(seconds=st.sampled_from([1, 25, 60, 300, 3000]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(seconds=st.sampled_from([1, 60]))
    def clock_goes_back(self, seconds: int) -> None:
        self.now -= seconds

    @rule(token=st.sampled_from(TOKENS))
    def show(self, token: Token) -> None:
        holds = (
            token.signer in self.published
            and token.jti not in self.denied
            and token.begins <= self.now < token.ends
            and self.now >= NOW - 10 - LEEWAY  # its `iat`
        )
        try:
            self.verifier.verify(token.text)
        except (Rejected, NotReady, KeysUnavailable):
            assert not holds
        else:
            assert holds


TestVerifier = Verifier.TestCase
TestVerifier.settings = settings(deadline=None, stateful_step_count=40)
