"""How the sidecar proves to an identity provider who it is, and what it asks for: `egress.targets.*.auth`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Tag

from authz_service.config.sections.section import Section, told_apart
from authz_service.config.values import Duration, File, HttpUrl, Secret, TokenTimeout, Word

_TYPE = (
    "`none` forwards what the service sent. `oauth2_client_credentials` puts a service token in its place (RFC 6749 "
    "§4.4). `oauth2_token_exchange` takes the user's token that the service sends, and puts one for the target's "
    "`audience` in its place (RFC 8693)."
)
_CLIENT_AUTH = (
    "How the service proves itself there: by its secret in the Authorization header or in the form (RFC 6749 §2.3.1), "
    "by a short-lived JWT signed with `client_key_file` (RFC 7523), or by the certificate of the target's "
    "`tls.client_cert` (RFC 8705), to which the provider can bind the token."
)


class _Auth(Section):
    type: str

    @property
    def has_own_token(self) -> bool:
        """One that is kept for the service itself, whoever the user is."""
        return self.type == "oauth2_client_credentials"

    @property
    def exchanges(self) -> bool:
        return self.type == "oauth2_token_exchange"

    @property
    def proof_files(self) -> tuple[Path, ...]:
        """What proves who we are, beside the configuration and the certificates."""
        return ()


class NoAuth(_Auth):
    """What the service sent is forwarded."""

    told_by = "type: none"

    type: Literal["none"] = Field(description=_TYPE)


class OAuth2(_Auth):
    """What all of OAuth2's ways to a token have in common."""

    type: Literal["oauth2_client_credentials", "oauth2_token_exchange"] = Field(
        description=_TYPE, examples=["oauth2_client_credentials"]
    )
    token_url: HttpUrl = Field(
        description="The identity provider's token endpoint. Required with either kind of OAuth2, as are "
        "`client_id` and what `client_auth` needs.",
        examples=["https://keycloak.example.com/realms/services/protocol/openid-connect/token"],
    )
    client_id: Word = Field(description="The service's name at the identity provider.", examples=["order-service"])
    scopes: tuple[Word, ...] = Field(
        default=(), description="The scopes to ask for.", examples=[["data-service:read", "data-service:write"]]
    )
    audience: Word | None = Field(
        default=None,
        description="The audience to ask for, for identity providers that want it said. Required with "
        "`oauth2_token_exchange`: Keycloak knows the target by its `client_id`.",
        examples=["data-service"],
    )
    params: dict[Word, str] = Field(
        default={},
        description="More fields of the request's form, for providers that want them. Shown to whoever reads the "
        "configuration: no secret belongs here.",
        examples=[{"resource": "https://api.example.com"}],
    )
    token_type: Word = Field(
        default="Bearer",
        description="What the provider calls a bearer token in its answer. `any` takes whatever it says, or nothing, "
        "but tokens that want a proof (DPoP). The target is shown `Bearer` in any case.",
        examples=["BearerToken"],
    )
    timeout: TokenTimeout = Field(
        default=5.0,
        description="The provider's whole answer must be there this long after the question, from 1s to 60s. An "
        "exchange has 2 s in any case, because a request waits for it.",
    )
    refresh_before_expiry: Duration = Field(
        default=60.0,
        description="A new token is fetched in the background this long before the old one ends. Means nothing with "
        "`oauth2_token_exchange`: users' tokens are exchanged when they come.",
    )
    ca_file: File | None = Field(
        default=None,
        description="The CAs that sign the identity provider's TLS certificate, PEM. By default the system's.",
        examples=["/etc/certs/ca/identity-ca.crt"],
    )


class BySecret(OAuth2):
    """The client proves itself by a password."""

    told_by = "client_auth: client_secret_basic or client_secret_post"

    client_auth: Literal["client_secret_basic", "client_secret_post"] = Field(
        default="client_secret_basic", description=_CLIENT_AUTH
    )
    client_secret: Secret = Field(
        description="The service's password there. Never printed. Either this or `client_secret_file`, and only for "
        "`client_secret_basic` and `client_secret_post`.",
        examples=["${ORDER_SERVICE_CLIENT_SECRET}"],
    )
    client_secret_file: File | None = Field(
        default=None,
        description="A file with the secret in it; a line end at its end is ignored.",
        examples=["/run/secrets/order-service"],
    )


class BySigningKey(OAuth2):
    """… by a JWT that we sign."""

    told_by = "client_auth: private_key_jwt"

    client_auth: Literal["private_key_jwt"] = Field(description=_CLIENT_AUTH)
    client_key_file: File = Field(
        description="The key that signs for `private_key_jwt`, PEM: RSA (RS256) or EC (ES256, ES384, ES512 by its "
        "curve). Read anew for each token.",
        examples=["/run/secrets/order-service.key"],
    )
    client_key_id: Word | None = Field(
        default=None, description="The key's `kid` at the identity provider, if it knows several.", examples=["2026-11"]
    )
    client_key_algorithm: Literal["RS256", "PS256"] = Field(
        default="RS256", description="How an RSA `client_key_file` signs. Entra recommends PS256."
    )
    client_cert_file: File | None = Field(
        default=None,
        description="The certificate of `client_key_file`, PEM, where the provider knows the key by it (Entra, "
        "ADFS): its thumbprints stand in the JWT as `x5t` and `x5t#S256`.",
        examples=["/run/secrets/order-service.crt"],
    )
    client_assertion_audience: Word | None = Field(
        default=None,
        description="The `aud` of that JWT. By default `token_url`; some providers want their issuer URL.",
        examples=["https://keycloak.example.com/realms/services"],
    )

    @property
    def proof_files(self) -> tuple[Path, ...]:
        return tuple(filter(None, (self.client_key_file, self.client_cert_file)))


class ByAssertion(OAuth2):
    """… by a JWT that somebody else signs."""

    told_by = "a client_assertion_file"

    client_auth: Literal["private_key_jwt"] = Field(description=_CLIENT_AUTH)
    client_assertion_file: File = Field(
        description="In place of `client_key_file`: a file with a signed JWT that somebody else renews, such as a "
        "Kubernetes service account's token or a SPIFFE JWT-SVID. Read anew for each token.",
        examples=["/var/run/secrets/tokens/idp"],
    )

    @property
    def proof_files(self) -> tuple[Path, ...]:
        return (self.client_assertion_file,)


class ByCertificate(OAuth2):
    """… by the certificate that the target is shown."""

    told_by = "client_auth: tls_client_auth"

    client_auth: Literal["tls_client_auth"] = Field(description=_CLIENT_AUTH)


def _kind(keys: Mapping[str, object]) -> type[Section]:
    if keys.get("type") == "none":
        return NoAuth
    if keys.get("client_auth") == "private_key_jwt":
        return ByAssertion if "client_assertion_file" in keys else BySigningKey
    return ByCertificate if keys.get("client_auth") == "tls_client_auth" else BySecret


TargetAuth = Annotated[
    Annotated[BySecret, Tag(BySecret.told_by)]
    | Annotated[BySigningKey, Tag(BySigningKey.told_by)]
    | Annotated[ByAssertion, Tag(ByAssertion.told_by)]
    | Annotated[ByCertificate, Tag(ByCertificate.told_by)]
    | Annotated[NoAuth, Tag(NoAuth.told_by)],
    told_apart(_kind),
]
