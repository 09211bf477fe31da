"""Whether a caller believes the certificate of the sidecar that it calls: its authority, and the name in it."""

from __future__ import annotations

from cryptography import x509

from authz_service import pem_files
from authz_service.config.model import HttpTlsOfFiles, NoTls, TargetTlsOfFiles
from authz_service.mesh.model import Call, Sidecar
from authz_service.trust.ca_bundles import CaBundle, load_ca_bundle

NOT_IN_CA_CERT = "which ca_cert of"


def why_not_trusted(call: Call, sidecar: Sidecar, now: float) -> str:
    """Empty where it does, or where one of the files is not here. Raises CertificateProblems."""
    chain = server_chain(sidecar)
    bundle = target_bundle(call, now)
    if not chain:
        return ""
    if bundle is not None and not bundle.covers(chain):
        issuer = chain[-1].issuer.rfc4514_string()
        return f"the certificate of {sidecar.name} is signed by {issuer}, {NOT_IN_CA_CERT} {call.source.name} has not"
    wanted = wanted_name(call)
    if wanted and not has_name(chain[0], wanted):
        names = ", ".join(pem_files.alternative_names(chain[0])) or "no name (no subject alternative name)"
        return f"{call.source.name} calls {wanted}; the certificate of {sidecar.name} has {names}"
    return ""


def server_chain(sidecar: Sidecar) -> list[x509.Certificate]:
    """Empty where it is not here. Raises CertificateProblems."""
    tls = sidecar.config.http.tls
    found = sidecar.find_file(tls.cert_file) if isinstance(tls, HttpTlsOfFiles) else None
    if found is None:
        return []
    return pem_files.read_certificates(pem_files.read_file(found, "certificate"), "certificate", str(found))


def target_bundle(call: Call, now: float) -> CaBundle | None:
    tls = call.target.tls
    found = call.source.find_file(tls.ca_cert) if isinstance(tls, TargetTlsOfFiles) else None
    return None if found is None else load_ca_bundle(found, now)


def wanted_name(call: Call) -> str:
    tls = call.target.tls
    return "" if isinstance(tls, NoTls) else tls.spiffe_id or tls.server_name or call.url.host


def has_name(certificate: x509.Certificate, wanted: str) -> bool:
    """Whole; `*` stands for one label, as Envoy has it."""
    names = [name.lower() for name in pem_files.alternative_names(certificate)]
    first, _, rest = wanted.lower().partition(".")
    return wanted.lower() in names or bool(first and rest and f"*.{rest}" in names)
