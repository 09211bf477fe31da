"""What is asked of identity providers, from the configuration: tokens, exchanges, introspection. Asks nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from authz_service.config.model import (
    ByAssertion,
    BySecret,
    BySigningKey,
    Config,
    DecisionLogService,
    JwtIssuer,
    OAuth2,
    PolicyBundle,
    TargetTls,
    TargetTlsOfFiles,
    TokensInRedis,
)
from authz_service.credentials.client_assertion import load_assertion, load_assertion_key
from authz_service.credentials.oauth2 import TokenRequest
from authz_service.domain.secret import Secret
from authz_service.errors import CertificateProblems, Problem
from authz_service.identity.key_set import read_key_set
from authz_service.tls_context import strict_context
from authz_service.trust.introspection import IntrospectionEndpoint
from authz_service.trust.issuer_keys import KeySettings

_KEY_FILE = "put the issuer's key set there, as its JWKS address would give it (RFC 7517 §5)"


def require_usable_authorities(config: Config) -> None:
    """Read every CA file that our own calls trust, and every key and certificate by which they prove who we are.
    Raises CertificateProblems with all that is wrong. `authz check` asks here, and so does the start.
    """
    targets = config.egress.targets.values()
    requests = [token_request(one.auth, one.tls) for one in targets if isinstance(one.auth, OAuth2)]
    bundle, log, store = config.policy_bundle, config.audit.opa_decision_log, config.egress.token_store
    places: set[tuple[Path | None, tuple[Path, Path] | None]] = {(issuer.ca_file, None) for issuer in config.issuers}
    places |= {(each.ca_file, None) for each in (bundle, log) if isinstance(each, PolicyBundle | DecisionLogService)}
    places |= {(store.ca_file, None)} if isinstance(store, TokensInRedis) else set()
    places |= {(request.ca_file, request.client_pair) for request in requests}
    keys = {
        (one.assertion_key_file, one.assertion_key_id, one.assertion_algorithm, one.assertion_cert_file)
        for one in requests
        if one.assertion_key_file is not None
    }
    ready = {one.assertion_file for one in requests if one.assertion_file is not None}
    checks: list[Callable[[], object]] = [partial(strict_context, *place) for place in sorted(places, key=str)]
    checks += [partial(load_assertion_key, *key) for key in sorted(keys, key=str)]
    checks += [partial(load_assertion, file) for file in sorted(ready)]
    checks += [partial(_require_keys, issuer.jwks_file) for issuer in config.issuers if issuer.jwks_file is not None]
    problems: list[Problem] = []
    for check in checks:
        try:
            check()
        except CertificateProblems as found:
            problems += found.problems
    if problems:
        raise CertificateProblems(problems)


def _require_keys(file: Path) -> None:
    """Raises CertificateProblems unless tokens can be verified with it."""
    try:
        found = read_key_set(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = (error.strerror or "cannot be read") if isinstance(error, OSError) else f"is no key set: {error}"
        raise CertificateProblems([Problem("jwks_file", said, _KEY_FILE, str(file))]) from error
    if not found.usable:
        said = "; ".join(["has no usable key", *found.left_out])
        raise CertificateProblems([Problem("jwks_file", said, _KEY_FILE, str(file))])


def key_settings(issuer: JwtIssuer, saved_file: Path | None) -> KeySettings:
    return KeySettings(
        issuer=issuer.issuer,
        jwks_url=issuer.jwks_url,
        refresh_interval=issuer.jwks_refresh_interval,
        max_age=issuer.jwks_max_age,
        saved_file=saved_file,
        jwks_file=issuer.jwks_file,
        token_file=issuer.jwks_token_file,
    )


def token_request(auth: OAuth2, tls: TargetTls) -> TokenRequest:
    request = TokenRequest(
        token_url=auth.token_url,
        client_id=auth.client_id,
        client_secret=Secret(""),
        scopes=auth.scopes,
        audience=auth.audience or "",
        assertion_digest="".join(map(_digest, auth.proof_files)),
        ca_file=auth.ca_file,
        refresh_before_expiry=auth.refresh_before_expiry,
        params=tuple(sorted(auth.params.items())),
        token_type=auth.token_type,
        timeout=auth.timeout,
    )
    match auth:
        case BySecret():
            return replace(request, client_auth=auth.client_auth, client_secret=auth.client_secret)
        case BySigningKey():
            return replace(
                request,
                client_auth=auth.client_auth,
                assertion_key_file=auth.client_key_file,
                assertion_key_id=auth.client_key_id or "",
                assertion_algorithm=auth.client_key_algorithm,
                assertion_cert_file=auth.client_cert_file,
                assertion_audience=auth.client_assertion_audience or "",
            )
        case ByAssertion():
            return replace(request, client_auth=auth.client_auth, assertion_file=auth.client_assertion_file)
        case _:
            pair = tls.client_pair if isinstance(tls, TargetTlsOfFiles) else None
            return replace(
                request, client_auth="tls_client_auth", client_pair=pair, bound_to=_digest(pair[0]) if pair else ""
            )


def exchange_requests(config: Config) -> dict[str, tuple[str, TokenRequest]]:
    """By ExchangeRules.key: the target's name, and how to ask."""
    targets = config.egress.targets.items() if config.egress.enabled else ()
    return {
        target.tag: (name, token_request(target.auth, target.tls))
        for name, target in targets
        if isinstance(target.auth, OAuth2) and target.auth.exchanges
    }


def endpoints(config: Config) -> dict[str, IntrospectionEndpoint]:
    """By issuer."""
    found = {}
    for issuer in config.issuers:
        if issuer.introspection is not None:
            asked = issuer.introspection
            found[issuer.issuer] = IntrospectionEndpoint(
                issuer.issuer, asked.url, asked.client_id, asked.client_secret, asked.client_auth, issuer.ca_file,
                asked.cache,
            )  # fmt: skip
    return found


def _digest(file: Path) -> str:
    try:
        return sha256(file.read_bytes()).hexdigest()
    except OSError:  # between a removal and its replacement
        return ""
