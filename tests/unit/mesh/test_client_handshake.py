"""Chains that Envoy would take; what it says of the same is compared in tests/integration/test_decide_as_live.py."""

from __future__ import annotations

import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from tests.support.certificates import Authority, Leaf

from authz_service.mesh.client_handshake import CannotTell, Trust, refusal
from authz_service.trust.ca_bundles import parse_ca_bundle

NOW = time.time()
ROOT = Authority.living("root", NOW)
ISSUING = Authority("issuing", ROOT.life, ROOT)


def constrained(**fields: object) -> tuple[x509.Certificate, x509.Certificate]:
    """An authority below the root with these extensions, and a client of it."""
    key, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=constrained")
    made = []
    for subject, public, issuer, signer, more in (
        (name, key.public_key(), ROOT.subject, ROOT.private, fields["authority"]),
        (x509.Name.from_rfc4514_string("CN=x"), own.public_key(), name, key, ()),
    ):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(ROOT.certificate.not_valid_before_utc)
            .not_valid_after(ROOT.certificate.not_valid_after_utc)
        )
        assert isinstance(more, tuple)
        for extension in more:
            builder = builder.add_extension(extension, critical=True)
        made.append(builder.sign(signer, SHA256()))
    return made[0], made[1]


def of(leaf: Leaf) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf.certificate)


def said(*chain: x509.Certificate, bundle: Authority = ROOT) -> str:
    return refusal(chain, Trust(parse_ca_bundle(bundle.pem, NOW), None, ()), NOW)


def test_a_chain_ends_at_any_authority_of_the_bundle() -> None:
    """A root or not; what is between must be sent, and be an authority."""
    client, below = of(ROOT.issue("a")), of(ISSUING.issue("a"))
    no_authority = ROOT.issue("leaf")

    assert said(client) == said(below, ISSUING.certificate) == said(below, bundle=ISSUING) == ""
    assert "no authority" in said(below)
    assert "no authority" in said(client, bundle=ISSUING)
    assert said(of(ISSUING.issue("a")), of(no_authority)) != ""


@pytest.mark.parametrize(
    ("extensions", "passes"),
    [
        ((x509.BasicConstraints(ca=True, path_length=0),), True),
        ((x509.BasicConstraints(ca=False, path_length=None),), False),
        ((), False),
    ],
)
def test_only_an_authority_signs(extensions: tuple[x509.ExtensionType, ...], *, passes: bool) -> None:
    authority, client = constrained(authority=extensions)

    assert (said(client, authority) == "") is passes


def test_name_constraints_are_left_to_envoy() -> None:
    """Neither taken nor refused."""
    names = x509.NameConstraints([x509.DNSName("example.com")], None)
    authority, client = constrained(authority=(x509.BasicConstraints(ca=True, path_length=None), names))

    with pytest.raises(CannotTell, match="name constraints"):
        said(client, authority)
