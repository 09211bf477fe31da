"""A PEM file is taken whole, or not at all."""

import pytest
from tests.support.certificates import Authority

from authz_service import pem_files
from authz_service.errors import CertificateProblems
from authz_service.pem import what_is_torn

NOW = 1_800_000_000.0
ROOT = Authority.living("root-ca", NOW)
LEAF = ROOT.issue("order-service", dns=("order-service",))
WHOLE = LEAF.certificate + ROOT.pem


def test_every_cut_of_a_chain_is_seen_but_the_one_between_two_certificates() -> None:
    """That one is a chain of its own."""
    for length in range(1, len(WHOLE)):
        cut = WHOLE[:length]
        torn = length not in {len(LEAF.certificate) - 1, len(LEAF.certificate), len(WHOLE) - 1}
        assert bool(what_is_torn(cut)) == torn, cut[-70:]
        if torn:
            with pytest.raises(CertificateProblems):
                pem_files.read_certificates(cut, "certificate", "server.crt")
    assert what_is_torn(WHOLE) == ""


@pytest.mark.parametrize(
    "pem",
    [
        WHOLE,
        LEAF.key + WHOLE,
        WHOLE.replace(b"\n", b"\r\n"),
        b"subject=CN = order-service\n" + WHOLE + b"\n# the end\n",
        b"\xef\xbb\xbf" + WHOLE,
        WHOLE.rstrip(b"\n"),
    ],
    ids=["chain", "with its key", "CRLF", "with words", "byte order mark", "no line end"],
)
def test_what_stands_between_whole_blocks_does_not_matter(pem: bytes) -> None:
    assert what_is_torn(pem) == ""
    assert len(pem_files.read_certificates(pem, "certificate", "server.crt")) == 2


@pytest.mark.parametrize(
    "pem",
    [
        WHOLE + b"-----BEGIN CERTIFICATE-----\nMIIB",
        WHOLE.replace(b"-----END CERTIFICATE-----\n", b"", 1),
        WHOLE + b"-----BEGIN CERTIF",
        WHOLE[:-10],
        ROOT.pem[:-60] + WHOLE,
    ],
    ids=["third one cut", "first END missing", "half a BEGIN", "last END cut", "one cut in front"],
)
def test_a_block_without_its_end_is_no_block(pem: bytes) -> None:
    """The parser would skip it in silence."""
    assert what_is_torn(pem)
    with pytest.raises(CertificateProblems, match="cut, or is still being written"):
        pem_files.read_certificates(pem, "CA bundle", "ca.crt")
