"""Asks issuers whether a token is still active (RFC 7662). Whose token it is, and what follows, is not decided here."""

import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from authz_service.credentials.oauth2 import ClientAuth, PostForm, basic_authorization
from authz_service.domain.questions import Absent, Answer, Found
from authz_service.domain.secret import Secret
from authz_service.errors import FetchError
from authz_service.http_client import Response, json_object
from authz_service.logs import about
from authz_service.single_flight import SingleFlight

TIMEOUT = 1.0  # seconds; the worker that asks has given up by then, but its next question finds the answer
MAX_IN_FLIGHT = 64  # questions to one issuer; each is about another token

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IntrospectionEndpoint:
    """Where to ask, and as whom."""

    issuer: str
    url: str
    client_id: str
    client_secret: Secret
    client_auth: ClientAuth = "client_secret_basic"
    ca_file: Path | None = None
    holds: float = 0.0  # seconds for which an answer is believed


@dataclass(slots=True)
class Introspector:
    """Asks one issuer. Nothing is remembered: the workers do that."""

    endpoint: IntrospectionEndpoint
    post_form: PostForm
    results: Counter[str] = field(default_factory=Counter)  # "active" | "inactive" | "failed"
    last_error: str = ""
    _flight: SingleFlight[bool] = field(init=False)

    def __post_init__(self) -> None:
        self._flight = SingleFlight("questions", most=MAX_IN_FLIGHT, patience=TIMEOUT, failed=self._failed)

    async def ask(self, token: str) -> Answer | None:
        """Whether the token is active; None when the issuer could not be asked. However many ask, one request goes
        out.
        """
        active = await self._flight.ask(token, self._ask)
        if active is None:
            return None
        return Found(holds=self.endpoint.holds) if active else Absent(holds=self.endpoint.holds)

    def stop(self) -> None:
        self._flight.stop()

    async def _ask(self, token: str) -> bool:
        endpoint = self.endpoint
        form = {"token": token, "token_type_hint": "access_token"}
        headers: dict[str, str] = {}
        if endpoint.client_auth == "client_secret_post":
            form |= {"client_id": endpoint.client_id, "client_secret": endpoint.client_secret.reveal()}
        else:
            headers["Authorization"] = basic_authorization(endpoint.client_id, endpoint.client_secret)
        active = read_answer(await self.post_form(endpoint.url, form, headers))
        self.results["active" if active else "inactive"] += 1
        self.last_error = ""
        return active

    def _failed(self, error: str) -> None:
        self.results["failed"] += 1
        if error != self.last_error:  # not once per request
            _log.warning("introspection_failed", extra=about(issuer=self.endpoint.issuer, error=error))
        self.last_error = error


def read_answer(response: Response) -> bool:
    """RFC 7662 §2.2: `active`, and nothing but a boolean. Raises FetchError; no text of the answer gets into it."""
    if response.status != 200:
        raise FetchError(f"the introspection endpoint answers HTTP {response.status}")
    active = json_object(response.body, "the introspection endpoint").get("active")
    if not isinstance(active, bool):
        raise FetchError("the introspection endpoint's answer does not say whether the token is active")
    return active
