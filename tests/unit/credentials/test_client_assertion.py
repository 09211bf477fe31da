"""The signed proof of a client: what it says, by which algorithm, and with which keys there is none."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, RSAKey
from tests.support.certificates import Authority
from tests.support.fake_clock import EPOCH, async_test

from authz_service.credentials.client_assertion import ASSERTION_TYPE, load_assertion_key, sign_assertion
from authz_service.credentials.oauth2 import TokenRequest, fetch_token
from authz_service.domain.secret import Secret
from authz_service.errors import CertificateProblems, FetchError
from authz_service.http_client import Response

TOKEN_URL = "https://idp.example/token"
KEYS = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
}


def written(folder: Path, key: Any, encryption: KeySerializationEncryption | None = None) -> Path:
    file = folder / "client.key"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return file


def opened(assertion: str, key: Any, algorithm: str) -> jwt.Token:
    """By another library than the one that signed."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kind = RSAKey if algorithm == "RS256" else ECKey
    return jwt.decode(assertion, kind.import_key(pem), algorithms=[algorithm])


def another(key: Any) -> Any:
    """Of the same kind."""
    if isinstance(key, rsa.RSAPrivateKey):
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(key.curve)


@pytest.mark.parametrize("algorithm", KEYS)
def test_it_says_who_to_whom_and_for_a_minute(tmp_path: Path, algorithm: str) -> None:
    """Signed by the algorithm of the key; another key of the same kind did not sign it."""
    key = KEYS[algorithm]
    loaded = load_assertion_key(written(tmp_path, key), "2026-11")

    assertion = sign_assertion(loaded, "order-service", TOKEN_URL, EPOCH + 0.9, "once")

    token = opened(assertion, key, algorithm)
    assert token.header == {"alg": algorithm, "typ": "JWT", "kid": "2026-11"}
    assert token.claims == {
        "iss": "order-service",
        "sub": "order-service",
        "aud": TOKEN_URL,
        "jti": "once",
        "iat": int(EPOCH),
        "exp": int(EPOCH) + 60,
    }
    other = another(key)
    with pytest.raises(BadSignatureError):
        opened(assertion, other, algorithm)


def test_without_a_name_of_the_key_there_is_no_kid(tmp_path: Path) -> None:
    loaded = load_assertion_key(written(tmp_path, KEYS["ES256"]), "")

    assert opened(sign_assertion(loaded, "a", "b", EPOCH, "c"), KEYS["ES256"], "ES256").header == {
        "alg": "ES256",
        "typ": "JWT",
    }


@pytest.mark.parametrize(
    ("key", "encryption", "found"),
    [
        (rsa.generate_private_key(65537, 1024), None, "too short"),
        (ec.generate_private_key(ec.SECP256K1()), None, "wrong type"),
        (ed25519.Ed25519PrivateKey.generate(), None, "wrong type"),
        (KEYS["ES256"], BestAvailableEncryption(b"x"), "no private key"),
    ],
)
def test_a_key_that_nobody_would_accept_is_refused(
    tmp_path: Path, key: Any, encryption: KeySerializationEncryption | None, found: str
) -> None:
    """With the file's name and what to give instead, and nothing of the key."""
    with pytest.raises(CertificateProblems, match=found) as caught:
        load_assertion_key(written(tmp_path, key, encryption), "")
    assert "client.key" in str(caught.value)
    assert "BEGIN" not in str(caught.value)


class Endpoint:
    def __init__(self) -> None:
        self.forms: list[Mapping[str, str]] = []
        self.headers: Mapping[str, str] = {}

    async def __call__(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        assert url == TOKEN_URL
        self.forms.append(form)
        self.headers = headers
        return Response(200, json.dumps({"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 300}).encode())


@async_test
async def test_the_proof_is_in_the_form_and_new_each_time(tmp_path: Path) -> None:
    """RFC 7523 §2.2: no secret anywhere, never the same `jti`; the audience as configured."""
    file, endpoint = written(tmp_path, KEYS["ES256"]), Endpoint()
    request = TokenRequest(
        TOKEN_URL, "order-service", Secret(""), client_auth="private_key_jwt", assertion_key_file=file
    )

    for asked in (request, replace(request, assertion_audience="https://idp.example")):
        await fetch_token(endpoint, asked, lambda: EPOCH)

    assert "Authorization" not in endpoint.headers
    assert {form["client_assertion_type"] for form in endpoint.forms} == {ASSERTION_TYPE}
    assert not any("client_secret" in form for form in endpoint.forms)
    claims = [opened(form["client_assertion"], KEYS["ES256"], "ES256").claims for form in endpoint.forms]
    assert [found["aud"] for found in claims] == [TOKEN_URL, "https://idp.example"]
    assert claims[0]["jti"] != claims[1]["jti"]

    file.unlink()
    with pytest.raises(FetchError, match=r"client\.key"):
        await fetch_token(endpoint, request, lambda: EPOCH)


def test_an_rsa_key_signs_by_pss_where_it_is_told_so(tmp_path: Path) -> None:
    """An EC key has but one way."""
    rsa_key, ec_key = rsa.generate_private_key(65537, 2048), KEYS["ES256"]
    loaded = load_assertion_key(written(tmp_path, rsa_key), "", "PS256")
    token = jwt.decode(
        sign_assertion(loaded, "a", "b", EPOCH, "c"),
        RSAKey.import_key(rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
        algorithms=["PS256"],
    )
    assert token.header["alg"] == "PS256"

    loaded = load_assertion_key(written(tmp_path, ec_key), "", "PS256")
    assert opened(sign_assertion(loaded, "a", "b", EPOCH, "c"), ec_key, "ES256").header["alg"] == "ES256"


def test_the_certificate_names_the_key_and_must_be_its_own(tmp_path: Path) -> None:
    """RFC 7515 §4.1.7: as Entra knows it."""
    authority = Authority.living("a", EPOCH)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = authority.issue("order-service", key=key)
    own, _ = leaf.write(tmp_path, "own")
    others, _ = authority.issue("order-service").write(tmp_path, "others")
    no_certificate = tmp_path / "none.crt"
    no_certificate.write_text("nothing")

    loaded = load_assertion_key(written(tmp_path, key), "", cert_file=own)
    header = opened(sign_assertion(loaded, "a", "b", EPOCH, "c"), key, "ES256").header

    der = x509.load_pem_x509_certificate(leaf.certificate).public_bytes(Encoding.DER)
    for name, digest in (("x5t", hashlib.sha1(der)), ("x5t#S256", hashlib.sha256(der))):
        assert header[name] == base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    for wrong, found in ((others, "another key's"), (no_certificate, "no certificate"), (tmp_path / "x", "No such")):
        with pytest.raises(CertificateProblems, match=found):
            load_assertion_key(written(tmp_path, key), "", cert_file=wrong)


@async_test
async def test_an_assertion_of_somebody_else_is_sent_as_it_stands_in_its_file(tmp_path: Path) -> None:
    """A Kubernetes token, a JWT-SVID: read anew each time, so that the next one is sent when it is there."""
    file, endpoint = tmp_path / "token", Endpoint()
    request = TokenRequest(TOKEN_URL, "order-service", Secret(""), client_auth="private_key_jwt", assertion_file=file)
    for text in ("a.b.c\n", "d.e.f"):
        file.write_text(text)
        await fetch_token(endpoint, request, lambda: EPOCH)
    assert [form["client_assertion"] for form in endpoint.forms] == ["a.b.c", "d.e.f"]
    assert {form["client_id"] for form in endpoint.forms} == {"order-service"}

    for wrong in ("", "secret", "a.b", "a.b.c.d", "a.b.c d", "a" * 20_000 + ".b.c", "ä.b.c"):
        file.write_text(wrong)
        with pytest.raises(FetchError, match="no signed JWT") as caught:
            await fetch_token(endpoint, request, lambda: EPOCH)
        assert not wrong or wrong not in str(caught.value)
    file.unlink()
    with pytest.raises(FetchError, match="No such file"):
        await fetch_token(endpoint, request, lambda: EPOCH)


@async_test
async def test_with_a_certificate_only_the_name_is_in_the_form() -> None:
    """RFC 8705 §2.1: the connection is the proof."""
    endpoint = Endpoint()

    await fetch_token(
        endpoint, TokenRequest(TOKEN_URL, "order-service", Secret(""), client_auth="tls_client_auth"), lambda: EPOCH
    )

    assert endpoint.forms == [{"grant_type": "client_credentials", "client_id": "order-service"}]
    assert "Authorization" not in endpoint.headers
