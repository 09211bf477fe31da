"""A client's question to a token endpoint (RFC 6749 §4.4) and the strict reading of its answer. Keeps no token."""

import base64
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote_plus

from authz_service.credentials.client_assertion import (
    ASSERTION_TYPE,
    RsaAlgorithm,
    load_assertion,
    load_assertion_key,
    sign_assertion,
)
from authz_service.domain import base64url
from authz_service.domain.secret import Secret
from authz_service.errors import CertificateProblems, FetchError
from authz_service.http_client import Response, json_object, without_query

DEFAULT_LIFETIME = 60.0
ENDPOINT = "the token endpoint"
LONGEST_LIFETIME = 86_400.0
LONGEST_TOKEN = 16_384
# RFC 6749 A.12, but for what parts a header's value: space, comma, semicolon, quote. No control can get into it.
_TOKEN = re.compile(r"[!#-+\x2d-:<-~]+")
_GOOD = (200, 201)  # some write Created; some write 200 for a refusal, too
_SCOPES = re.compile(r"[\x20-\x7e]{1,2000}")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_REMEDIES = {
    "invalid_client": "the provider does not accept this client_id or its secret, key or certificate",
    "unauthorized_client": "the client may not use this grant: allow service accounts, or token exchange, for it",
    "invalid_scope": "the provider does not grant these scopes to the client",
}

# RFC 6749 §5.2, RFC 8707 §2: nothing that passes by itself, as `temporarily_unavailable` or a 5xx does.
_PERMANENT = frozenset({*_REMEDIES, "invalid_grant", "invalid_request", "invalid_target", "unsupported_grant_type"})

PostForm = Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[Response]]  # as HttpClient.post_form
CacheKey = tuple[str, str, tuple[str, ...], str, str, tuple[tuple[str, str], ...]]
ANY_TYPE = "any"
_PROOF_WANTED = frozenset({"dpop", "mac", "pop"})  # a bearer cannot use these
ClientAuth = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What to ask, of whom, and as whom."""

    token_url: str
    client_id: str
    client_secret: Secret  # empty where the client proves itself without one
    scopes: tuple[str, ...] = ()
    audience: str = ""
    client_auth: ClientAuth = "client_secret_basic"
    assertion_key_file: Path | None = None  # of private_key_jwt
    assertion_key_id: str = ""
    assertion_algorithm: RsaAlgorithm = "RS256"
    assertion_cert_file: Path | None = None
    assertion_file: Path | None = None  # in place of a key: somebody else signs
    assertion_digest: str = ""  # of what the proof is made of: another one is worth another try
    assertion_audience: str = ""
    client_pair: tuple[Path, Path] | None = None  # certificate and key to show to the provider: tls_client_auth
    bound_to: str = ""  # digest of that certificate: the token may be bound to it
    ca_file: Path | None = None
    refresh_before_expiry: float = 60.0
    params: tuple[tuple[str, str], ...] = ()  # more fields of the form
    token_type: str = "Bearer"  # noqa: S105 - what the provider calls it; ANY_TYPE: whatever it says, or nothing
    timeout: float = 5.0  # seconds

    @property
    def shown_url(self) -> str:
        return without_query(self.token_url)


def cache_key(request: TokenRequest) -> CacheKey:
    """Requests that agree in this may share one token. One that is bound to a certificate goes with it only."""
    scopes = tuple(sorted(request.scopes))
    return (request.token_url, request.client_id, scopes, request.audience, request.bound_to, request.params)


@dataclass(frozen=True, slots=True)
class Token:
    """A granted token. `lifetime` counts from the moment of asking: ours must not outlive the provider's."""

    value: Secret
    lifetime: float  # seconds
    scopes: tuple[str, ...]  # as granted


async def fetch_token(post_form: PostForm, request: TokenRequest, now: Callable[[], float]) -> Token:
    """Raises FetchError for whatever is not a usable bearer token. No text of the answer gets into the error."""
    asked_at = now()
    response = await ask(post_form, request, {"grant_type": "client_credentials"}, asked_at)
    if response.status not in _GOOD or error_code(response):
        permanent = response.status < 500 and error_code(response) in _PERMANENT
        raise FetchError(refusal(request, response), retry_after=response.retry_after, permanent=permanent)
    return read_token(response.body, request, asked_at)


async def ask(post_form: PostForm, request: TokenRequest, grant: Mapping[str, str], now: float) -> Response:
    """The token endpoint's answer to a grant, whatever it is. Raises FetchError."""
    form = dict(request.params) | dict(grant)
    if request.scopes:
        form["scope"] = " ".join(request.scopes)
    if request.audience:
        form["audience"] = request.audience
    if request.client_auth == "client_secret_basic":
        headers = {"Authorization": basic_authorization(request.client_id, request.client_secret)}
    else:
        headers, form = {}, form | _proof_in_the_form(request, now)
    return await post_form(request.token_url, form, headers)


def read_token(body: bytes, request: TokenRequest, now: float) -> Token:
    """RFC 6749 §5.1, without good will: raises FetchError for anything that is not exactly a bearer token."""
    answer = json_object(body, ENDPOINT)
    value, token_type = answer.get("access_token"), answer.get("token_type")
    if not isinstance(value, str) or len(value) > LONGEST_TOKEN or not _TOKEN.fullmatch(value):
        raise FetchError("the token endpoint's answer has no usable access_token")
    if not _is_bearer(token_type, request.token_type):
        wanted = request.token_type
        found = "no token_type" if token_type is None else f"a token_type other than {wanted}: {token_type!r:.40}"
        raise FetchError(f"the token endpoint's answer has {found} (auth.token_type says what it may be)")
    expires_in = answer.get("expires_in")
    if expires_in is not None:
        lifetime = min(_seconds(expires_in), _life_of(value, now))
    else:
        lifetime = DEFAULT_LIFETIME if (said := lifetime_in_token(value, now)) is None else said
    granted = answer.get("scope")
    scopes = tuple(granted.split()) if isinstance(granted, str) and _SCOPES.fullmatch(granted) else request.scopes
    return Token(Secret(value), lifetime, scopes)


def _is_bearer(found: object, wanted: str) -> bool:
    if wanted == ANY_TYPE:
        return found is None or (isinstance(found, str) and found.lower() not in _PROOF_WANTED)
    return isinstance(found, str) and found.lower() == wanted.lower()


def _proof_in_the_form(request: TokenRequest, now: float) -> dict[str, str]:
    """RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2.1.1. Of `tls_client_auth` the connection is the proof."""
    named = {"client_id": request.client_id}
    if request.client_auth == "client_secret_post":
        return named | {"client_secret": request.client_secret.reveal()}
    if request.client_auth == "private_key_jwt":
        return named | {"client_assertion_type": ASSERTION_TYPE, "client_assertion": _assertion(request, now)}
    return named


def _assertion(request: TokenRequest, now: float) -> str:
    try:
        if request.assertion_file is not None:
            return load_assertion(request.assertion_file)
        assert request.assertion_key_file is not None  # the loader requires one of both
        key = load_assertion_key(
            request.assertion_key_file,
            request.assertion_key_id,
            request.assertion_algorithm,
            request.assertion_cert_file,
        )
    except CertificateProblems as problems:
        raise FetchError(str(problems)) from problems
    audience = request.assertion_audience or request.token_url
    return sign_assertion(key, request.client_id, audience, now, secrets.token_urlsafe(16))


def basic_authorization(client_id: str, client_secret: Secret) -> str:
    """RFC 6749 §2.3.1: both are form-encoded first, so that a colon or an umlaut in them arrives whole."""
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret.reveal())}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")


def error_code(response: Response) -> str:
    """RFC 6749 §5.2, if the answer has one of the known form; "" otherwise."""
    try:
        code = json_object(response.body, ENDPOINT).get("error")
    except FetchError:
        return ""
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""


def refusal(request: TokenRequest, response: Response) -> str:
    """What to tell the operator. Only an error code of the known form is taken from the answer."""
    code = error_code(response)
    if not code:
        return f"{request.shown_url}: answers HTTP {response.status}"
    remedy = _REMEDIES.get(code, "the provider refuses the request")
    if response.status == 401:  # RFC 6749 §5.2: credentials, whatever else it says (Keycloak: unauthorized_client)
        remedy = _REMEDIES["invalid_client"]
    return f"{request.shown_url}: {remedy} (HTTP {response.status}, {code}, client_id {request.client_id})"


def _seconds(value: object) -> float:
    """Above zero, at most a day. Some providers send the number as a string."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FetchError("the token endpoint's answer has an expires_in that is not a number")
    if not value > 0:  # NaN is not above zero either
        raise FetchError("the token endpoint's answer has a token that has expired already")
    return float(min(value, LONGEST_LIFETIME))


def lifetime_in_token(value: str, now: float) -> float | None:
    """By the token's own `exp`, unverified (we are its bearer, not its judge); None where it says nothing."""
    expires_at = _time_in(_claims_in(value), "exp")
    return None if expires_at is None else _seconds(max(0, min(expires_at, 1e12)) - now)


def _life_of(value: str, now: float) -> float:
    """What the token itself says, beside an `expires_in`: by the provider's clock, and by ours where the two agree."""
    claims = _claims_in(value)
    expires_at, issued_at = _time_in(claims, "exp"), _time_in(claims, "iat")
    if expires_at is None or not 0 < expires_at < 1e12:
        return LONGEST_LIFETIME
    lives = [expires_at - issued_at] if issued_at is not None else []
    return min((life for life in (*lives, expires_at - now) if life > 0), default=LONGEST_LIFETIME)


def _claims_in(token: str) -> object:
    try:
        _, payload, _ = token.split(".")
        return json.loads(base64url.decode(payload.encode()))
    except (ValueError, RecursionError):
        return None


def _time_in(claims: object, name: str) -> float | None:
    value = claims.get(name) if isinstance(claims, dict) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
