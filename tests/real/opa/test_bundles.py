"""Bundles that the real OPA built and signed; the format's description is not ours to interpret."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.support import opa

from authz_service.config.model import PolicyBundle
from authz_service.control_plane.sources.policy_bundle import is_signed_by_a_key_of
from authz_service.errors import BundleRefused
from authz_service.policy.sources.bundle import Bundle, read_bundle

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

ODD = r"""{
  "numbers": [1, 1.0, 2.50, -0, 1e3, 1E-7, 9007199254740993, 123456789012345678, 0.1],
  "text": "<a href=\"x\">&amp; ж \u2028 \u2029 \u0000 \u001f \b\f\n\r\t \\ / \/ 😀 \u007f",
  "ж": {"b": [[], {}, null, true, false], "a": ""},
  "Z": 1, "a": 2, "_": 3
}"""


def key(kind: str) -> PrivateKeyTypes:
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ES256" else rsa.generate_private_key(65537, 2048)


@pytest.fixture(params=["RS256", "PS256", "ES256"])
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def build(folder: Path, algorithm: str, *more: str) -> tuple[bytes, PolicyBundle]:
    """As docs/policies.md says to do it."""
    private = key(algorithm)
    (folder / "in" / "users").mkdir(parents=True)
    (folder / "in" / "order.rego").write_text("package order\n\nallow := data.users.Z == 1\n")
    (folder / "in" / "users" / "data.json").write_text(ODD)
    (folder / "key.pem").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "public.pem").write_bytes(public)
    output = folder / "bundle.tar.gz"
    told = opa.run(
        "build", "--bundle", str(folder / "in"), "--output", str(output), "--revision", "r7",
        "--signing-alg", algorithm, "--signing-key", str(folder / "key.pem"), *more,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    keys = {"default": str(folder / "public.pem")}
    wanted = PolicyBundle.model_validate({"url": "https://bundles.example.com/b.tar.gz", "keys": keys})
    return output.read_bytes(), wanted


def read(content: bytes, wanted: PolicyBundle, scope: str = "") -> Bundle:
    return read_bundle(content, partial(is_signed_by_a_key_of, wanted), scope)


def test_what_opa_signed_is_read(algorithm: str, tmp_path: Path) -> None:
    """Whatever numbers and text are in its data; another key refuses it."""
    content, wanted = build(tmp_path, algorithm)

    found = read(content, wanted)
    assert found.revision == "r7"
    assert {name.rpartition("/")[2] for name in found.files} == {"order.rego", "data.json"}

    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(BundleRefused, match="not signed by a key"):
        read(content, build(other, algorithm)[1])


def test_the_scope_is_opas_scope(tmp_path: Path) -> None:
    """A claim of the signature: `opa build --claims-file`."""
    (tmp_path / "claims.json").write_text('{"scope": "order", "keyid": "default"}')
    content, wanted = build(tmp_path, "RS256", "--claims-file", str(tmp_path / "claims.json"))

    assert read(content, wanted, "order")
    with pytest.raises(BundleRefused, match="scope"):
        read(content, wanted)


def test_what_opa_did_not_sign_is_refused(tmp_path: Path) -> None:
    """The same bundle, built without the key."""
    _, wanted = build(tmp_path, "RS256")
    output = tmp_path / "unsigned.tar.gz"
    told = opa.run("build", "--bundle", str(tmp_path / "in"), "--output", str(output))

    assert told.returncode == 0, told.stderr
    with pytest.raises(BundleRefused, match="not signed"):
        read(output.read_bytes(), wanted)
