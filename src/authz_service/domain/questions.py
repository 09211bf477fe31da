"""What a decision may lack, and what was said about it: one value for the core, the worker that waits, and the wire.

The core raises NotReady; who runs it has the question answered, and asks the core again. Asks nobody itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from hashlib import sha256
from typing import Protocol

from msgspec import Struct

from authz_service.domain.refusals import Reason

MAX_REMEMBERED = 4096  # answers to one kind of question

Trouble = tuple[Reason, str]  # 503, and the detail for the record


class Key(Struct, frozen=True, tag="key"):
    """Is there such a key? It comes with all of the issuer's keys, so an answer is only ever that there is none."""

    issuer: str
    kid: str

    @property
    def place(self) -> Hashable:
        return self

    def unanswered(self) -> Trouble:
        return Reason.KEYS_UNAVAILABLE, f"the keys of {self.issuer} did not come in time"


class Active(Struct, frozen=True, tag="active"):
    """Does the issuer say that the token, which is verified, is still active (RFC 7662)?"""

    issuer: str
    token: str

    @property
    def place(self) -> Hashable:
        return self

    def unanswered(self) -> Trouble:
        return Reason.INTROSPECTION_UNAVAILABLE, f"{self.issuer} did not say whether the token is active"

    def __repr__(self) -> str:  # the token is nobody's business
        return f"Active({self.issuer!r})"


class Exchange(Struct, frozen=True, tag="exchange"):
    """What is the user's token exchanged for, to this target (RFC 8693)? Nothing of it is verified: its issuer does."""

    target: str  # `ExchangeRules.key`
    token: str
    left: float = 0.0  # seconds that it has to live

    @property
    def place(self) -> Hashable:
        """The answer is remembered for long: the user's token is known by its digest only."""
        return self.target, sha256(self.token.encode("latin-1")).digest()

    def unanswered(self) -> Trouble:
        return Reason.EGRESS_TOKEN_UNAVAILABLE, "the identity provider gave no usable answer"

    def __repr__(self) -> str:
        return f"Exchange({self.target!r})"


class Verdict(Struct, frozen=True):
    """What does the policy server say of this input document? The worker asks it itself (`policy.opa_server`)."""

    document: str

    def unanswered(self) -> Trouble:
        return Reason.POLICY_UNAVAILABLE, "the rules changed while OPA was asked"

    def __repr__(self) -> str:
        return "Verdict()"


Asked = Key | Active | Exchange  # of the control plane
Question = Asked | Verdict


class NotReady(Exception):  # noqa: N818 - a request to who runs the core, not an error
    """Have this answered, then decide again."""

    def __init__(self, question: Question) -> None:
        super().__init__(repr(question))
        self.question = question


class Found(Struct, frozen=True, tag="found"):
    """Yes, and what."""

    value: str = ""
    holds: float = 0.0  # seconds, from the moment of asking

    def __repr__(self) -> str:  # it may be a token
        return f"Found(holds={self.holds})"


class Absent(Struct, frozen=True, tag="absent"):
    """No, and why."""

    why: str = ""
    holds: float = 0.0  # seconds, from the moment of hearing it


Answer = Found | Absent


class Known(Protocol):
    def require(self, question: Asked) -> Answer:
        """Raises NotReady where the answer is not known."""


class Answers:
    """What was answered, for as long as it holds. Bounded: of each kind of question the oldest answer goes first."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` never goes back."""
        self.now = now
        self._known: defaultdict[type, dict[Hashable, tuple[Answer, float]]] = defaultdict(dict)

    def require(self, question: Asked) -> Answer:
        known = self._known[type(question)].get(question.place)
        if known is None or known[1] <= self.now():
            raise NotReady(question)
        return known[0]

    def learn(self, question: Asked, answer: Answer, asked_at: float) -> None:
        known, place = self._known[type(question)], question.place
        known.pop(place, None)
        if len(known) >= MAX_REMEMBERED:
            del known[next(iter(known))]
        since = asked_at if isinstance(answer, Found) else self.now()
        known[place] = answer, since + answer.holds
