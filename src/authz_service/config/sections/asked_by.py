"""The section `proxy.asked_by`: other people's proxies that ask us (`proxy.mode: decision_only`). Values only."""

from typing import Literal

from pydantic import Field

from authz_service.config.sections.section import Section
from authz_service.config.values import Client, FileMode, HeaderName, LocalAddress, StripPrefix, Word

Protocol = Literal["ext_authz_grpc", "ext_authz_http", "auth_request", "forward_auth", "authzen"]


class SaidHeaders(Section):
    """In which headers the proxy says what it was asked: only such as it sets on every question."""

    method: HeaderName | None = Field(
        default=None,
        description="The request's method. By default `X-Original-Method` (`auth_request`) or `X-Forwarded-Method` "
        "(`forward_auth`).",
        examples=["X-Original-Method"],
    )
    uri: HeaderName | None = Field(
        default=None,
        description="The request's path and query, as they came. By default `X-Original-URI` (`auth_request`) or "
        "`X-Forwarded-Uri` (`forward_auth`).",
        examples=["X-Original-URI"],
    )
    host: HeaderName | None = Field(
        default=None,
        description="The request's host. By default `X-Original-Host` (`auth_request`) or `X-Forwarded-Host` "
        "(`forward_auth`).",
        examples=["X-Original-Host"],
    )
    client_certificate: HeaderName | None = Field(
        default=None,
        description="The certificate that the caller has shown to the proxy: URL-encoded PEM, DER in base64, or "
        "Envoy's `X-Forwarded-Client-Cert` with `Cert`. Without it there is none, but for "
        "`ext_authz_grpc`, whose question has `source.certificate`.",
        examples=["X-SSL-Client-Cert"],
    )
    client_verify: HeaderName | None = Field(
        default=None,
        description="Must be `SUCCESS` where there is a certificate: nginx' `$ssl_client_verify`, for a proxy that "
        "also lets in whom it could not verify.",
        examples=["X-SSL-Client-Verify"],
    )
    remote: HeaderName | None = Field(
        default=None,
        description="The caller's address, for the audit record; of a list the last one. By default, "
        "`X-Forwarded-For` with `forward_auth`.",
        examples=["X-Real-IP"],
    )


class AskedBy(Section):
    """One listener for one kind of proxy, by a name of your choice."""

    protocol: Protocol = Field(
        description="How it asks: `ext_authz_grpc` and `ext_authz_http` (Envoy, Istio, Envoy Gateway, Contour), "
        "`auth_request` (nginx), `forward_auth` (Traefik, Caddy), `authzen` (Authorization API 1.0).",
        examples=["ext_authz_grpc"],
    )
    addr: LocalAddress = Field(
        description="Where we listen for it. Whoever is on this host may ask at a loopback address, whoever may write "
        "to it at a Unix socket; any other address needs `allowed_clients`. A change needs a restart.",
        examples=["127.0.0.1:9191", "unix:///run/authz/nginx.sock"],
    )
    socket_mode: FileMode = Field(
        default=0o600,
        description="Permissions of the Unix socket. Its group is the folder's, if that has the setgid bit.",
        examples=["0660"],
    )
    allowed_clients: tuple[Client, ...] = Field(
        default=(),
        description="Who may ask, by the certificate of the connection, as in `proxy.mtls.allowed_clients`. The "
        "listener then speaks TLS: with `http.tls.cert_file`, `key_file`, and `client_ca_file` for who asks.",
        examples=[["CN=edge-proxy,O=MyOrg", "spiffe://mesh/ns/ingress/sa/envoy"]],
    )
    headers: SaidHeaders = SaidHeaders()
    path_prefix: StripPrefix | None = Field(
        default=None,
        description="Of `ext_authz_http`: what the proxy puts before the path (`path_prefix` of its `http_service`).",
        examples=["/check"],
    )
    url: Word | None = Field(
        default=None,
        description="Of `authzen`: by which https:// address we are known to who asks; for the metadata, which are not "
        "served without it.",
        examples=["https://pdp.zone1.example"],
    )
