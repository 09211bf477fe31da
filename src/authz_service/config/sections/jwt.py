"""The section about tokens: `jwt`. Values only; what must fit together is in `checks`."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from authz_service.config.sections.section import Section
from authz_service.config.values import (
    Algorithm,
    BindingGrace,
    Duration,
    File,
    HttpUrl,
    IntrospectionCache,
    Leeway,
    Secret,
    Texts,
    Word,
)


class Introspection(Section):
    """How to ask the issuer whether a token is still active (RFC 7662), for routes with `introspect: true`."""

    url: HttpUrl = Field(
        description="The issuer's introspection endpoint.",
        examples=["https://keycloak.example.com/realms/users/protocol/openid-connect/token/introspect"],
    )
    client_id: Word = Field(
        description="As whom to ask. Keycloak tells only whom the token is for.", examples=["order-service"]
    )
    client_secret: Secret = Field(
        description="The client's password. Never printed. Either this or `client_secret_file`.",
        examples=["${INTROSPECTION_SECRET}"],
    )
    client_secret_file: File | None = Field(
        default=None,
        description="A file with the secret in it; a line end at its end is ignored. Reloaded on change.",
        examples=["/run/secrets/introspection"],
    )
    client_auth: Literal["client_secret_basic", "client_secret_post"] = Field(
        default="client_secret_basic",
        description="How the secret is sent: in the Authorization header, or in the form (RFC 6749 §2.3.1).",
    )
    cache: IntrospectionCache = Field(
        default=5.0,
        description="An answer holds for so long, 1s to 1m: a token that was taken back passes no longer than that.",
    )
    on_failure: Literal["deny"] = Field(
        default="deny", description="An issuer that cannot be asked is answered with 503. There is no other choice."
    )


class JwtIssuer(Section):
    """One issuer of access tokens, and which of its tokens are accepted (RFC 7519, RFC 8725)."""

    issuer: Word = Field(
        description="The claim `iss`, compared character by character. One that is no URL needs `jwks_url` "
        "or `jwks_file`.",
        examples=["https://keycloak.example.com/realms/users"],
    )
    audience: Texts = Field(
        description="A token's `aud` must name at least one of these. One text or a list.", examples=["order-service"]
    )
    audience_claim: Word = Field(
        default="aud",
        description="The claim that names the audience, for an issuer that writes no `aud` (Cognito: `client_id`). A "
        "token that has an `aud` all the same is held to it, too (RFC 7519 §4.1.3).",
        examples=["client_id"],
    )
    jwks_url: HttpUrl | None = Field(
        default=None,
        description="Where the issuer's keys are. By default the issuer's OpenID discovery document says it. After a "
        "change the keys in hand serve until the new address has answered; a restart drops them at once.",
        examples=["https://keycloak.example.com/realms/users/protocol/openid-connect/certs"],
    )
    jwks_file: File | None = Field(
        default=None,
        description="A file with the issuer's keys (JWKS), in place of `jwks_url`: where it publishes none or cannot "
        "be reached. Looked at every 5s.",
        examples=["/etc/authz/partner-keys.json"],
    )
    jwks_token_file: File | None = Field(
        default=None,
        description="A file with a bearer token for whoever serves `jwks_url`, such as Kubernetes' API server. Read at "
        "each fetch, and sent nowhere else.",
        examples=["/var/run/secrets/kubernetes.io/serviceaccount/token"],
    )
    jwks_refresh_interval: Duration = Field(
        default=3600.0,
        description="How often the keys are fetched again. An unknown key is looked for at once, whatever this says.",
    )
    jwks_max_age: Duration = Field(
        default=86400.0,
        description="Keys that could not be renewed for so long are withdrawn: nobody comes in by them, 503 "
        "`keys_unavailable`.",
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256", "ES256"),
        min_length=1,
        description="Signature algorithms that are accepted. Never `none`, never `HS*`.",
    )
    types: Texts = Field(
        default=("JWT", "at+jwt"), description="Accepted values of the token header `typ`. No `typ` counts as `JWT`."
    )
    required_claims: tuple[Word, ...] = Field(
        default=(),
        description="Claims that a token must have, beside those that are always checked. Names at the top level.",
        examples=[["sid", "acr"]],
    )
    require_binding: bool = Field(
        default=False,
        description="Accept only tokens that are bound to the caller's client certificate (`cnf.x5t#S256`, RFC 8705). "
        "One that is bound is held to it in any case. Needs `proxy.mtls`.",
    )
    binding_grace: BindingGrace = Field(
        default=0.0,
        description="A client that has just renewed its certificate may go on for so long with tokens that are bound "
        "to the one before; at most 1h. Off by default.",
        examples=["60s"],
    )
    service_tokens: Literal["auto", "keycloak", "rfc9068", "claim", "by_client", "all", "none"] = Field(
        default="auto",
        description="How a service's own token is told from a user's, for `proxy.mtls.bind_service_tokens`: `keycloak` "
        "by `preferred_username`; `rfc9068`, its `sub` is its client; `claim`, by `service_claims`; `by_client`, by "
        "`user_clients`; `all` or `none` of this issuer's. `auto` knows the marks of many providers, and binds what it "
        "cannot tell.",
        examples=["all"],
    )
    service_claims: dict[Word, Word] = Field(
        default={},
        description="Claim → value, for `service_tokens: claim`: a token with one of these is a service's, any other a "
        "user's.",
        examples=[{"idtyp": "app"}],
    )
    user_clients: tuple[Word, ...] = Field(
        default=(),
        description="The clients through which users sign in, for `service_tokens: by_client`: a token that was issued "
        "to any other is a service's.",
        examples=[["web-app", "mobile-app"]],
    )
    client_claim: Word | None = Field(
        default=None,
        description="The claim that says which client a token was issued to. By default `azp`, `client_id`, `cid` and "
        "`appid`; where two of them differ, nobody may present it.",
        examples=["appid"],
    )
    leeway: Leeway = Field(
        default=30.0,
        description="How far the issuer's clock may be off; at most 5m. More than 30s "
        "keeps expired tokens alive for long.",
    )
    introspection: Introspection | None = Field(
        default=None, description="How to ask the issuer about a token. Needed for routes with `introspect`."
    )
    ca_file: File | None = Field(
        default=None,
        description="The CAs that sign the identity provider's TLS certificate, PEM. By default the system's.",
        examples=["/etc/certs/ca/identity-ca.crt"],
    )


class Jwt(Section):
    """Whose tokens are accepted: one issuer's keys, or a list of several. Required when `proxy.auth` is enabled."""

    issuers: tuple[JwtIssuer, ...] = Field(
        min_length=1,
        description="Several issuers, each with the keys below. One issuer needs no list: its keys stand under `jwt`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_issuer_is_a_list_of_one(cls, value: object) -> object:
        return {"issuers": [value]} if isinstance(value, Mapping) and "issuers" not in value else value
