"""Keycloak's URLs over realm files. FOR DEVELOPMENT ONLY: passwords lie in files, and anybody may rotate the keys.

HTTP only: what is decided is in `grants`, what a token says in `tokens`.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from json import JSONDecodeError
from pathlib import Path
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from authz_devkit.identity_provider.client_assertions import ALGORITHMS
from authz_devkit.identity_provider.grants import TOKEN_EXCHANGE, introspect, issue_token, revoke
from authz_devkit.identity_provider.keys import KeyStore
from authz_devkit.identity_provider.oauth import Answer, Call, Context, OAuthError
from authz_devkit.identity_provider.revocation import Revoked
from authz_realm.mappers import unsupported_mappers
from authz_realm.realm import Realm

log = logging.getLogger("authz_devkit.idp")

CLIENT_CERTIFICATE = "authz_devkit.client_certificate"  # of the scope: DER, verified by the server
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 §5.1


def build_app(
    loaded: dict[str, Realm],
    hostname: str,
    *,
    state_file: Path | None = None,
    keys: KeyStore | None = None,
    now: Callable[[], float] = time.time,
) -> Starlette:
    """The provider of these realms. `hostname` is the public URL; the issuer is `hostname/realms/<realm>`.
    Raises StateProblem.
    """
    for name, realm in loaded.items():
        for mapper in unsupported_mappers(realm):
            log.warning("mapper_not_supported realm=%s mapper=%s: its claims will be missing", name, mapper)
    if keys is None:
        algorithms = {name: realm.default_signature_algorithm for name, realm in loaded.items()}
        keys = KeyStore.open(algorithms, state_file)
    provider = _Provider(loaded, keys, hostname.rstrip("/"), now)
    oidc = "/realms/{realm}/protocol/openid-connect"
    return Starlette(
        routes=[
            Route("/realms/{realm}", provider.realm_info),
            Route("/realms/{realm}/.well-known/openid-configuration", provider.discovery),
            Route(f"{oidc}/certs", provider.certs),
            Route(f"{oidc}/token", provider.token, methods=["POST"]),
            Route(f"{oidc}/token/introspect", provider.introspect, methods=["POST"]),
            Route(f"{oidc}/revoke", provider.revoke, methods=["POST"]),
            Route("/dev/realms/{realm}/rotate-keys", provider.rotate_keys, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, OAuthError: _oauth_error},
    )


class _Provider:
    """One method per URL."""

    def __init__(self, realms: dict[str, Realm], keys: KeyStore, hostname: str, now: Callable[[], float]) -> None:
        self._realms = realms
        self._keys = keys
        self._hostname = hostname
        self._now = now
        self._revoked = {name: Revoked(now) for name in realms}
        self._used_proofs = {name: Revoked(now) for name in realms}

    async def realm_info(self, request: Request) -> Response:
        context = self._context(request)
        return JSONResponse(
            {
                "realm": context.realm.realm,
                "public_key": context.keys.public_key(),
                "token-service": f"{context.issuer}/protocol/openid-connect",
                "account-service": f"{context.issuer}/account",
                "tokens-not-before": 0,
            },
            headers={"Cache-Control": "no-cache"},
            media_type="application/json;charset=UTF-8",
        )

    async def discovery(self, request: Request) -> Response:
        """Only what is really served here."""
        context = self._context(request)
        oidc = f"{context.issuer}/protocol/openid-connect"
        methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"]
        return JSONResponse(
            {
                "issuer": context.issuer,
                "jwks_uri": f"{oidc}/certs",
                "token_endpoint": f"{oidc}/token",
                "introspection_endpoint": f"{oidc}/token/introspect",
                "revocation_endpoint": f"{oidc}/revoke",
                "grant_types_supported": ["password", "client_credentials", "refresh_token", TOKEN_EXCHANGE],
                "response_types_supported": [],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [context.keys.algorithm],
                "token_endpoint_auth_methods_supported": methods,
                "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
                "tls_client_certificate_bound_access_tokens": True,
                "introspection_endpoint_auth_methods_supported": methods,
                "revocation_endpoint_auth_methods_supported": methods,
                "scopes_supported": ["openid", *(scope.name for scope in context.realm.client_scopes)],
            },
            headers={"Cache-Control": "no-cache, must-revalidate, no-transform, no-store"},
        )

    async def certs(self, request: Request) -> Response:
        return JSONResponse(self._context(request).keys.jwks(), headers={"Cache-Control": "no-cache"})

    async def token(self, request: Request) -> Response:
        context = self._context(request)
        call = await _call(request)
        answer = issue_token(context, call)
        log.info("token_issued realm=%s grant=%s", context.realm.realm, call.form["grant_type"])
        return JSONResponse(answer, headers=_NO_STORE)

    async def introspect(self, request: Request) -> Response:
        context = self._context(request)
        return JSONResponse(introspect(context, await _call(request)), headers={"Cache-Control": "no-cache"})

    async def revoke(self, request: Request) -> Response:
        context = self._context(request)
        revoke(context, await _call(request))
        log.info("token_revoked realm=%s", context.realm.realm)
        return Response(headers={"Cache-Control": "no-cache"})

    async def rotate_keys(self, request: Request) -> Response:
        """Development only: `{"keep_old": true}` publishes the old keys further on, false drops them at once."""
        context = self._context(request)
        keep_old = await _keep_old(request)
        self._keys.rotate(context.realm.realm, keep_old=keep_old)
        published = [key["kid"] for key in context.keys.jwks()["keys"] if key["use"] == "sig"]
        log.info("keys_rotated realm=%s keep_old=%s kid=%s", context.realm.realm, keep_old, published[0])
        return JSONResponse({"active": published[0], "published": published})

    def _context(self, request: Request) -> Context:
        name = request.path_params["realm"]
        realm = self._realms.get(name)
        if realm is None:
            raise HTTPException(404, "Realm does not exist")
        return Context(
            realm,
            self._keys[name],
            f"{self._hostname}/realms/{name}",
            self._now,
            lambda: str(uuid4()),
            self._revoked[name],
            self._used_proofs[name],
        )


async def _call(request: Request) -> Call:
    """What is not a form has no parameters."""
    form = request.headers.get("content-type", "").partition(";")[0].strip() == "application/x-www-form-urlencoded"
    pairs = [(name, str(value)) for name, value in (await request.form()).multi_items()] if form else []
    often = Counter(name for name, _ in pairs)
    return Call(
        form=dict(pairs),
        duplicated=any(count > 1 for count in often.values()),
        authorization=request.headers.get("authorization"),
        address=request.client.host if request.client else "",
        certificate=request.scope.get(CLIENT_CERTIFICATE),
    )


async def _keep_old(request: Request) -> bool:
    """A JSON content type is demanded because no foreign web page can send one here by itself."""
    try:
        body = await request.json() if request.headers.get("content-type") == "application/json" else None
    except JSONDecodeError:
        body = None
    keep_old = body.get("keep_old") if isinstance(body, dict) else None
    if not isinstance(keep_old, bool):
        raise OAuthError(400, "invalid_request", 'Send JSON: {"keep_old": true} or {"keep_old": false}')
    return keep_old


async def _oauth_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OAuthError)
    log.info("refused path=%r status=%d %s", request.url.path, error.status, error.body)
    headers = None if request.url.path.endswith("/introspect") else _NO_STORE
    return JSONResponse(error.body, error.status, headers=headers)


async def _http_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    assert isinstance(error, HTTPException)
    known = {404: "HTTP 404 Not Found", 405: "HTTP 405 Method Not Allowed"}
    text = (
        known.get(error.status_code, error.detail)
        if error.detail in {"Not Found", "Method Not Allowed"}
        else error.detail
    )
    body: Answer = {"error": text}
    return JSONResponse(body, error.status_code, headers=error.headers)
