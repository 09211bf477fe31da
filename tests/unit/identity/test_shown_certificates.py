"""Who was refused is named in the record as far as his certificate can be read; it is read once."""

import pytest
from cryptography import x509
from tests.support.client_certificates import SPIFFE_ID, certificate, in_envoys_form

from authz_service.identity.shown_certificates import NOTHING, ShownCertificates


@pytest.mark.parametrize("pem", [b"", b"no certificate", b"%2D%2D%2D"])
def test_what_is_no_certificate_is_nobody(pem: bytes) -> None:
    assert ShownCertificates().read(pem) == NOTHING


def test_one_is_named_by_its_cn_and_known_by_its_fingerprint() -> None:
    shown = ShownCertificates()
    pem = in_envoys_form(certificate())

    found = shown.read(pem)

    assert found.name == "api-gateway-client"
    assert len(found.fingerprint) == 64
    assert shown.read(pem) is found


def test_without_a_cn_its_first_uri_or_dns_name_stands_for_it() -> None:
    names = [x509.DNSName("gateway.zone1.example"), x509.UniformResourceIdentifier(SPIFFE_ID)]

    assert ShownCertificates().read(in_envoys_form(certificate((), names=names))).name == SPIFFE_ID
    assert ShownCertificates().read(in_envoys_form(certificate((), names=names[:1]))).name == "gateway.zone1.example"


def test_one_without_any_name_is_known_by_its_fingerprint_alone() -> None:
    found = ShownCertificates().read(in_envoys_form(certificate(())))

    assert found.name == ""
    assert len(found.fingerprint) == 64
