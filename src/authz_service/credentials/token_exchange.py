"""Exchanges a user's token for one to the target's audience (RFC 8693). Nothing is remembered: the workers do that."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from authz_service.credentials.oauth2 import (
    ENDPOINT,
    PostForm,
    Token,
    TokenRequest,
    ask,
    error_code,
    lifetime_in_token,
    read_token,
    refusal,
)
from authz_service.domain import time_budget
from authz_service.domain.questions import Absent, Answer, Exchange, Found
from authz_service.domain.refusals import EXCHANGE_REFUSALS
from authz_service.errors import FetchError
from authz_service.http_client import json_object
from authz_service.logs import about
from authz_service.single_flight import SingleFlight

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a kind of token
BOUND_LIFETIME = 10.0  # seconds; what is bound to a certificate is worth nothing once that is renewed
REFUSED_FOR = 3.0  # seconds: the provider is not asked again about a token that it just refused
LONGEST_MARGIN = 10.0  # seconds before its end in which a token is used no more, of a short life a quarter
RESULTS = ("exchanged", "refused", "failed")
MAX_IN_FLIGHT = 64  # exchanges for one target; each is of another token

_log = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """The provider gives no token, and that lies with the user's."""

    code: str  # one of EXCHANGE_REFUSALS


@dataclass(slots=True)
class Exchanger:
    """Asks for one target."""

    target: str
    request: TokenRequest
    post_form: PostForm
    now: Callable[[], float]
    results: Counter[tuple[str, str]]  # (target, one of RESULTS)
    last_error: str = ""
    _flight: SingleFlight[Token | Refusal] = field(init=False)

    def __post_init__(self) -> None:
        self._flight = SingleFlight("exchanges", most=MAX_IN_FLIGHT, patience=time_budget.EXCHANGE, failed=self._failed)

    async def exchange(self, question: Exchange) -> Answer | None:
        """One for the target, until shortly before the first of both tokens ends; or why there is none; None when the
        provider could not be asked. However many ask, one request goes out.
        """
        found = await self._flight.ask(question.token, self._exchange)
        if found is None:
            return None
        if isinstance(found, Refusal):
            return Absent(found.code, REFUSED_FOR)
        left = min(found.lifetime, question.left)
        return Found(found.value.reveal(), left - min(LONGEST_MARGIN, left / 4))

    def stop(self) -> None:
        self._flight.stop()

    async def _exchange(self, token: str) -> Token | Refusal:
        found = await exchange(self.post_form, self.request, token, self.now)
        self.results[self.target, "exchanged" if isinstance(found, Token) else "refused"] += 1
        self.last_error = ""
        return found

    def _failed(self, error: str) -> None:
        self.results[self.target, "failed"] += 1
        if error != self.last_error:  # not once per request
            _log.warning("token_exchange_failed", extra=about(target=self.target, error=error))
        self.last_error = error


async def exchange(post_form: PostForm, request: TokenRequest, token: str, now: Callable[[], float]) -> Token | Refusal:
    """Raises FetchError for whatever is neither a usable bearer token nor a refusal. No text of the answer gets out."""
    asked_at = now()
    grant = {
        "grant_type": GRANT,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": ACCESS_TOKEN,
    }
    response = await ask(post_form, request, grant, asked_at)
    if response.status == 200:
        return _read(response.body, request, token, asked_at)
    code = error_code(response)
    if response.status in {400, 401, 403} and code in EXCHANGE_REFUSALS:
        return Refusal(code)
    raise FetchError(refusal(request, response))


def _read(body: bytes, request: TokenRequest, token: str, asked_at: float) -> Token:
    """RFC 8693 §2.2.1, without good will."""
    found = read_token(body, request, asked_at)
    if json_object(body, ENDPOINT).get("issued_token_type") != ACCESS_TOKEN:
        raise FetchError("the token endpoint's answer has an issued_token_type other than an access token")
    if found.value.reveal() == token:
        raise FetchError("the token endpoint gives the user's own token back")
    said = lifetime_in_token(found.value.reveal(), asked_at)
    bound = BOUND_LIFETIME if request.bound_to else found.lifetime
    return replace(found, lifetime=min(found.lifetime, bound, found.lifetime if said is None else said))
