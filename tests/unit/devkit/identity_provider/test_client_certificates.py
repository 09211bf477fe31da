"""A client that proves itself by its certificate, and the token that is bound to it (RFC 8705)."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import structs
from tests.unit.devkit.identity_provider.conftest import call

from authz_devkit.identity_provider.grants import issue_token
from authz_devkit.identity_provider.oauth import Context, OAuthError

Contexts = Callable[[str], Context]
SUBJECT, ISSUER = "O=MyOrg,CN=order-service-client", "O=MyOrg,CN=zone3-CA"
FORM = {"grant_type": "client_credentials", "client_id": "order-service"}
BAD = (401, "invalid_client", "Invalid client or Invalid client credentials")


def certificate(subject: str = SUBJECT, issuer: str = ISSUER) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    since, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(
        x509.Name.from_rfc4514_string(issuer), x509.Name.from_rfc4514_string(subject), key.public_key(), 1, since, until
    )
    return made.sign(key, SHA256()).public_bytes(Encoding.DER)


def order_service(context: Context, **attributes: str) -> Context:
    known = {"x509.subjectdn": SUBJECT, "x509.casubjectdn": ISSUER, **attributes}
    clients = tuple(
        structs.replace(client, client_authenticator_type="client-x509", secret=None, attributes=known)
        if client.client_id == "order-service"
        else client
        for client in context.realm.clients
    )
    return context._replace(realm=structs.replace(context.realm, clients=clients))


def claims(context: Context, shown: bytes | None, form: dict[str, str] = FORM) -> dict[str, object]:
    token = str(issue_token(context, call(form)._replace(certificate=shown))["access_token"])
    payload = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def refused(context: Context, shown: bytes | None, form: dict[str, str] = FORM) -> tuple[int, object, object]:
    with pytest.raises(OAuthError) as caught:
        issue_token(context, call(form)._replace(certificate=shown))
    return caught.value.status, caught.value.body["error"], caught.value.body["error_description"]


def test_the_certificate_is_the_one_of_the_file(context: Contexts) -> None:
    """Subject and issuer, in that order of their parts; nothing else gets a token, and no secret helps."""
    services = order_service(context("services"))

    assert claims(services, certificate())["azp"] == "order-service"
    for other in (
        None,
        certificate("O=MyOrg,CN=payment-service-client"),
        certificate("CN=order-service-client,O=MyOrg"),
        certificate("O=MyOrg,CN=order-service-client,CN=evil"),
        certificate(issuer="O=MyOrg,CN=zone1-CA"),
    ):
        assert refused(services, other) == BAD
    assert refused(services, None, {**FORM, "client_secret": "order-service-secret"}) == BAD
    assert refused(order_service(context("services"), **{"x509.subjectdn": ""}), certificate()) == BAD


def test_a_pattern_fits_the_whole_subject(context: Contexts) -> None:
    services = order_service(
        context("services"),
        **{"x509.subjectdn": "O=MyOrg,CN=order-.*", "x509.allow.regex.pattern.comparison": "true"},
    )

    assert claims(services, certificate())["azp"] == "order-service"
    assert refused(services, certificate("O=MyOrg,CN=x-order-service-client")) == BAD
    assert (
        refused(order_service(context("services"), **{"x509.subjectdn": "O=MyOrg,CN=order-.*"}), certificate()) == BAD
    )


def test_a_token_is_bound_where_the_file_says_so(context: Contexts) -> None:
    """To the certificate that was shown, whatever proved the client; without one there is no token."""
    bound = order_service(context("services"), **{"tls.client.certificate.bound.access.tokens": "true"})
    shown = certificate()

    digest = base64.urlsafe_b64encode(sha256(shown).digest()).rstrip(b"=").decode()
    assert claims(bound, shown)["cnf"] == {"x5t#S256": digest}
    assert "cnf" not in claims(order_service(context("services")), shown)
    by_secret = structs.replace(
        context("services").realm,
        clients=tuple(
            structs.replace(client, attributes={"tls.client.certificate.bound.access.tokens": "true"})
            for client in context("services").realm.clients
        ),
    )
    form = {**FORM, "client_secret": "order-service-secret"}
    assert claims(context("services")._replace(realm=by_secret), shown, form)["cnf"] == {"x5t#S256": digest}
    assert refused(context("services")._replace(realm=by_secret), None, form)[:2] == (400, "invalid_request")
